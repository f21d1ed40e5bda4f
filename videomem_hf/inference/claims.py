"""What may be said beside every prediction of a model: its reference, its caveats, its typical clips, its version."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from videomem_hf.inference.reference import Reference, parse_reference, read_reference, write_reference
from videomem_hf.inference.typicality import Typicality
from videomem_hf.models.convert_resmem import PACKAGE
from videomem_hf.run_files import REFERENCE_FILE, TYPICALITY_FILE
from videomem_hf.schema import HORIZON_NAMES, HORIZONS, Horizon

_VERSION_DIGITS: Final = 8
OF_GENERATED: Final = "Trained on generated clips with simulated scores: its predictions say nothing about real clips."
UNTESTED: Final = "Ranks are those of the scores: how far apart two of them must be is not known."


@dataclass(frozen=True)
class Claims:
    """What a model's predictions carry besides scores; see the fields of `Prediction`."""

    reference: Reference | None = None
    caveats: tuple[str, ...] = ()
    typicality: Typicality | None = None
    version: str = ""


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
        stored, path = _hub_file(name, REFERENCE_FILE), _hub_file(name, TYPICALITY_FILE)
        reference = parse_reference(stored) if stored else None
    typicality = Typicality.load(path) if path is not None and path.is_file() else None
    return Claims(reference, caveats_of(model, reference), typicality, _version(name, model))


def write_claims(folder: Path, claims: Claims) -> None:
    """Write the reference and the typical clips beside a model that is saved anew."""
    if claims.reference is not None:
        write_reference(folder, claims.reference)
    if claims.typicality is not None:
        claims.typicality.save(folder / TYPICALITY_FILE)


def caveats_of(model: Any, reference: Reference | None) -> tuple[str, ...]:
    """What is true of every prediction of a model, a sentence each."""
    photographs = getattr(model, "published_training", "") if reference is None else ""
    return caveats_of_reference(model.config.horizons, reference, photographs)


def caveats_of_reference(
    horizons: Sequence[Horizon], reference: Reference | None, photographs: str = ""
) -> tuple[str, ...]:
    """What is true of every prediction of a model with these horizons; `photographs` names those it was trained on."""
    if reference is not None and reference.kind == "photographs":
        photographs = reference.data
    caveats = []
    if reference is not None and reference.generated:
        caveats.append(OF_GENERATED)
    if photographs:
        caveats.append(
            f"Trained on {photographs}: it ranks clips against each other, and its scores are not on VideoMem's scale."
        )
        missing = [HORIZON_NAMES[horizon] for horizon in HORIZONS if horizon not in horizons]
        caveats += [f"It gives no {' and no '.join(missing)} score."] if missing else []
    if reference is None or not reference.difference_error:
        caveats.append(UNTESTED)
    return tuple(caveats)


def _hub_file(name: str, file: str) -> Path | None:
    """A file of a model on the Hub, in the cache; None where there is none, or no such model."""
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        return None
    from transformers.utils import cached_file

    try:
        found = cached_file(
            name,
            file,
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
            _raise_exceptions_for_gated_repo=False,
        )
    except OSError:  # no such repository, which loading the model has reported
        return None
    return None if found is None else Path(found)


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
    if name == PACKAGE:
        return version(PACKAGE)
    return str(getattr(model.config, "_commit_hash", None) or "")[:_VERSION_DIGITS]
