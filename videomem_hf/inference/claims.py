"""What may be said beside every prediction of a model: its reference, its caveats, its typical clips, its version."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from videomem_hf.conformal import FEWEST_ITEMS_OF_PAIRS
from videomem_hf.data.provenance import generated_plan
from videomem_hf.inference.frame_noise import FrameNoise
from videomem_hf.inference.prediction import Prediction
from videomem_hf.inference.reference import Reference, parse_reference, read_reference, write_reference
from videomem_hf.inference.typicality import Typicality
from videomem_hf.model_names import RESMEM
from videomem_hf.run_files import REFERENCE_FILE, TYPICALITY_FILE
from videomem_hf.schema import HORIZON_NAMES, HORIZONS, Horizon, sort_horizons
from videomem_hf.system import quantity

_VERSION_DIGITS: Final = 8
OF_GENERATED: Final = "Trained on generated clips with simulated scores: its predictions say nothing about real clips."
ON_GENERATED: Final = "Measured on generated clips with simulated scores: these numbers say nothing about real clips."
OFF_SCALE: Final = "not on VideoMem's scale"
_OF_CLIPS: Final = f"it ranks clips against each other, and its scores are {OFF_SCALE}."
_OF_ONE_CLIP: Final = f"its score is {OFF_SCALE}, and only says whether this clip is above others that it scores."
UNMEASURED: Final = "How unlike its training data a clip is, is not measured: odd clips get scores without a warning."
UNTESTED: Final = "Ranks follow the scores alone: how large a difference must be to mean something is not known"
"""Begins the sentence that also says why."""


NOT_LOOKED_UP: Final = (
    "The Hub did not respond: what the model was trained on and what its predictions are measured against is not known."
)


@dataclass(frozen=True)
class Claims:
    """What a model's predictions carry besides scores; see the fields of `Prediction`."""

    reference: Reference | None = None
    caveats: tuple[str, ...] = ()
    typicality: Typicality | None = None
    version: str = ""
    frame_noise: Mapping[Horizon, FrameNoise] = field(default_factory=dict)


def read_claims(name: str, model: Any) -> Claims:
    """Read what lies beside a model's weights.

    Args:
        name: Folder of the model, Hub id, or anything else.
        model: The loaded model.

    Raises:
        InputError: A file is damaged.
    """
    horizons = tuple(model.config.horizons)
    folder = Path(name)
    if folder.is_dir():
        reference = read_reference(folder, horizons)
        path: Path | None = folder / TYPICALITY_FILE
    else:
        commit = getattr(model.config, "_commit_hash", None)
        try:
            stored, path = (_hub_file(name, file, commit) for file in (REFERENCE_FILE, TYPICALITY_FILE))
        except _HubUnavailableError:
            known = [f"{UNTESTED}." if each.startswith(UNTESTED) else each for each in caveats_of(model, None)]
            return Claims(None, (*known, NOT_LOOKED_UP), None, _version(name, model))
        reference = parse_reference(stored) if stored else None
    typicality = Typicality.load(path) if path is not None and path.is_file() else None
    noise = reference.frame_noise if reference else published_noise(model)
    caveats = caveats_of(model, reference) + ((UNMEASURED,) if typicality is None else ())
    return Claims(reference, caveats, typicality, _version(name, model), noise)


class _HubUnavailableError(Exception):
    """The Hub does not respond."""


def published_noise(model: Any) -> dict[Horizon, FrameNoise]:
    """How frame scores vary with the published weights of a model of which that has been measured."""
    noise = getattr(model, "published_frame_noise", None)
    return {} if noise is None else {horizon: FrameNoise(*noise) for horizon in model.config.horizons}


def write_claims(folder: Path, claims: Claims) -> None:
    """Write the reference and the typical clips beside a model that is saved anew."""
    if claims.reference is not None:
        write_reference(folder, claims.reference)
    if claims.typicality is not None:
        claims.typicality.save(folder / TYPICALITY_FILE)


def caveats_of(model: Any, reference: Reference | None) -> tuple[str, ...]:
    """What is true of every prediction of a model, a sentence each."""
    photographs = getattr(model, "published_training", "") if reference is None else ""
    generated = getattr(model.config, "trained_on_generated", False)
    return caveats_of_reference(model.config.horizons, reference, photographs, generated)


def caveats_of_measures(model: Any, data: str) -> tuple[str, ...]:
    """What is true of every measure of a model on a data set: which of the two are generated, a sentence each."""
    trained = (OF_GENERATED,) if getattr(model.config, "trained_on_generated", False) else ()
    return ((ON_GENERATED,) if generated_plan(data) is not None else ()) + trained


def caveats_of_reference(
    horizons: Sequence[Horizon], reference: Reference | None, photographs: str = "", generated: bool = False
) -> tuple[str, ...]:
    """What is true of every prediction of a model with these horizons; `photographs` names those it was trained on."""
    if reference is not None and reference.trained_on == "lamem":
        photographs = "photographs (LaMem)"
    caveats = []
    if generated or (reference is not None and reference.generated):
        caveats.append(OF_GENERATED)
    if photographs:
        caveats.append(f"Trained on {photographs}: {_OF_CLIPS}")
        missing = [HORIZON_NAMES[horizon] for horizon in HORIZONS if horizon not in horizons]
        caveats += [f"It gives no {' and no '.join(missing)} score."] if missing else []
    ranked_by = next(iter(sort_horizons(horizons)), None)
    if reference is None or ranked_by not in reference.difference_error:
        caveats.append(f"{UNTESTED}, {_why_untested(reference)}.")
    return tuple(caveats)


def caveats_of_one_clip(caveats: Sequence[str]) -> list[str]:
    """The caveats of a model in words for one clip alone, which has no rank: what its score is good for."""
    return [each.replace(_OF_CLIPS, _OF_ONE_CLIP) for each in caveats if not each.startswith(UNTESTED)]


def short_remark(prediction: Prediction) -> str:
    """What a clip's scores do not say, for where there is room for a few words only; empty for nothing."""
    parts = ["the model was trained on generated clips"] if OF_GENERATED in prediction.caveats else []
    parts += [OFF_SCALE] if any(OFF_SCALE in caveat for caveat in prediction.caveats) else []
    parts += ["unlike the training clips"] if prediction.atypical else []
    return f"Scores: {'; '.join(parts)}." if parts else ""


def _why_untested(reference: Reference | None) -> str:
    """Why it is not known how large a difference of scores must be, and what to do."""
    if reference is None or not reference.quantiles:
        return (
            "as the model comes without predictions of held-out clips; a model that `videomem train` makes, with "
            f"{FEWEST_ITEMS_OF_PAIRS} clips held out or more, has them"
        )
    found = "too few of the held-out clips have a score"
    if 0 < reference.clips < FEWEST_ITEMS_OF_PAIRS:
        are = "is" if reference.clips == 1 else "are"
        found = f"{quantity(reference.clips, 'held-out clip')} {are} too few"
    return f"as {found} and {FEWEST_ITEMS_OF_PAIRS} are needed; train on data with more clips"


def _hub_file(name: str, file: str, commit: str | None) -> Path | None:
    """A file of a model on the Hub, of the version that was loaded; None where there is none, or no such model.

    Raises:
        _HubUnavailableError: The Hub does not respond, and the file is not in the cache.
    """
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        return None
    from huggingface_hub import hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError, RepositoryNotFoundError

    cached = try_to_load_from_cache(name, file, revision=commit)
    if cached is not None:
        return Path(cached) if isinstance(cached, str) else None  # it is known that there is none
    try:
        return Path(hf_hub_download(name, file, revision=commit))
    except LocalEntryNotFoundError as error:
        raise _HubUnavailableError from error
    except (EntryNotFoundError, RepositoryNotFoundError):  # loading the model has reported a missing repository
        return None
    except OSError as error:
        raise _HubUnavailableError from error


def _version(name: str, model: Any) -> str:
    """First digits of the commit on the Hub or of a hash of the weights; of ResMem its package's version."""
    folder = Path(name)
    if folder.is_dir():
        digest = hashlib.blake2b()
        for path in sorted(folder.glob("*.safetensors")):
            if path.name != TYPICALITY_FILE:
                with path.open("rb") as file:
                    digest.update(hashlib.file_digest(file, "blake2b").digest())
        return digest.hexdigest()[:_VERSION_DIGITS]
    if name == RESMEM:
        return version(RESMEM)
    return str(getattr(model.config, "_commit_hash", None) or "")[:_VERSION_DIGITS]
