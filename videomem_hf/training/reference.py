"""What a finished run leaves beside the weights: what its held-out predictions were, and what its clips are like."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from videomem_hf.data.scored_clips import Clips
from videomem_hf.inference.frame_statistics import FrameStatistics
from videomem_hf.inference.map_checks import MOST_CLIPS, map_checks
from videomem_hf.inference.reference import make_reference, reference_of_results, sd_between_frames, write_reference
from videomem_hf.inference.saliency import score_rows
from videomem_hf.inference.typicality import MAX_CLIPS, Described, Typicality, with_sizes
from videomem_hf.run_files import TYPICALITY_FILE
from videomem_hf.training.run_data import RunData
from videomem_hf.video.collate import ClipCollator

_SEGMENTS_AT_A_TIME: Final = 32


def write_claims(folder: Path, model: Any, data: RunData, scores: np.ndarray, results: dict[str, Any]) -> None:
    """Write `reference.json` and, where there are enough clips, `typicality.safetensors`.

    Args:
        folder: Of the run.
        model: The trained model, on its device.
        data: What it was trained and evaluated on.
        scores: `(clips, horizons)`, its predictions for the evaluation split.
        results: Of the run. Evaluated on training clips, its predictions say nothing of new ones: they are left out.
    """
    about, horizons = reference_of_results(results), model.config.horizons
    if about.split == "train":
        write_reference(folder, about)
        return
    training = data.train.take(_some(len(data.train)))
    described, _ = _describe(model, data, training)
    held_out, frame_scores = _describe(model, data, data.evaluation)
    sds = sd_between_frames(frame_scores)
    frame_sd = {} if sds is None else dict(zip(horizons, sds.tolist(), strict=True))
    clips = data.evaluation
    about = replace(about, maps=map_checks(model, data.processor, _middles(data)))
    write_reference(folder, make_reference(about, scores, clips.labels, clips.annotation_counts, horizons, frame_sd))
    if typicality := Typicality.fit(described, held_out):
        typicality.save(folder / TYPICALITY_FILE)


def _middles(data: RunData) -> list[np.ndarray]:
    """The frame, or segment of frames, in the middle of some evaluation clips, `(frames, height, width, 3)` uint8."""
    if data.cache is None or data.processor is None:
        return []
    length = data.processor.segment_length
    clips = (data.cache.load(source) for source in data.evaluation.sources[:MOST_CLIPS])
    starts = ((frames, len(frames) // length // 2 * length) for frames in clips)
    return [np.moveaxis(frames[start : start + length], 1, -1) for frames, start in starts]


def _some(clips: int) -> np.ndarray:
    """Indices of the training clips that are described."""
    return np.sort(np.random.default_rng(0).permutation(clips)[:MAX_CLIPS])


def _describe(model: Any, data: RunData, clips: Clips) -> tuple[Described, list[np.ndarray]]:
    """Groups of numbers for each clip, and of a model of frames each clip's frame scores `(frames, horizons)`."""
    if data.cache is None or data.processor is None:
        assert clips.features is not None
        ends = np.cumsum(clips.feature_sizes)[:-1]
        columns = np.split(clips.features, ends, axis=1)
        return with_sizes(dict(zip(model.config.feature_names, columns, strict=True))), []
    collate, length = ClipCollator(data.processor), data.processor.segment_length
    device = next(model.parameters()).device
    statistics = FrameStatistics(model)
    groups: dict[str, list[np.ndarray]] = {}
    frame_scores = []
    model.eval()
    try:
        for source in clips.sources:
            pixels = collate([{"frames": data.cache.load(source)}])["pixel_values_videos"][0]
            rows, numbers = [], []
            for segments in pixels.unflatten(0, (-1, length)).split(_SEGMENTS_AT_A_TIME):
                with torch.inference_mode():
                    rows.append(score_rows(model, segments.to(device))[0])
                numbers.append(statistics.describe(segments))
            frame_scores.append(_scores_of_rows(model, torch.cat(rows)))
            for name in numbers[0]:
                mean = torch.cat([each[name] for each in numbers]).double().mean(dim=0).numpy()
                groups.setdefault(name, []).append(mean)
    finally:
        statistics.close()
    return {name: np.stack(rows) for name, rows in groups.items()}, frame_scores


def _scores_of_rows(model: Any, rows: torch.Tensor) -> np.ndarray:
    """Frame scores `(frames, horizons)` of what `score_rows` gave for the frames of a clip."""
    if getattr(model, "weighs_frames", False):
        with torch.inference_mode():
            rows = model(features=rows[None].float()).frame_scores[0]
    return rows.double().cpu().numpy()
