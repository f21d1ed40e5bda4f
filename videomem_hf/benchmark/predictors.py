"""The predictors of a benchmark, from files, runs and models, brought to the clips of the ground truth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from videomem_hf.benchmark.predicted_scores import predict_scores, read_run
from videomem_hf.benchmark.prediction_files import Predictions, clip_key, merge_runs, read_prediction_file
from videomem_hf.benchmark.protocols import Protocol
from videomem_hf.benchmark.truth import GroundTruth
from videomem_hf.data.scored_clips import open_splits
from videomem_hf.run_files import PREDICTIONS_FILE, is_run_folder, read_results, read_training_clips
from videomem_hf.schema import HORIZON_NAMES, InputError
from videomem_hf.system import quantity

_NAMED = 3


@dataclass(frozen=True)
class Predictor:
    """A predictor on the clips of a ground truth.

    Attributes:
        given: What it said, by its own ids.
        scores: `(clips, horizons)`; NaN where it says nothing.
        low, high: `(clips, horizons)` ends of its prediction intervals; NaN where it has none.
        extra: Ids that the ground truth does not have, scored or not.
        notes: What was decided about its ids.
    """

    given: Predictions
    scores: np.ndarray
    low: np.ndarray
    high: np.ndarray
    extra: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.given.name


@dataclass(frozen=True)
class Coverage:
    """How many of the clips to evaluate on a predictor scored, how many it lacks, and the first three of those."""

    clips: int
    covered: int
    missing: int
    missing_first: tuple[str, ...]
    extra: int
    extra_first: tuple[str, ...]


def read_predictors(
    names: Sequence[str],
    truth: GroundTruth,
    *,
    horizon: str | None = None,
    columns: Mapping[str, str] | None = None,
    **loading: Any,
) -> list[Predictor]:
    """Read files, take what runs predicted of their held-out clips, and predict with models.

    Args:
        names: Files of predictions, folders of runs or models, Hub ids.
        truth: The ground truth.
        horizon, columns: As of `read_prediction_file`.
        **loading: As of `predict_scores`.

    Raises:
        InputError: One cannot be read, or has no clip of the ground truth.
    """
    files = [read_prediction_file(Path(each), truth.horizons, horizon=horizon, columns=columns)
             for each in names if Path(each).is_file()]  # fmt: skip
    found = merge_runs(files, truth.horizons)
    for name in names:
        if not Path(name).is_file():
            found.append(_read_run(Path(name)) if is_run_folder(Path(name)) else _predict(name, truth, loading))
    return [align(each, truth) for each in found]


def _read_run(run: Path) -> Predictions:
    own = read_run(run)
    table = read_prediction_file(run / PREDICTIONS_FILE, sorted(own.predicted))
    fingerprint = read_results(run).get("data", {}).get("fingerprint")
    return replace(
        table,
        name=str(run),
        trained_on=frozenset(read_training_clips(run) or {}),
        fingerprint=fingerprint,
        notes=("Its held-out predictions are taken, as a run predicts no clip that it was trained on.",),
    )


def _predict(model: str, truth: GroundTruth, loading: Mapping[str, Any]) -> Predictions:
    """Predict all scored clips with a model that has no record of its training."""
    predicted: dict[str, dict[str, float]] = {}
    scored = set(truth.ids)
    for split, table in open_splits(truth.data, "scores").items():
        if scored.isdisjoint(table["video_id"]):
            continue
        scores = predict_scores(model, truth.data, split, allow_training_clips=True, **loading)
        for horizon, values in scores.predicted.items():
            predicted.setdefault(horizon, {}).update(values)
    return Predictions(model, predicted, notes=("What it was trained on is not known.",))


def align(given: Predictions, truth: GroundTruth) -> Predictor:
    """Bring predictions to the clips of a ground truth.

    Raises:
        InputError: No clip of the ground truth is among them, or none of its horizons.
    """
    keys = {clip_key(clip): row for row, clip in enumerate(truth.ids)}
    if len(keys) < len(truth):  # names that differ in their suffix or folder only
        keys = dict(truth.index)
    notes = list(given.notes)
    ids = {clip for values in given.predicted.values() for clip in values}
    if ids and keys.keys().isdisjoint(ids):
        by_number = {clip.removeprefix("video"): row for clip, row in keys.items()}
        if ids & by_number.keys():
            keys = by_number
            notes.append("Its ids are bare numbers; 10 is taken as video10.")
    if not ids:
        raise InputError(f"{given.name}: has no score of any clip; give a file with numbers")
    if ids.isdisjoint(keys) or not set(given.predicted) & set(truth.horizons):
        shown = ", ".join(sorted(ids)[:_NAMED])
        raise InputError(
            f"{given.name}: none of its {quantity(len(ids), 'clip')} ({shown}) has a measured score in {truth.data} "
            f"({', '.join(truth.ids[:_NAMED])}, ...); give the data that it predicts"
        )
    scores, low, high = (np.full(truth.scores.shape, np.nan) for _ in range(3))
    for column, horizon in enumerate(truth.horizons):
        for clip, value in given.predicted.get(horizon, {}).items():
            if (row := keys.get(clip)) is not None:
                scores[row, column] = value
        for clip, ends in given.intervals.get(horizon, {}).items():
            if (row := keys.get(clip)) is not None:
                low[row, column], high[row, column] = ends
    notes += _notes_of_scale(scores, truth)
    unscored = {clip_key(clip) for clip in truth.unscored}
    extra = tuple(sorted(ids - keys.keys() - unscored))
    return Predictor(given, scores, low, high, extra, tuple(notes))


def _notes_of_scale(scores: np.ndarray, truth: GroundTruth) -> list[str]:
    """A sentence for each horizon whose scores are not in the range of measured ones, such as percent."""
    return [
        f"Its {HORIZON_NAMES[horizon]} scores are between {known.min():.4g} and {known.max():.4g}, and measured ones "
        "in [0, 1]: correlations count, errors and calibration do not."
        for horizon, column in zip(truth.horizons, scores.T, strict=True)
        if len(known := column[np.isfinite(column)]) and not (known.min() >= 0 and known.max() <= 1)
    ]


def coverage(predictor: Predictor, truth: GroundTruth, protocol: Protocol) -> Coverage:
    """Which clips of a protocol a predictor scored for any horizon that it predicts."""
    there = np.isfinite(predictor.scores).any(axis=1)
    rows = protocol.evaluation
    missing = [truth.ids[row] for row in rows[~there[rows]]]
    return Coverage(
        len(rows),
        int(there[rows].sum()),
        len(missing),
        tuple(missing[:_NAMED]),
        len(predictor.extra),
        predictor.extra[:_NAMED],
    )
