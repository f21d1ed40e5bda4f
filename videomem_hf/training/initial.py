"""The model that a run starts from: new, or initialised from the weights of another."""

import warnings
from collections.abc import Callable
from typing import Any, TypeVar

from safetensors import SafetensorError
from transformers import AutoConfig, AutoModel, AutoVideoProcessor, PreTrainedConfig

from videomem_hf.data.scored_clips import Clips
from videomem_hf.model_names import check_model_name, check_not_exported, check_on_hub
from videomem_hf.models.configuration_memorability import MemorabilityConfig
from videomem_hf.models.configuration_spatiotemporal import SpatioTemporalConfig
from videomem_hf.models.folders import load_model
from videomem_hf.schema import InputError

T = TypeVar("T")


def initial_model(init: str | None, model_config: PreTrainedConfig, clips: Clips) -> Any:
    """Build the model, with the weights of `init` if given; a perceptron is standardised on the training features.

    Raises:
        InputError: `init` is no model, or has other sizes.
    """
    model = AutoModel.from_config(model_config)
    if init is not None:
        _take_weights(model, init)
    if clips.features is not None and hasattr(model, "standardize_on"):
        import torch

        model.standardize_on(torch.from_numpy(clips.features))
    return model


def initial_config(init: str, model_type: str) -> Any:
    """The configuration saved with a model; of a predictor of frames, that of a `spatiotemporal` on its backbone.

    Raises:
        InputError: There is none, or of another type.
    """
    config = _load(init, lambda: AutoConfig.from_pretrained(init))
    if config.model_type == model_type:
        return config
    if model_type != SpatioTemporalConfig.model_type or not isinstance(config, MemorabilityConfig):
        raise InputError(f"init: {init} holds a {config.model_type}, the recipe trains a {model_type}")
    return SpatioTemporalConfig.on(config)


def initial_processor(init: str) -> Any:
    """The video processor saved with a model. Raises InputError if there is none."""
    return _load(init, lambda: AutoVideoProcessor.from_pretrained(init))


def _load(init: str, load: Callable[[], T]) -> T:
    check_model_name(init)
    check_not_exported(init)
    check_on_hub(init, "model")
    try:
        return load()
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        cause = str(error).strip().splitlines()[0]
        raise InputError(f"init: nothing can be loaded from {init} ({cause}); give a folder or a Hub id") from None


def _take_weights(model: Any, init: str) -> None:
    """Copy the weights that fit; the head may differ (Kinetics' classes, other horizons), and a warning says so."""
    other = _load(init, lambda: load_model(init))
    if other.config.model_type != model.config.model_type:
        _take_backbone(model, other, init)
        return
    given, own = other.state_dict(), model.state_dict()
    differing = [name for name in own if name not in given or given[name].shape != own[name].shape]
    if backbone := [name for name in differing if not model.in_head(name)]:
        named = ", ".join(backbone[:5]) + (f" and {len(backbone) - 5} more" if len(backbone) > 5 else "")
        remedy = "remove the fields of the section model that differ from that folder's config.json"
        raise InputError(f"init: {init} has other sizes than the recipe's model: {named}; {remedy}")
    model.load_state_dict(own | {name: given[name] for name in own if name not in differing})
    if differing:
        warnings.warn(f"{init}: {', '.join(differing)} do not fit and start untrained", stacklevel=3)


def _take_backbone(model: Any, frames: Any, init: str) -> None:
    try:
        model.init_from_pretrained(frames)
    except RuntimeError as error:
        cause = str(error).strip().splitlines()[-1].strip()
        remedy = "remove backbone and backbone_config from the section model"
        raise InputError(f"init: {init} has another backbone than the recipe's model ({cause}); {remedy}") from None
