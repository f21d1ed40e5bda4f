"""Where in a frame its score comes from: the model's attention, or Grad-CAM."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch
    from torch import nn

GRAD_CAM = "Grad-CAM"
ATTENTION = "attention"
WEIGHED = {ATTENTION: "spatio-temporal attention", GRAD_CAM: "Grad-CAM and temporal attention"}
"""What each is called where the model weighs frames as well."""

Area = tuple[float, float, float, float]
HIGHEST_SANITY_CORRELATION = 0.7
"""Rank correlation of a model's maps with those of the same network with random weights above which they fail: half of
the variance of the ranks (.7 squared) then comes from the picture and the architecture, not from what was learned."""
FAILED_CHECK = "those of {} stay much the same with random weights, so they do not explain its scores"
LEAST_SIDE = 14
"""Rows and columns at least of a Grad-CAM map, in which the maps of several branches meet."""
MERGED_SIDE = 32
"""Side of the map that the maps of several crops are put together to."""


def saliency_method(model: nn.Module) -> str | None:
    """Name of the explanation that `model` allows: its own attention if it has one, else Grad-CAM, else None."""
    if getattr(model, "has_attention", False):
        return ATTENTION
    return GRAD_CAM if getattr(model, "attribution_layers", ()) else None


def maps_pass(checks: Mapping[str, Any]) -> bool:
    """Whether a model's maps may be offered, by what `map_checks` found; so too if they were never checked."""
    return not checks or checks["sanity"]["all"] <= HIGHEST_SANITY_CORRELATION


def saliency_maps(model: Any, pixels: torch.Tensor, method: str | None = None) -> torch.Tensor:
    """Explain the scores of frames, or of segments of frames; Grad-CAM explains the first horizon's.

    Args:
        model: A predictor that scores frames, or a network of clips.
        pixels: `(n, 3, height, width)`, or for a network of clips `(n, frames, 3, height, width)`, as the model's
            processor gives them.
        method: "attention" or "Grad-CAM"; None takes what `saliency_method` says.

    Returns:
        `(n, map_height, map_width)` float32, non-negative, each map summing to 1; all zero where nothing speaks for
        memorability. A segment has one map, the mean over its steps of time.
    """
    segments = pixels[:, None] if pixels.ndim == 4 else pixels
    return scores_and_maps(model, segments, method or saliency_method(model))[1]


def scores_and_maps(model: Any, segments: torch.Tensor, method: str | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Score frames, or segments of frames, and explain their scores in the same forward pass.

    Args:
        model: See `saliency_maps`.
        segments: `(n, frames, 3, height, width)`; one frame each, unless the model is a network of clips.
        method: "attention" or "Grad-CAM".

    Returns the rows of `score_rows`, and the maps of `saliency_maps`.
    """
    if method == ATTENTION:
        import torch

        with torch.inference_mode():
            rows, maps = score_rows(model, segments, output_attentions=True)
        assert maps is not None
        return rows, maps.float()
    return _grad_cam(model, segments)


def keeps_features(model: Any) -> bool:
    """Whether the rows of `score_rows` are features: frames are weighed, or intervals computed, by all of a clip."""
    return bool(getattr(model, "weighs_frames", False) or getattr(model, "gives_intervals", False))


def score_rows(
    model: Any, segments: torch.Tensor, output_attentions: bool = False
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """What is kept of each of n segments, and their attention maps if asked for.

    Scores `(n, horizons)`; of a model that `keeps_features`, features `(n, size)`.
    """
    if keeps_features(model):
        return model.embed_frames(segments.flatten(0, 1), output_attentions)
    asked = {"output_attentions": True} if output_attentions else {}
    output = model(pixel_values_videos=segments, **asked)
    return output.frame_scores[:, 0], output.attentions[:, 0] if output_attentions else None


def place_on_frame(
    saliency: np.ndarray, frame_shape: tuple[int, int], seen: Area, covered: Area | None = None
) -> np.ndarray:
    """Enlarge a map bicubically to the frame it belongs to.

    Args:
        saliency: `(map_height, map_width)`, non-negative.
        frame_shape: Height and width of the result.
        seen: Left, top, right and bottom of the part that the model saw, as shares of the frame's width and height.
        covered: The part that the map's cells cover; it may leave out some of what was seen (the nearest cell stands
            for it) and may go over its edge. None: what was seen.

    Returns:
        `frame_shape` float32, summing to 1 (or 0 for an empty map), zero outside the part that was seen.
    """
    import torch

    height, width = frame_shape
    left, right = round(seen[0] * width), round(seen[2] * width)
    top, bottom = round(seen[1] * height), round(seen[3] * height)
    area = covered or seen
    scaled = area[0] * width - left, area[1] * height - top, area[2] * width - left, area[3] * height - top
    map_ = torch.from_numpy(saliency.astype(np.float32))[None, None]
    placed = np.zeros(frame_shape, dtype=np.float32)
    placed[top:bottom, left:right] = (
        _enlarge_maps(map_, (bottom - top, right - left), scaled)[0, 0].clamp_min(0).numpy()
    )
    total = placed.sum()
    return placed / total if total > 0 else placed


def covered_by_cells(model: Any, input_shape: tuple[int, int]) -> Area:
    """Left, top, right and bottom of what a map's cells cover, as shares of the model's input.

    Taken for a plain grid, maps of networks with padded strides would be laid up to half a cell too far right and down;
    see `MapInfo.cells`. Maps of crops are put together to one of the whole frame.
    """
    height, width = input_shape
    map_info = getattr(model, "map_info", None)
    if map_info is None or _pixels_of_crops(model, input_shape, "meta") is not None:
        return 0.0, 0.0, 1.0, 1.0
    across, down = map_info.cells(width), map_info.cells(height)
    return across[0] / width, down[0] / height, across[1] / width, down[1] / height


def _enlarge_maps(maps: torch.Tensor, size: tuple[int, int], covered: Area) -> torch.Tensor:
    """Sample maps `(n, 1, map_height, map_width)` bicubically at every pixel of `size`.

    `covered` is where the maps lie, in pixels; beyond it the nearest cell counts.
    """
    import torch
    from torch import nn

    left, top, right, bottom = covered
    y = (torch.arange(size[0], device=maps.device) + 0.5 - top) / (bottom - top) * 2 - 1
    x = (torch.arange(size[1], device=maps.device) + 0.5 - left) / (right - left) * 2 - 1
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).float().expand(len(maps), -1, -1, -1)
    return nn.functional.grid_sample(maps, grid, mode="bicubic", padding_mode="border", align_corners=False)


def _grad_cam(model: Any, segments: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Grad-CAM (Selvaraju et al., ICCV 2017) of the first horizon's logit; near 1 it still has a gradient.

    The computation is recorded from the attribution layers on, so that neither the pass backwards nor its memory
    reaches into the backbone. The segments do not see each other: their logits have one gradient together.
    """
    import torch
    from torch import nn

    activations: list[torch.Tensor] = []

    def start_recording(_: nn.Module, __: Any, output: torch.Tensor) -> torch.Tensor:
        activations.append(output.detach().requires_grad_())
        return activations[-1].clone()  # what follows may work in place

    handles = [model.get_submodule(name).register_forward_hook(start_recording) for name in model.attribution_layers]
    try:
        with torch.enable_grad():
            rows, _ = score_rows(model, segments)
            scored = model.score_features(rows) if keeps_features(model) else rows
            logits = torch.logit(scored[:, 0].float(), eps=1e-6)
            gradients = torch.autograd.grad(logits.sum(), activations)
    finally:
        for handle in handles:
            handle.remove()
    shape = (segments.shape[-2], segments.shape[-1])
    branches = []
    for activation, gradient in zip(activations, gradients, strict=True):
        weights = gradient.mean(dim=tuple(range(2, gradient.ndim)), keepdim=True)
        branches.append(_in_frames(model, (weights * activation.detach()).sum(dim=1, keepdim=True).float(), shape))
    size = [max(LEAST_SIDE, *(maps.shape[d] for maps in branches)) for d in (2, 3)]
    alike = [nn.functional.interpolate(maps, size, mode="bilinear")[:, 0] for maps in branches]
    positive = torch.stack(alike).sum(dim=0).relu()
    return rows.detach(), positive / positive.sum(dim=(1, 2), keepdim=True).clamp_min(1e-12)


def _in_frames(model: Any, maps: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
    """Bring what Grad-CAM gives for segments to one map per frame of `shape`, `(n, 1, map_height, map_width)`."""
    import torch

    if maps.ndim == 5:  # (n, 1, steps of time, map_height, map_width)
        return maps.mean(dim=2)
    crops = _pixels_of_crops(model, shape, maps.device)
    if crops is None:
        return maps
    (left, right), (top, bottom) = (model.map_info.cells(side) for side in (crops.shape[2], crops.shape[1]))
    of_crops = maps.unflatten(0, (len(crops), -1))
    return torch.cat(
        [merge_crops(of_crops[:, i], crops, shape, (left, top, right, bottom)) for i in range(of_crops.shape[1])]
    )


def _pixels_of_crops(model: Any, shape: tuple[int, int], device: Any) -> torch.Tensor | None:
    """Which pixel of a frame of `shape`, counted row by row, each pixel of its crops is; None for a model without."""
    crop = getattr(model, "crop_frames", None)
    if crop is None:
        return None
    import torch

    crops = crop(torch.arange(shape[0] * shape[1], device=device).view(1, 1, *shape))
    return None if crops is None else crops[:, 0, 0]


def merge_crops(
    maps: torch.Tensor, crops: torch.Tensor, shape: tuple[int, int], covered: Area | None = None
) -> torch.Tensor:
    """Put the maps of a frame's crops back to where they were cut, mirrored ones mirrored back.

    The score is that of the mean over the crops: what they say of a pixel adds up, and one that few of them see counts
    for less.

    Args:
        maps: `(crops, 1, map_height, map_width)`, signed.
        crops: `(crops, side, side)`: which pixel of the frame, counted row by row, each pixel of a crop is.
        shape: Height and width of the frame.
        covered: Left, top, right and bottom, in pixels of a crop, of what the maps' cells cover; None: all.

    Returns:
        `(1, 1, 32, 32)` over the whole frame: the mean over the crops, 0 for those that do not see a pixel.
    """
    from torch import nn

    height, width = crops.shape[1:]
    enlarged = _enlarge_maps(maps, (height, width), covered or (0.0, 0.0, width, height))
    frame = maps.new_zeros(shape[0] * shape[1]).index_add(0, crops.flatten(), enlarged.flatten()) / len(maps)
    return nn.functional.adaptive_avg_pool2d(frame.view(1, 1, *shape), MERGED_SIDE)
