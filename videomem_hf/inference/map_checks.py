"""Whether a model's saliency maps say something of the model, and how far they agree with what occlusion measures."""

import copy
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import torch
from torch import nn

from videomem_hf.inference.occlusion import GRID, measure_cells
from videomem_hf.inference.predictor import Predictor
from videomem_hf.inference.saliency import (
    ATTENTION,
    covered_by_cells,
    place_on_frame,
    saliency_maps,
    saliency_method,
)
from videomem_hf.statistics import spearman
from videomem_hf.video.sources import process

MOST_CLIPS: Final = 16
MOST_CLIPS_OF_SEGMENTS: Final = 4
"""Clips that are taken at most: a 3D network computes a whole segment for every cell that is covered."""
_DRAWS: Final = 3


def maps_depend_on_weights(model: Any, pixels: torch.Tensor, seed: int = 0) -> dict[str, float]:
    """Compare a model's saliency maps with those of the same network with random weights.

    The sanity check of Adebayo et al. (NeurIPS 2018): maps that stay as they are without what was learned show edges,
    or the middle of the frame, and explain nothing. The weights of each layer are drawn from a normal distribution
    around 0 of the same standard deviation; of batch normalisation the statistics are computed again.

    Args:
        model: A predictor that scores frames or segments, and offers maps.
        pixels: As of `saliency_maps`.
        seed: Of the draws; there are three.

    Returns:
        Mean rank correlation over frames and draws, in [-1, 1], lower is better: "head", with random weights in the
        head alone, and "all". Maps of the model's own attention that lie before the head do not depend on the head.
    """
    own = saliency_maps(model, pixels)
    found = {}
    for part in ("head", "all"):
        others = [saliency_maps(_with_random_weights(model, part, seed + i, pixels), pixels) for i in range(_DRAWS)]
        found[part] = float(np.mean([_correlation(*pair) for maps in others for pair in zip(own, maps, strict=True)]))
    return found


def map_checks(model: Any, processor: Any, segments: Sequence[np.ndarray]) -> dict[str, Any]:
    """Check the saliency maps of a trained model on frames that it has not seen.

    Args:
        model: A predictor. Its weights do not change; it is put in evaluation mode, without gradients.
        processor: Its video processor; None for a model of features.
        segments: A frame, or a segment of frames, of each clip: `(frames, height, width, 3)` uint8, resized as the
            processor does. At most 16 of the most frequent shape are taken (4 of segments).

    Returns:
        "method"; "sanity" as of `maps_depend_on_weights`; "agreement", the mean rank correlation between a map and the
        occlusion map of the same frame for the first horizon; and "frames", how many. For maps of attention, which has
        no sign, it is the size of the occlusion's changes that counts; for Grad-CAM how much the score falls. Empty for
        a model that offers no maps.
    """
    method = None if processor is None else saliency_method(model)
    if method is None or not len(segments):
        return {}
    usual = Counter(each.shape for each in segments).most_common(1)[0][0]
    segments = [each for each in segments if each.shape == usual]
    segments = segments[: MOST_CLIPS if len(segments[0]) == 1 else MOST_CLIPS_OF_SEGMENTS]
    predictor = Predictor(model, processor, "", str(next(model.parameters()).device))
    pixels = torch.stack([process(processor, each, ("resize",), return_tensors="pt") for each in segments])
    pixels = pixels.to(predictor.device)
    pixels = pixels[:, 0] if pixels.shape[1] == 1 else pixels
    maps = saliency_maps(model, pixels).cpu().numpy()
    area = covered_by_cells(model, (pixels.shape[-2], pixels.shape[-1]))
    agreements = []
    for segment, map_ in zip(segments, maps, strict=True):
        change = measure_cells(predictor, segment, GRID, predictor.seen_part(segment.shape[1:3]))[:, 0]
        agreements.append(_correlation(cell_means(map_, area), np.abs(change) if method == ATTENTION else -change))
    sanity = maps_depend_on_weights(model, pixels)
    return {
        "method": method,
        "sanity": {part: round(value, 4) for part, value in sanity.items()},
        "agreement": round(float(np.mean(agreements)), 4),
        "frames": len(segments),
    }


def cell_means(map_: np.ndarray, area: tuple[float, float, float, float], grid: tuple[int, int] = GRID) -> np.ndarray:
    """Mean of a saliency map in each cell of a grid over the model's input; `area` is what the map's cells cover."""
    fine = 12
    placed = place_on_frame(map_, (grid[0] * fine, grid[1] * fine), (0.0, 0.0, 1.0, 1.0), area)
    return placed.reshape(grid[0], fine, grid[1], fine).mean(axis=(1, 3))


def _correlation(first: Any, second: Any) -> float:
    """Rank correlation of two maps; 0 where one is flat, which has nothing in common with anything."""
    one, other = (np.asarray(torch.as_tensor(each).cpu(), np.float64).ravel() for each in (first, second))
    return 0.0 if np.ptp(one) == 0 or np.ptp(other) == 0 else spearman(one, other)


def _with_random_weights(model: Any, part: str, seed: int, pixels: torch.Tensor) -> Any:
    changed = copy.deepcopy(model)
    generator = torch.Generator().manual_seed(seed)
    for name, weights in changed.named_parameters():
        if weights.ndim >= 2 and (part == "all" or model.in_head(name)):
            noise = torch.randn(weights.shape, generator=generator) * weights.float().std().cpu()
            weights.data = noise.to(weights.device, weights.dtype)
    if part == "all":
        _renew_batch_norm(changed, pixels)
    return changed


def _renew_batch_norm(model: Any, pixels: torch.Tensor) -> None:
    norms = [each for each in model.modules() if isinstance(each, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d)]
    for each in norms:
        each.reset_running_stats()
        each.momentum = None
        each.train()
    if norms:
        with torch.no_grad():
            model(pixel_values_videos=pixels[None] if pixels.ndim == 4 else pixels)
    model.eval()
