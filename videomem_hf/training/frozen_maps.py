"""Training on the maps of a frozen backbone, which are computed once."""

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from videomem_hf.data.scored_clips import Clips, fill_cache
from videomem_hf.models.backbones import build_backbone
from videomem_hf.schema import InputError
from videomem_hf.training.config import TrainingConfig
from videomem_hf.video.collate import ClipCollator
from videomem_hf.video.frame_cache import FrameCache
from videomem_hf.video.map_cache import MapCache

if TYPE_CHECKING:
    from accelerate import Accelerator


def check_backbone(config: TrainingConfig, model_config: Any) -> None:
    """Raise InputError for a model without a usable backbone, or for cached maps of an untrained one."""
    if getattr(model_config, "map_channels", None) is not None:
        raise InputError("model: without a backbone it is given maps by your own code; name one to train on clips")
    if config.cache_maps and config.init is None:
        remedy = "give --init FOLDER of a trained predictor of frames, or take the recipe spatiotemporal"
        raise InputError(f"recipe {config.recipe}: trains on the maps of a frozen backbone; {remedy}")
    if config.cache_maps and getattr(model_config, "segment_length", None):
        raise InputError("cache_maps is for networks of single frames, and the backbone is one of videos; leave it out")
    if getattr(model_config, "backbone", None) is not None:
        try:
            with torch.device("meta"):
                build_backbone(model_config.frame_config())
        except ValueError as error:
            raise InputError(f"model: {error}") from None


def cached_maps(
    accelerator: "Accelerator", model: Any, processor: Any, frames: FrameCache, splits: list[Clips], progress: bool
) -> MapCache:
    """Compute the maps of all clips that are not in the cache yet, each process its share.

    The model has `map_frames` and a `backbone` that stays as it is; `frames` holds the frames of all clips.

    Raises:
        InputError: A full disk, or more maps than the cache may hold.
    """
    device, collate = accelerator.device, ClipCollator(processor)
    backbone = model.backbone.to(device).eval()

    def compute(images: np.ndarray) -> np.ndarray:
        pixels = collate([{"frames": images}])["pixel_values_videos"][0]
        with torch.no_grad():
            return model.map_frames(pixels.to(device)).float().cpu().numpy()

    maps = MapCache(frames, network_identity(backbone, processor), compute)
    fill_cache(accelerator, maps, splits, progress)
    return maps


def network_identity(network: torch.nn.Module, processor: Any) -> str:
    """A hash of a network's layers and weights and of what its processor does to frames."""
    identity = hashlib.sha256(json.dumps(processor.to_dict(), sort_keys=True, default=str).encode())
    identity.update(str(network).encode())
    for name, tensor in network.state_dict().items():
        identity.update(name.encode())
        identity.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return identity.hexdigest()
