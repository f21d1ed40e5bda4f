"""Scores that a predictor gave to clips, by the clips' ids: from a table, from a run, or predicted now."""

import csv
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from videomem_hf.benchmark.evaluate import evaluation_target, score_target
from videomem_hf.data.scored_clips import open_splits, read_scores
from videomem_hf.evaluation.options import evaluation_of
from videomem_hf.evaluation.training_clips import check_own_predictions
from videomem_hf.inference.score_table import clip_of_cell
from videomem_hf.models.video_addresses import address_name
from videomem_hf.run_files import PREDICTIONS_FILE, read_results, score_column
from videomem_hf.schema import HORIZON_NAMES, HORIZONS, VIDEO_ID, Horizon, InputError, horizons_of, sort_horizons
from videomem_hf.system import quantity

Scores = dict[Horizon, dict[str, float]]
"""Horizon to clip id to score; a clip without a score is missing."""

CLIP: Final = "clip"
"""Column of a clip's path or address in the tables of `videomem predict`; its id is the name without the suffix."""
SAME: Final = 1e-4
"""Measured scores that differ by less are the same: tables are written with different numbers of digits."""


@dataclass(frozen=True)
class PredictedScores:
    """The scores of one predictor.

    Attributes:
        name: As the user gave it.
        data, split: What the clips are from; empty where a table does not say.
        predicted: Its scores.
        measured: The clips' measured scores, as far as they came with it.
    """

    name: str
    predicted: Scores
    measured: Scores = field(default_factory=dict)
    data: str = ""
    split: str = ""

    @property
    def origin(self) -> str:
        """How many clips of what, in words."""
        clips = quantity(max(map(len, self.predicted.values()), default=0), "clip")
        return (
            clips + (f" of the split {self.split!r}" if self.split else "") + (f" of {self.data}" if self.data else "")
        )


def read_table(path: Path) -> PredictedScores:
    """Read a run's `predictions.csv`, or a table of `videomem evaluate --csv` or `videomem predict --csv`.

    Columns are `video_id` or `clip`, and the scores. With `short_term_model`, `short_term` is the measured score;
    without it, `short_term` is the predicted one. The same holds for `long_term`. Other columns are not read.

    Raises:
        InputError: The file cannot be read, has other columns, no number for a score, or a clip twice.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            rows, header = list(reader), list(reader.fieldnames or ())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read ({error})") from None
    found, with_measured = horizons_of_predictions(header)
    columns = {h: score_column(h) if with_measured else h for h in found}
    key = next((name for name in (VIDEO_ID, CLIP) if name in header), None)
    if key is None or not found:
        raise InputError(
            f"{path}: has the columns {', '.join(header) or '(none)'}; give a run's predictions.csv, or a table of "
            "`videomem evaluate --csv` or `videomem predict --csv`"
        )
    ids = [row[key] if key == VIDEO_ID else _clip_id(row[key] or "") for row in rows]
    if twice := next((each for each, count in Counter(ids).items() if count > 1), None):
        raise InputError(f"{path}: has {twice!r} twice; a clip has one row")

    def scores(column: str) -> dict[str, float]:
        return {
            clip: value
            for clip, row in zip(ids, rows, strict=True)
            if (value := _number(path, row[column])) is not None
        }

    measured = {h: scores(h) for h in found if with_measured and h in header}
    return PredictedScores(str(path), {h: scores(columns[h]) for h in found}, measured)


def horizons_of_predictions(header: Sequence[str]) -> tuple[list[Horizon], bool]:
    """The horizons that a table of predictions has, by its columns, and whether it has measured scores beside them."""
    ending = score_column("")
    measured = [name.removesuffix(ending) for name in header if name.endswith(ending) and name != ending]
    if measured:
        return sort_horizons(measured), True
    percentiles = [name for name in header if f"{name}_percentile" in header]
    return sort_horizons(dict.fromkeys([*(name for name in HORIZONS if name in header), *percentiles])), False


def _clip_id(cell: str) -> str:
    return Path(address_name(clip_of_cell(cell))).stem


def _number(path: Path, text: str | None) -> float | None:
    try:
        value = float(text or "nan")
    except ValueError:
        raise InputError(f"{path}: {text!r} is no number") from None
    return value if math.isfinite(value) else None


def read_run(run: Path) -> PredictedScores:
    """Read what a run predicted of its held-out clips. Raises an InputError where it did not, or trained on some."""
    config = read_results(run).get("config", {})
    check_own_predictions(run)
    table = read_table(run / PREDICTIONS_FILE)
    return PredictedScores(
        str(run), table.predicted, table.measured, str(config.get("data", "")), evaluation_of(config).split
    )


def predict_scores(
    model: str, data: str | None, split: str | None, allow_training_clips: bool = False, **loading: Any
) -> PredictedScores:
    """Predict the scores of a split now.

    Args:
        model: Folder of a model, Hub id, or "resmem".
        data, split, allow_training_clips: As of `evaluation_target`.
        **loading: `trust_remote_code` of `load_network`, `batch_size` and `frame_cache` of `score_target`.
    """
    from videomem_hf.inference.loading import load_network

    target = evaluation_target(model, data, split, {}, allow_training_clips)
    network, processor = load_network(model, loading.pop("trust_remote_code", False))
    scores, clips = score_target(network, processor, target, **loading)
    horizons = tuple(network.config.horizons)
    predicted = _by_id(clips.video_ids, scores, horizons)
    measured = _by_id(clips.video_ids, clips.labels, horizons)
    return PredictedScores(model, predicted, measured, target.data, target.split)


def measured_scores(data: str, split: str | None = None) -> Scores:
    """The measured scores of a split, or of all clips of the data."""
    found: Scores = {}
    tables = open_splits(data, "scores")
    if split is not None and split not in tables:
        raise InputError(f"{data}: there is no split {split!r}; there are {', '.join(tables)}")
    for name, table in tables.items():
        if split in (None, name):
            horizons = horizons_of(table.column_names)
            clips = read_scores(table, horizons)
            for horizon, scores in _by_id(clips.video_ids, clips.labels, horizons).items():
                found.setdefault(horizon, {}).update(scores)
    return found


def merge_measured(predictors: Sequence[PredictedScores], others: Mapping[str, Scores]) -> Scores:
    """The measured scores that come with predictors, and others by where they are from.

    Raises:
        InputError: Two of them differ, so that an id means different clips.
    """
    merged: Scores = {}
    home: dict[tuple[Horizon, str], str] = {}
    sources = {each.name: each.measured for each in predictors} | dict(others)
    triples = ((name, horizon, known) for name, scores in sources.items() for horizon, known in scores.items())
    for name, horizon, known in triples:
        for clip, value in known.items():
            before = merged.setdefault(horizon, {}).setdefault(clip, value)
            first = home.setdefault((horizon, clip), name)
            if abs(before - value) > SAME:
                raise InputError(
                    f"{name}: the measured {HORIZON_NAMES[horizon]} score of {clip} is {value:.4g}, and in {first} "
                    f"{before:.4g}; compare predictions of the same data"
                )
    return merged


def _by_id(ids: Sequence[str], values: np.ndarray, horizons: Sequence[Horizon]) -> Scores:
    return {
        horizon: {clip: float(value) for clip, value in zip(ids, values[:, column], strict=True) if np.isfinite(value)}
        for column, horizon in enumerate(horizons)
    }
