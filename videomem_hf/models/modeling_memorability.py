"""What the memorability predictors share: the interface of `forward`, and the way from frames to a clip's score."""

from typing import ClassVar

import torch
from torch import nn
from transformers import PreTrainedModel

from .configuration_memorability import MemorabilityConfig
from .modeling_outputs import MemorabilityOutput
from .scoring import mean_over_frames, memorability_loss


class MemorabilityModel(PreTrainedModel):
    """A predictor of memorability: a backbone that comes from elsewhere, and a head that learns the scores."""

    config: MemorabilityConfig
    main_input_name = "pixel_values_videos"
    input_modalities = ("video",)
    head_modules: tuple[str, ...] = ()
    """Names of the modules that learn memorability, those that `score_features` uses; what remains is the backbone."""
    attribution_layers: ClassVar[tuple[str, ...]] = ()
    """Last convolution of each branch: where gradient-based attribution reads what the score came from."""
    _auto_class = "AutoModel"  # as in MemorabilityConfig
    _backbone_frozen = False

    def freeze_backbone(self, frozen: bool = True) -> None:
        """Train the head alone, or everything again.

        While frozen, the backbone's parameters get no gradient and it stays in evaluation mode (no dropout, batch
        statistics as stored), also after `train()`. Not saved with the model.
        """
        self._backbone_frozen = frozen
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(not frozen or self._in_head(name))
        self.train(self.training)

    def train(self, mode: bool = True) -> "MemorabilityModel":
        """Set training mode, except for a frozen backbone."""
        super().train(mode)
        if self._backbone_frozen:
            for name, module in self.named_modules():
                module.training = mode and (name == "" or self._in_head(name))
        return self

    def _in_head(self, name: str) -> bool:
        return any(name == head or name.startswith(f"{head}.") for head in self.head_modules)

    def _loss(
        self, scores: torch.Tensor, labels: torch.Tensor | None, annotation_counts: torch.Tensor | None
    ) -> torch.Tensor | None:
        if labels is None:
            if annotation_counts is not None:
                raise ValueError("annotation_counts weigh the loss; they need labels")
            return None
        return memorability_loss(scores, labels, annotation_counts, self.config.score_means, self.config.score_stds)


class FrameMemorabilityModel(MemorabilityModel):
    """A predictor that scores frames one by one; a clip's score is the mean of its frame scores (paper, Sec. 5.1).

    A subclass gives `embed_frames` and `score_features`.
    """

    @property
    def has_attention(self) -> bool:
        """Whether `output_attentions=True` is possible."""
        return False

    def forward(
        self,
        pixel_values_videos: torch.Tensor | None = None,
        features: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        annotation_counts: torch.Tensor | None = None,
        frame_mask: torch.Tensor | None = None,
        output_attentions: bool = False,
    ) -> MemorabilityOutput:
        """Predict the memorability of clips. Give either pixels or features.

        Args:
            pixel_values_videos: `(batch, frames, 3, height, width)`, as the model's video processor makes them.
            features: `(batch, frames, size)`, what `embed_frames` gave for the frames: trains or runs the head alone.
            labels: `(batch, horizons)` in [0, 1]; NaN for an unknown score. Gives the loss.
            annotation_counts: `(batch, horizons)`, answers behind each label; see `memorability_loss`.
            frame_mask: `(batch, frames)` bool, False for the padding of clips that are shorter than others; such frames
                are not computed, and their frame scores and attentions are 0. Every clip needs a frame.
            output_attentions: Whether to return attention maps.
        """
        source = one_of(pixel_values_videos, features)
        check_shape(source, 5 if features is None else 3, frame_mask)
        if output_attentions and (features is not None or not self.has_attention):
            reason = "needs pixels" if self.has_attention else "is not possible here; see `attribution_layers`"
            raise ValueError(f"{type(self).__name__}: output_attentions=True {reason}")
        kept = source.flatten(0, 1) if frame_mask is None else source[frame_mask]
        maps = None
        if features is None:
            kept, maps = self.embed_frames(kept, output_attentions)
        frame_scores = place_in_clips(self.score_features(kept), source.shape[:2], frame_mask)
        scores = mean_over_frames(frame_scores, frame_mask)
        return MemorabilityOutput(
            loss=self._loss(scores, labels, annotation_counts),
            scores=scores,
            frame_scores=frame_scores,
            attentions=None if maps is None else place_in_clips(maps, source.shape[:2], frame_mask),
        )

    def embed_frames(
        self, pixels: torch.Tensor, output_attentions: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Map frames `(n, 3, height, width)` to features `(n, size)`; and to maps `(n, height', width')` if asked."""
        raise NotImplementedError

    def score_features(self, features: torch.Tensor) -> torch.Tensor:
        """Map features `(n, size)` to scores `(n, horizons)` in [0, 1]."""
        raise NotImplementedError

    def score_frames(self, pixels: torch.Tensor) -> torch.Tensor:
        """Map frames `(n, 3, height, width)` to scores `(n, horizons)` in [0, 1]."""
        return self.score_features(self.embed_frames(pixels)[0])


def init_linear(module: nn.Linear) -> None:
    """Glorot's uniform weights, no bias."""
    nn.init.xavier_uniform_(module.weight)
    if module.bias is not None:
        nn.init.zeros_(module.bias)


def init_convolution(module: nn.Conv2d | nn.Conv3d) -> None:
    """He's normal weights for a ReLU, no bias."""
    nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    if module.bias is not None:
        nn.init.zeros_(module.bias)


def init_batch_norm(module: nn.BatchNorm2d | nn.BatchNorm3d) -> None:
    """The identity, with the statistics of standardised inputs."""
    nn.init.ones_(module.weight)
    nn.init.zeros_(module.bias)
    module.reset_running_stats()


def one_of(pixel_values_videos: torch.Tensor | None, features: torch.Tensor | None) -> torch.Tensor:
    """The one that is given; both or none is an error."""
    if (pixel_values_videos is None) == (features is None):
        raise ValueError("give either pixel_values_videos or features")
    return features if pixel_values_videos is None else pixel_values_videos  # type: ignore[return-value]


def check_shape(source: torch.Tensor, dimensions: int, frame_mask: torch.Tensor | None) -> None:
    """Refuse pixels (5 dimensions), features (3) or a mask of the wrong shape."""
    wanted = (
        "pixel_values_videos (batch, frames, 3, height, width)" if dimensions == 5 else "features (batch, frames, size)"
    )
    if source.ndim != dimensions or (dimensions == 5 and source.shape[2] != 3) or source.shape[1] == 0:
        raise ValueError(f"expected {wanted}, got {tuple(source.shape)}")
    if frame_mask is not None and (frame_mask.shape != source.shape[:2] or frame_mask.dtype != torch.bool):
        raise ValueError(
            f"frame_mask must be bool {tuple(source.shape[:2])}, got {frame_mask.dtype} {tuple(frame_mask.shape)}"
        )


def place_in_clips(values: torch.Tensor, shape: torch.Size, frame_mask: torch.Tensor | None) -> torch.Tensor:
    """Put values `(frames that are kept, ...)` back to `shape` = `(batch, frames)`, 0 elsewhere."""
    if frame_mask is None:
        return values.unflatten(0, shape)
    return values.new_zeros(*shape, *values.shape[1:]).index_put((frame_mask,), values)


def split_clips(
    pixels: torch.Tensor, length: int, frame_mask: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Cut `(batch, frames, 3, height, width)` into segments `(batch, segments, 3, length, height, width)`.

    The mask becomes `(batch, segments)`: a segment is kept if all its frames are.
    """
    if pixels.shape[1] % length:
        raise ValueError(f"the number of frames must be a multiple of {length}, got {pixels.shape[1]}")
    segments = pixels.unflatten(1, (-1, length)).transpose(2, 3)
    return segments, None if frame_mask is None else frame_mask.unflatten(1, (-1, length)).all(dim=2)
