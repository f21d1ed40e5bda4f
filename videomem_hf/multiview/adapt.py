"""`adapt`: from a predictor and some clips of a new domain to a predictor for that domain."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from videomem_hf import run_files
from videomem_hf.data.provenance import generated_plan
from videomem_hf.devices import usable_device
from videomem_hf.evaluation.environment import environment
from videomem_hf.evaluation.options import EvaluationOptions
from videomem_hf.evaluation.training_clips import read_trained_on, run_fingerprint, training_clips_among
from videomem_hf.inference.claims import read_claims
from videomem_hf.inference.frame_noise import measure_frame_noise
from videomem_hf.inference.intervals import LEVEL
from videomem_hf.inference.loading import load_network
from videomem_hf.inference.reference import Reference, make_reference, write_reference
from videomem_hf.inference.typicality import Typicality
from videomem_hf.models.configuration_adapted import AdaptedConfig
from videomem_hf.models.folders import save_model
from videomem_hf.models.modeling_adapted import AdaptedModel
from videomem_hf.multiview.adapt_card import write_card
from videomem_hf.multiview.adapt_clips import Measured, inverse_counts
from videomem_hf.multiview.adapt_data import DomainClips, DomainReader, domain_scores
from videomem_hf.multiview.adapt_process import (
    Kernel,
    correction_state,
    fit_process,
    predict_left_out,
)
from videomem_hf.multiview.adapt_support import HorizonResult, measure_support, reason_against
from videomem_hf.schema import HORIZON_NAMES, Horizon, InputError
from videomem_hf.system import quantity

LEFT_OUT_FILE: Final = "left_out.csv"
"""Predictions of clips that were left out, in an adapted model's folder."""
LEFT_OUT: Final = "left out"
"""In place of a split's name: clips that were predicted from others."""
_RECIPE: Final = "adapt"


@dataclass(frozen=True)
class Adaptation:
    """An adapted predictor, and what was measured of it.

    Attributes:
        model: It loads by `AutoModel` and `load_predictor` like any other.
        video_ids: `(clips,)`, the clips that it was adapted on.
        horizons: Result of each horizon on clips that were left out.
        predicted: `(clips, horizons)` predictions of clips when they were left out; NaN where a clip has no score.
        clips: All that was read of the clips.
        notes: What was left out, a sentence each.
        seconds: Time that each part took.
        output: Its folder; None if it was not saved.
    """

    model: AdaptedModel
    video_ids: list[str]
    horizons: dict[Horizon, HorizonResult]
    predicted: np.ndarray
    clips: DomainClips
    notes: tuple[str, ...]
    seconds: dict[str, float]
    output: Path | None = None

    @property
    def supported(self) -> bool:
        """Whether the clips that were left out support the adaptation for every horizon."""
        return all(each.supported for each in self.horizons.values())


def adapt(
    model: str,
    data: str | Path,
    output: str | Path | None = None,
    *,
    splits: Sequence[str] | None = None,
    options: dict[str, Any] | None = None,
    device: str | None = None,
    frame_cache: str | None = None,
    progress: bool = True,
    trust_remote_code: bool = False,
) -> Adaptation:
    """Move a predictor to a new domain by Gaussian-process transfer; twenty annotations of a hundred clips will do.

    Args:
        model: Folder of a predictor, Hub id, or "resmem".
        data: Data with scores of the new domain: a folder or Hub id, as `train` and `evaluate` take them.
        output: Folder to write, which `load_predictor` and `AutoModel` load; new or empty. None writes nothing.
        splits: Splits whose clips are used; None for all with scores.
        options: Keywords of the data set.
        device: "cpu", "cuda", ...; None takes a GPU if there is one.
        frame_cache: Folder for decoded frames; None takes the user's.
        progress: Whether to show progress bars.
        trust_remote_code: As of `load_predictor`.

    Returns:
        The adapted predictor with what was measured on clips that were left out.

    Raises:
        InputError: The model, the data or the folder cannot be used, or no horizon has 20 clips with different scores.
    """
    folder = None if output is None else Path(output)
    if folder is not None:
        _check_output(folder)
    started = time.monotonic()
    data = str(data)
    base, processor = load_network(model, trust_remote_code)
    if base.config.model_type == AdaptedConfig.model_type:
        raise InputError(
            f"{model}: is adapted already; adapt the model that it was made from, on all the clips at once"
        )
    shared = domain_scores(data, tuple(base.config.horizons), splits, options)
    skeleton = unfitted_model(base, shared.horizons).to(usable_device(device)).eval()
    reader = DomainReader(skeleton, processor, data, options, frame_cache, progress)
    clips = reader.read(shared.splits)
    seen = _seen_before(model, data, clips)
    kept = np.array([index for index, name in enumerate(clips.video_ids) if name not in seen], np.int64)
    notes = _notes(clips, seen, shared.only_model, shared.only_data)
    clips = clips.take(kept) if seen else clips
    horizons, clips, more_notes = _usable(data, clips, shared.horizons, len(seen))
    seconds = {"data": round(time.monotonic() - started, 2)}
    started = time.monotonic()
    adaptation = _fit(base, model, data, clips, horizons, (*notes, *more_notes))
    seconds["fit"] = round(time.monotonic() - started, 2)
    adaptation = replace(adaptation, seconds=seconds, output=folder)
    if folder is not None:
        _save(adaptation, folder, model, data, processor, options)
    return adaptation


def _check_output(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; name a folder")
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"{folder}: is not empty; name a new folder")


def unfitted_model(base: Any, horizons: Sequence[Horizon], **sizes: Any) -> AdaptedModel:
    """An `AdaptedModel` that shares the weights of `base`, for some of its horizons; its correction is not fitted.

    `sizes` are fields of its configuration: `clips`, `rows` and `group_sizes`.
    """
    groups = sizes.pop("group_sizes", None) or _group_sizes(base)
    columns = [list(base.config.horizons).index(each) for each in horizons]
    statistics = {
        name: [list(getattr(base.config, name))[i] for i in columns] for name in ("score_means", "score_stds")
    }
    config = AdaptedConfig.on(base.config, horizons=list(horizons), group_sizes=groups, **(statistics | sizes))
    model = AdaptedModel(config)
    model.replace_base(base)
    return model


def _group_sizes(base: Any) -> list[int]:
    """Numbers in each group of the vectors that kernels compare."""
    if base.config.model_type == "multiview":
        return list(base.config.view_sizes)
    if base.main_input_name == "features":
        return [base.layers[-1].in_features]
    return [1]  # of frames: known once there are some


def _seen_before(model: str, data: str, clips: DomainClips) -> set[str]:
    """Clips that the base model was trained on: its scores of them are no prior of new ones."""
    before, same = _contents_before(model, data)
    return set(training_clips_among(clips.video_ids, clips.contents, before, same)) if before else set()


def _contents_before(model: str, data: str) -> tuple[Mapping[str, str], bool]:
    """Contents of the clips that the base model was trained on, by id, as far as it is a run; and whether these ids
    are those of the data."""
    folder = Path(model)
    if not run_files.is_run_folder(folder):
        return {}, False
    before = read_trained_on(folder, data)
    return before.contents, before.same_data(run_fingerprint(before.results["config"], data))


def _notes(clips: DomainClips, seen: set[str], only_model: Sequence[str], only_data: Sequence[str]) -> tuple[str, ...]:
    notes = [_left_out(len(clips.failed), "could not be read and")] if clips.failed else []
    if seen:
        first = ", ".join(sorted(seen)[:3]) + (", ..." if len(seen) > 3 else "")
        verb = "is" if len(seen) == 1 else "are"
        notes.append(f"{quantity(len(seen), 'clip')} that the model was trained on {verb} not used: {first}.")
    if only_model:
        notes.append(f"The data have no {_names(only_model)} scores: the adapted model predicts none.")
    if only_data:
        notes.append(f"The model predicts no {_names(only_data)} scores: those of the data are not used.")
    if not np.isfinite(clips.counts).any():
        notes.append("The data have no annotation counts: the noise of the scores is estimated from the scores.")
    return tuple(notes)


def _left_out(clips: int, why: str) -> str:
    return f"{quantity(clips, 'clip')} {why} {'is' if clips == 1 else 'are'} left out."


def _names(horizons: Sequence[str]) -> str:
    return " and no ".join(HORIZON_NAMES[each] for each in horizons)


def _usable(
    data: str, clips: DomainClips, horizons: Sequence[Horizon], seen: int
) -> tuple[tuple[Horizon, ...], DomainClips, list[str]]:
    """The horizons that something can be learnt of, their clips, and a sentence about each other horizon.

    `seen` is the number of clips that were left out because the model was trained on them.

    Raises:
        InputError: There is none.
    """
    columns = [column[np.isfinite(column)] for column in clips.scores.T]
    against = {each: reason_against(each, column) for each, column in zip(horizons, columns, strict=True)}
    usable = [index for index, each in enumerate(horizons) if not against[each]]
    if not usable:
        trained = f"; {quantity(seen, 'clip')} that it was trained on cannot be used" if seen else ""
        raise InputError(f"{data}: {against[horizons[0]]}{trained}")
    notes = [
        f"The adapted model predicts no {HORIZON_NAMES[each]} score: {why}." for each, why in against.items() if why
    ]
    chosen = clips.of_columns(usable) if notes else clips
    return tuple(horizons[index] for index in usable), chosen, notes


def _fit(
    base: Any, name: str, data: str, clips: DomainClips, horizons: Sequence[Horizon], notes: tuple[str, ...]
) -> Adaptation:
    """Fit the correction of each horizon, and measure it on clips that are left out."""
    kernel = Kernel(clips.rows)
    measured = Measured(clips.prior, clips.scores, inverse_counts(clips.counts))
    predicted, results, quantiles = np.full(clips.scores.shape, np.nan), {}, []
    for column, held_out in enumerate(predict_left_out(kernel, measured)):
        here = np.flatnonzero(np.isfinite(clips.scores[:, column]))
        predicted[here, column] = held_out.predicted
        found, ends = measure_support(held_out, clips.scores[here, column], clips.counts[here, column])
        results[horizons[column]] = found
        quantiles.append(ends)
    state = correction_state(clips.rows, clips.factor, fit_process(kernel, measured), measured)
    state["quantiles"] = torch.tensor(quantiles, dtype=torch.float32)
    model = unfitted_model(
        base, horizons, clips=len(clips), rows=len(clips.rows.rows), group_sizes=list(clips.rows.group_sizes),
        interval_level=LEVEL, adapted_from=Path(name).name, adapted_to=Path(data).name, warning=warning_of(results),
        trained_on_generated=bool(base.config.trained_on_generated or generated_plan(data) is not None),
    )  # fmt: skip
    model.correction.load_state_dict(state)
    model = model.to(next(base.parameters()).device).eval()
    return Adaptation(model, clips.video_ids, results, predicted, clips, notes, {})


def warning_of(results: dict[Horizon, HorizonResult]) -> str:
    """What stands beside every prediction; empty where held-out clips support the adaptation and rank as measured."""
    of_verdict: dict[str, dict[Horizon, HorizonResult]] = {}
    for horizon, each in results.items():
        of_verdict.setdefault(each.verdict, {})[horizon] = each
    sentences = [
        f"Do not trust the {HORIZON_NAMES[horizon]} score: on {each.clips} clips of the new domain that were left out, "
        f"adapted scores are clearly worse than those of the model before by {' and '.join(each.worse_by)}."
        for horizon, each in of_verdict.get("worse", {}).items()
    ]
    if unclear := of_verdict.get("unclear"):
        more = [each.more_clips for each in unclear.values()]
        most = max((each for each in more if each is not None), default=0)
        hint = f"; about {most} more would be likely to show whether they are" if most and None not in more else ""
        scores = "scores" if len(unclear) > 1 else "score"
        sentences.append(
            f"Do not trust the {_and(unclear)} {scores} yet: on {_most_clips(unclear)} clips of the new domain that "
            f"were left out, adapted scores are not clearly better than those of the model before{hint}."
        )
    if unranked := {h: each for h, each in of_verdict.get("better", {}).items() if not each.ranks_clips}:
        sentences.append(
            f"Do not trust the order of the {_and(unranked)} scores yet: on {_most_clips(unranked)} clips of the new "
            "domain that were left out, adapted scores are closer to the measured ones than those of the model before, "
            "and their rank correlation is not clearly above 0."
        )
    return " ".join(sentences)


def _and(horizons: Iterable[Horizon]) -> str:
    return " and ".join(HORIZON_NAMES[each] for each in horizons)


def _most_clips(results: Mapping[Horizon, HorizonResult]) -> int:
    return max(each.clips for each in results.values())


def _save(
    adaptation: Adaptation,
    folder: Path,
    name: str,
    data: str,
    processor: Any | None,
    options: dict[str, Any] | None,
) -> None:
    """Write the model with its reference, typicality, predictions of left-out clips, record and card."""
    folder.mkdir(parents=True, exist_ok=True)
    clips, model, horizons = adaptation.clips, adaptation.model, list(adaptation.horizons)
    save_model(model, folder)
    if processor is not None:
        processor.save_pretrained(folder)
    generated = generated_plan(data) is not None
    about = Reference(f'the data "{Path(data).name}"', generated, split=LEFT_OUT)
    write_reference(folder, _reference(about, adaptation, name))
    if typicality := Typicality.cross_fit(clips.described):
        typicality.save(folder / run_files.TYPICALITY_FILE)
    run_files.write_predictions(
        folder / LEFT_OUT_FILE, {"model": adaptation.predicted, "before": clips.prior}, clips.video_ids, clips.scores,
        horizons, clips.counts,
    )  # fmt: skip
    run_files.write_training_clips(folder, _trained_on(clips, name, data))
    config = {
        "recipe": _RECIPE, "data": data, "output": str(folder), "init": name, "splits": dict(options or {}),
        "model": {"type": AdaptedConfig.model_type}, "evaluation": asdict(EvaluationOptions()), "seed": 0,
        "adapted_on": list(clips.splits),
    }  # fmt: skip
    results = {
        "model_type": AdaptedConfig.model_type,
        "base": model.config.base,
        "clips": len(clips),
        "left_out": {h: asdict(each) | {"supported": each.supported} for h, each in adaptation.horizons.items()},
        "warning": model.config.warning,
        "notes": list(adaptation.notes),
        "split": LEFT_OUT,
        "parameters": sum(each.numel() for each in model.parameters()),
        "seconds": adaptation.seconds,
    } | environment(config, ("torch", "transformers", "datasets", "scipy"))
    run_files.write_results(folder, results)
    write_card(folder, results, model.config)


def _reference(about: Reference, adaptation: Adaptation, name: str) -> Reference:
    """What predictions of left-out clips were; the maps of a base with attention are still its own."""
    clips, model = adaptation.clips, adaptation.model
    horizons = list(adaptation.horizons)
    noise = {}
    if clips.curves:
        curves = [_frame_scores(model, features) for features in clips.curves]
        found = {h: measure_frame_noise([rows[:, i] for rows in curves]) for i, h in enumerate(horizons)}
        noise = {h: each for h, each in found.items() if each is not None}
    before = read_claims(name, model.base).reference
    if before is not None and model.has_attention:
        about = replace(about, maps=before.maps)
    return make_reference(about, adaptation.predicted, clips.scores, clips.counts, horizons, noise)


def _frame_scores(model: AdaptedModel, features: np.ndarray) -> np.ndarray:
    device = next(model.parameters()).device
    with torch.inference_mode():
        return model.score_features(torch.from_numpy(features).to(device, model.base.dtype)).double().cpu().numpy()


def _trained_on(clips: DomainClips, name: str, data: str) -> dict[str, str]:
    """Contents of the clips that the model has seen, by id: those it was adapted on, and those of the base's run."""
    contents = dict(zip(clips.video_ids, clips.contents or [""] * len(clips), strict=True))
    before, same = _contents_before(name, data)
    return {(each if same else f"{Path(name).name}:{each}"): content for each, content in before.items()} | contents
