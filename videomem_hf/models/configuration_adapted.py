"""Configuration of a predictor that was adapted to a new domain."""

from dataclasses import fields
from typing import Any, Final

from huggingface_hub.dataclasses import strict

from .configuration_amnet import AMNetConfig
from .configuration_feature_mlp import FeatureMLPConfig
from .configuration_frame_attention import FrameAttentionConfig
from .configuration_memnet import MemNetConfig
from .configuration_memorability import MemorabilityConfig, check_least
from .configuration_multiview import MultiViewConfig
from .configuration_resmem import ResMemConfig
from .configuration_resnet3d import ResNet3DConfig
from .configuration_semantic_embedding import SemanticEmbeddingConfig
from .configuration_spatiotemporal import SpatioTemporalConfig
from .configuration_squalli import SqualliConfig
from .configuration_vitmem import ViTMemConfig

SHIPPED: Final[tuple[type[MemorabilityConfig], ...]] = (
    AMNetConfig, FeatureMLPConfig, FrameAttentionConfig, MemNetConfig, MultiViewConfig, ResMemConfig, ResNet3DConfig,
    SemanticEmbeddingConfig, SpatioTemporalConfig, SqualliConfig, ViTMemConfig,
)  # fmt: skip
"""Predictors whose files travel with a saved model."""
_OF_BASE: Final = ("horizons", "score_means", "score_stds")


@strict
class AdaptedConfig(MemorabilityConfig):
    """The base model and the sizes of its correction; fields of the base's configuration can be read from this one.

    Attributes:
        base: `model_type` of the base model: one of `SHIPPED`, or one that is registered with `AutoConfig`.
        base_config: Fields of its configuration; None takes its defaults.
        clips: How many clips it was adapted on.
        rows: Vectors that kernels compare with, those of the clips' frames, segments or whole clips.
        group_sizes: Numbers in each group of a vector; each group has distances of its own.
        interval_level: Share of measured scores that the prediction intervals cover.
        adapted_from, adapted_to: Names of the base model and of the data, for people.
        warning: A sentence beside every prediction, where held-out clips do not support the adaptation; else empty.
    """

    model_type = "adapted"

    base: str = "frame_attention"
    base_config: dict[str, Any] | None = None
    clips: int = 1
    rows: int = 1
    group_sizes: list[int] | tuple[int, ...] = (96,)
    interval_level: float = 0.9
    adapted_from: str = ""
    adapted_to: str = ""
    warning: str = ""

    def __getattr__(self, name: str) -> Any:
        """A field of the base's configuration that this one does not have, such as `segment_length`."""
        base = self.__dict__.get("base_config") or {}
        if name.startswith("_") or name not in base:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        return base[name]

    @classmethod
    def on(cls, base: MemorabilityConfig, **changes: Any) -> "AdaptedConfig":
        """The configuration of a model adapted from one with the configuration `base`; `changes` are fields of it."""
        own = {each.name: getattr(base, each.name) for each in fields(type(base))}
        common = {each.name for each in fields(MemorabilityConfig)} - set(_OF_BASE)
        values = {name: list(v) if isinstance(v, tuple) else v for name, v in own.items() if name not in common}
        return cls(base=base.model_type, base_config=values, **changes)

    def base_configuration(self) -> MemorabilityConfig:
        """The configuration of the base model; raises a ValueError if none of that kind is known."""
        config_class = {each.model_type: each for each in SHIPPED}.get(self.base)
        if config_class is None:
            from transformers import CONFIG_MAPPING  # its import registers the configurations of this package

            if self.base in CONFIG_MAPPING:
                config_class = CONFIG_MAPPING[self.base]
        if config_class is None or not hasattr(config_class, "horizons"):
            known = ", ".join(each.model_type for each in SHIPPED)
            raise ValueError(f"base must be {known} or a registered predictor, got {self.base!r}")
        return config_class(**(self.base_config or {}))

    def validate_base(self) -> None:
        if lacking := [each for each in self.horizons if each not in self.base_configuration().horizons]:
            raise ValueError(f"the base predicts no {', '.join(lacking)}")
        check_least(self, clips=1, rows=self.clips)
        if not self.group_sizes or min(self.group_sizes) < 1:
            raise ValueError(f"group_sizes must be one or more numbers above 0, got {list(self.group_sizes)}")
