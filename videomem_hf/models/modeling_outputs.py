"""The one output type of every memorability predictor."""

from dataclasses import dataclass

import torch
from transformers.utils import ModelOutput


@dataclass
class MemorabilityOutput(ModelOutput):
    """Predicted memorability, with what led to it where the model has it.

    Attributes:
        loss: Scalar; only when labels were given.
        scores: `(batch, horizons)` in [0, 1], in the order of `config.horizons`.
        frame_scores: `(batch, frames, horizons)` in [0, 1]; models that score frames. `scores` is their mean over the
            clip's frames (paper, Sec. 5.1).
        attentions: `(batch, frames, height, width)`, non-negative, summing to 1 over the positions of each frame;
            models with spatial attention, when `output_attentions=True`.
    """

    loss: torch.Tensor | None = None
    scores: torch.Tensor | None = None
    frame_scores: torch.Tensor | None = None
    attentions: torch.Tensor | None = None
