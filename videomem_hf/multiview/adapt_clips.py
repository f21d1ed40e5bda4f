"""The clips that a model is adapted on, as numbers: vectors that describe them, scores and the noise of the scores."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np

from videomem_hf.statistics import Floats

INSIDE: Final = (0.02, 0.98)
"""Scores between which the binomial variance is computed."""


@dataclass(frozen=True)
class ClipRows:
    """Vectors that describe clips: of frames, of segments, or one of the whole clip.

    Attributes:
        rows: `(rows, size)` float32.
        owner: `(rows,)`, index of the clip of each.
        share: `(rows,)`, how much each counts; they sum to 1 over the rows of a clip.
        group_sizes: Numbers in each group of a vector.
    """

    rows: np.ndarray
    owner: np.ndarray
    share: np.ndarray
    group_sizes: tuple[int, ...]

    def scaled(self, factor: np.ndarray) -> "ClipRows":
        return replace(self, rows=(self.rows * factor).astype(np.float32))

    def __len__(self) -> int:
        return int(self.owner.max(initial=-1)) + 1

    def take(self, clips: np.ndarray) -> "ClipRows":
        """The rows of some clips, whose indices are distinct; they become clips 0, 1, ..."""
        index = np.full(len(self), -1)
        index[clips] = np.arange(len(clips))
        kept = index[self.owner] >= 0
        return replace(self, rows=self.rows[kept], owner=index[self.owner[kept]], share=self.share[kept])


def inverse_counts(counts: Floats) -> Floats:
    """1 over annotation counts `(clips, ...)`; where unknown, NaN or 0, the mean of the others; 0 where all are."""
    known = np.isfinite(counts) & (counts > 0)
    inverse = np.where(known, 1 / np.where(known, counts, 1.0), 0.0)
    return np.where(known, inverse, inverse.sum(axis=0) / np.maximum(known.sum(axis=0), 1))


@dataclass(frozen=True)
class Trend:
    """Measured scores by a line over those of the base.

    Attributes:
        centre: Mean score by the base.
        level: Measured score there.
        slope: Change of the measured score with the base's.
    """

    centre: float
    level: float
    slope: float

    @classmethod
    def fit(cls, prior: Floats, scores: Floats) -> "Trend":
        apart = prior - prior.mean()
        slope = float(apart @ (scores - scores.mean())) / max(float(apart @ apart), 1e-9)
        return cls(float(prior.mean()), float(scores.mean()), slope)

    def __call__(self, prior: Floats) -> Floats:
        return np.asarray(self.level + self.slope * (prior - self.centre))


@dataclass(frozen=True)
class Measured:
    """The clips that a model is adapted on.

    Attributes:
        prior: `(clips, horizons)` scores by the base model.
        scores: `(clips, horizons)` measured; NaN where unknown.
        inverse_counts: `(clips, horizons)`: see `inverse_counts`.
    """

    prior: Floats
    scores: Floats
    inverse_counts: Floats

    def take(self, clips: np.ndarray) -> "Measured":
        return Measured(self.prior[clips], self.scores[clips], self.inverse_counts[clips])

    def of_horizon(self, horizon: int) -> "Measured":
        """One horizon alone, of all clips."""
        return Measured(*(each[:, [horizon]] for each in (self.prior, self.scores, self.inverse_counts)))

    @cached_property
    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Horizon and clip of each known score, one horizon after the other."""
        horizon, clip = np.nonzero(np.isfinite(self.scores.T))
        return horizon, clip

    @property
    def apart(self) -> Floats:
        """Measured scores less those of the base, `(pairs,)`."""
        horizon, clip = self.pairs
        return np.asarray((self.scores - self.prior)[clip, horizon])

    def trends(self) -> list[Trend]:
        known = np.isfinite(self.scores)
        columns = zip(self.prior.T, self.scores.T, known.T, strict=True)
        return [Trend.fit(prior[here], scores[here]) for prior, scores, here in columns]

    def noise(self, trends: Sequence[Trend]) -> Floats:
        """Binomial variance of each score `(clips, horizons)`, by a line: the score itself would favour extremes."""
        lines = [trend(prior) for trend, prior in zip(trends, self.prior.T, strict=True)]
        expected = np.clip(np.column_stack(lines), *INSIDE)
        return np.asarray(expected * (1 - expected) * self.inverse_counts)

    def spreads(self, trends: Sequence[Trend]) -> Floats:
        """Standard deviation of true scores about a line, at least a fifth of that of the measured ones."""
        noise, found = self.noise(trends), []
        for column, trend in enumerate(trends):
            about = np.square(self.scores[:, column] - trend(self.prior[:, column]))
            mean = float(np.nanmean(about))
            own = float(noise[np.isfinite(about), column].mean())
            found.append(np.sqrt(max(mean - own, mean / 25, 1e-6)))
        return np.array(found)
