"""The predictors of a benchmark, from files, runs and models, brought to the clips of the ground truth."""

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from videomem_hf.benchmark.evaluate import evaluation_target
from videomem_hf.benchmark.predicted_scores import predict_scores, read_run
from videomem_hf.benchmark.prediction_files import Predictions, clip_key, merge_runs, read_prediction_file
from videomem_hf.benchmark.protocols import Protocol
from videomem_hf.benchmark.truth import GroundTruth
from videomem_hf.data.scored_clips import open_splits
from videomem_hf.evaluation.training_clips import read_trained_on
from videomem_hf.run_files import PREDICTIONS_FILE, is_run_folder, read_results, read_training_clips
from videomem_hf.schema import HORIZON_NAMES, VIDEO_ID, InputError
from videomem_hf.statistics import spearman
from videomem_hf.system import quantity

NAMED: Final = 3
"""Clips that a sentence names."""
FEWEST: Final = 10
"""Clips below which predictions show no pattern."""
STANDARD_ERRORS: Final = 3
"""From which on a difference is taken for real: chance alone gives it in 1 of 370 cases."""


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
    found = {each.name: each for each in merge_runs(files, truth.horizons)}
    runs = [name for name in names if is_run_folder(Path(name))]
    for name in names:
        if not Path(name).is_file():
            found[name] = _read_run(Path(name), truth, loading) if name in runs else _predict(name, truth, loading)
    if len(found) > 1:
        trained = {clip_key(clip) for name in runs for clip in found[name].trained_on}
        unseen = {clip_key(clip) for clip in truth.ids} - trained
        found |= {name: _add_unseen(found[name], unseen, truth, loading) for name in runs}
    return [align(each, truth) for each in found.values()]


def _read_run(run: Path, truth: GroundTruth, loading: Mapping[str, Any]) -> Predictions:
    """Take a run's held-out predictions; where none is of the ground truth it saw other data, and predicts all."""
    own = read_run(run)
    table = read_prediction_file(run / PREDICTIONS_FILE, sorted(own.predicted))
    if not _match(_ids(table), _known(truth))[0]:
        return replace(
            _predict(str(run), truth, loading), notes=("It was trained on other data, and predicts all scored clips.",)
        )
    fingerprint = read_results(run).get("data", {}).get("fingerprint")
    return replace(
        table,
        name=str(run),
        trained_on=_trained_on(run, truth.data),
        fingerprint=fingerprint,
        notes=("Its held-out predictions are taken, as a run predicts no clip that it was trained on.",),
    )


def _trained_on(run: Path, data: str) -> frozenset[str]:
    """The clips that a run recorded as trained on, or those of its split made again; none where neither is known."""
    try:
        return frozenset(read_training_clips(run) or read_trained_on(run, data).contents)
    except InputError:
        return frozenset()


def _add_unseen(given: Predictions, unseen: Set[str], truth: GroundTruth, loading: Mapping[str, Any]) -> Predictions:
    """Let a run predict those clips that no run was trained on and that it did not hold out, so that all share more."""
    missing = unseen - {clip_key(clip) for clip in _ids(given)}
    if not missing or not given.trained_on:
        return given
    trained = {clip_key(clip) for clip in given.trained_on}
    predicted = {horizon: dict(values) for horizon, values in given.predicted.items()}
    added: set[str] = set()
    try:
        tables = open_splits(truth.data, "scores", evaluation_target(given.name, truth.data).options)
    except (InputError, ValueError) as error:  # files that divided the data are not here
        cause = str(error).splitlines()[0]
        note = f"It predicts no other clips, as its split cannot be made again ({cause})."
        return replace(given, notes=(*given.notes, note))
    for split, table in tables.items():
        clips = {clip_key(clip) for clip in table[VIDEO_ID]}
        if missing.isdisjoint(clips) or not trained.isdisjoint(clips):
            continue
        for horizon, values in predict_scores(given.name, truth.data, split, **loading).predicted.items():
            new = {key: value for clip, value in values.items() if (key := clip_key(clip)) in missing}
            predicted.setdefault(horizon, {}).update(new)
            added |= new.keys()
    if not added:
        return given
    note = f"It predicted {quantity(len(added), 'clip')} more, which no run here was trained on."
    return replace(given, predicted=predicted, notes=(*given.notes, note))


def _predict(model: str, truth: GroundTruth, loading: Mapping[str, Any]) -> Predictions:
    """Predict all scored clips with a model that has no record of its training, or was trained on other data."""
    predicted: dict[str, dict[str, float]] = {}
    scored = set(truth.ids)
    for split, table in open_splits(truth.data, "scores").items():
        if scored.isdisjoint(table[VIDEO_ID]):
            continue
        scores = predict_scores(model, truth.data, split, allow_training_clips=True, **loading)
        for horizon, values in scores.predicted.items():
            predicted.setdefault(horizon, {}).update(values)
    return Predictions(model, predicted, notes=("What it was trained on is not known.",))


def _ids(given: Predictions) -> set[str]:
    return {clip for values in given.predicted.values() for clip in values}


def _known(truth: GroundTruth) -> dict[str, int]:
    """The rows of scored clips by their ids and, unless two were the same, by the names of their files."""
    keys = {clip_key(clip): row for row, clip in enumerate(truth.ids)}
    return dict(truth.index) if len(keys) < len(truth) else keys | truth.index


def align(given: Predictions, truth: GroundTruth) -> Predictor:
    """Bring predictions to the clips of a ground truth.

    Raises:
        InputError: No clip of the ground truth is among them, or none of its horizons.
    """
    ids = _ids(given)
    if not ids:
        raise InputError(f"{given.name}: has no score of any clip; give a file with numbers")
    unscored = dict.fromkeys((clip_key(clip) for clip in truth.unscored), -1)
    known = unscored | _known(truth)
    matched = [_match(values.keys(), known) for values in given.predicted.values()]  # files of two horizons may differ
    rows = {clip: row for found, _ in matched for clip, row in found.items()}
    notes = [*given.notes, *dict.fromkeys(note for _, note in matched if note)]
    keys = {clip: row for clip, row in rows.items() if row >= 0}
    if not keys or not set(given.predicted) & set(truth.horizons):
        shown = ", ".join(sorted(ids)[:NAMED])
        raise InputError(
            f"{given.name}: none of its {quantity(len(ids), 'clip')} ({shown}) has a measured score in {truth.data} "
            f"({', '.join(truth.ids[:NAMED])}, ...); give the data that it predicts"
        )
    scores, low, high = (np.full(truth.scores.shape, np.nan) for _ in range(3))
    for column, horizon in enumerate(truth.horizons):
        for clip, value in given.predicted.get(horizon, {}).items():
            if (row := keys.get(clip)) is not None:
                scores[row, column] = value
        for clip, ends in given.intervals.get(horizon, {}).items():
            if (row := keys.get(clip)) is not None:
                low[row, column], high[row, column] = ends
    notes += [*_notes_of_scale(scores, truth), *_notes_of_direction(scores, truth)]
    return Predictor(given, scores, low, high, tuple(sorted(ids - rows.keys())), tuple(notes))


def _match(ids: Set[str], known: Mapping[str, int]) -> tuple[dict[str, int], str]:
    """The rows of those ids that are known, and how they were found where not as they are.

    Where no id is known as it is, large and small letters are the same, and else ids are compared as numbers.
    """
    if not known.keys().isdisjoint(ids):
        return {clip: known[clip] for clip in ids & known.keys()}, ""
    for form, words in ((str.casefold, "without regard to case"), (_number, "by their numbers")):
        ours, theirs = ({form(clip): clip for clip in each} for each in (known, ids))
        if both := sorted(ours.keys() & theirs.keys()):
            if len(ours) < len(known) or len(theirs) < len(ids):  # two ids would be one
                continue
            note = f"Its ids are matched {words}: {theirs[both[0]]} is taken as {ours[both[0]]}."
            return {theirs[each]: known[ours[each]] for each in both}, note
    return {}, ""


def _number(clip: str) -> str:
    """The number of a clip with such an id: 10 of 10, 0010, 10.0 and video10; the id itself of others."""
    found = re.fullmatch(r"(?:video)?[-_ ]?0*(\d+)(?:\.0+)?", clip.casefold())
    return found[1] if found else clip


def _notes_of_scale(scores: np.ndarray, truth: GroundTruth) -> list[str]:
    """A sentence for each horizon whose scores are not in the range of measured ones, such as percent."""
    return [
        f"Its {HORIZON_NAMES[horizon]} scores are between {known.min():.4g} and {known.max():.4g}, and measured ones "
        "in [0, 1]: correlations count, errors and calibration do not."
        for horizon, column in zip(truth.horizons, scores.T, strict=True)
        if len(known := column[np.isfinite(column)]) and not (known.min() >= 0 and known.max() <= 1)
    ]


def _notes_of_direction(scores: np.ndarray, truth: GroundTruth) -> Iterator[str]:
    """A sentence for each horizon whose scores fall where measured ones rise, as ranks of the best clip first do."""
    for horizon, x, y in zip(truth.horizons, scores.T, truth.scores.T, strict=True):
        known = np.isfinite(x) & np.isfinite(y)
        if known.sum() < FEWEST or min(np.ptp(x[known]), np.ptp(y[known])) == 0:
            continue
        if (correlation := spearman(x[known], y[known])) < -STANDARD_ERRORS / np.sqrt(known.sum()):
            yield (
                f"Its {HORIZON_NAMES[horizon]} scores fall where measured ones rise (Spearman {correlation:.2f}): give "
                "scores that are larger for more memorable clips, and no ranks from 1 for the best."
            )


def coverage(predictor: Predictor, truth: GroundTruth, protocol: Protocol) -> Coverage:
    """Which clips of a protocol a predictor scored for any horizon that it predicts."""
    there = np.isfinite(predictor.scores).any(axis=1)
    rows = protocol.evaluation
    missing = [truth.ids[row] for row in rows[~there[rows]]]
    return Coverage(
        len(rows),
        int(there[rows].sum()),
        len(missing),
        tuple(missing[:NAMED]),
        len(predictor.extra),
        predictor.extra[:NAMED],
    )
