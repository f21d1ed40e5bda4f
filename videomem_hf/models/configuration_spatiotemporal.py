"""Configuration of the model with attention over space and time."""

from dataclasses import fields
from typing import Any, Final

from huggingface_hub.dataclasses import strict

from .configuration_amnet import AMNetConfig
from .configuration_frame_attention import FrameAttentionConfig
from .configuration_memnet import MemNetConfig
from .configuration_memorability import MemorabilityConfig, check_choice, check_least
from .configuration_resmem import ResMemConfig
from .configuration_semantic_embedding import SemanticEmbeddingConfig
from .configuration_squalli import SqualliConfig
from .configuration_vitmem import ViTMemConfig
from .trunk_configs import is_trunk

SHIPPED: Final[tuple[type[MemorabilityConfig], ...]] = (
    AMNetConfig, FrameAttentionConfig, MemNetConfig, ResMemConfig, SemanticEmbeddingConfig, SqualliConfig, ViTMemConfig,
)  # fmt: skip
"""Predictors of frames whose files travel with a saved model; the backbone of `semantic_embedding` is any of
torchvision's or timm's."""
TEMPORAL: Final = ("attention", "gru", "mean")


@strict
class SpatioTemporalConfig(MemorabilityConfig):
    """Sizes and parts of `SpatioTemporalModel`; horizons and score statistics as in `MemorabilityConfig`.

    Attributes:
        backbone: `model_type` of the predictor of frames whose backbone gives the maps, one of `SHIPPED` or one that is
            registered with `AutoConfig` and `AutoModel`; or an image or video network of torchvision, timm or
            transformers, named as the `trunk` of `SemanticEmbeddingConfig`; None for a model that is given maps of
            another network.
        backbone_config: Fields of that predictor's or network's configuration; None takes its defaults.
        segment_length: Frames that a network of videos sees together, which is known by the backbone.
        map_channels: Channels of the maps that a model without a backbone is given.
        spatial_attention: Whether positions of a frame are weighed; else all count alike.
        temporal: How frames are weighed: by `attention`, each on its own; by attention after a recurrent block that
            sees their order, `gru`; or all alike, `mean`.
        temporal_size: Hidden units of the temporal attention, and of the recurrent block in each direction.
        feature_size: Channels of the convolution on the backbone's map, and numbers that describe a frame.
        dropout: Probability in training that a feature is left out before the last layer.
    """

    model_type = "spatiotemporal"

    backbone: str | None = "frame_attention"
    backbone_config: dict[str, Any] | None = None
    segment_length: int | None = None
    map_channels: int | None = None
    spatial_attention: bool = True
    temporal: str = "attention"
    temporal_size: int = 32
    feature_size: int = 96
    dropout: float = 0.0

    @classmethod
    def on(cls, frame_config: MemorabilityConfig, **changes: Any) -> "SpatioTemporalConfig":
        """The configuration of a model on the backbone of a predictor of frames; `changes` are fields of it.

        On that of the frame network with attention it has as many features, so that it can start as that network.
        """
        common = {each.name for each in fields(MemorabilityConfig)}
        own = {each.name: getattr(frame_config, each.name) for each in fields(type(frame_config))}
        values = {name: list(v) if isinstance(v, tuple) else v for name, v in own.items() if name not in common}
        if frame_config.model_type == FrameAttentionConfig.model_type:
            changes.setdefault("feature_size", values["feature_size"])
        return cls(backbone=frame_config.model_type, backbone_config=values, **changes)

    def frame_config(self) -> MemorabilityConfig:
        """Configuration of the predictor whose backbone this is; raises a ValueError if there is none of that kind."""
        from transformers import CONFIG_MAPPING  # its import registers the configurations of this package, this one too

        shipped = {each.model_type: each for each in SHIPPED}
        config_class = shipped.get(self.backbone or "")
        if config_class is None and self.backbone in CONFIG_MAPPING:
            config_class = CONFIG_MAPPING[self.backbone]
        if config_class is None and self.backbone and is_trunk(self.backbone):
            return SemanticEmbeddingConfig(trunk=self.backbone, trunk_kwargs=self.backbone_config)
        if config_class is None or not issubclass(config_class, MemorabilityConfig):
            known = f"{', '.join(shipped)}, a network such as timm/NAME, or a registered predictor of frames"
            raise ValueError(f"backbone must be null, {known}, got {self.backbone!r}")
        given = self.backbone_config or {}
        allowed = {each.name for each in fields(config_class)} - {each.name for each in fields(MemorabilityConfig)}
        if unknown := sorted(given.keys() - allowed):
            names, known = ", ".join(unknown), ", ".join(sorted(allowed))
            raise ValueError(f"backbone_config: {self.backbone} has no field {names}; it has {known}")
        return config_class(**given)

    def validate_backbone(self) -> None:
        if self.backbone is None:
            if self.map_channels is None or self.map_channels < 1:
                raise ValueError(f"without a backbone map_channels must be 1 or more, got {self.map_channels}")
            if self.backbone_config is not None:
                raise ValueError("backbone_config belongs to a backbone, and there is none")
            return
        if self.map_channels is not None:
            raise ValueError("map_channels are the backbone's; give them only with backbone null")
        frame_config = self.frame_config()
        if isinstance(frame_config, SemanticEmbeddingConfig) and self.backbone == frame_config.trunk:
            self.backbone_config = frame_config.trunk_kwargs
        found = getattr(frame_config, "segment_length", None)
        if self.segment_length not in (None, found):
            raise ValueError(f"segment_length is the backbone's, {found}, got {self.segment_length}; leave it out")
        self.segment_length = found

    def validate_sizes(self) -> None:
        check_choice(self, temporal=TEMPORAL)
        check_least(self, feature_size=1, temporal_size=1)
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be from 0 to below 1, got {self.dropout}")
