"""Where in a frame its score comes from: the model's attention, or Grad-CAM through captum."""

from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

GRAD_CAM = "Grad-CAM"
ATTENTION = "attention"


def saliency_method(model: nn.Module) -> str | None:
    """Name of the explanation that `model` allows: its own attention if it has one, else Grad-CAM, else None."""
    if getattr(model, "has_attention", False):
        return ATTENTION
    # A network that averages several crops of a frame has no single map of it.
    if getattr(model.config, "crops", 1) > 1:
        return None
    return GRAD_CAM if getattr(model, "attribution_layers", ()) else None


def saliency_maps(model: Any, pixels: torch.Tensor, horizon: int = 0) -> torch.Tensor:
    """Explain the scores of frames.

    Args:
        model: A predictor that scores frames.
        pixels: `(frames, 3, height, width)`, as the model's processor gives them.
        horizon: Index of the explained score; Grad-CAM only, attention is shared by all.

    Returns:
        `(frames, map_height, map_width)` float32, non-negative, each map summing to 1; all zero for a frame in which
        nothing speaks for memorability.
    """
    if saliency_method(model) == ATTENTION:
        with torch.inference_mode():
            return model(pixel_values_videos=pixels[None], output_attentions=True).attentions[0].float()
    return _grad_cam(model, pixels, horizon)


def place_on_frame(
    saliency: np.ndarray, frame_shape: tuple[int, int], seen: tuple[float, float, float, float]
) -> np.ndarray:
    """Enlarge a map to the frame it belongs to.

    Args:
        saliency: `(map_height, map_width)`, non-negative.
        frame_shape: Height and width of the result.
        seen: Left, top, right and bottom of the part that the model saw, as shares of the frame's width and height.

    Returns:
        `frame_shape` float32, summing to 1 (or 0 for an empty map), zero outside the part that was seen.
    """
    height, width = frame_shape
    left, right = round(seen[0] * width), round(seen[2] * width)
    top, bottom = round(seen[1] * height), round(seen[3] * height)
    enlarged = Image.fromarray(saliency.astype(np.float32)).resize(
        (right - left, bottom - top), Image.Resampling.BICUBIC
    )
    placed = np.zeros(frame_shape, dtype=np.float32)
    placed[top:bottom, left:right] = np.clip(np.asarray(enlarged), 0, None)
    total = placed.sum()
    return placed / total if total > 0 else placed


def _grad_cam(model: Any, pixels: torch.Tensor, horizon: int) -> torch.Tensor:
    """Grad-CAM (Selvaraju et al., ICCV 2017) of the score's logit, so that scores near 1 still have a gradient."""
    from captum.attr import LayerGradCam

    def logit(frames: torch.Tensor) -> torch.Tensor:
        return torch.logit(model(pixel_values_videos=frames[:, None]).frame_scores[:, 0, horizon], eps=1e-6)

    total: torch.Tensor | float = 0.0
    for name in model.attribution_layers:
        attribution = LayerGradCam(logit, model.get_submodule(name))
        # One frame at a time: the activations of a deep network on many frames would not fit a small machine.
        maps = torch.cat([attribution.attribute(f[None].requires_grad_(), attr_dim_summation=True) for f in pixels])
        total = total + nn.functional.interpolate(maps.detach().float(), _common_size(model), mode="bilinear")[:, 0]
    positive = torch.as_tensor(total).relu()
    return positive / positive.sum(dim=(1, 2), keepdim=True).clamp_min(1e-12)


def _common_size(model: Any) -> tuple[int, int]:
    return getattr(model, "attribution_size", (14, 14))
