"""From a network's outputs to memorability scores and their loss, the same in every predictor."""

from collections.abc import Sequence

import torch
from torch.autograd.function import FunctionCtx


def scores_around_mean(offsets: torch.Tensor, means: Sequence[float], stds: Sequence[float]) -> torch.Tensor:
    """Map offsets `(..., horizons)`, in standard deviations of the training scores, to scores in [0, 1].

    A sigmoid whose value at 0 is the mean and whose slope there is the standard deviation: an untrained head that gives
    about 0 predicts the mean, and weights and gradients have the same size for both horizons.
    """
    offsets = at_least_float32(offsets)
    mean, std = (torch.tensor(list(v), dtype=offsets.dtype, device=offsets.device) for v in (means, stds))
    return torch.sigmoid(mean.logit() + offsets * std / (mean * (1 - mean)))


def clamp_scores(values: torch.Tensor) -> torch.Tensor:
    """Clip a linear output to [0, 1].

    Unlike `torch.clamp` the gradient outside is not 0 where it leads back inside, so that training does not get stuck.
    """
    return _Bounded.apply(at_least_float32(values))


class _Bounded(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, values: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(values)
        return values.clamp(0.0, 1.0)

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: torch.Tensor) -> torch.Tensor:
        (values,) = ctx.saved_tensors  # type: ignore[attr-defined]
        leads_out = ((values < 0) & (gradient > 0)) | ((values > 1) & (gradient < 0))
        return gradient.masked_fill(leads_out, 0.0)


def memorability_loss(
    scores: torch.Tensor,
    labels: torch.Tensor,
    annotation_counts: torch.Tensor | None,
    means: Sequence[float],
    stds: Sequence[float],
) -> torch.Tensor:
    """Squared error in units of the training scores' variance, weighted by how reliable each label is.

    A constant prediction of the mean gets about 1 for each horizon. The sum is divided by all `batch * horizons`,
    missing labels included: the mean over processes is then the loss of the whole batch.

    A label from n annotations is its clip's true memorability plus binomial noise of variance m (1 - m) / n, m being
    the mean score. Its weight is its reliability n / (n + m (1 - m) / s^2), s being the scores' standard deviation
    (Spearman-Brown).

    Args:
        scores: `(batch, horizons)`, predicted.
        labels: `(batch, horizons)` in [0, 1]; NaN for an unknown one, which adds nothing.
        annotation_counts: `(batch, horizons)`, annotations behind each label; the weight is 1 where a count is NaN (not
            published, as LaMem's) and where this is None.
        means, stds: `config.score_means` and `config.score_stds`.

    Returns:
        A scalar, at least 0; exactly 0 (with gradient 0) if every label is unknown.
    """
    if labels.shape != scores.shape:
        raise ValueError(f"labels must be (batch, horizons) = {tuple(scores.shape)}, got {tuple(labels.shape)}")
    mean, std = (torch.tensor(list(v), dtype=scores.dtype, device=scores.device) for v in (means, stds))
    known = labels.isfinite()
    errors = torch.where(known, scores - labels.nan_to_num().to(scores.dtype), 0.0) / std
    if annotation_counts is None:
        return errors.square().mean()
    if annotation_counts.shape != scores.shape:
        raise ValueError(f"annotation_counts must be {tuple(scores.shape)}, got {tuple(annotation_counts.shape)}")
    counts = annotation_counts.to(scores.dtype)
    reliability = counts / (counts + mean * (1 - mean) / std.square())
    weights = torch.where(counts.isnan(), 1.0, reliability)
    return (weights * errors.square()).mean()


def mean_over_frames(frame_scores: torch.Tensor, frame_mask: torch.Tensor | None) -> torch.Tensor:
    """Average `(batch, frames, horizons)` over the frames kept by `frame_mask` `(batch, frames)` (paper, Sec. 5.1)."""
    if frame_mask is None:
        return frame_scores.mean(dim=1)
    kept = frame_mask[..., None]
    return (frame_scores * kept).sum(dim=1) / kept.sum(dim=1)


def at_least_float32(values: torch.Tensor) -> torch.Tensor:
    """Half precision is too coarse for scores: bfloat16 tells .859 from .855 but not from .857."""
    return values.float() if is_half(values) else values


def is_half(values: torch.Tensor) -> bool:
    return values.dtype in (torch.bfloat16, torch.float16)
