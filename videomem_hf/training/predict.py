"""Scores of a whole split by a network, gathered from all processes with the clips they belong to."""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from tqdm.auto import tqdm

from videomem_hf.data.scored_clips import Clips
from videomem_hf.training.examples import CachedClips, Collator
from videomem_hf.video.clip_cache import ClipCache

if TYPE_CHECKING:
    from accelerate import Accelerator


def predict(
    accelerator: "Accelerator",
    model: Any,
    collate: Collator,
    clips: Clips,
    cache: ClipCache | None,
    batch_size: int,
    progress: bool,
    intervals: list[np.ndarray] | None = None,
) -> np.ndarray:
    """Score every clip of a split once, divided among the processes.

    The prediction intervals `(clips, horizons, 2)` of a model that has its own are added to `intervals`, if given.

    Returns:
        `(clips, horizons)` float64 on every process, in the order of the split.
    """
    from accelerate.utils import gather_object

    share = list(range(len(clips)))[accelerator.process_index :: accelerator.num_processes]
    loader: Any = torch.utils.data.DataLoader(
        torch.utils.data.Subset(CachedClips(clips, cache), share),
        batch_size,
        collate_fn=collate,
        generator=torch.Generator(),  # evaluation changes nothing of the training
    )
    model.eval()
    scored: list[tuple[int, list[float]]] = []
    ends: list[tuple[int, list[list[float]]]] = []
    gives_intervals = intervals is not None and getattr(model, "gives_intervals", False)
    shown = progress and accelerator.is_main_process
    for batch in tqdm(loader, "evaluating", unit="batch", disable=not shown, leave=False):
        indices = batch.pop("index").tolist()
        if gives_intervals:
            batch["interval_counts"] = torch.from_numpy(clips.annotation_counts[indices])
        with torch.no_grad():
            output = model(**{name: value.to(accelerator.device) for name, value in batch.items()})
        scored.extend(zip(indices, output.scores.double().cpu().tolist(), strict=True))
        if gives_intervals:
            ends.extend(zip(indices, output.intervals.double().cpu().tolist(), strict=True))
    if intervals is not None and gives_intervals:
        intervals.append(in_order(gather_object(ends), len(clips)))
    return in_order(gather_object(scored), len(clips))


def in_order(scored: list[tuple[int, Any]], clips: int) -> np.ndarray:
    """Put gathered scores in the order of the split. Raises RuntimeError unless every clip is there exactly once."""
    indices = sorted(index for index, _ in scored)
    if indices != list(range(clips)):
        raise RuntimeError(f"{len(indices)} predictions of {len(set(indices))} clips came together for {clips} clips")
    return np.array([row for _, row in sorted(scored)], dtype=np.float64)
