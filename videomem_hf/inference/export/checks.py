"""Whether an exported network gives what PyTorch gives."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np
import torch

from videomem_hf.inference.clip_predictor import check_scores
from videomem_hf.inference.onnx.network import OnnxNetwork
from videomem_hf.models.export_names import MODEL_PART, PIXELS, SCORES
from videomem_hf.models.exporting import ExportPart
from videomem_hf.sample import draw_scene, render_frame
from videomem_hf.schema import LEAST_RANK_CORRELATION, InputError
from videomem_hf.statistics import spearman

TOLERANCE: Final = 1e-4
"""Largest difference from PyTorch, of outputs above 1 as a share of the largest."""
SAMPLE_CLIPS: Final = 48
"""Whose ranks are compared."""
CALIBRATION_CLIPS: Final = 32
"""Others, from which the ranges of activations in 8 bits are taken."""
_SAMPLE_SIZE: Final = (320, 180)
_FRAME_S: Final = 0.04
_SEED: Final = 20
_COLUMN_ROWS: Final = 200


def sample_frames(clips: int, length: int, first: int = 1) -> np.ndarray:
    """Frames of generated clips, `(clips * length, height, width, 3)` uint8: `length` consecutive ones of each.

    `first` is the number of the first clip.
    """
    times = [2.0 + _FRAME_S * index for index in range(length)]
    scenes = [draw_scene(_SEED, number) for number in range(first, first + clips)]
    return np.stack([render_frame(scene, time_s, _SAMPLE_SIZE) for scene in scenes for time_s in times])


def largest_difference(part: ExportPart, network: OnnxNetwork, pixels: np.ndarray | None) -> float:
    """The largest difference of any output from PyTorch's, on random numbers of several shapes and on sample frames.

    Args:
        part: As it was traced.
        network: Loaded from its file.
        pixels: `(clips, frames, 3, height, width)` of sample frames, for a part that takes frames.

    Raises:
        InputError: It is above `TOLERANCE`, or a clip's score is not a number.
    """
    worst = (0.0, "")
    for inputs in _inputs(part, pixels):
        with torch.inference_mode():
            expected = part.network(*(torch.from_numpy(each) for each in inputs.values()))
        found = network.run(part.name, dict(inputs))
        for (name, values), wanted in zip(found.items(), expected, strict=True):
            if name == SCORES and PIXELS in inputs:
                check_scores(wanted.numpy())
            worst = max(worst, (_difference(values, wanted.numpy()), name))
    if not worst[0] <= TOLERANCE:
        raise InputError(
            f"the exported network differs from PyTorch by {worst[0]:.1e} in {worst[1]}, and {TOLERANCE:.0e} is "
            "allowed; report it with the versions of torch, onnxscript and onnxruntime"
        )
    return worst[0]


def _difference(found: np.ndarray, expected: np.ndarray) -> float:
    if found.shape != expected.shape:
        return float("inf")
    gap = np.abs(found.astype(np.float64) - expected)
    gap[np.isnan(found) & np.isnan(expected)] = 0
    scale = max(1.0, float(np.nanmax(np.abs(expected), initial=0)))
    return float(np.nan_to_num(gap, nan=np.inf).max(initial=0)) / scale


def _inputs(part: ExportPart, pixels: np.ndarray | None) -> Iterable[Mapping[str, np.ndarray]]:
    """The example in other sizes of its batch and its frames, and the sample frames."""
    rng = np.random.default_rng(0)
    (first, *_) = examples = {name: each.numpy() for name, each in part.inputs.items()}
    frames = examples[first].shape[1] // 2
    sizes = [(1, 1), (2, 3)] if part.axes[first][1] == "frames" else [(1, 0), (4, 0)]
    for clips, segments in sizes:
        yield {name: _random(rng, each, clips, segments * frames) for name, each in examples.items()}
    if first == PIXELS and pixels is not None:
        yield {first: pixels}
        if part.axes[first][3] == "height":
            yield {first: np.pad(pixels[:1], [(0, 0)] * 3 + [(0, 8), (0, 24)], mode="edge")}


def _random(rng: np.random.Generator, example: np.ndarray, clips: int, frames: int) -> np.ndarray:
    shape = (clips, frames, *example.shape[2:]) if frames else (clips, *example.shape[1:])
    return rng.uniform(float(example.min()), float(example.max()), shape).astype(np.float32)


def rank_correlation(full: OnnxNetwork, reduced: OnnxNetwork, inputs: Mapping[str, np.ndarray]) -> float:
    """The lowest rank correlation, over horizons, of the scores of two networks.

    Args:
        inputs: `(clips, ...)` each, of the part "model".
    """
    scores = [_scores(each, inputs) for each in (full, reduced)]
    constant = np.ptp(scores[0], axis=0) == 0
    found = [1.0 if flat else spearman(a, b) for a, b, flat in zip(*(each.T for each in scores), constant, strict=True)]
    return float(np.nan_to_num(min(found), nan=0.0))


def check_rank_correlation(correlation: float, dtype: str, clips: int) -> None:
    """Raise an InputError for ranks that agree too little with float32."""
    if correlation < LEAST_RANK_CORRELATION:
        raise InputError(
            f"with {dtype} weights the ranks of {clips} generated clips agree with float32 by {correlation:.4f} only, "
            f"and {LEAST_RANK_CORRELATION} is needed; take float16 or float32"
        )


def _scores(network: OnnxNetwork, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    """`(clips, horizons)`, a few clips at a time."""
    count = len(next(iter(inputs.values())))
    parts = [
        network.run(MODEL_PART, {name: values[start : start + 8] for name, values in inputs.items()})[SCORES]
        for start in range(0, count, 8)
    ]
    return np.concatenate(parts)


def random_columns(inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Columns of made-up clips for a part that takes columns of these axes."""
    rng = np.random.default_rng(1)
    return {name: rng.uniform(0, 1, (_COLUMN_ROWS, axes[1])).astype(np.float32) for name, axes in inputs.items()}
