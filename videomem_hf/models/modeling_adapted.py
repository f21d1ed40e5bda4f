"""A predictor moved to a new domain by Gaussian-process transfer from a few clips with scores.

The prior mean of a clip's score is what the base model predicts, with a slope and an offset whose priors are 1 and 0; a
Gaussian process over the base model's own features corrects it (Kennedy and O'Hagan, "Predicting the Output from a
Complex Computer Code when Fast Approximations Are Available", Biometrika 2000). The kernel of two clips is the mean
over all pairs of their frames (Gaertner et al., "Multi-Instance Kernels", ICML 2002), so that a clip's score stays the
mean of its frames' scores. The process gives the variance of each prediction; intervals are conformal.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import torch
from torch import nn
from transformers.utils.generic import can_return_tuple

from .clip_frames import frames_at, kept_frames, only_input, scatter_to_clips, split_segments
from .configuration_adapted import AdaptedConfig
from .device_maps import tensors_in_memory
from .hidden_states import StateRecorder
from .modeling_amnet import AMNetModel
from .modeling_feature_mlp import FeatureMLPModel
from .modeling_frame_attention import FrameAttentionModel
from .modeling_memnet import MemNetModel
from .modeling_memorability import FeaturesAndMaps, MemorabilityModel, MemorabilityOutput
from .modeling_multiview import MultiViewModel, squared_distances
from .modeling_resmem import ResMemModel
from .modeling_resnet3d import ResNet3DModel
from .modeling_semantic_embedding import SemanticEmbeddingModel
from .modeling_spatiotemporal import SpatioTemporalModel
from .modeling_squalli import SqualliModel
from .modeling_vitmem import ViTMemModel
from .scoring import at_least_float32, clamp_scores, is_half

SHIPPED: Final[tuple[type[MemorabilityModel], ...]] = (
    AMNetModel, FeatureMLPModel, FrameAttentionModel, MemNetModel, MultiViewModel, ResMemModel, ResNet3DModel,
    SemanticEmbeddingModel, SpatioTemporalModel, SqualliModel, ViTMemModel,
)  # fmt: skip
_LEAST_VARIANCE: Final = 1e-8
_MOST_SELF: Final = 64
"""Frames of a clip of which pairs are compared for its own variance; of a longer one so many are spread over it."""


@dataclass
class AdaptedOutput(MemorabilityOutput):
    """Predicted memorability with prediction intervals; see `MemorabilityOutput` for what is common.

    Attributes:
        intervals: `(batch, horizons, 2)` in [0, 1], which cover the measured scores of new clips in
            `config.interval_level` of cases.
        temporal_weights: As of the base model; None if all frames count alike.
    """

    intervals: torch.Tensor | None = None
    temporal_weights: torch.Tensor | None = None


class GaussianCorrection(nn.Module):
    """What the clips of the new domain add to the base model's scores: a Gaussian process for each horizon.

    Its arithmetic stays float32 whatever the model's type is.
    """

    factor: torch.Tensor
    rows: torch.Tensor
    owner: torch.Tensor
    share: torch.Tensor
    gammas: torch.Tensor
    amplitude: torch.Tensor
    weights: torch.Tensor
    root: torch.Tensor
    prior: torch.Tensor
    centre: torch.Tensor
    line: torch.Tensor
    line_variance: torch.Tensor
    residual: torch.Tensor
    typical_count: torch.Tensor
    quantiles: torch.Tensor

    def __init__(self, clips: int, rows: int, group_sizes: list[int], horizons: int) -> None:
        super().__init__()
        self.group_sizes = list(group_sizes)
        shapes = {
            "factor": (sum(group_sizes),), "rows": (rows, sum(group_sizes)), "owner": (rows,), "share": (rows,),
            "gammas": (horizons, len(group_sizes)), "amplitude": (horizons,), "weights": (horizons, clips),
            "root": (horizons, clips, clips), "prior": (horizons, clips), "centre": (horizons,), "line": (horizons, 2),
            "line_variance": (2,), "residual": (horizons,), "typical_count": (horizons,), "quantiles": (horizons, 2),
        }  # fmt: skip
        for name, shape in shapes.items():
            self.register_buffer(name, torch.zeros(shape))

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> "GaussianCorrection":
        def move(tensor: torch.Tensor) -> torch.Tensor:
            result = fn(tensor)
            return at_least_float32(tensor).to(result.device) if is_half(result) else result

        return super()._apply(move, recurse)

    def forward(
        self, vectors: torch.Tensor, plain: torch.Tensor, shares: torch.Tensor, counts: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Correct the base's scores of clips of frames; a clip that has one vector is one frame.

        Args:
            vectors: `(batch, frames, size)`.
            plain: `(batch, frames, horizons)`, the base's scores.
            shares: `(batch, frames)`, how much each frame counts; they sum to 1, and are 0 for padding.
            counts: See `ends`.

        Returns:
            Scores `(batch, frames, horizons)` and `(batch, horizons)`, and intervals `(batch, horizons, 2)`.
        """
        with torch.autocast(vectors.device.type, enabled=False):
            corrected = self.correct(vectors.flatten(0, 1), plain.flatten(0, 1)).unflatten(0, shares.shape)
            frame_scores = clamp_scores(corrected)
            scores, of_base = ((each * shares[..., None]).sum(dim=1) for each in (frame_scores, plain))
            ends = self.ends(scores, self.variance(vectors, shares, of_base), counts)
        return frame_scores, scores, ends.detach()

    def kernels(self, rows: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
        """Kernels between scaled vectors `(n, size)` and `(m, size)`, `(horizons, n, m)`; also with a batch axis."""
        pairs = zip(rows.split(self.group_sizes, dim=-1), others.split(self.group_sizes, dim=-1), strict=True)
        distances = torch.stack([squared_distances(*pair) for pair in pairs])
        process = torch.exp(-self.gammas @ distances.flatten(1)) * self.amplitude[:, None]
        return process.unflatten(1, distances.shape[1:])

    def correct(self, rows: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Correct the base's scores `(n, horizons)` of frames or clips with vectors `(n, size)`; not yet in [0, 1]."""
        owned = self.weights[:, self.owner.long()] * self.share  # (horizons, rows)
        process = torch.einsum("hnm,hm->nh", self.kernels(rows * self.factor, self.rows), owned)
        return scores + self.line[:, 0] + self.line[:, 1] * (scores - self.centre) + process

    def variance(self, vectors: torch.Tensor, shares: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Variance `(batch, horizons)` of the true scores of clips; `scores` `(batch, horizons)` are the base's."""
        rows = vectors * self.factor
        kernels = self.kernels(rows.flatten(0, 1), self.rows).unflatten(1, shares.shape)
        to_rows = (kernels * shares[..., None]).sum(dim=2) * self.share  # (horizons, batch, rows)
        belongs = nn.functional.one_hot(self.owner.long(), self.prior.shape[1]).to(to_rows.dtype)  # (rows, clips)
        crossed = to_rows @ belongs  # (horizons, batch, clips)
        offset, slope = self.line_variance
        apart, others = (scores - self.centre).T, self.prior - self.centre[:, None]  # (horizons, batch or clips)
        crossed = crossed + offset + slope * apart[:, :, None] * others[:, None]
        rows, shares = spread_frames(rows, shares, _MOST_SELF)
        own = (self.kernels(rows, rows) * shares[:, :, None] * shares[:, None]).sum(dim=(2, 3))
        explained = (crossed @ self.root.mT).square().sum(dim=2)
        return (own + offset + slope * apart.square() - explained).clamp_min(0).T

    def ends(self, scores: torch.Tensor, variance: torch.Tensor, counts: torch.Tensor | None) -> torch.Tensor:
        """Prediction intervals `(batch, horizons, 2)` of scores `(batch, horizons)` with their variances.

        `counts` are those of annotations behind the scores that are to be covered; None or NaN takes typical ones.
        """
        known = torch.full_like(scores, torch.nan) if counts is None else counts.to(scores)
        known = torch.where(known > 0, known, self.typical_count)  # infinite where no count was known
        inside = scores.clamp(0.02, 0.98)
        sigma = (variance + self.residual + inside * (1 - inside) / known).sqrt()
        low, high = (scores[..., None] + sigma[..., None] * self.quantiles).unbind(dim=-1)
        return torch.stack([low.minimum(scores), high.maximum(scores)], dim=-1).clamp(0, 1)


class AdaptedModel(MemorabilityModel):
    """A base model of frames, of features or of views, and the correction of its scores for a new domain.

    `adapt` makes it; the attributes of the base that others read are its own too.
    """

    config: AdaptedConfig
    gives_intervals = True
    _keep_in_fp32_modules_strict = ("correction",)

    def __init__(self, config: AdaptedConfig) -> None:
        super().__init__(config)
        base_config = config.base_configuration()
        self.base = _model_class(base_config)(base_config)
        self.columns = [list(base_config.horizons).index(each) for each in config.horizons]
        self.main_input_name = self.base.main_input_name
        self.has_attention, self.weighs_frames = self.base.has_attention, self.base.weighs_frames
        self.map_info, self.stays_float32 = self.base.map_info, self.base.stays_float32  # type: ignore[misc]
        self.head_modules = (*(f"base.{each}" for each in self.base.head_modules), "correction")
        layers = tuple(f"base.{each}" for each in self.base.attribution_layers)
        self.attribution_layers = layers  # type: ignore[misc]
        self.hidden_state_modules = tuple(f"base.{each}" for each in self.base.hidden_state_modules)
        self.correction = GaussianCorrection(config.clips, config.rows, list(config.group_sizes), len(config.horizons))
        self._maps = StateRecorder()
        self._watch_maps()
        self.post_init()

    def replace_base(self, base: MemorabilityModel) -> None:
        """Correct the scores of this model, which has the configuration of the base, in place of the new one's."""
        self.base = base
        self._watch_maps()
        self.state_recorder.watch(self.get_submodule(name) for name in self.hidden_state_modules)

    def _watch_maps(self) -> None:
        self._maps.watch([self.frame_backbone()] if self.base.backbone_module else [])

    def horizon_tensors(self) -> set[str]:
        return {name for name in self.state_dict() if name.startswith("correction.")}

    @property
    def reads_frames(self) -> bool:
        return self.main_input_name == "pixel_values_videos"

    def frame_backbone(self) -> nn.Module:
        return self.base.frame_backbone()

    def crop_frames(self, frames: torch.Tensor) -> torch.Tensor | None:
        return self.base.crop_frames(frames)

    def embed_frames(self, pixels: torch.Tensor, output_attentions: bool = False) -> FeaturesAndMaps:
        """Features and maps of frames, or of segments, also one after the other as frames.

        The features are those of the base model, and the moments of its backbone's maps, where it has such.
        """
        length = getattr(self.config, "segment_length", 0)
        if length and pixels.ndim == 4:
            pixels = pixels.unflatten(0, (-1, length)).transpose(1, 2)
        embed = partial(self.base.embed_frames, pixels.to(self.base.dtype), output_attentions)
        (features, maps), seen = self._maps.record(embed)
        return torch.cat([features, *(map_moments(each, features.shape[0]) for each in seen or ())], dim=1), maps

    def score_by_base(self, features: torch.Tensor, frame_mask: torch.Tensor | None = None) -> MemorabilityOutput:
        """The base model's output for clips whose frames have the features `(batch, frames, size)`."""
        of_base = features[..., : self.config.group_sizes[0]].to(self.base.dtype)
        output: MemorabilityOutput = self.base(features=of_base, frame_mask=frame_mask)
        return output

    def score_features(self, features: torch.Tensor) -> torch.Tensor:
        """Map features `(n, size)` of frames to corrected scores `(n, horizons)` in [0, 1]."""
        of_base = features[..., : self.config.group_sizes[0]]
        scores = self.base.score_features(of_base.to(self.base.dtype))[..., self.columns]
        return clamp_scores(self.correction.correct(features.float(), scores.float()))

    @can_return_tuple
    def forward(
        self,
        pixel_values_videos: torch.Tensor | None = None,
        features: torch.Tensor | Mapping[str, torch.Tensor] | None = None,
        views: Mapping[str, torch.Tensor] | None = None,
        labels: torch.Tensor | None = None,
        annotation_counts: torch.Tensor | None = None,
        interval_counts: torch.Tensor | None = None,
        frame_mask: torch.Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> AdaptedOutput:
        """Predict the memorability of clips. Give the input of the base model.

        Args:
            pixel_values_videos, features, views, labels, annotation_counts, frame_mask, output_attentions,
                output_hidden_states: As of the base model's `forward`.
            interval_counts: `(batch, horizons)`, annotations behind the scores that the intervals are for; NaN or None
                where unknown, which takes typical ones of the clips that the model was adapted on.
        """
        inputs = {"pixel_values_videos": pixel_values_videos, "features": features, "views": views}
        given: dict[str, Any] = {name: each for name, each in inputs.items() if each is not None}
        from_start = not self.reads_frames or features is None
        with_maps = self.wants_attentions(output_attentions, self.reads_frames and from_start)
        with_states = self.wants_hidden_states(output_hidden_states, from_start)
        if self.reads_frames:
            output = self._forward_frames(given, frame_mask, with_maps, with_states, interval_counts)
        else:
            of_base = self.base(**given, **({"output_hidden_states": True} if with_states else {}))
            with tensors_in_memory(self.base):
                vectors = describe_clips(self.base, **given)
            plain = of_base.scores[..., self.columns].float()
            shares = vectors.new_ones(vectors.shape[0], 1)
            _, scores, ends = self.correction(vectors[:, None], plain[:, None], shares, interval_counts)
            output = AdaptedOutput(scores=scores, intervals=ends, hidden_states=of_base.hidden_states)
        assert output.scores is not None
        return AdaptedOutput(loss=self.label_loss(output.scores, labels, annotation_counts), **output)

    def _forward_frames(
        self,
        given: Mapping[str, torch.Tensor],
        mask: torch.Tensor | None,
        with_maps: bool,
        with_states: bool,
        counts: torch.Tensor | None,
    ) -> AdaptedOutput:
        """See `forward`; the kernel's vectors are the features of frames or segments."""
        pixels, features = given.get("pixel_values_videos"), given.get("features")
        source = only_input(mask, pixel_values_videos=pixels, features=features)
        from_pixels = pixels is not None
        length = getattr(self.config, "segment_length", 0) if from_pixels else 0
        if length:
            source, mask = split_segments(source, length, mask)
        maps, states, clips = None, None, source.shape[:2]
        rows = kept_frames(source, self.computed_frames(mask))
        if from_pixels:
            (rows, maps), states = self.record_states(self.embed_frames, rows, with_maps, with_states)
        vectors = scatter_to_clips(rows, clips, mask)
        base = self.score_by_base(vectors, mask)
        weights = getattr(base, "temporal_weights", None)
        kept = torch.ones(clips, device=rows.device) if mask is None else mask.float()
        shares = (kept / kept.sum(dim=1, keepdim=True)) if weights is None else weights.float()
        assert base.frame_scores is not None
        plain = base.frame_scores[..., self.columns].float()
        frame_scores, scores, ends = self.correction(vectors.float(), plain, shares, counts)
        frame_scores = frame_scores * kept[..., None]
        return AdaptedOutput(
            scores=scores,
            frame_scores=frame_scores.repeat_interleave(length, dim=1) if length else frame_scores,
            hidden_states=states and tuple(scatter_to_clips(x, clips, mask) for x in states),
            attentions=None if maps is None else scatter_to_clips(maps, clips, mask),
            intervals=ends,
            temporal_weights=weights,
        )

    def _init_weights(self, module: nn.Module) -> None:
        """A correction that corrects nothing."""
        super()._init_weights(module)
        if isinstance(module, GaussianCorrection):
            for tensor in module.buffers():
                nn.init.zeros_(tensor)


def spread_frames(rows: torch.Tensor, shares: torch.Tensor, most: int) -> tuple[torch.Tensor, torch.Tensor]:
    """At most so many frames of each clip, evenly spread over those that count, with shares that sum to 1.

    Args:
        rows: `(batch, frames, size)`.
        shares: `(batch, frames)`, 0 for frames that do not count.
    """
    if not torch.compiler.is_compiling() and rows.shape[1] <= most:
        return rows, shares
    counting, numbers = shares > 0, torch.arange(most, device=rows.device)
    count = counting.sum(dim=1, keepdim=True)
    spread = (numbers * ((count - 1) / (most - 1))).round().long()
    places = torch.where(count > most, spread, numbers.minimum(count - 1))  # among the frames that count
    chosen = (counting.cumsum(dim=1)[:, :, None] <= places[:, None]).sum(dim=1)
    shares = shares.gather(1, chosen) * (numbers < count)
    return frames_at(rows, chosen), shares / shares.sum(dim=1, keepdim=True)


def map_moments(maps: torch.Tensor, frames: int) -> torch.Tensor:
    """Mean and deviation of each channel of maps `(n, channels, ...)`, `(frames, 2 channels)`.

    Crops of a frame, one after the other for all frames, are averaged.
    """
    variance, mean = torch.var_mean(maps.flatten(2).float(), dim=2, correction=0)
    moments = torch.cat([mean, (variance + _LEAST_VARIANCE).sqrt()], dim=1)
    return moments.unflatten(0, (-1, frames)).mean(dim=0).to(maps.dtype)


def describe_clips(
    base: Any,
    features: torch.Tensor | Mapping[str, torch.Tensor] | None = None,
    views: Mapping[str, torch.Tensor] | None = None,
) -> torch.Tensor:
    """The vectors `(batch, size)` in which kernels compare clips, of a base model of features or of views.

    Of features the hidden units of its last layer; of views those as its own kernels compare them, 0 where missing.
    """
    if isinstance(base, MultiViewModel):
        prepared, present = base.prepare_views(features, views)  # type: ignore[arg-type]
        return torch.cat([each * present[:, view, None] for view, each in enumerate(prepared)], dim=1).float()
    assert features is not None
    columns = features.values() if isinstance(features, Mapping) else (features,)
    with torch.autocast(next(iter(columns)).device.type, enabled=False):
        return base.embed(features).float()


def _model_class(config: Any) -> type[MemorabilityModel]:
    """Raises a ValueError where no model is registered for a configuration."""
    found = {each.config_class.model_type: each for each in SHIPPED}.get(config.model_type)
    if found is None:
        from transformers import MODEL_MAPPING  # its import registers this package's models

        if type(config) not in MODEL_MAPPING:
            raise ValueError(f"no model is registered for {type(config).__name__}; see AutoModel.register")
        found = MODEL_MAPPING[type(config)]
    return found
