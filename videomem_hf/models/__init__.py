"""The predictors. `configuration_NAME.py` and `modeling_NAME.py` define `PREFIXConfig` and `PREFIXModel`."""

from importlib import import_module
from typing import Any, Final

MODELS: Final = {
    "adapted": "Adapted",
    "amnet": "AMNet",
    "c3d": "C3D",
    "feature_mlp": "FeatureMLP",
    "frame_attention": "FrameAttention",
    "memnet": "MemNet",
    "multiview": "MultiView",
    "resmem": "ResMem",
    "resnet3d": "ResNet3D",
    "semantic_embedding": "SemanticEmbedding",
    "spatiotemporal": "SpatioTemporal",
    "squalli": "Squalli",
    "vitmem": "ViTMem",
}
"""NAME (also the `model_type`) and PREFIX of each."""


def config_class(name: str) -> Any:
    """The configuration class of a predictor named in `MODELS`."""
    return getattr(import_module(f"{__name__}.configuration_{name}"), f"{MODELS[name]}Config")


def model_class(name: str) -> Any:
    """The model class of a predictor named in `MODELS`."""
    return getattr(import_module(f"{__name__}.modeling_{name}"), f"{MODELS[name]}Model")
