"""What the memorability predictors share: the interface of `forward`, and the way from frames to a clip's score."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.utils import ModelOutput

from .configuration_memorability import MemorabilityConfig
from .exporting import ClipNetwork, ClipPart, ExportPart
from .map_info import MapInfo
from .recomputing import has_batch_norm, recompute_blocks, recompute_in_parts
from .scoring import at_least_float32, is_half, mean_over_frames, memorability_loss, scores_around_mean

FeaturesAndMaps = tuple[torch.Tensor, torch.Tensor | None]
"""Features `(n, size)` of frames, and maps `(n, height', width')` where they are asked for."""
_PIXELS: Final[tuple[str | int, ...]] = ("batch", "frames", 3, "height", "width")
_FEATURES: Final[tuple[str | int, ...]] = ("batch", "frames", "size")


@dataclass
class MemorabilityOutput(ModelOutput):
    """Predicted memorability, with frame scores and attention maps if the model has them.

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


class MemorabilityModel(PreTrainedModel):
    """A predictor of memorability: a backbone, usually pretrained, and a head that is trained on scores.

    The attributes of a subclass tell training, saliency maps, cached maps and `SpatioTemporalModel` what they need.
    """

    config: MemorabilityConfig
    main_input_name = "pixel_values_videos"
    input_modalities = ("video",)
    head_modules: tuple[str, ...] = ()
    """Names of the modules that learn memorability, those that `score_features` uses; what remains is the backbone."""
    backbone_module: ClassVar[str] = ""
    """Name of the module whose output is the map of a frame; see `frame_backbone`."""
    minimal_head: ClassVar[dict[str, Any]] = {}
    """Fields of the configuration that make what follows the backbone small, where the backbone alone is wanted."""
    attribution_layers: ClassVar[tuple[str, ...]] = ()
    """Last convolution of each branch: where gradient-based attribution reads what the score came from."""
    map_info: MapInfo | None = None
    """Of the maps of the backbone and of the attribution layers (which share their cells); None: there are none."""
    published_training: ClassVar[str] = ""
    """What published weights of this kind were trained on, where that is no clips."""
    has_attention: bool = False
    """Whether `output_attentions=True` is possible."""
    weighs_frames: bool = False
    """Whether some frames of a clip count more than others; the output then has `temporal_weights`."""
    gives_intervals: ClassVar[bool] = False
    """Whether the output has `intervals` of a clip, for which a model of frames needs the features of all at once."""
    stays_float32: ClassVar[bool] = False
    """Whether weights stay float32 whatever type is asked for: small models whose arithmetic half precision spoils."""
    gradient_checkpointing = False
    """Whether activations of the backbone are computed again in the backward pass, which takes less memory."""
    _auto_class = "AutoModel"  # as in MemorabilityConfig
    _backbone_frozen = False
    _recomputes_frames = False

    def frame_backbone(self) -> nn.Module:
        """The module that maps frames `(n, 3, height, width)` to `(n, channels, height', width')`; shares the model's
        weights.

        Raises a ValueError if the model has no such part.
        """
        if not self.backbone_module:
            raise ValueError(f"{type(self).__name__} gives no maps of frames: it declares no backbone_module")
        return self.get_submodule(self.backbone_module)

    def crop_frames(self, frames: torch.Tensor) -> torch.Tensor | None:
        """The crops of frames `(n, channels, height, width)` that are scored, `(crops, n, channels, side, side)`.

        None by default: whole frames are scored.
        """
        return None

    def export_parts(self, pixels: torch.Tensor) -> tuple[ExportPart, ...]:
        """What the model is exported as: its network of clips, and behind it what sees the features of whole clips.

        Args:
            pixels: `(batch, frames, 3, height, width)`, an example of its input.
        """
        network = ClipNetwork(self, pixels)
        return (network.part, *ClipPart.of(self, network))

    def in_head(self, name: str) -> bool:
        """Whether a module or parameter of this name belongs to the head."""
        return any(name == head or name.startswith(f"{head}.") for head in self.head_modules)

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> "MemorabilityModel":
        if not self.stays_float32:
            return super()._apply(fn, recurse)

        def move(tensor: torch.Tensor) -> torch.Tensor:
            result = fn(tensor)
            return at_least_float32(tensor).to(result.device) if is_half(result) else result

        return super()._apply(move, recurse)

    def freeze_backbone(self, frozen: bool = True) -> None:
        """Train the head alone, or all parameters again.

        While frozen, the backbone's parameters get no gradient and it stays in evaluation mode (no dropout, batch
        statistics as stored), also after `train()`. Not saved with the model.
        """
        self._backbone_frozen = frozen
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(not frozen or self.in_head(name))
        self.train(self.training)

    def train(self, mode: bool = True) -> "MemorabilityModel":
        super().train(mode)
        if self._backbone_frozen:
            for name, module in self.named_modules():
                module.training = mode and (name == "" or self.in_head(name))
        return self

    def _set_gradient_checkpointing(
        self, enable: bool = True, gradient_checkpointing_func: Any = None, every_n_layers: int = 1
    ) -> None:
        """Turn gradient checkpointing on or off: for the blocks of the network, or for a few frames at a time.

        The latter is for networks without blocks. Raises a ValueError for one of these with batch normalisation.
        """
        blocks = recompute_blocks(self, enable, every_n_layers)
        if enable and not blocks and has_batch_norm(self):
            name = type(self).__name__
            raise ValueError(f"{name} has no gradient checkpointing: no blocks, and batch normalisation mixes frames")
        self.gradient_checkpointing = enable
        self._recomputes_frames = enable and not blocks

    def compute_frames(self, compute: Callable[..., Any], frames: torch.Tensor, *args: Any) -> Any:
        """Apply a part of the network to frames `(n, ...)`, with gradient checkpointing if it is on."""
        return recompute_in_parts(compute, frames, *args) if self._recomputes_frames else compute(frames, *args)

    def label_loss(
        self, scores: torch.Tensor, labels: torch.Tensor | None, annotation_counts: torch.Tensor | None
    ) -> torch.Tensor | None:
        """`memorability_loss` with the configuration's score statistics; None without labels."""
        if labels is None:
            if annotation_counts is not None:
                raise ValueError("annotation_counts weigh the loss; they need labels")
            return None
        return memorability_loss(scores, labels, annotation_counts, self.config.score_means, self.config.score_stds)

    def _init_weights(self, module: nn.Module) -> None:
        init_layer(module)


class FrameMemorabilityModel(MemorabilityModel):
    """A predictor that scores frames one by one; a clip's score is the mean of its frame scores (paper, Sec. 5.1).

    A subclass defines `embed_frames`, and `score_features` if its head is not a single module around the mean score.
    With a `segment_length` in its configuration `embed_frames` gets segments `(n, 3, segment_length, height, width)`.
    """

    supports_gradient_checkpointing = True

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
            features: `(batch, frames, size)`, what `embed_frames` gave for the frames (or segments): trains or runs the
                head alone.
            labels: `(batch, horizons)` in [0, 1]; NaN for an unknown score. Gives the loss.
            annotation_counts: `(batch, horizons)`, annotations behind each label; see `memorability_loss`.
            frame_mask: `(batch, frames)` bool, False for the padding of clips that are shorter than others; such frames
                are not computed, and their frame scores and attentions are 0. Every clip needs a frame.
            output_attentions: Whether to return attention maps.
        """
        source = only_input(frame_mask, pixel_values_videos=pixel_values_videos, features=features)
        if output_attentions and (features is not None or not self.has_attention):
            reason = "needs pixels" if self.has_attention else "is not possible here; see `attribution_layers`"
            raise ValueError(f"{type(self).__name__}: output_attentions=True {reason}")
        length = getattr(self.config, "segment_length", 0) if features is None else 0
        if length:
            source, frame_mask = split_segments(source, length, frame_mask)
        kept = source.flatten(0, 1) if frame_mask is None else source[frame_mask]
        maps = None
        if features is None:
            kept, maps = self.compute_frames(self.embed_frames, kept.to(self.dtype), output_attentions)
        frame_scores = scatter_to_clips(self.score_features(kept.to(self.dtype)), source.shape[:2], frame_mask)
        scores = mean_over_frames(frame_scores, frame_mask)
        if length:  # every frame has the score of its segment
            frame_scores = frame_scores.repeat_interleave(length, dim=1)
        return MemorabilityOutput(
            loss=self.label_loss(scores, labels, annotation_counts),
            scores=scores,
            frame_scores=frame_scores,
            attentions=None if maps is None else scatter_to_clips(maps, source.shape[:2], frame_mask),
        )

    def embed_frames(self, pixels: torch.Tensor, output_attentions: bool = False) -> FeaturesAndMaps:
        """Map frames `(n, 3, height, width)` to features `(n, size)`; and to maps `(n, height', width')` if asked."""
        raise NotImplementedError

    def score_features(self, features: torch.Tensor) -> torch.Tensor:
        """Map features `(n, size)` to scores `(n, horizons)` in [0, 1]; by default with the first of `head_modules`."""
        offsets = self.get_submodule(self.head_modules[0])(features)
        return scores_around_mean(offsets, self.config.score_means, self.config.score_stds)


class Conv3d(nn.Conv3d):
    """A convolution that computes float16 in float32 on the CPU, where torch takes twenty times as long in float16."""

    def _conv_forward(self, input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        if input.dtype != torch.float16 or input.device.type != "cpu":
            return super()._conv_forward(input, weight, bias)
        wide = super()._conv_forward(input.float(), weight.float(), None if bias is None else bias.float())
        return wide.to(input.dtype)


def init_layer(module: nn.Module) -> None:
    """Glorot's uniform weights for a linear layer, He's normal ones for a convolution, the identity for batch norm."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
    elif isinstance(module, nn.Conv2d | nn.Conv3d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    elif isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
        nn.init.ones_(module.weight)
        module.reset_running_stats()
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)


def only_input(frame_mask: torch.Tensor | None, map_channels: int = 0, **inputs: torch.Tensor | None) -> torch.Tensor:
    """The one given input of a `forward`: `pixel_values_videos`, `features`, or `frame_maps` of so many channels.

    Raises a ValueError if none or several are given, or it or its mask has a wrong shape.
    """
    given = {name: values for name, values in inputs.items() if values is not None}
    if len(given) != 1:
        raise ValueError(f"give either {' or '.join(inputs)}")
    ((name, values),) = given.items()
    maps = (*_PIXELS[:2], map_channels, *_PIXELS[3:])
    axes = {"pixel_values_videos": _PIXELS, "features": _FEATURES, "frame_maps": maps}[name]
    sizes = zip(axes, values.shape, strict=False)
    if values.ndim != len(axes) or values.shape[1] == 0 or any(isinstance(a, int) and a != size for a, size in sizes):
        raise ValueError(f"expected {name} ({', '.join(map(str, axes))}), got {tuple(values.shape)}")
    frames = values.shape[:2]
    if frame_mask is not None and (frame_mask.shape != frames or frame_mask.dtype != torch.bool):
        raise ValueError(f"frame_mask must be bool {tuple(frames)}, got {frame_mask.dtype} {tuple(frame_mask.shape)}")
    return values


def check_side(pixels: torch.Tensor, side: int) -> None:
    """Refuse frames `(..., height, width)` that are not squares of this side."""
    if pixels.shape[-2:] != (side, side):
        raise ValueError(f"this model needs frames of {side} x {side} pixels, got {tuple(pixels.shape[-2:])}")


def scatter_to_clips(values: torch.Tensor, shape: torch.Size, frame_mask: torch.Tensor | None) -> torch.Tensor:
    """Put values `(frames that are kept, ...)` back to `shape` = `(batch, frames)`, 0 elsewhere."""
    if frame_mask is None:
        return values.unflatten(0, shape)
    return values.new_zeros(*shape, *values.shape[1:]).index_put((frame_mask,), values)


def split_segments(
    pixels: torch.Tensor, length: int, frame_mask: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Cut `(batch, frames, 3, height, width)` into segments `(batch, segments, 3, length, height, width)`.

    The mask becomes `(batch, segments)`: a segment is kept if all its frames are.
    """
    if pixels.shape[1] % length:
        raise ValueError(f"the number of frames must be a multiple of {length}, got {pixels.shape[1]}")
    segments = pixels.unflatten(1, (-1, length)).transpose(2, 3)
    return segments, None if frame_mask is None else frame_mask.unflatten(1, (-1, length)).all(dim=2)
