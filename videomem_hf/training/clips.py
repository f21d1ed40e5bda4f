"""The clips of a split, their order in training, and what training changes in them."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from huggingface_hub.constants import HF_HOME

from videomem_hf.data.frame_cache import FrameCache, Source
from videomem_hf.schema import ANNOTATION_COUNTS, VIDEO, VIDEO_ID, Horizon, InputError
from videomem_hf.training.config import AugmentationConfig

if TYPE_CHECKING:
    from accelerate import Accelerator

FRAME_CACHE: Final = Path(HF_HOME) / "videomem_hf" / "frames"
"""Where decoded frames are kept unless another folder is given: beside what other Hugging Face libraries cache."""

ClipKey = tuple[int, int]
"""Epoch and index of a clip: with the seed, all that a training example is a function of."""


@dataclass(frozen=True)
class Clips:
    """The clips of one split that have a video and a score.

    Attributes:
        video_ids: `(clips,)`, each once.
        sources: Their video files.
        labels: `(clips, horizons)` float64 in [0, 1]; NaN where one horizon's score is missing.
        annotation_counts: `(clips, horizons)` float64; NaN where unknown.
    """

    video_ids: list[str]
    sources: list[Source]
    labels: np.ndarray
    annotation_counts: np.ndarray

    def __len__(self) -> int:
        return len(self.video_ids)


def load_clips(data: str, split: str, horizons: tuple[Horizon, ...]) -> Clips:
    """Load a split of the user's copy of the release.

    Args:
        data: Folder of the release.
        split: "train", "validation" or "test".
        horizons: Scores that are wanted; a clip with none of them is left out.

    Raises:
        InputError: The folder holds no release, or the split has no scored clip with a video.

    Warns:
        UserWarning: Scored clips were left out because their videos are missing.
    """
    from datasets import Video, load_dataset

    splits = load_dataset("videomem", "videos", data_dir=data)
    if split not in splits:
        raise InputError(f"{data}: there is no split {split!r}; there are {', '.join(splits)}")
    table = splits[split].cast_column(VIDEO, Video(decode=False))
    labels = np.column_stack([_numbers(table[horizon]) for horizon in horizons])
    counts = np.column_stack([_numbers(table[ANNOTATION_COUNTS[horizon]]) for horizon in horizons])
    sources = [_source(video) for video in table[VIDEO]]
    scored = np.isfinite(labels).any(axis=1)
    kept = [index for index in np.flatnonzero(scored) if sources[index] is not None]
    if not kept:
        raise InputError(f"{data}: no clip of the split {split!r} has both a score and a video")
    if len(kept) < scored.sum():
        missing = int(scored.sum()) - len(kept)
        warnings.warn(f"{missing} scored clips of the split {split!r} have no video and are left out", stacklevel=2)
    names = list(table[VIDEO_ID])
    files = [source for index in kept if (source := sources[index]) is not None]
    return Clips([names[index] for index in kept], files, labels[kept], counts[kept])


def fill_cache(accelerator: "Accelerator", cache: FrameCache, splits: Sequence[Clips], progress: bool) -> None:
    """Decode what is not in the cache yet, each process its share, and wait for the others.

    Raises:
        InputError: On every process, what could not be decoded on any.
    """
    from accelerate.utils import gather_object

    sources = [source for clips in splits for source in clips.sources]
    share = sources[accelerator.process_index :: accelerator.num_processes]
    errors: list[str] = []
    try:
        cache.fill(share, progress=progress and accelerator.is_main_process)
    except InputError as error:
        errors.append(str(error))
    if errors := gather_object(errors):
        raise InputError("\n".join(errors))


def epoch_order(clips: int, seed: int, epoch: int) -> np.ndarray:
    """The order of the clips in an epoch, a permutation; a pure function of its arguments."""
    return np.random.default_rng((seed, epoch)).permutation(clips)


class EpochBatches(torch.utils.data.Sampler[list[ClipKey]]):
    """The batches of an epoch that belong to one process: its equal share of each batch of all processes.

    Args:
        clips: Number of clips.
        batch_size: Clips a step over all processes; a last incomplete batch is left out.
        seed: Of the order.
        rank: Number of this process, from 0.
        ranks: Number of processes; must divide `batch_size`.
    """

    def __init__(self, clips: int, batch_size: int, seed: int, rank: int = 0, ranks: int = 1) -> None:
        self.epoch = 0
        self._clips, self._batch_size, self._seed = clips, batch_size, seed
        self._share = slice(rank * batch_size // ranks, (rank + 1) * batch_size // ranks)

    def __len__(self) -> int:
        return self._clips // self._batch_size

    def __iter__(self) -> Iterator[list[ClipKey]]:
        order = epoch_order(self._clips, self._seed, self.epoch)
        for start in range(0, len(self) * self._batch_size, self._batch_size):
            yield [(self.epoch, int(index)) for index in order[start : start + self._batch_size][self._share]]


class CachedClips(torch.utils.data.Dataset[dict[str, np.ndarray]]):
    """Clips from the frame cache as they are, for evaluation; indexed by number."""

    def __init__(self, clips: Clips, cache: FrameCache) -> None:
        self._clips, self._cache = clips, cache

    def __len__(self) -> int:
        return len(self._clips)

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        return {"index": np.int64(index), "frames": np.array(self._cache.load(self._clips.sources[index]))}  # type: ignore[dict-item]


class TrainingClips(torch.utils.data.Dataset[dict[str, np.ndarray]]):
    """Clips from the frame cache with some of their frames drawn and changed; indexed by epoch and number.

    Args:
        clips: The split.
        cache: Holds the frames of all of them.
        seed: Of the draws.
        frames_per_clip: Frames drawn from a clip, in their order; None takes all.
        augmentation: The changes.
    """

    def __init__(
        self, clips: Clips, cache: FrameCache, seed: int, frames_per_clip: int | None, augmentation: AugmentationConfig
    ) -> None:
        self._clips, self._cache, self._seed = clips, cache, seed
        self._frames_per_clip, self._augmentation = frames_per_clip, augmentation

    def __getitem__(self, key: ClipKey) -> dict[str, np.ndarray]:
        epoch, index = key
        generator = np.random.default_rng((self._seed, epoch, index))
        frames = self._cache.load(self._clips.sources[index])
        if self._frames_per_clip is not None and self._frames_per_clip < len(frames):
            frames = frames[np.sort(generator.choice(len(frames), self._frames_per_clip, replace=False))]
        return {
            "frames": augment(frames, self._augmentation, generator),
            "labels": self._clips.labels[index].astype(np.float32),
            "annotation_counts": self._clips.annotation_counts[index].astype(np.float32),
        }


def augment(frames: np.ndarray, config: AugmentationConfig, generator: np.random.Generator) -> np.ndarray:
    """Change a clip at random, all its frames alike.

    Args:
        frames: `(frames, 3, height, width)` uint8; not written to.
        config: What may change and how much.
        generator: Every draw is made whatever the values are, so that one option does not shift the draws of another.

    Returns:
        A new array of the same shape and type.
    """
    flip, reorder = generator.random(2)
    down, right = generator.integers(-config.shift_px, config.shift_px + 1, size=2)
    order = generator.permutation(3)
    gain = generator.uniform(1 - config.gain, 1 + config.gain, size=(3, 1, 1))
    offset = generator.uniform(-config.offset, config.offset) * 255
    if flip < config.flip:
        frames = frames[..., ::-1]
    if reorder < config.colour_order:
        frames = frames[:, order]
    frames = _shifted(frames, int(down), int(right))
    if config.gain or config.offset:
        frames = np.clip(np.rint(frames * gain + offset), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(frames)


def _shifted(frames: np.ndarray, down: int, right: int) -> np.ndarray:
    """Move the picture by whole pixels, repeating the edge."""
    height, width = frames.shape[-2:]
    rows = np.clip(np.arange(height) - down, 0, height - 1)
    columns = np.clip(np.arange(width) - right, 0, width - 1)
    return frames[..., rows[:, None], columns]


def _numbers(column: Any) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in column], dtype=np.float64)


def _source(video: dict[str, Any] | None) -> Source | None:
    if video is None:
        return None
    return video["bytes"] if video.get("bytes") is not None else video["path"]
