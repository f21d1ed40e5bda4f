"""What a finished run leaves beside the weights: what its held-out predictions were, and what its clips are like."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from tqdm.auto import tqdm

from videomem_hf.data.scored_clips import Clips
from videomem_hf.inference.frame_noise import measure_frame_noise
from videomem_hf.inference.frame_statistics import FrameStatistics
from videomem_hf.inference.map_checks import MOST_CLIPS, map_checks
from videomem_hf.inference.reference import make_reference, reference_of_results, write_reference
from videomem_hf.inference.saliency import score_rows
from videomem_hf.inference.typicality import Described, Typicality, sample_clips, with_summaries
from videomem_hf.run_files import TYPICALITY_FILE
from videomem_hf.training.run_data import RunData
from videomem_hf.video.collate import ClipCollator

_SEGMENTS_AT_A_TIME: Final = 32
_MOST_HELD_OUT: Final = 500


def describe_run(
    folder: Path, model: Any, data: RunData, scores: np.ndarray, results: dict[str, Any], progress: bool = False
) -> None:
    """Write `reference.json` and, where there are enough clips, `typicality.safetensors`.

    Args:
        folder: Of the run.
        model: The trained model, on its device.
        data: What it was trained and evaluated on; some of the clips are described.
        scores: `(clips, horizons)`, its predictions for the evaluation split.
        results: Of the run. Evaluated on training clips, its predictions say nothing of new ones: they are left out.
        progress: Whether to show a bar.
    """
    about, horizons = reference_of_results(results), model.config.horizons
    if about.split == "train":
        write_reference(folder, about)
        return
    clips = data.evaluation
    training = data.train.take(sample_clips(len(data.train)))
    some = clips.take(sample_clips(len(clips), _MOST_HELD_OUT))
    described, _ = describe_clips(model, data, training, progress)
    held_out, frame_scores = describe_clips(model, data, some, progress)
    found = {h: measure_frame_noise([rows[:, i] for rows in frame_scores]) for i, h in enumerate(horizons)}
    noise = {h: each for h, each in found.items() if each is not None}
    about = replace(about, maps=map_checks(model, data.processor, _middles(data)))
    write_reference(folder, make_reference(about, scores, clips.labels, clips.annotation_counts, horizons, noise))
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


def describe_clips(model: Any, data: RunData, clips: Clips, progress: bool) -> tuple[Described, list[np.ndarray]]:
    """Groups of numbers for each clip, and of a model of frames each clip's frame scores `(frames, horizons)`."""
    if data.cache is None or data.processor is None:
        assert clips.features is not None
        ends = np.cumsum(clips.feature_sizes)[:-1]
        columns = np.split(clips.features, ends, axis=1)
        return with_summaries(dict(zip(model.config.feature_names, columns, strict=True))), []
    device = next(model.parameters()).device
    statistics = FrameStatistics(model)
    rows: list[list[torch.Tensor]] = [[] for _ in clips.sources]
    numbers: list[list[dict[str, torch.Tensor]]] = [[] for _ in clips.sources]
    model.eval()
    try:
        with tqdm(desc="describing", total=len(clips), unit="clip", disable=not progress, leave=False) as bar:
            for owners, segments in _batches(data, clips, bar):
                with torch.inference_mode():
                    scored = score_rows(model, segments.to(device))[0]
                described = statistics.describe(segments)
                for clip in np.unique(owners):
                    here = torch.from_numpy(owners == clip)
                    rows[clip].append(scored[here.to(device)])
                    numbers[clip].append({name: values[here] for name, values in described.items()})
    finally:
        statistics.close()
    groups = {name: np.stack([_mean_of(parts, name) for parts in numbers]) for name in numbers[0][0]}
    return groups, [_scores_of_rows(model, torch.cat(parts)) for parts in rows]


def _mean_of(parts: list[dict[str, torch.Tensor]], name: str) -> np.ndarray:
    return torch.cat([part[name] for part in parts]).double().mean(dim=0).numpy()


def _batches(data: RunData, clips: Clips, bar: tqdm) -> Iterator[tuple[np.ndarray, torch.Tensor]]:
    """Segments `(n, frames, 3, height, width)` of one clip after the other, and the index of the clip of each."""
    assert data.cache is not None
    assert data.processor is not None
    collate, length = ClipCollator(data.processor), data.processor.segment_length
    waiting: list[tuple[np.ndarray, torch.Tensor]] = []

    def merge() -> tuple[np.ndarray, torch.Tensor]:
        owners, parts = zip(*waiting, strict=True)
        waiting.clear()
        return np.concatenate(owners), torch.cat(parts)

    for index, source in enumerate(clips.sources):
        pixels = collate([{"frames": data.cache.load(source)}])["pixel_values_videos"][0]
        for segments in pixels.unflatten(0, (-1, length)).split(_SEGMENTS_AT_A_TIME):
            held = sum(len(part) for _, part in waiting)
            other_size = waiting and waiting[-1][1].shape[1:] != segments.shape[1:]
            if waiting and (other_size or held + len(segments) > _SEGMENTS_AT_A_TIME):
                yield merge()
            waiting.append((np.full(len(segments), index), segments))
        bar.update()
    if waiting:
        yield merge()


def _scores_of_rows(model: Any, rows: torch.Tensor) -> np.ndarray:
    """Frame scores `(frames, horizons)` of what `score_rows` gave for the frames of a clip."""
    if getattr(model, "weighs_frames", False):
        with torch.inference_mode():
            rows = model(features=rows[None].float()).frame_scores[0]
    return rows.double().cpu().numpy()
