"""The Gaussian process that corrects a base model's scores on a new domain: its fit, and predictions of left-out clips.

Hyper-parameters are the most probable ones under priors that suit a hundred clips: maximum of the marginal likelihood
(Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006, Sec. 5.4.1) times log-normal priors. Slope and
offset of the base's scores are integrated out with the process. The processes of the horizons are correlated, so that
the scores of one help the other (Bonilla et al., "Multi-task Gaussian Process Prediction", NeurIPS 2007).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.special import expit

from videomem_hf.models.modeling_multiview import squared_distances
from videomem_hf.multiview.adapt_clips import INSIDE, ClipRows, Measured, Trend
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
_SHARED_LOGIT: Final = 0.0
"""Median prior of the correlation of the horizons' processes, as a logit: a new domain moves them half alike."""
_MOST_FITTED: Final = 300
"""Clips at most that hyper-parameters are fitted to."""
_FOLDS: Final = 10


@dataclass(frozen=True)
class HyperParameters:
    """Of the processes of the horizons over the features of clips.

    Attributes:
        amplitude: `(horizons,)`, variance of each process.
        gammas: `(groups,)`; the kernel of two vectors is exp(-sum over groups of gamma times squared distance).
        shared: Correlation of the horizons' processes: what one horizon's scores say of another's.
        residual: `(horizons,)`, variance of the true score that the process does not explain; of scores with unknown
            annotation counts that of their noise as well.
    """

    amplitude: Floats
    gammas: Floats
    shared: float
    residual: Floats

    def of_horizon(self, horizon: int) -> "HyperParameters":
        return replace(self, amplitude=self.amplitude[[horizon]], residual=self.residual[[horizon]])


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


def covariance(
    kernel: torch.Tensor,
    data: Measured,
    trends: Sequence[Trend],
    amplitude: torch.Tensor,
    shared: torch.Tensor,
    residual: torch.Tensor,
) -> torch.Tensor:
    """Covariance `(pairs, pairs)` of measured scores around the base's, from the kernel `(clips, clips)`."""
    horizon, clip = data.pairs
    same = torch.from_numpy(horizon[:, None] == horizon)
    scale = amplitude.sqrt()[horizon]
    process = kernel[clip][:, clip] * scale[:, None] * scale * torch.where(same, 1.0, shared)
    centres = np.array([each.centre for each in trends])
    apart = torch.from_numpy(data.prior[clip, horizon] - centres[horizon])
    line = same * (OFFSET_SD**2 + SLOPE_SD**2 * apart[:, None] * apart)
    noise = torch.from_numpy(data.noise(trends)[clip, horizon])
    return process + line + torch.diag(noise + residual[horizon])


def fit_hyper_parameters(kernel: Kernel, data: Measured, clips: np.ndarray) -> HyperParameters:
    """The most probable hyper-parameters by the clips with these indices.

    Args:
        kernel: Of all clips.
        data: Of all clips.
        clips: Indices; at most 300 of them, evenly spread, are used.
    """
    if len(clips) > _MOST_FITTED:
        clips = clips[np.linspace(0, len(clips) - 1, _MOST_FITTED).round().astype(int)]
    part, groups, horizons = data.take(clips), len(kernel.medians), data.scores.shape[1]
    used = kernel.shares[clips].any(dim=0).nonzero().flatten()
    distances, shares = kernel.distances[:, used][:, :, used], kernel.shares[clips][:, used]
    trends = part.trends()
    spreads = part.spreads(trends)
    sizes = [horizons, groups, horizons, 1]
    priors = [
        (2 * np.log(_AMPLITUDE * spreads), 2.0),  # variances have twice the logarithm
        (np.full(groups, np.log(_SCALE / groups)), 1.0),
        (2 * np.log(_RESIDUAL * spreads), 2.0),
        (np.array([_SHARED_LOGIT]), 1.0),
    ]
    medians = np.concatenate([each for each, _ in priors])
    widths = _PRIOR_LOG_SD * np.concatenate([np.full(len(each), width) for each, width in priors])
    around, across, apart = (torch.from_numpy(each) for each in (medians, widths, part.apart))

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        theta = torch.from_numpy(values).requires_grad_()
        amplitude, scales, residual, shared = theta.split(sizes)
        pairs = torch.exp(-torch.einsum("g,gnm->nm", scales.exp() / kernel.medians, distances))
        whole = covariance(shares @ pairs @ shares.T, part, trends, amplitude.exp(), shared.sigmoid(), residual.exp())
        root = torch.linalg.cholesky(whole)
        white = torch.linalg.solve_triangular(root, apart[:, None], upper=False)
        evidence = -white.square().sum() / 2 - root.diagonal().log().sum()
        total = ((theta - around) / across).square().sum() / 2 - evidence
        (gradient,) = torch.autograd.grad(total, theta)
        return total.item(), gradient.numpy()

    bounds = list(zip(medians - 3 * widths, medians + 3 * widths, strict=True))
    found = minimize(loss, medians, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 60}).x
    amplitude, scales, residual, shared = np.split(found, np.cumsum(sizes)[:-1])
    gammas = np.exp(scales) / kernel.medians.numpy()
    return HyperParameters(np.exp(amplitude), gammas, float(expit(shared[0])), np.exp(residual))


@dataclass(frozen=True)
class HeldOut:
    """Predictions of one horizon for clips that were left out.

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
        inside = np.clip(self.predicted, *INSIDE)
        return np.sqrt(self.variance + self.residual + inside * (1 - inside) * inverse_counts)


def predict_left_out(kernel: Kernel, data: Measured) -> list[HeldOut]:
    """Predict the clips of each tenth from all others, for each horizon; all scores of a clip are left out together.

    The tenths of a horizon have about the same mean score. Otherwise one with high scores would leave a low mean for
    its prediction: predictions would follow the scores the wrong way, and correlations come out too low.
    """
    found = []
    horizon, clip = data.pairs
    for each, scores in enumerate(data.scores.T):
        here, own = np.isfinite(scores), data.of_horizon(each)
        folds = np.full(len(scores), -1)
        folds[here] = balanced_folds(scores[here])
        predicted, latent, residual = np.zeros((3, len(scores)))
        for fold in range(folds.max() + 1):
            left, others = folds == fold, np.flatnonzero(folds != fold)
            hyper, trends = fit_hyper_parameters(kernel, data, others), data.take(others).trends()
            whole = _covariance_of(kernel, data, trends, hyper)
            known, target = ~left[clip], left[clip] & (horizon == each)
            solved = np.linalg.solve(whole[np.ix_(known, known)], data.apart[known])
            predicted[left] = data.prior[left, each] + whole[np.ix_(target, known)] @ solved
            alone = _covariance_of(kernel, own, [trends[each]], hyper.of_horizon(each))
            noisy = own.noise([trends[each]])[left, 0] + hyper.residual[each]
            latent[left] = _conditional_variance(alone, left[own.pairs[1]]) - noisy
            residual[left] = hyper.residual[each]
        parts = np.clip(predicted, 0, 1), np.maximum(latent, 0), residual, data.prior[:, each]
        found.append(HeldOut(*(part[here] for part in parts)))
    return found


def balanced_folds(scores: Floats) -> np.ndarray:
    """A tenth for each score: of every ten that follow each other in order, each is in another one."""
    generator, count = np.random.default_rng(0), min(_FOLDS, len(scores))
    tens = -(-len(scores) // count)
    folds = np.empty(len(scores), np.int64)
    folds[np.argsort(scores, kind="stable")] = np.concatenate([generator.permutation(count) for _ in range(tens)])[
        : len(scores)
    ]
    return folds


def _conditional_variance(covariance: Floats, left: np.ndarray) -> Floats:
    """Variances of those that are left out, given all others."""
    across = covariance[np.ix_(left, ~left)]
    explained = across * np.linalg.solve(covariance[np.ix_(~left, ~left)], across.T).T
    return np.asarray(np.diag(covariance)[left] - explained.sum(axis=1))


def _covariance_of(kernel: Kernel, data: Measured, trends: Sequence[Trend], hyper: HyperParameters) -> Floats:
    amplitude, residual = torch.from_numpy(hyper.amplitude), torch.from_numpy(hyper.residual)
    shared = torch.tensor(hyper.shared, dtype=torch.float64)
    of_clips = kernel(torch.from_numpy(hyper.gammas))
    found: Floats = covariance(of_clips, data, trends, amplitude, shared, residual).numpy()
    return found


@dataclass(frozen=True)
class Process:
    """Fitted processes of all horizons, as `GaussianCorrection` keeps them.

    Attributes:
        hyper: Their hyper-parameters.
        trends: Of each horizon.
        weights: `(horizons, clips)`: what the kernel with each clip is multiplied by, from the scores of all horizons.
        root: `(horizons, clips, clips)`: its square is the inverse of the covariance of a horizon's scores; 0 where
            unknown.
        line: `(horizons, 2)`: offset, and change of the slope from 1.
    """

    hyper: HyperParameters
    trends: list[Trend]
    weights: Floats
    root: Floats
    line: Floats


def fit_process(kernel: Kernel, data: Measured, hyper: HyperParameters | None = None) -> Process:
    """Fit the processes to all clips, and their hyper-parameters unless they are given.

    The mean of a score takes the scores of all horizons; its variance those of its own horizon alone, which is an upper
    bound and keeps a model's size.
    """
    clips, horizons = data.scores.shape
    hyper, trends = hyper or fit_hyper_parameters(kernel, data, np.arange(clips)), data.trends()
    horizon, clip = data.pairs
    solved = np.zeros((horizons, clips))
    solved[horizon, clip] = np.linalg.solve(_covariance_of(kernel, data, trends, hyper), data.apart)
    scale = np.sqrt(hyper.amplitude)
    correlation = np.where(np.eye(horizons) > 0, 1.0, hyper.shared)
    root, line = np.zeros((horizons, clips, clips)), []
    for each in range(horizons):
        own = data.of_horizon(each)
        here = own.pairs[1]
        lower = np.linalg.cholesky(_covariance_of(kernel, own, [trends[each]], hyper.of_horizon(each)))
        root[each][np.ix_(here, here)] = np.linalg.solve(lower, np.eye(len(lower)))
        apart = data.prior[:, each] - trends[each].centre
        line.append((OFFSET_SD**2 * solved[each].sum(), SLOPE_SD**2 * solved[each] @ apart))
    return Process(hyper, trends, correlation * scale / scale[:, None] @ solved, root, np.array(line))


def correction_state(clips: ClipRows, factor: np.ndarray, process: Process, data: Measured) -> dict[str, torch.Tensor]:
    """The buffers of `GaussianCorrection`, but for the intervals' `quantiles`.

    Args:
        clips: Scaled rows of all clips.
        factor: `(size,)`, by which rows are scaled.
        process, data: Of these clips.
    """
    typical = [each[each > 0] for each in data.inverse_counts.T]
    hyper, horizons = process.hyper, data.scores.shape[1]
    arrays = {
        "factor": factor,
        "rows": clips.rows, "owner": clips.owner, "share": clips.share, "weights": process.weights,
        "root": process.root, "prior": np.where(np.isfinite(data.scores), data.prior, 0).T,
        "gammas": np.tile(hyper.gammas, (horizons, 1)),
        "amplitude": hyper.amplitude,
        "residual": hyper.residual,
        "centre": [each.centre for each in process.trends],
        "line": process.line,
        "line_variance": [OFFSET_SD**2, SLOPE_SD**2],
        "typical_count": [1 / each.mean() if len(each) else np.inf for each in typical],
    }  # fmt: skip
    return {name: torch.from_numpy(np.array(each, np.float32)) for name, each in arrays.items()}
