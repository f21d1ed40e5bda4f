"""What the memorability predictors share: the interface of `forward`, and the way from frames to a clip's score."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.utils import ModelOutput
from transformers.utils.generic import can_return_tuple

from .changed_horizons import check_horizons, horizon_tensors, renew_head, saved_horizons
from .clip_frames import by_frame, kept_frames, only_input, scatter_to_clips, split_segments
from .configuration_memorability import MemorabilityConfig
from .device_maps import load_together
from .exporting import ClipNetwork, ClipPart, ExportPart
from .hidden_states import StateRecorder
from .map_info import MapInfo
from .recomputing import has_batch_norm, network_blocks, recompute_blocks, recompute_in_parts
from .scoring import at_least_float32, is_half, mean_over_frames, memorability_loss, scores_around_mean

FeaturesAndMaps = tuple[torch.Tensor, torch.Tensor | None]
"""Features `(n, size)` of frames, and maps `(n, height', width')` where they are asked for."""


@dataclass
class MemorabilityOutput(ModelOutput):
    """Predicted memorability, with frame scores and attention maps if the model has them.

    Attributes:
        loss: Scalar; only when labels were given.
        scores: `(batch, horizons)` in [0, 1], in the order of `config.horizons`.
        frame_scores: `(batch, frames, horizons)` in [0, 1]; models that score frames. `scores` is their mean over the
            clip's frames (paper, Sec. 5.1).
        hidden_states: `(batch, frames, ...)` of each of the model's `hidden_state_modules`, in the order in which they
            are computed, when `output_hidden_states=True`; of models of segments `(batch, segments, ...)`, of models
            of features `(batch, size)`, and of a model that scores crops `(batch, frames, crops, ...)`.
        attentions: `(batch, frames, height, width)`, non-negative, summing to 1 over the positions of each frame;
            models with spatial attention, when `output_attentions=True`.
    """

    loss: torch.Tensor | None = None
    scores: torch.Tensor | None = None
    frame_scores: torch.Tensor | None = None
    hidden_states: tuple[torch.Tensor, ...] | None = None
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
    hidden_state_modules: tuple[str, ...] = ()
    """Names of the modules whose outputs are the `hidden_states`."""
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

    def __init__(self, config: MemorabilityConfig) -> None:
        config.validate_horizons()  # a field may have been set since the configuration was created
        super().__init__(config)

    def post_init(self) -> None:
        self._no_split_modules = sorted({type(each).__name__ for each in network_blocks(self)})
        super().post_init()
        self.state_recorder = StateRecorder()
        self.state_recorder.watch(self.get_submodule(name) for name in self.hidden_state_modules)

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: Any,
        *model_args: Any,
        config: Any = None,
        ignore_mismatched_sizes: bool = False,
        **kwargs: Any,
    ) -> Any:
        """As of `PreTrainedModel`; with other `horizons` than those saved it needs `ignore_mismatched_sizes=True`.

        What depends on the horizons then starts untrained, and a warning says so.

        Raises:
            ValueError: The configuration, or the argument `horizons`, names other horizons than those saved.
        """
        saved = saved_horizons(cls, pretrained_model_name_or_path, config, kwargs)
        check_horizons(saved, config, kwargs, ignore_mismatched_sizes)
        load = partial(
            super().from_pretrained,
            pretrained_model_name_or_path,
            *model_args,
            config=config,
            ignore_mismatched_sizes=ignore_mismatched_sizes,
        )
        result = load_together(load, kwargs)
        renew_head(_model_of(result), saved)
        return result

    def get_input_embeddings(self) -> None:
        """None: the input are numbers, not tokens."""

    def horizon_tensors(self) -> set[str]:
        """Names of the parameters and buffers that belong to the horizons: with others they start untrained."""
        return horizon_tensors(self)

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
        in_parts = self._recomputes_frames and not self.state_recorder.is_recording()
        return recompute_in_parts(compute, frames, *args) if in_parts else compute(frames, *args)

    def wants_attentions(self, asked: bool | None, from_maps: bool, needs: str = "pixels") -> bool:
        """Whether attention maps are to be returned: as asked, or else as the configuration says.

        Args:
            asked: The argument of `forward`; None for the configuration's `output_attentions`, which asks only for
                maps that there are.
            from_maps: Whether the input has maps: pixels have, features have not.
            needs: What inputs with maps are called, for the error.

        Raises:
            ValueError: They are asked for, and there are none.
        """
        possible = from_maps and self.has_attention
        if asked and not possible:
            reason = f"needs {needs}" if self.has_attention else "is not possible here; see `attribution_layers`"
            raise ValueError(f"{type(self).__name__}: output_attentions=True {reason}")
        return possible and bool(self.config.output_attentions if asked is None else asked)

    def wants_hidden_states(self, asked: bool | None, from_start: bool = True) -> bool:
        """Whether hidden states are to be returned; like `wants_attentions`. Features are behind them."""
        possible = from_start and bool(self.hidden_state_modules)
        if asked and not possible:
            reason = "needs what the features come from" if self.hidden_state_modules else "is not possible here"
            raise ValueError(f"{type(self).__name__}: output_hidden_states=True {reason}")
        return possible and bool(self.config.output_hidden_states if asked is None else asked)

    def computed_frames(self, frame_mask: torch.Tensor | None) -> torch.Tensor | None:
        """The mask of the frames that are computed; None: all, also padding where a compiler has to know how many."""
        return None if torch.compiler.is_compiling() and not self.training else frame_mask

    def record_states(
        self, embed: Callable[..., Any], frames: torch.Tensor, with_maps: bool, asked: bool
    ) -> tuple[Any, tuple[torch.Tensor, ...] | None]:
        """What `embed` gives for frames `(n, ...)`, and the hidden states `(n, ...)` on the way if asked."""
        found, states = self.state_recorder.record(embed, frames, with_maps, asked=asked)
        return found, states and tuple(by_frame(each, frames.shape[0]) for each in states)

    def label_loss(
        self, scores: torch.Tensor, labels: torch.Tensor | None, annotation_counts: torch.Tensor | None
    ) -> torch.Tensor | None:
        """`memorability_loss` with the configuration's score statistics; None without labels."""
        if labels is None:
            if annotation_counts is not None:
                raise ValueError("annotation_counts weigh the loss; they need labels")
            return None
        return memorability_loss(scores, labels, annotation_counts, self.config.score_means, self.config.score_stds)

    def init_module(self, module: nn.Module) -> None:
        """Give a module of the model new weights, those that were loaded excepted."""
        self._init_weights(module)

    def _init_weights(self, module: nn.Module) -> None:
        init_layer(module)


class FrameMemorabilityModel(MemorabilityModel):
    """A predictor that scores frames one by one; a clip's score is the mean of its frame scores (paper, Sec. 5.1).

    A subclass defines `embed_frames`, and `score_features` if its head is not a single module around the mean score.
    With a `segment_length` in its configuration `embed_frames` gets segments `(n, 3, segment_length, height, width)`.
    """

    supports_gradient_checkpointing = True

    @can_return_tuple
    def forward(
        self,
        pixel_values_videos: torch.Tensor | None = None,
        features: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        annotation_counts: torch.Tensor | None = None,
        frame_mask: torch.Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
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
            output_attentions: Whether to return attention maps; None: as the configuration says, where there are maps.
            output_hidden_states: Whether to return hidden states; None: as the configuration says, where pixels are
                given.
            return_dict: Whether to return an object, or the tuple of its values; None: as the configuration says.
        """
        source = only_input(frame_mask, pixel_values_videos=pixel_values_videos, features=features)
        with_maps = self.wants_attentions(output_attentions, features is None)
        with_states = self.wants_hidden_states(output_hidden_states, features is None)
        length = getattr(self.config, "segment_length", 0) if features is None else 0
        if length:
            source, frame_mask = split_segments(source, length, frame_mask)
        kept = kept_frames(source, self.computed_frames(frame_mask))
        maps, states = None, None
        if features is None:
            embed = partial(self.compute_frames, self.embed_frames)
            (kept, maps), states = self.record_states(embed, kept.to(self.dtype), with_maps, with_states)
        clips = source.shape[:2]
        frame_scores = scatter_to_clips(self.score_features(kept.to(self.dtype)), clips, frame_mask)
        scores = mean_over_frames(frame_scores, frame_mask)
        if length:  # every frame has the score of its segment
            frame_scores = frame_scores.repeat_interleave(length, dim=1)
        return MemorabilityOutput(
            loss=self.label_loss(scores, labels, annotation_counts),
            scores=scores,
            frame_scores=frame_scores,
            hidden_states=states and tuple(scatter_to_clips(x, clips, frame_mask) for x in states),
            attentions=None if maps is None else scatter_to_clips(maps, clips, frame_mask),
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


def _model_of(result: Any) -> Any:
    """What `from_pretrained` gives, without its loading info."""
    return result[0] if isinstance(result, tuple) else result


def init_layer(module: nn.Module) -> None:
    """Glorot's uniform weights for a linear layer, He's normal ones for a convolution, the identity for batch norm."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
    elif isinstance(module, nn.Conv2d | nn.Conv3d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    elif isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
        assert module.running_mean is not None
        assert module.running_var is not None
        assert module.num_batches_tracked is not None
        nn.init.ones_(module.weight)
        for name, buffer in module.named_buffers(recurse=False):
            # unlike reset_running_stats, this leaves what was loaded
            nn.init.constant_(buffer, 1.0 if name == "running_var" else 0.0)
    elif isinstance(module, nn.LayerNorm | nn.GroupNorm) and module.weight is not None:
        nn.init.ones_(module.weight)
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)
