"""Backbones of the predictors of frames: what maps a frame, before memorability is read from it."""

from collections.abc import Callable
from typing import Final

from torch import nn

from .configuration_memorability import MemorabilityConfig
from .modeling_amnet import AMNetModel
from .modeling_frame_attention import FrameAttentionModel
from .modeling_memnet import MemNetModel
from .modeling_memorability import MapInfo, MemorabilityModel
from .modeling_resmem import ResMemModel
from .modeling_semantic_embedding import SemanticEmbeddingModel
from .modeling_squalli import SqualliModel
from .modeling_vitmem import ViTMemModel

SHIPPED: Final[tuple[type[MemorabilityModel], ...]] = (
    AMNetModel, FrameAttentionModel, MemNetModel, ResMemModel, SemanticEmbeddingModel, SqualliModel, ViTMemModel,
)  # fmt: skip
"""Predictors whose files travel with a saved model, so that nothing needs to be registered for them."""


def build_backbone(config: MemorabilityConfig) -> tuple[nn.Module, MapInfo, Callable[[nn.Module], None]]:
    """Build the backbone of a predictor of frames, with new weights.

    Returns:
        What maps frames `(n, 3, height, width)` to `(n, channels, height', width')`, the facts of these maps, and what
        gives new weights to a module of it.

    Raises:
        ValueError: The predictor is neither `SHIPPED` nor registered with `AutoModel`, gives no maps of frames, or does
            not say how many channels they have.
    """
    model_class = {each.config_class.model_type: each for each in SHIPPED}.get(config.model_type)
    if model_class is None:
        from transformers import MODEL_MAPPING  # its import registers this package's models, this one's importer too

        if type(config) not in MODEL_MAPPING:
            raise ValueError(f"no model is registered for {type(config).__name__}; see AutoModel.register")
        model_class = MODEL_MAPPING[type(config)]
    model = model_class(type(config)(**(config.to_dict() | model_class.minimal_head)))
    backbone = model.frame_backbone()
    if model.map_info is None:
        raise ValueError(f"{model_class.__name__} declares no map_info: how many channels its maps have is not known")
    return backbone, model.map_info, model.init_module
