"""The arrays that `fit_best` is given, checked and reduced to the training clips; and their folds."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from videomem_hf.schema import Horizon, InputError

MIN_CLIPS: Final = 20


class TrainingArrays(NamedTuple):
    """The training clips that have a score and a view.

    Attributes:
        views: Name to `(clips, size)` or `(clips, parts, size)` float32; a row with NaN lacks the view.
        scores: `(clips, horizons)` float64; NaN where unknown.
        counts: `(clips, horizons)` annotation counts; NaN where unknown.
        groups: `(clips,)`, or None.
    """

    views: dict[str, np.ndarray]
    scores: np.ndarray
    counts: np.ndarray
    groups: np.ndarray | None

    def take(self, rows: np.ndarray) -> "TrainingArrays":
        views = {name: x[rows] for name, x in self.views.items()}
        groups = None if self.groups is None else self.groups[rows]
        return TrainingArrays(views, self.scores[rows], self.counts[rows], groups)


def has_view(values: np.ndarray) -> np.ndarray:
    """Which clips have a view `(clips, size)` or `(clips, parts, size)`: those without NaN, `(clips,)` bool."""
    return np.asarray(np.isfinite(values).all(axis=tuple(range(1, values.ndim))))


def select_training_clips(
    views: Mapping[str, ArrayLike],
    scores: ArrayLike,
    counts: ArrayLike | None,
    train: ArrayLike | None,
    groups: ArrayLike | None,
    horizons: Sequence[Horizon],
) -> TrainingArrays:
    """Check the arguments of `fit_best`, which has the errors, and keep the training clips with a score and a view."""
    y, annotation_counts = _check_scores(scores, counts, horizons)
    arrays = _check_views(views, len(y))
    rows = np.arange(len(y)) if train is None else np.asarray(train)
    rows = np.flatnonzero(rows) if rows.dtype == bool else rows
    has_any = np.any([has_view(x[rows]) for x in arrays.values()], axis=0)
    rows = rows[np.isfinite(y[rows]).any(axis=1) & has_any]
    if len(rows) < MIN_CLIPS:
        raise InputError(f"{len(rows)} training clips have a score and a view; at least {MIN_CLIPS} are needed")
    for horizon, column in zip(horizons, y[rows].T, strict=True):
        if np.isfinite(column).sum() < MIN_CLIPS:
            raise InputError(f"too few training clips have a {horizon} score; leave it out of the horizons")
    labels = None if groups is None else np.asarray(groups)
    return TrainingArrays(arrays, y, annotation_counts, labels).take(rows)


def _check_scores(
    scores: ArrayLike, counts: ArrayLike | None, horizons: Sequence[Horizon]
) -> tuple[np.ndarray, np.ndarray]:
    y = np.asarray(scores, np.float64)
    if y.ndim != 2 or y.shape[1] != len(horizons):
        raise InputError(f"scores must be (clips, {len(horizons)}) for {', '.join(horizons)}, got {y.shape}")
    if ((y < 0) | (y > 1)).any():
        raise InputError(f"scores must lie from 0 to 1, got {np.nanmin(y):g} to {np.nanmax(y):g}")
    annotation_counts = np.full(y.shape, np.nan) if counts is None else np.asarray(counts, np.float64)
    if annotation_counts.shape != y.shape:
        raise InputError(f"counts must be {y.shape} as the scores, got {annotation_counts.shape}")
    return y, annotation_counts


def _check_views(views: Mapping[str, ArrayLike], clips: int) -> dict[str, np.ndarray]:
    arrays = {name: np.asarray(values, np.float32) for name, values in views.items()}
    if not arrays:
        raise InputError("no view is given; one or more arrays (clips, size) are needed")
    for name, x in arrays.items():
        if x.ndim not in (2, 3) or len(x) != clips:
            raise InputError(f"the view {name!r} must be ({clips}, size) or ({clips}, parts, size), got {x.shape}")
        if np.isinf(x).any():
            raise InputError(f"the view {name!r} has infinite numbers")
    return arrays


def fold_indices(clips: int, folds: int, seed: int, groups: np.ndarray | None = None) -> list[np.ndarray]:
    """Divide clips at random into folds of nearly equal size; clips of one group stay together."""
    order = np.random.default_rng(seed).permutation(clips)
    if groups is None:
        return [np.sort(part) for part in np.array_split(order, min(folds, clips))]
    _, first, labels = np.unique(groups[order], return_index=True, return_inverse=True)
    members = [order[labels == label] for label in np.argsort(first)]
    parts: list[list[int]] = [[] for _ in range(min(folds, len(members)))]
    for group in sorted(members, key=len, reverse=True):
        min(parts, key=len).extend(group)
    return [np.sort(np.array(part)) for part in parts]
