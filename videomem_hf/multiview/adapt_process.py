"""The Gaussian process that corrects a base model's scores on a new domain: its fit, and leave-one-out predictions.

Hyper-parameters are the most probable ones under priors that suit a hundred clips: maximum of the marginal likelihood
(Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006, Sec. 5.4.1) times log-normal priors. Slope and
offset of the base's scores are integrated out with the process, and leave-one-out predictions have a closed form (Sec.
5.4.2 there).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from scipy.optimize import minimize

from videomem_hf.models.modeling_multiview import squared_distances
from videomem_hf.statistics import Floats

OFFSET_SD: Final = 0.2
"""Standard deviation of the prior of the offset of the base's scores, whose mean is 0."""
SLOPE_SD: Final = 0.5
"""That of their slope, whose mean is 1."""
_PRIOR_LOG_SD: Final = 1.0
"""Of the log-normal priors of amplitude, scales and residual: a factor of e either way is one standard deviation."""
_AMPLITUDE: Final = 0.6
_RESIDUAL: Final = 0.3
"""Median priors of the process's and the residual's standard deviation, in those of the scores about a line."""
_SCALE: Final = 0.5
"""Median prior of the exponent of the kernel at the median distance, summed over groups."""
_MOST_FITTED: Final = 300
"""Clips at most that hyper-parameters are fitted to."""
_FOLDS: Final = 10
_INSIDE: Final = (0.02, 0.98)
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
    """1 over annotation counts `(clips,)`; 0 for those that are unknown, NaN or 0."""
    known = np.isfinite(counts) & (counts > 0)
    return np.where(known, 1 / np.where(known, counts, 1.0), 0.0)


@dataclass(frozen=True)
class Measured:
    """One horizon of the clips that a model is adapted on.

    Attributes:
        prior: `(clips,)` scores by the base model.
        scores: `(clips,)` measured.
        inverse_counts: `(clips,)`: 1 over the annotation count, 0 where unknown.
    """

    prior: Floats
    scores: Floats
    inverse_counts: Floats

    def take(self, clips: np.ndarray) -> "Measured":
        return Measured(self.prior[clips], self.scores[clips], self.inverse_counts[clips])

    @property
    def centre(self) -> float:
        return float(self.prior.mean())

    @property
    def line(self) -> Floats:
        """The scores by a line over those of the base."""
        apart = self.prior - self.centre
        slope = float(apart @ (self.scores - self.scores.mean())) / max(float(apart @ apart), 1e-9)
        return np.asarray(self.scores.mean() + slope * apart)

    @property
    def noise(self) -> Floats:
        """Binomial variance of each measured score, by that line: the score itself would favour extremes."""
        expected = np.clip(self.line, *_INSIDE)
        return np.asarray(expected * (1 - expected) * self.inverse_counts)

    @property
    def spread(self) -> float:
        """Standard deviation of true scores about that line, at least a fifth of that of the measured ones."""
        about = float(np.square(self.scores - self.line).mean())
        return float(np.sqrt(max(about - self.noise.mean(), about / 25, 1e-6)))


@dataclass(frozen=True)
class HyperParameters:
    """Of a process over the features of clips.

    Attributes:
        amplitude: Variance of the process.
        gammas: `(groups,)`; the kernel of two vectors is exp(-sum over groups of gamma times squared distance).
        residual: Variance of the true score that the process does not explain; of scores with unknown annotation counts
            that of their noise as well.
    """

    amplitude: float
    gammas: Floats
    residual: float


class Kernel:
    """Kernels of clips for any scales: the distances of their rows are computed once."""

    def __init__(self, clips: ClipRows) -> None:
        rows = torch.from_numpy(clips.rows.astype(np.float64))
        groups = rows.split(list(clips.group_sizes), dim=1)
        self.distances = torch.stack([squared_distances(each, each) for each in groups])
        self.shares = torch.zeros(len(clips), len(rows), dtype=torch.float64)
        self.shares[torch.from_numpy(clips.owner), torch.arange(len(rows))] = torch.from_numpy(
            clips.share.astype(np.float64)
        )
        apart = torch.from_numpy(clips.owner[:, None] != clips.owner)
        self.medians = torch.stack([each[apart].median() for each in self.distances]).clamp_min(1e-12)

    def __call__(self, gammas: torch.Tensor) -> torch.Tensor:
        """`(clips, clips)`: means over pairs of rows."""
        pairs = torch.exp(-torch.einsum("g,gnm->nm", gammas, self.distances))
        return self.shares @ pairs @ self.shares.T


def covariance(kernel: torch.Tensor, data: Measured, amplitude: torch.Tensor, residual: torch.Tensor) -> torch.Tensor:
    """Covariance `(clips, clips)` of measured scores around the base's."""
    apart = torch.from_numpy(data.prior - data.centre)
    line = OFFSET_SD**2 + SLOPE_SD**2 * apart[:, None] * apart
    return amplitude * kernel + line + torch.diag(torch.from_numpy(data.noise) + residual)


def fit_hyper_parameters(kernel: Kernel, data: Measured, clips: np.ndarray) -> HyperParameters:
    """The most probable hyper-parameters by the clips with these indices.

    Args:
        kernel: Of all clips.
        data: Of all clips.
        clips: Indices; at most 300 of them, evenly spread, are used.
    """
    if len(clips) > _MOST_FITTED:
        clips = clips[np.linspace(0, len(clips) - 1, _MOST_FITTED).round().astype(int)]
    part, groups = data.take(clips), len(kernel.medians)
    used = kernel.shares[clips].any(dim=0).nonzero().flatten()
    distances, shares = kernel.distances[:, used][:, :, used], kernel.shares[clips][:, used]
    spread = part.spread
    medians = np.log([(_AMPLITUDE * spread) ** 2, *[_SCALE / groups] * groups, (_RESIDUAL * spread) ** 2])
    widths = torch.tensor([2.0, *[1.0] * groups, 2.0], dtype=torch.float64) * _PRIOR_LOG_SD  # of variances: twice
    around, apart = torch.from_numpy(medians), torch.from_numpy(part.scores - part.prior)

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        theta = torch.from_numpy(values).requires_grad_()
        amplitude, scales, residual = theta[0].exp(), theta[1:-1].exp(), theta[-1].exp()
        pairs = torch.exp(-torch.einsum("g,gnm->nm", scales / kernel.medians, distances))
        root = torch.linalg.cholesky(covariance(shares @ pairs @ shares.T, part, amplitude, residual))
        white = torch.linalg.solve_triangular(root, apart[:, None], upper=False)
        evidence = -white.square().sum() / 2 - root.diagonal().log().sum()
        total = ((theta - around) / widths).square().sum() / 2 - evidence
        (gradient,) = torch.autograd.grad(total, theta)
        return total.item(), gradient.numpy()

    bounds = [(m - 3 * w, m + 3 * w) for m, w in zip(medians, widths.tolist(), strict=True)]
    found = minimize(loss, medians, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 60}).x
    gammas = np.exp(found[1:-1]) / kernel.medians.numpy()
    return HyperParameters(float(np.exp(found[0])), gammas, float(np.exp(found[-1])))


@dataclass(frozen=True)
class HeldOut:
    """Leave-one-out predictions of one horizon.

    Attributes:
        predicted: `(clips,)` in [0, 1].
        variance: `(clips,)` of the true score, without residual and annotation noise.
        residual: `(clips,)`, that of the hyper-parameters that the clip was predicted with.
        base: `(clips,)`: the base's own scores.
    """

    predicted: Floats
    variance: Floats
    residual: Floats
    base: Floats

    def sigma(self, inverse_counts: Floats) -> Floats:
        """Expected error of each prediction."""
        inside = np.clip(self.predicted, *_INSIDE)
        return np.sqrt(self.variance + self.residual + inside * (1 - inside) * inverse_counts)


def leave_one_out(kernel: Kernel, data: Measured) -> HeldOut:
    """Predict each clip from all others, with hyper-parameters that were fitted without a tenth that it is in."""
    clips = len(data.scores)
    folds = np.random.default_rng(0).permutation(clips) % min(_FOLDS, clips)
    found = np.zeros((3, clips))
    for fold in range(folds.max() + 1):
        here = folds == fold
        hyper = fit_hyper_parameters(kernel, data, np.flatnonzero(~here))
        whole = _covariance_of(kernel, data, hyper)
        inverse = np.linalg.inv(whole)
        variance = 1 / np.diag(inverse)
        predicted = data.scores - inverse @ (data.scores - data.prior) * variance
        latent = np.maximum(variance - data.noise - hyper.residual, 0)
        found[:, here] = np.stack([predicted, latent, np.full(clips, hyper.residual)])[:, here]
    return HeldOut(np.clip(found[0], 0, 1), found[1], found[2], data.prior)


def _covariance_of(kernel: Kernel, data: Measured, hyper: HyperParameters) -> Floats:
    amplitude, residual = (torch.tensor(each, dtype=torch.float64) for each in (hyper.amplitude, hyper.residual))
    found: Floats = covariance(kernel(torch.from_numpy(hyper.gammas)), data, amplitude, residual).numpy()
    return found


@dataclass(frozen=True)
class Process:
    """A fitted process of one horizon, as `GaussianCorrection` keeps it.

    Attributes:
        hyper: Its hyper-parameters.
        weights: `(clips,)`: what the kernel with each clip is multiplied by.
        root: `(clips, clips)`: its square is the inverse of the covariance.
        line: Offset, and change of the slope from 1.
    """

    hyper: HyperParameters
    weights: Floats
    root: Floats
    line: tuple[float, float]


def fit_process(kernel: Kernel, data: Measured) -> Process:
    """Fit the process to all clips."""
    hyper = fit_hyper_parameters(kernel, data, np.arange(len(data.scores)))
    lower = np.linalg.cholesky(_covariance_of(kernel, data, hyper))
    root = np.linalg.solve(lower, np.eye(len(lower)))
    weights = root.T @ (root @ (data.scores - data.prior))
    line = OFFSET_SD**2 * weights.sum(), SLOPE_SD**2 * weights @ (data.prior - data.centre)
    return Process(hyper, weights, root, (float(line[0]), float(line[1])))


def correction_state(
    clips: ClipRows,
    factor: np.ndarray,
    processes: Sequence[Process],
    data: Sequence[Measured],
    known: Sequence[np.ndarray],
) -> dict[str, torch.Tensor]:
    """The buffers of `GaussianCorrection`, but for the intervals' `quantiles`.

    Args:
        clips: Scaled rows of all clips.
        factor: `(size,)`, by which rows are scaled.
        processes, data: Of each horizon, of the clips that have its score.
        known: Of each horizon the indices of these clips.
    """
    size, count = len(clips), len(processes)
    weights, prior, root = np.zeros((count, size)), np.zeros((count, size)), np.zeros((count, size, size))
    for h, (process, each, here) in enumerate(zip(processes, data, known, strict=True)):
        weights[h, here], prior[h, here] = process.weights, each.prior
        root[h][np.ix_(here, here)] = process.root
    typical = [each.inverse_counts[each.inverse_counts > 0] for each in data]
    arrays = {
        "factor": factor,
        "rows": clips.rows, "owner": clips.owner, "share": clips.share, "weights": weights, "root": root,
        "prior": prior,
        "gammas": [each.hyper.gammas for each in processes],
        "amplitude": [each.hyper.amplitude for each in processes],
        "residual": [each.hyper.residual for each in processes],
        "centre": [each.centre for each in data],
        "line": [each.line for each in processes],
        "line_variance": [OFFSET_SD**2, SLOPE_SD**2],
        "typical_count": [1 / each.mean() if len(each) else np.inf for each in typical],
    }  # fmt: skip
    return {name: torch.from_numpy(np.array(each, np.float32)) for name, each in arrays.items()}
