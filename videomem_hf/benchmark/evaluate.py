"""Evaluation of any predictor of the package on a split of the user's data that it was not trained on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from accelerate import Accelerator

from videomem_hf.data.release.splits import SPLIT_DEFAULTS
from videomem_hf.data.scored_clips import FRAME_CACHE, Clips, fill_cache, is_divided, load_clips
from videomem_hf.evaluation import training_clips
from videomem_hf.evaluation.options import EvaluationOptions, evaluation_of
from videomem_hf.inference.claims import read_claims
from videomem_hf.inference.loading import reads_views
from videomem_hf.models.configuration_multiview import MultiViewConfig
from videomem_hf.multiview.predict import predict_split
from videomem_hf.recipes import recipe_choices, recipe_names
from videomem_hf.run_files import CONFIG_FILE, is_run_folder, read_results
from videomem_hf.schema import InputError
from videomem_hf.training.examples import Collator
from videomem_hf.training.predict import predict
from videomem_hf.video.clip_cache import FailedClipsError
from videomem_hf.video.frame_cache import FrameCache
from videomem_hf.video.sources import identity_of

LAST: Final = "last"
"""Folder within a run of the last epoch's model, where another epoch's is kept."""


@dataclass(frozen=True)
class EvaluationTarget:
    """What a model is evaluated on, and how.

    Attributes:
        data: Folder of the release, a prepared folder, or a Hub id.
        options: Keywords of the data set that divide it.
        trained_on: Clips that the split must not hold; None for a model without a run, or where they are allowed.
        sampling: `resamples` and `confidence` of the intervals.
    """

    data: str
    split: str = "validation"
    options: dict[str, Any] = field(default_factory=dict)
    trained_on: training_clips.TrainedOn | None = None
    sampling: dict[str, Any] = field(default_factory=lambda: EvaluationOptions().sampling)


def run_of(model: str) -> Path | None:
    """The folder of the training run that a model belongs to; None for a model without one."""
    folder = Path(model)
    folder = folder.parent if folder.name == LAST and not is_run_folder(folder) else folder
    return folder if is_run_folder(folder) else None


def declared_choices(target: EvaluationTarget) -> str:
    """What the recipe of a model's run declares to be our choice and not the paper's; "" where that is not known."""
    recipe = "" if target.trained_on is None else str(target.trained_on.results.get("config", {}).get("recipe", ""))
    return recipe_choices(recipe) if recipe in recipe_names() else ""


def evaluation_target(
    model: str,
    data: str | None = None,
    split: str | None = None,
    options: Mapping[str, Any] | None = None,
    allow_training_clips: bool = False,
) -> EvaluationTarget:
    """What to evaluate a model on: what its run says, where it has one.

    Args:
        model: Folder of a model, or its name.
        data: None for what the run was trained on.
        split: None for the one that the run was evaluated on, or "validation".
        options: Those of the split, None for what the user does not give.
        allow_training_clips: Take the options as they are, and do not ask what the model was trained on.

    Raises:
        InputError: No data, options that contradict the run, or a run whose training clips cannot be known.
    """
    given = {name: value for name, value in (options or {}).items() if value is not None}
    run = run_of(model)
    if run is None:
        if data is None:
            unfinished = (Path(model) / CONFIG_FILE).is_file()
            cause = (
                "is not finished; go on with --resume" if unfinished else "has no record of a training run; give --data"
            )
            raise InputError(f"{model}: {cause}")
        return EvaluationTarget(data, split or "validation", _without_defaults(given))
    results = read_results(run)
    recorded = results.get("config", {})
    evaluation = evaluation_of(recorded)
    if data is None:
        data = training_clips.locate_data(run, results)
        if data is None:
            raise InputError(
                f"{run}: was trained on {recorded.get('data')}, which is not here, or has other clips or scores now; "
                "give --data"
            )
    trained_on = None
    if allow_training_clips:
        own = {} if is_divided(data) else recorded.get("splits") or {}
        divided_by = _without_defaults(own | given)
    else:
        trained_on = training_clips.read_trained_on(run, data)
        divided_by = _options(data, given, trained_on)
    return EvaluationTarget(data, split or evaluation.split, divided_by, trained_on, evaluation.sampling)


def _options(data: str, given: Mapping[str, Any], trained_on: training_clips.TrainedOn) -> dict[str, Any]:
    """The keywords that divide the data: the run's, if it was trained on these data, else the given ones."""
    if not trained_on.same_data(training_clips.run_fingerprint(trained_on.results["config"], data)):
        return _without_defaults(given)
    own = SPLIT_DEFAULTS | trained_on.splits
    if wrong := [name for name, value in given.items() if value != own[name]]:
        flag = {"most_annotated": "hold-out"}.get(wrong[0], wrong[0]).replace("_", "-")
        raise InputError(
            f"--{flag} is {given[wrong[0]]}, and {trained_on.folder} was trained with {own[wrong[0]]}; leave the "
            "option out, or say --allow-training-clips"
        )
    return {} if is_divided(data) else trained_on.splits


def _without_defaults(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value != SPLIT_DEFAULTS.get(name)}


def score_target(
    model: Any,
    processor: Any | None,
    target: EvaluationTarget,
    *,
    scored: bool = True,
    batch_size: int = 32,
    frame_cache: str | None = None,
    failures: list[str] | None = None,
    intervals: list[np.ndarray] | None = None,
    progress: bool = True,
) -> tuple[np.ndarray, Clips]:
    """Predict the scores of a split.

    Args:
        model, processor: A predictor, and the video processor saved with it; None for a model of features.
        target: The split.
        scored: False takes the clips without scores as well.
        frame_cache: Folder for decoded frames; None takes the user's cache folder.
        intervals: The prediction intervals of a model that has its own, `(clips, horizons, 2)`, are added here.
        failures: Clips that cannot be decoded are left out, and one line about each is added here; None raises.

    Returns:
        `(clips, horizons)` float64, and the clips.

    Raises:
        InputError: The data or a clip cannot be used, or the model was trained on clips of the split.
    """
    data, split, options = target.data, target.split, target.options
    if reads_views(model):
        wanted: dict[str, Any] = {"scored": scored, "options": options, "failures": failures, "intervals": intervals}
        scores, clips = predict_split(model, data, split, **wanted, progress=progress)
        _check(target, clips)
        return scores, clips
    accelerator = Accelerator()
    features = list(model.config.feature_names) if processor is None else None
    clips = load_clips(data, split, tuple(model.config.horizons), features=features, options=options, scored=scored)
    cache = None
    if processor is not None:
        cache = FrameCache(frame_cache or FRAME_CACHE, processor)
        clips = _decode(accelerator, cache, clips, failures, progress)
    elif list(model.config.feature_sizes) != list(clips.feature_sizes):
        raise InputError(
            f"{data}: the features {', '.join(features or [])} have {list(clips.feature_sizes)} numbers, the model "
            f"takes {list(model.config.feature_sizes)}"
        )
    _check(target, clips, cache)
    model.to(accelerator.device)
    scores = predict(accelerator, model, Collator(processor), clips, cache, batch_size, progress, intervals)
    return scores, clips


def prediction_intervals(
    model: str, network: Any, scores: np.ndarray, clips: Clips, own: list[np.ndarray]
) -> tuple[np.ndarray, float] | None:
    """The prediction intervals `(clips, horizons, 2)` of scores, with the clips' annotation counts, and their level.

    Args:
        model: Name of the model, beside whose weights its reference lies.
        network, scores, clips: The loaded model, and what `score_target` gave.
        own: What it added to `intervals`.

    Returns:
        None where the model has none.
    """
    if own:
        return own[0], network.config.interval_level
    reference, horizons = read_claims(model, network).reference, tuple(network.config.horizons)
    if reference is None or set(horizons) - reference.fits.keys():
        return None
    counts = clips.annotation_counts
    ends = [reference.fits[h].ends(scores[:, column], counts[:, column]) for column, h in enumerate(horizons)]
    return np.stack(ends, axis=1), reference.interval_level


def is_calibration_split(model: str, target: EvaluationTarget) -> bool:
    """Whether a model's intervals were calibrated on the split: that of its run, unless they are its own."""
    run = run_of(model)
    if run is None or target.trained_on is None:
        return False
    results = read_results(run)
    recorded = training_clips.locate_data(run, results)
    same_data = recorded is not None and Path(recorded).resolve() == Path(target.data).resolve()
    return same_data and results.get("model_type") != MultiViewConfig.model_type and results["split"] == target.split


def _decode(
    accelerator: Accelerator, cache: FrameCache, clips: Clips, failures: list[str] | None, progress: bool
) -> Clips:
    """Decode clips into the cache; returns those that could be decoded."""
    try:
        fill_cache(accelerator, cache, [clips], progress)
    except FailedClipsError as error:
        kept = [i for i, source in enumerate(clips.sources) if identity_of(source) not in error.failures]
        if failures is None or not kept:
            raise
        failures.extend(error.failures.values())
        return clips.take(kept)
    return clips


def _check(target: EvaluationTarget, clips: Clips, cache: FrameCache | None = None) -> None:
    if target.trained_on is not None:
        training_clips.refuse_training_clips(
            target.trained_on, clips, target.split, target.data, training_clips.clip_contents(clips, cache)
        )
