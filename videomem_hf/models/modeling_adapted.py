"""A predictor moved to a new domain by Gaussian-process transfer from a few clips with scores.

The prior mean of a clip's score is what the base model predicts, with a slope and an offset whose priors are 1 and 0; a
Gaussian process over the base model's own features corrects it (Kennedy and O'Hagan, "Predicting the Output from a
Complex Computer Code when Fast Approximations Are Available", Biometrika 2000). The kernel of two clips is the mean
over all pairs of their frames (Gaertner et al., "Multi-Instance Kernels", ICML 2002), so that a clip's score stays the
mean of its frames' scores. The process gives the variance of each prediction; intervals are conformal.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import nn

from .configuration_adapted import AdaptedConfig
from .modeling_amnet import AMNetModel
from .modeling_feature_mlp import FeatureMLPModel
from .modeling_frame_attention import FrameAttentionModel
from .modeling_memnet import MemNetModel
from .modeling_memorability import (
    FeaturesAndMaps,
    MemorabilityModel,
    MemorabilityOutput,
    only_input,
    scatter_to_clips,
    split_segments,
)
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

    def kernels(self, rows: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
        """Kernels between scaled vectors `(n, size)` and `(m, size)`, `(horizons, n, m)`."""
        pairs = zip(rows.split(self.group_sizes, dim=1), others.split(self.group_sizes, dim=1), strict=True)
        distances = torch.stack([squared_distances(*pair) for pair in pairs])
        return torch.exp(-torch.einsum("hg,gnm->hnm", self.gammas, distances)) * self.amplitude[:, None, None]

    def correct(self, rows: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Correct the base's scores `(n, horizons)` of frames or clips with vectors `(n, size)`; not yet in [0, 1]."""
        owned = self.weights[:, self.owner.long()] * self.share  # (horizons, rows)
        process = torch.einsum("hnm,hm->nh", self.kernels(rows * self.factor, self.rows), owned)
        return scores + self.line[:, 0] + self.line[:, 1] * (scores - self.centre) + process

    def variance(self, rows: torch.Tensor, shares: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Variances `(batch, horizons)` of the true scores of clips.

        Args:
            rows: `(batch, frames, size)`.
            shares: `(batch, frames)`, how much each counts; those of a clip sum to 1.
            scores: `(batch, horizons)`, the base's.
        """
        rows = rows * self.factor
        to_rows = self.kernels(rows.flatten(0, 1), self.rows).unflatten(1, rows.shape[:2])
        to_rows = (to_rows * shares[..., None]).sum(dim=2) * self.share  # (horizons, batch, rows)
        belongs = nn.functional.one_hot(self.owner.long(), self.prior.shape[1]).to(to_rows.dtype)  # (rows, clips)
        crossed = to_rows @ belongs  # (horizons, batch, clips)
        offset, slope = self.line_variance
        apart, others = (scores - self.centre).T, self.prior - self.centre[:, None]
        crossed = crossed + offset + slope * apart[:, :, None] * others[:, None]
        if not torch.compiler.is_exporting() and rows.shape[1] > _MOST_SELF:
            chosen = torch.linspace(0, rows.shape[1] - 1, _MOST_SELF, device=rows.device).round().long()
            rows, shares = rows[:, chosen], shares[:, chosen] / shares[:, chosen].sum(dim=1, keepdim=True)
        pairs = shares[:, :, None] * shares[:, None]
        own = (self._kernels_within(rows) * pairs).sum(dim=(2, 3)) + offset + slope * apart.square()
        explained = (crossed @ self.root.mT).square().sum(dim=2)
        return (own - explained).clamp_min(0).T

    def _kernels_within(self, rows: torch.Tensor) -> torch.Tensor:
        """Kernels between the scaled vectors `(batch, n, size)` of each clip, `(horizons, batch, n, n)`."""
        groups = rows.split(self.group_sizes, dim=2)
        sizes = [each.square().sum(dim=2) for each in groups]
        distances = [
            (size[:, :, None] + size[:, None] - 2 * each @ each.mT).clamp_min(0)
            for each, size in zip(groups, sizes, strict=True)
        ]
        weighed = [g[:, None, None, None] * each for g, each in zip(self.gammas.unbind(1), distances, strict=True)]
        return torch.exp(-sum(weighed[1:], weighed[0])) * self.amplitude[:, None, None, None]

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
        self.correction = GaussianCorrection(config.clips, config.rows, list(config.group_sizes), len(config.horizons))
        self.post_init()

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
        seen: list[torch.Tensor] = []
        backbone = [self.frame_backbone()] if self.base.backbone_module else []
        handles = [each.register_forward_hook(lambda *called: seen.append(called[2])) for each in backbone]
        try:
            features, maps = self.base.embed_frames(pixels.to(self.base.dtype), output_attentions)
        finally:
            for handle in handles:
                handle.remove()
        return torch.cat([features, *(map_moments(each, features.shape[0]) for each in seen)], dim=1), maps

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

    def forward(
        self,
        pixel_values_videos: torch.Tensor | None = None,
        features: torch.Tensor | Mapping[str, torch.Tensor] | None = None,
        views: Mapping[str, torch.Tensor] | None = None,
        labels: torch.Tensor | None = None,
        annotation_counts: torch.Tensor | None = None,
        interval_counts: torch.Tensor | None = None,
        frame_mask: torch.Tensor | None = None,
        output_attentions: bool = False,
    ) -> AdaptedOutput:
        """Predict the memorability of clips. Give the input of the base model.

        Args:
            pixel_values_videos, features, views, labels, annotation_counts, frame_mask, output_attentions: As of the
                base model's `forward`.
            interval_counts: `(batch, horizons)`, annotations behind the scores that the intervals are for; NaN or None
                where unknown, which takes typical ones of the clips that the model was adapted on.
        """
        if self.reads_frames:
            output = self._forward_frames(pixel_values_videos, features, frame_mask, output_attentions, interval_counts)
        else:
            inputs = (("features", features), ("views", views))
            given: dict[str, Any] = {name: each for name, each in inputs if each is not None}
            scores = self.base(**given, output_attentions=output_attentions).scores[..., self.columns].float()
            rows = describe_clips(self.base, **given)
            corrected = clamp_scores(self.correction.correct(rows, scores))
            variances = self.correction.variance(rows[:, None], torch.ones_like(scores[:, :1]), scores)
            ends = self.correction.ends(corrected, variances, interval_counts)
            output = AdaptedOutput(scores=corrected, intervals=ends.detach())
        assert output.scores is not None
        output.loss = self.label_loss(output.scores, labels, annotation_counts)
        return output

    def _forward_frames(
        self, pixels: Any, features: Any, mask: torch.Tensor | None, with_maps: bool, counts: torch.Tensor | None
    ) -> AdaptedOutput:
        """See `forward`; the kernel's vectors are the features of frames or segments."""
        source = only_input(mask, pixel_values_videos=pixels, features=features)
        if with_maps and (features is not None or not self.has_attention):
            raise ValueError(f"{type(self.base).__name__}: output_attentions=True is not possible here")
        length = getattr(self.config, "segment_length", 0) if features is None else 0
        if length:
            source, mask = split_segments(source, length, mask)
        maps = None
        rows = source.flatten(0, 1) if mask is None else source[mask]
        if features is None:
            rows, maps = self.embed_frames(rows, with_maps)
        of_clips = scatter_to_clips(rows, source.shape[:2], mask)
        base = self.score_by_base(of_clips, mask)
        weights = getattr(base, "temporal_weights", None)
        kept = torch.ones(source.shape[:2], device=rows.device) if mask is None else mask.float()
        shares = (kept / kept.sum(dim=1, keepdim=True)) if weights is None else weights.float()
        assert base.frame_scores is not None
        plain = base.frame_scores[..., self.columns].float()
        vectors = of_clips.float()
        corrected = self.correction.correct(vectors.flatten(0, 1), plain.flatten(0, 1))
        frame_scores = clamp_scores(corrected).unflatten(0, source.shape[:2]) * kept[..., None]
        scores = (frame_scores * shares[..., None]).sum(dim=1)
        of_base = (plain * shares[..., None]).sum(dim=1)
        variances = self._variances(vectors, kept > 0, shares, of_base)
        return AdaptedOutput(
            scores=scores,
            frame_scores=frame_scores.repeat_interleave(length, dim=1) if length else frame_scores,
            attentions=None if maps is None else scatter_to_clips(maps, source.shape[:2], mask),
            intervals=self.correction.ends(scores, variances, counts).detach(),
            temporal_weights=weights,
        )

    def _variances(
        self, vectors: torch.Tensor, kept: torch.Tensor, shares: torch.Tensor, scores: torch.Tensor
    ) -> torch.Tensor:
        """Variances of clips; of long ones of several lengths one by one, as frames are drawn from those that count."""
        if torch.compiler.is_exporting() or vectors.shape[1] <= _MOST_SELF or bool(kept.all()):
            return self.correction.variance(vectors, shares, scores)
        clips = zip(vectors, kept, shares, scores, strict=True)
        return torch.cat([self.correction.variance(v[k][None], s[k][None], score[None]) for v, k, s, score in clips])


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
