"""The Gaussian part of the detection model: means and covariances of all effects, given the responses' sites.

The unknowns are the fixed effects (two means, and a slope), a pair of effects of each video, and one of each
participant. A response concerns one of a pair, so the precision matrix has blocks of 2 x 2 on its diagonal for videos
and for participants. The more numerous side is eliminated block by block (a Schur complement); what remains, the fixed
effects and the other side, is factorised where it is small. Where it is large its means come from conjugate gradients,
which need two sparse products a step, and a covariance is that of an item whose partners have only themselves to be
determined by: exact but for ways through third items, which many responses make negligible.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from videomem_hf.statistics import Floats

NEW, REPEAT = range(2)
KINDS: Final = 2
_EXACT_OPERATIONS: Final = 4e9
"""Up to this number of multiplications every iteration is exact: half a second or less."""
_EXACT_AT_THE_END: Final = 2e11
_CHUNK: Final = 2_000_000
"""Numbers of a dense matrix that is computed in parts."""
_FIXED_PRECISION: Final = 1 / 9
"""Of the prior of fixed effects, of a standard deviation of 3: where nobody ever presses, means stay finite."""
_CG_STEPS: Final = 60
_CG_TOLERANCE: Final = 1e-6


@dataclass(frozen=True, eq=False)
class Normal:
    """Normal distributions of pairs: `mean` `(items, 2)` and `covariance` `(items, 2, 2)`."""

    mean: Floats
    covariance: Floats


@dataclass(frozen=True, eq=False)
class Solution:
    """Effects given the sites.

    Attributes:
        fixed, fixed_covariance: `(fixed,)` and `(fixed, fixed)`.
        videos, participants: Effects of each.
        tendencies: Covariance `(videos, 2, 2)` of the videos' effects with the means added.
        variance: `(responses,)` of the linear predictor; None where it is not exact.
        evidence: `(items, 2, 2)` precision that the responses give each video and each participant.
    """

    fixed: Floats
    fixed_covariance: Floats
    videos: Normal
    participants: Normal
    tendencies: Floats
    variance: Floats | None
    evidence: tuple[Floats, Floats]
    seen: tuple[NDArray[np.bool_], NDArray[np.bool_]]

    def sides(self) -> tuple[tuple[Normal, Floats, NDArray[np.bool_]], tuple[Normal, Floats, NDArray[np.bool_]]]:
        """Of videos and of participants: the effects, the evidence on each, and who has responses."""
        return (
            (self.videos, self.evidence[0], self.seen[0]),
            (self.participants, self.evidence[1], self.seen[1]),
        )


class Effects:
    """Which effects each response depends on: the pattern of the linear system, which the sites do not change."""

    def __init__(
        self,
        video: NDArray[np.int64],
        participant: NDArray[np.int64],
        repeat: NDArray[np.bool_],
        log_lag: Floats,
        videos: int,
        participants: int,
        *,
        slope: bool,
    ) -> None:
        self.kind = repeat.astype(np.int64)
        self.lag = log_lag if slope else None
        self.has_slope, self.fixed = slope, KINDS + slope
        self.videos_large = videos >= participants
        rows = KINDS * video + self.kind, KINDS * participant + self.kind
        self.large, self.small = rows if self.videos_large else rows[::-1]
        sizes = KINDS * videos, KINDS * participants
        self.large_size, self.small_size = sizes if self.videos_large else sizes[::-1]
        self.order = np.argsort(self.large, kind="stable")
        self.columns = self.small[self.order].astype(np.int32)
        self.starts = np.concatenate([[0], np.cumsum(np.bincount(self.large, minlength=self.large_size))])
        unknown = self.small_size + self.fixed
        operations = float(2 * unknown**3 + 2 * self.large_size * unknown**2)
        self.exact, self.exact_at_the_end = operations <= _EXACT_OPERATIONS, operations <= _EXACT_AT_THE_END
        self.guess: Floats | None = None

    def marginals(self, solution: Solution, precision: Floats) -> tuple[Floats, Floats]:
        """Mean and variance of each response's linear predictor."""
        videos = (
            (solution.videos, solution.participants) if self.videos_large else (solution.participants, solution.videos)
        )
        mean = solution.fixed[self.kind] + videos[0].mean.ravel()[self.large] + videos[1].mean.ravel()[self.small]
        if self.lag is not None:
            mean = mean + solution.fixed[KINDS] * self.lag
        if solution.variance is not None:
            return mean, solution.variance
        first, second = (_diagonal(side.covariance).ravel() for side in videos)
        first, second = first[self.large], second[self.small]
        # Two effects that meet in this response alone: their covariance c solves c = precision (c^2 - first second).
        shared = (1 - np.sqrt(1 + 4 * precision**2 * first * second)) / (2 * precision)
        return mean, first + second + 2 * shared

    def by_large(self, values: Floats) -> Floats:
        return np.bincount(self.large, values, self.large_size).astype(np.float64, copy=False)

    def by_small(self, values: Floats) -> Floats:
        return np.bincount(self.small, values, self.small_size).astype(np.float64, copy=False)

    def fixed_columns(self, sums: Floats, lags: Floats | None) -> Floats:
        """What each item's pair shares with the fixed effects, `(2 items, fixed)`, from sums of precision."""
        columns = np.zeros((len(sums), self.fixed))
        for kind in range(KINDS):
            columns[kind::KINDS, kind] = sums[kind::KINDS]
        if lags is not None:
            columns[:, KINDS] = lags
        return columns


class _System:
    """The linear system of one iteration, the large side eliminated."""

    def __init__(self, effects: Effects, precision: Floats, natural: Floats, large: Floats, small: Floats) -> None:
        lagged = None if effects.lag is None else precision * effects.lag
        d_large, d_small = effects.by_large(precision), effects.by_small(precision)
        lag_sums = (None, None) if lagged is None else (effects.by_large(lagged), effects.by_small(lagged))
        self.f_large = effects.fixed_columns(d_large, lag_sums[0])
        self.f_small = effects.fixed_columns(d_small, lag_sums[1])
        shape = effects.large_size, effects.small_size
        self.cross = sparse.csr_array((precision[effects.order], effects.columns, effects.starts), shape=shape)
        self.ff = np.diag([*(d_large[kind::KINDS].sum() for kind in range(KINDS)), *([0.0] * effects.has_slope)])
        self.b_fixed = np.array([natural[effects.kind == kind].sum() for kind in range(KINDS)])
        if effects.lag is not None and lagged is not None:
            crossing = [lagged[effects.kind == kind].sum() for kind in range(KINDS)]
            self.ff[KINDS, :KINDS] = self.ff[:KINDS, KINDS] = crossing
            self.ff[KINDS, KINDS] = lagged @ effects.lag
            self.b_fixed = np.append(self.b_fixed, natural @ effects.lag)
        self.ff += _FIXED_PRECISION * np.eye(effects.fixed)
        self.b_large, self.b_small = effects.by_large(natural), effects.by_small(natural)
        self.prior_small = _inverse(small)
        self.k_large = _inverse(_blocks(d_large) + _inverse(large))  # inverse blocks of the large side
        self.a_small = _blocks(d_small) + self.prior_small
        self.prior_large = _inverse(large)
        self.d_large, self.d_small = d_large, d_small

    def times(self, x: Floats) -> Floats:
        """The Schur complement times `[fixed, small]`."""
        f, s = x[: len(self.ff)], x[len(self.ff) :]
        y = _apply(self.k_large, self.cross @ s + self.f_large @ f)
        top = self.ff @ f + self.f_small.T @ s - self.f_large.T @ y
        return np.concatenate([top, self.f_small @ f + _apply(self.a_small, s) - self.cross.T @ y])

    def right(self) -> Floats:
        y = _apply(self.k_large, self.b_large)
        return np.concatenate([self.b_fixed - self.f_large.T @ y, self.b_small - self.cross.T @ y])

    def large_effects(self, x: Floats) -> Floats:
        f, s = x[: len(self.ff)], x[len(self.ff) :]
        return _apply(self.k_large, self.b_large - self.cross @ s - self.f_large @ f)


def solve(
    effects: Effects, precision: Floats, natural: Floats, videos: Floats, participants: Floats, *, exact: bool = False
) -> Solution:
    """Effects given the sites' precision and natural mean, `(responses,)`, and the covariances `(2, 2)` over items.

    `exact` asks for exact covariances where they take seconds; smaller systems have them always.
    """
    large, small = (videos, participants) if effects.videos_large else (participants, videos)
    system = _System(effects, precision, natural, large, small)
    if exact or effects.exact:
        return _exact_solution(effects, system, precision)
    return _approximate_solution(effects, system, precision, participants)


def _exact_solution(effects: Effects, system: _System, precision: Floats) -> Solution:
    count = effects.fixed
    reduced = _block_sparse(system.k_large) @ system.cross  # (large, small), sparse
    f_reduced = _apply(system.k_large, system.f_large)
    schur = np.empty((count + effects.small_size,) * 2)
    schur[:count, :count] = system.ff - system.f_large.T @ f_reduced
    schur[count:, :count] = system.f_small - system.cross.T @ f_reduced
    schur[:count, count:] = schur[count:, :count].T
    schur[count:, count:] = _dense_blocks(system.a_small) - (system.cross.T @ reduced).toarray()
    inverse = linalg.inv(schur, overwrite_a=True, check_finite=False)
    x = inverse @ system.right()
    covariance = _small_blocks(inverse, count)
    with_means = covariance + inverse[:KINDS, :KINDS] + _with_fixed(inverse, count)
    variance = np.empty(len(precision))
    large, tendencies = np.empty((2, effects.large_size // KINDS, KINDS, KINDS))
    step = KINDS * max(1, _CHUNK // len(inverse) // KINDS)
    for start in range(0, effects.large_size, step):
        part = slice(start, min(start + step, effects.large_size))
        rows = np.hstack([f_reduced[part], reduced[part].toarray()])
        own = slice(part.start // KINDS, part.stop // KINDS)
        product = rows @ inverse
        large[own] = system.k_large[own] + _pairs(rows, product)
        kinds = np.arange(len(rows)) % KINDS  # the mean added
        rows, product = -rows, inverse[kinds] - product
        rows[np.arange(len(rows)), kinds] += 1
        tendencies[own] = system.k_large[own] + _pairs(rows, product)
        _row_variances(effects, part, product, tendencies, inverse, variance)
    fixed, seen = x[:count], (system.d_large, system.d_small)
    sides = (
        _side(system.large_effects(x), large, system.prior_large, seen[0]),
        _side(x[count:], covariance, system.prior_small, seen[1]),
    )
    of_videos = tendencies if effects.videos_large else with_means
    return _solution(effects, fixed, inverse[:count, :count], sides, of_videos, variance)


def _inverse(matrices: Floats) -> Floats:
    return np.asarray(np.linalg.inv(matrices), np.float64)


def _row_variances(
    effects: Effects, part: slice, product: Floats, tendencies: Floats, inverse: Floats, variance: Floats
) -> None:
    """Write the variances of the linear predictors of the responses in these rows of the large side."""
    which = effects.order[effects.starts[part.start] : effects.starts[part.stop]]
    large, small = effects.large[which], effects.fixed + effects.small[which]
    own = _diagonal(tendencies).ravel()[large] + np.diag(inverse)[small] + 2 * product[large - part.start, small]
    if effects.lag is not None:
        lag = effects.lag[which]
        shared = product[large - part.start, KINDS] + inverse[small, KINDS]
        own += lag**2 * inverse[KINDS, KINDS] + 2 * lag * shared
    variance[which] = np.maximum(own, 1e-9)


def _approximate_solution(effects: Effects, system: _System, precision: Floats, participants: Floats) -> Solution:
    squared = precision**2
    k_small = _inverse(system.a_small)
    small_evidence = system.d_small - effects.by_small(squared * _diagonal(system.k_large).ravel()[effects.large])
    large_evidence = system.d_large - effects.by_large(squared * _diagonal(k_small).ravel()[effects.small])
    small = _inverse(_blocks(np.maximum(small_evidence, 0)) + system.prior_small)
    large = _inverse(_blocks(np.maximum(large_evidence, 0)) + system.prior_large)
    fixed_covariance = _inverse(system.ff - system.f_large.T @ _apply(system.k_large, system.f_large))
    x = _conjugate_gradients(effects, system, fixed_covariance, small)
    sides = (
        _side(system.large_effects(x), large, system.prior_large, system.d_large),
        _side(x[effects.fixed :], small, system.prior_small, system.d_small),
    )
    # The means are also unknown by the mean effect of the side that the matrix leaves out, and by that of participants.
    fixed_covariance[:KINDS, :KINDS] += _inverse(system.prior_small) * KINDS / effects.small_size
    of_videos = large if effects.videos_large else small
    people = (effects.small_size if effects.videos_large else effects.large_size) // KINDS
    return _solution(effects, x[: effects.fixed], fixed_covariance, sides, of_videos + participants / people, None)


def _conjugate_gradients(effects: Effects, system: _System, fixed: Floats, small: Floats) -> Floats:
    """Solve the Schur complement from the last solution, preconditioned by its blocks."""
    count, right = effects.fixed, system.right()
    x = np.zeros(len(right)) if effects.guess is None else effects.guess
    residual = right - system.times(x)
    direction, size = np.zeros(len(right)), 1.0
    enough = _CG_TOLERANCE * np.linalg.norm(right)
    for _ in range(_CG_STEPS):
        if np.linalg.norm(residual) <= enough:
            break
        conditioned = np.concatenate([fixed @ residual[:count], _apply(small, residual[count:])])
        new = residual @ conditioned
        direction = conditioned + new / size * direction
        size = new
        product = system.times(direction)
        step = new / (direction @ product)
        x, residual = x + step * direction, residual - step * product
    effects.guess = x
    return x


def _side(mean: Floats, covariance: Floats, prior: Floats, sums: Floats) -> tuple[Normal, Floats, NDArray[np.bool_]]:
    """Effects of one side, the evidence on each, and which have responses."""
    evidence = _inverse(covariance) - prior
    return Normal(mean.reshape(-1, KINDS), covariance), evidence, sums.reshape(-1, KINDS).sum(axis=1) > 0


def _solution(
    effects: Effects,
    fixed: Floats,
    fixed_covariance: Floats,
    sides: tuple[tuple[Normal, Floats, NDArray[np.bool_]], tuple[Normal, Floats, NDArray[np.bool_]]],
    tendencies: Floats,
    variance: Floats | None,
) -> Solution:
    videos, participants = sides if effects.videos_large else sides[::-1]
    evidence, seen = (videos[1], participants[1]), (videos[2], participants[2])
    return Solution(fixed, fixed_covariance, videos[0], participants[0], tendencies, variance, evidence, seen)


def _blocks(diagonal: Floats) -> Floats:
    """Diagonal blocks `(items, 2, 2)`."""
    blocks = np.zeros((len(diagonal) // KINDS, KINDS, KINDS))
    for kind in range(KINDS):
        blocks[:, kind, kind] = diagonal[kind::KINDS]
    return blocks


def _diagonal(blocks: Floats) -> Floats:
    return np.einsum("nii->ni", blocks)


def _apply(blocks: Floats, values: Floats) -> Floats:
    """Blocks `(items, 2, 2)` times values `(2 items,)` or `(2 items, columns)`."""
    shaped = values.reshape(len(blocks), KINDS, -1)
    return np.matmul(blocks, shaped).reshape(values.shape)


def _block_sparse(blocks: Floats) -> sparse.csr_array:
    items = np.arange(len(blocks))
    return sparse.bsr_array((blocks, items, np.arange(len(blocks) + 1))).tocsr()


def _dense_blocks(blocks: Floats) -> Floats:
    items, dense = np.arange(len(blocks)), np.zeros((len(blocks), KINDS, len(blocks), KINDS))
    dense[items, :, items, :] = blocks
    return dense.reshape(KINDS * len(blocks), -1)


def _pairs(rows: Floats, product: Floats) -> Floats:
    """`rows inverse rows'` of each pair of rows, `(pairs, 2, 2)`."""
    shape = len(rows) // KINDS, KINDS, rows.shape[1]
    return np.einsum("nik,njk->nij", rows.reshape(shape), product.reshape(shape))


def _small_blocks(inverse: Floats, count: int) -> Floats:
    items = (len(inverse) - count) // KINDS
    index = count + KINDS * np.arange(items)[:, None] + np.arange(KINDS)
    return inverse[index[:, :, None], index[:, None, :]]


def _with_fixed(inverse: Floats, count: int) -> Floats:
    """Covariances of each pair with the means, both ways, `(items, 2, 2)`."""
    shared = inverse[count:, :KINDS].reshape(-1, KINDS, KINDS)
    return shared + shared.transpose(0, 2, 1)
