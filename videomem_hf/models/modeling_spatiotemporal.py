"""Attention over the positions of a frame and over the frames of a clip, with a map over both.

Spatial attention is that of VideoMem (Cohendet et al., ICCV 2019, Sec. 5.5 and Fig. 7): in parallel with the last
convolution a second one gives a single map, whose softmax over positions is multiplied into the map of the last. What
the paper leaves to future work (Sec. 6) is attention over frames as over the instances of a bag (Ilse, Tomczak and
Welling, "Attention-based Deep Multiple Instance Learning", ICML 2018), which sees no order, or the same behind a
recurrent block that does (Yang et al., "Hierarchical Attention Networks for Document Classification", NAACL 2016).
"""

from dataclasses import dataclass

import torch
from torch import nn
from transformers.utils.generic import can_return_tuple

from .backbones import build_backbone
from .clip_frames import frames_at, kept_frames, only_input, scatter_to_clips, split_segments
from .configuration_frame_attention import FrameAttentionConfig
from .configuration_spatiotemporal import SpatioTemporalConfig
from .modeling_frame_attention import AttentionConv, ChannelNorm, ConvBlock, attend, init_near_mean
from .modeling_memorability import FeaturesAndMaps, MemorabilityModel, MemorabilityOutput, init_layer
from .scoring import scores_around_mean

try:
    from torch._higher_order_ops.scan import scan
except ImportError:  # torch declares no loop public yet
    scan = None  # type: ignore[assignment]


@dataclass
class SpatioTemporalOutput(MemorabilityOutput):
    """Predicted memorability, and where and when it comes from; see `MemorabilityOutput` for what is common.

    Attributes:
        frame_scores: `(batch, frames, horizons)` in [0, 1]; `scores` is their mean, weighted by `temporal_weights`.
        temporal_weights: `(batch, frames)`, non-negative, summing to 1 over the frames of each clip; 0 for padding.
    """

    temporal_weights: torch.Tensor | None = None


class BidirectionalGRU(nn.Module):
    """A bidirectional `nn.GRU` of one layer, with its names; unlike it, it can be compiled, also with padding."""

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        for suffix in ("", "_reverse"):
            self.register_parameter(f"weight_ih_l0{suffix}", nn.Parameter(torch.empty(3 * hidden, size)))
            self.register_parameter(f"weight_hh_l0{suffix}", nn.Parameter(torch.empty(3 * hidden, hidden)))
            self.register_parameter(f"bias_ih_l0{suffix}", nn.Parameter(torch.empty(3 * hidden)))
            self.register_parameter(f"bias_hh_l0{suffix}", nn.Parameter(torch.empty(3 * hidden)))

    def forward(self, x: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """Map `(batch, steps, size)`, of which all or the first `lengths` `(batch,)` count, to
        `(batch, steps, 2 * hidden)`.
        """
        back = turn(self._one_way(turn(x, lengths), "_reverse"), lengths)
        return torch.cat([self._one_way(x, ""), back], dim=2)

    def _one_way(self, x: torch.Tensor, suffix: str) -> torch.Tensor:
        names = (f"{kind}_l0{suffix}" for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
        weights = [getattr(self, name) for name in names]
        start = x.new_zeros(x.shape[0], self.hidden)
        # Any number of steps, where torch.gru has that of the example.
        if torch.compiler.is_exporting() and scan is not None:

            def step(state: torch.Tensor, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
                state = torch.gru_cell(inputs, state, *weights)
                return state, state.clone()

            return scan(step, start, x.transpose(0, 1))[1].transpose(0, 1)
        return torch.gru(x, start[None], weights, True, 1, 0.0, self.training, False, True)[0]


def turn(x: torch.Tensor, lengths: torch.Tensor | None) -> torch.Tensor:
    """Sequences `(batch, steps, size)` from their last step to their first; what is behind their ends stays there."""
    if lengths is None:
        return x.flip(1)
    steps = torch.arange(x.shape[1], device=x.device)
    return frames_at(x, (lengths[:, None] - 1 - steps) % x.shape[1])


class FrameRecurrence(nn.Module):
    """A gated recurrent network over the frames, forwards and backwards, added to what each shows by itself."""

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.gru = BidirectionalGRU(size, hidden)
        self.projection = nn.Linear(2 * hidden, size)

    def forward(self, features: torch.Tensor, frame_mask: torch.Tensor | None) -> torch.Tensor:
        """Keep the shape `(batch, frames, size)`; frames that the mask leaves out are passed over."""
        if frame_mask is None:
            return features + self.projection(self.gru(features))
        order = (~frame_mask).byte().argsort(dim=1, stable=True)  # those that are kept first
        states = self.gru(frames_at(features, order), frame_mask.sum(dim=1))
        return features + self.projection(frames_at(states, order.argsort(dim=1)))


class TemporalAttention(nn.Module):
    """How much each frame counts, by what is in it."""

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(size, hidden)
        self.score = nn.Linear(hidden, 1, bias=False)  # the softmax does not see a bias

    def forward(self, features: torch.Tensor, frame_mask: torch.Tensor | None) -> torch.Tensor:
        """Map features `(batch, frames, size)` to weights `(batch, frames)` that sum to 1."""
        logits = self.score(self.hidden(features).tanh()).squeeze(2).float()
        if frame_mask is not None:
            logits = logits.masked_fill(~frame_mask, float("-inf"))
        return logits.softmax(dim=1)


class SpatioTemporalModel(MemorabilityModel):
    """Memorability of a clip from positions of its frames and from its frames, each weighed.

    Backbone, then spatial attention to the features of a frame, then temporal attention to the weight of a frame. The
    clip's score is the weighted mean of its frames' scores. With `temporal="mean"` on the backbone of
    `FrameAttentionModel` it is that model, from whose weights it can be initialised.
    """

    config: SpatioTemporalConfig
    supports_gradient_checkpointing = True
    backbone_module = "backbone"
    head_modules = ("last_conv", "attention_conv", "recurrence", "temporal_attention", "head")
    attribution_layers = ("last_conv",)

    def __init__(self, config: SpatioTemporalConfig) -> None:
        super().__init__(config)
        self.backbone: nn.Module | None = None
        self.has_attention, self.weighs_frames = config.spatial_attention, config.temporal != "mean"
        channels, size = config.map_channels or 0, config.feature_size
        if config.backbone is None:
            self.main_input_name = "frame_maps"
        else:
            self.backbone, self.map_info, self._init_backbone = build_backbone(config.frame_config())
            channels = self.map_info.channels
        self.map_channels = channels
        # The trunk of the frame network keeps unit variance itself, and a map's contrast is to be seen.
        is_standardized = config.backbone == FrameAttentionConfig.model_type
        self.norm = nn.Identity() if is_standardized else ChannelNorm()
        self.last_conv = ConvBlock(channels, size, 3, 1, symmetric=True)
        self.attention_conv = AttentionConv(channels) if config.spatial_attention else None
        self.recurrence = FrameRecurrence(size, config.temporal_size) if config.temporal == "gru" else None
        self.temporal_attention = TemporalAttention(size, config.temporal_size) if self.weighs_frames else None
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(size, len(config.horizons))
        self.hidden_state_modules = ("last_conv",) if config.backbone is None else ("backbone", "last_conv")
        self.post_init()

    def init_from_pretrained(self, model: MemorabilityModel) -> None:
        """Copy the weights of a predictor of frames: its backbone, which must have the same sizes, and of
        `FrameAttentionModel` all that fit.
        """
        assert self.backbone is not None
        self.backbone.load_state_dict(model.frame_backbone().state_dict())
        if model.config.model_type == FrameAttentionConfig.model_type:
            own = self.state_dict()
            given = {name: value for name, value in model.state_dict().items() if self.in_head(name) and name in own}
            self.load_state_dict(own | {name: v for name, v in given.items() if v.shape == own[name].shape})

    @can_return_tuple
    def forward(
        self,
        pixel_values_videos: torch.Tensor | None = None,
        frame_maps: torch.Tensor | None = None,
        features: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        annotation_counts: torch.Tensor | None = None,
        frame_mask: torch.Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> SpatioTemporalOutput:
        """Predict the memorability of clips. Give pixels, maps or features.

        All other arguments are those of `FrameMemorabilityModel.forward`.

        Args:
            frame_maps: `(batch, frames, channels, height, width)`, what `map_frames` gave for the frames: trains
                everything but the backbone.
        """
        inputs = {"pixel_values_videos": pixel_values_videos, "features": features, "frame_maps": frame_maps}
        source = only_input(frame_mask, self.map_channels, **inputs)
        with_maps = self.wants_attentions(output_attentions, features is None, "pixels or maps")
        with_states = self.wants_hidden_states(output_hidden_states, features is None)
        length = (self.config.segment_length or 0) if pixel_values_videos is not None else 0
        if length:
            source, frame_mask = split_segments(source, length, frame_mask)
        kept = kept_frames(source, self.computed_frames(frame_mask)).to(self.dtype)
        attentions, states, clips = None, None, source.shape[:2]
        if features is None:
            embed = self.embed_frames if frame_maps is None else self.attend
            (kept, attentions), states = self.record_states(embed, kept, with_maps, with_states)
        frame_scores, weights = self.score_clips(scatter_to_clips(kept, clips, frame_mask), frame_mask)
        scores = (frame_scores * weights[..., None]).sum(dim=1)
        if length:  # every frame has the score of its segment, and its share of the weight
            frame_scores = frame_scores.repeat_interleave(length, dim=1)
            weights = weights.repeat_interleave(length, dim=1) / length
        return SpatioTemporalOutput(
            loss=self.label_loss(scores, labels, annotation_counts),
            scores=scores,
            frame_scores=frame_scores,
            hidden_states=states and tuple(scatter_to_clips(x, clips, frame_mask) for x in states),
            attentions=None if attentions is None else scatter_to_clips(attentions, clips, frame_mask),
            temporal_weights=weights,
        )

    def map_frames(self, pixels: torch.Tensor) -> torch.Tensor:
        """Map frames `(n, 3, height, width)` to the backbone's maps `(n, channels, height', width')`.

        For a network of videos segments `(n, 3, frames, height, width)`, also one after the other as frames.
        """
        if self.backbone is None:
            raise ValueError("this model has no backbone; give frame_maps")
        if self.config.segment_length and pixels.ndim == 4:
            pixels = pixels.unflatten(0, (-1, self.config.segment_length)).transpose(1, 2)
        return self.compute_frames(self.backbone, pixels.to(self.dtype))

    def attend(self, maps: torch.Tensor, output_attentions: bool = False) -> FeaturesAndMaps:
        """Weigh the positions of maps `(n, channels, height, width)`."""
        maps = self.norm(maps)
        if self.attention_conv is None:
            return self.last_conv(maps).mean(dim=(2, 3)), None
        features, attention = attend(maps, self.last_conv, self.attention_conv)
        return features, attention if output_attentions else None

    def embed_frames(self, pixels: torch.Tensor, output_attentions: bool = False) -> FeaturesAndMaps:
        return self.attend(self.map_frames(pixels), output_attentions)

    def score_clips(
        self, features: torch.Tensor, frame_mask: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Map features `(batch, frames, size)` to scores `(batch, frames, horizons)` and weights `(batch, frames)`."""
        mask = torch.ones_like(features[..., 0], dtype=torch.bool) if frame_mask is None else frame_mask
        if self.recurrence is not None:
            features = self.recurrence(features, frame_mask)
        scores = self.score_features(features) * mask[..., None]
        if self.temporal_attention is None:
            return scores, mask / mask.sum(dim=1, keepdim=True)
        return scores, self.temporal_attention(features, frame_mask)

    def score_features(self, features: torch.Tensor) -> torch.Tensor:
        """Map what describes frames `(..., size)` to their scores `(..., horizons)` in [0, 1]."""
        offsets = self.head(self.dropout(features))
        return scores_around_mean(offsets, self.config.score_means, self.config.score_stds)

    def _init_weights(self, module: nn.Module) -> None:
        """The backbone's own are those of the model that it is of."""
        if self.backbone is not None and any(module is each for each in self.backbone.modules()):
            self._init_backbone(module)
        elif isinstance(module, TemporalAttention):
            init_layer(module.hidden)
        elif isinstance(module, BidirectionalGRU):
            for name, parameter in module.named_parameters():
                nn.init.zeros_(parameter) if "bias" in name else nn.init.xavier_uniform_(parameter)
        else:
            init_near_mean(module)
