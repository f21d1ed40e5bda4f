"""Binomial likelihood of the annotations behind a score."""

from typing import ClassVar, Literal, get_args

import torch
from torch.nn import functional

from videomem_hf.losses.base import MemorabilityLoss, as_sequences, is_number
from videomem_hf.recipes import require

Given = Literal["scores", "logits"]


class BinomialLoss(MemorabilityLoss):
    """Negative log-likelihood, per annotation, of k hits among n annotations.

    A long-term score is exactly k / n: nine of ten is weaker evidence than twenty-seven of thirty, and the loss weights
    it accordingly. A short-term score has been corrected for its lag, so that its k is not a whole number; the formula
    still holds (quasi-likelihood: Wedderburn, 1974). The sum over items of -log binomial(k; n, p), without the binomial
    coefficient, is divided by the number of annotations.

    Best where annotations are few and their number differs; it keeps scores calibrated as probabilities.
    """

    needs_counts: ClassVar[bool] = True

    def __init__(self, given: Given = "scores", clamp: float = 1e-3, unknown_count: float = 1.0) -> None:
        """Set up the loss.

        Args:
            given: `scores`, probabilities in [0, 1], or `logits`.
            clamp: Scores closer than this to 0 or 1, or beyond, continue the logarithm along its tangent: the loss and
                its gradient stay finite, and the gradient leads back. In (0, 0.5).
            unknown_count: Annotations that an item with an unknown count (NaN) counts as; above 0. Some data sets do
                not publish them.
        """
        super().__init__()
        require(given in get_args(Given), "given", f"one of {', '.join(get_args(Given))}", given)
        require(is_number(clamp, above=0) and clamp < 0.5, "clamp", "above 0 and below 0.5", clamp)
        require(is_number(unknown_count, above=0), "unknown_count", "a number above 0", unknown_count)
        self.given, self.clamp, self.unknown_count = given, clamp, unknown_count

    def forward(
        self,
        predictions: torch.Tensor,
        targets: torch.Tensor,
        mask: torch.Tensor | None = None,
        counts: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Compute the loss of scores or logits, at least 0; targets are k / n, `counts` the n, NaN where unknown.

        Shapes, and the other arguments, are as of every loss.
        """
        if counts is None:
            raise ValueError("the binomial likelihood needs counts, the number of annotations behind each target")
        if counts.shape != predictions.shape:
            raise ValueError(f"counts must be {tuple(predictions.shape)} like predictions, got {tuple(counts.shape)}")
        with torch.autocast(predictions.device.type, enabled=False):
            predictions, targets, mask = as_sequences(predictions, targets, mask)
            n = counts.to(predictions.dtype).reshape(predictions.shape)
            n = torch.where(n.isnan(), self.unknown_count, n).masked_fill(~mask, 0.0)
            total = n.sum()
            return (n * self._surprise(predictions, targets)).sum() / torch.where(total > 0, total, 1.0)

    def _surprise(self, predictions: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Mean -log likelihood of one of an item's annotations."""
        if self.given == "logits":
            return functional.binary_cross_entropy_with_logits(predictions, targets, reduction="none")
        return -(targets * self._log(predictions) + (1 - targets) * self._log(1 - predictions))

    def _log(self, p: torch.Tensor) -> torch.Tensor:
        inside = p.clamp_min(self.clamp)
        return inside.log() + (p - inside) / self.clamp
