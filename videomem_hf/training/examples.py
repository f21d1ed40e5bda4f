"""Training examples: their order, what is drawn from them, and how they come together in batches."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from videomem_hf.data.scored_clips import Clips
from videomem_hf.training.config import AugmentationConfig
from videomem_hf.video.clip_cache import ClipCache
from videomem_hf.video.collate import ClipCollator, collate_maps

ClipKey = tuple[int, int]
"""Epoch and index of a clip: with the seed, all that a training example is a function of."""


def epoch_order(clips: int, seed: int, epoch: int) -> np.ndarray:
    """The order of the clips in an epoch, a permutation; a pure function of its arguments."""
    return np.random.default_rng((seed, epoch)).permutation(clips)


class EpochBatches(torch.utils.data.Sampler[list[ClipKey]]):
    """The batches of an epoch that belong to one process: its equal share of each batch of all processes.

    `epoch` chooses the order, `done` the batches of it that are left out because they had their turn. Of `ranks`
    processes, whose number must divide `batch_size`, this is number `rank`; a last incomplete batch is left out.
    """

    def __init__(self, clips: int, batch_size: int, seed: int, rank: int = 0, ranks: int = 1) -> None:
        self.epoch = 0
        self.done = 0
        self._clips, self._batch_size, self._seed = clips, batch_size, seed
        self._share = slice(rank * batch_size // ranks, (rank + 1) * batch_size // ranks)

    def __len__(self) -> int:
        return self._clips // self._batch_size

    def __iter__(self) -> Iterator[list[ClipKey]]:
        order = epoch_order(self._clips, self._seed, self.epoch)
        for start in range(self.done * self._batch_size, len(self) * self._batch_size, self._batch_size):
            yield [(self.epoch, int(index)) for index in order[start : start + self._batch_size][self._share]]


class CachedClips(torch.utils.data.Dataset[dict[str, Any]]):
    """Clips as they are, for evaluation; `cache` holds the frames or maps of all, and is None for features."""

    def __init__(self, clips: Clips, cache: ClipCache | None) -> None:
        self._clips, self._cache = clips, cache

    def __len__(self) -> int:
        return len(self._clips)

    def __getitem__(self, index: int) -> dict[str, Any]:
        if self._cache is None:
            return {"index": np.int64(index), "features": self._clips.features[index]}  # type: ignore[index]
        return {"index": np.int64(index), self._cache.holds: np.array(self._cache.load(self._clips.sources[index]))}


class TrainingClips(torch.utils.data.Dataset[dict[str, Any]]):
    """Clips with some of their frames drawn and changed; indexed by epoch and number.

    Args:
        clips: The split.
        cache: Holds the frames of all of them, or maps, which are not changed; None for features, which are not either.
        seed: Of the draws.
        frames_per_clip: Frames drawn from a clip, in their order; None takes all.
        augmentation: The changes.
        segment_length: Consecutive frames that are drawn together: 1, or what a network of clips takes.
    """

    def __init__(
        self,
        clips: Clips,
        cache: ClipCache | None,
        seed: int,
        frames_per_clip: int | None,
        augmentation: AugmentationConfig,
        segment_length: int = 1,
    ) -> None:
        self._clips, self._cache, self._seed, self._segment_length = clips, cache, seed, segment_length
        self._frames_per_clip, self._augmentation = frames_per_clip, augmentation

    def __getitem__(self, key: ClipKey) -> dict[str, Any]:
        epoch, index = key
        measured = {
            "labels": self._clips.labels[index].astype(np.float32),
            "annotation_counts": self._clips.annotation_counts[index].astype(np.float32),
        }
        if self._cache is None:
            return {"features": self._clips.features[index]} | measured  # type: ignore[index]
        generator = np.random.default_rng((self._seed, epoch, index))
        frames = self._cache.load(self._clips.sources[index])
        segments = len(frames) // self._segment_length
        if self._frames_per_clip is not None and self._frames_per_clip < segments:
            drawn = np.sort(generator.choice(segments, self._frames_per_clip, replace=False))
            frames = frames[(drawn[:, None] * self._segment_length + np.arange(self._segment_length)).ravel()]
        if self._cache.holds == "frames":
            frames = augment(frames, self._augmentation, generator)
        return {self._cache.holds: np.array(frames)} | measured


def augment(frames: np.ndarray, config: AugmentationConfig, generator: np.random.Generator) -> np.ndarray:
    """Change a clip `(frames, 3, height, width)` uint8 at random, all its frames alike; returns a new array.

    Every draw is made whatever the values are, so that one option does not shift the draws of another.
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
    frames = _shift(frames, int(down), int(right))
    if config.gain or config.offset:
        frames = np.clip(np.rint(frames * gain + offset), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(frames)


def _shift(frames: np.ndarray, down: int, right: int) -> np.ndarray:
    """Move the picture by whole pixels, repeating the edge."""
    height, width = frames.shape[-2:]
    rows = np.clip(np.arange(height) - down, 0, height - 1)
    columns = np.clip(np.arange(width) - right, 0, width - 1)
    return frames[..., rows[:, None], columns]


class Collator:
    """Puts clips of frames, of maps or of features together into a batch for a predictor's `forward`."""

    def __init__(self, processor: Any | None) -> None:
        """Take the predictor's video processor; None for feature models."""
        self._frames = None if processor is None else ClipCollator(processor)

    def __call__(self, clips: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        if "frame_maps" in clips[0]:
            return collate_maps(clips)
        if self._frames is not None:
            return self._frames(clips)
        return {name: torch.from_numpy(np.stack([clip[name] for clip in clips])) for name in clips[0]}
