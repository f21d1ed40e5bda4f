"""What clips look like, for a benchmark: copies among them by title, frames and features, and how much they move."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from PIL import Image
from scipy.fft import dctn
from tqdm import tqdm

from videomem_hf.analysis.topics import topics_of
from videomem_hf.benchmark.protocols import Protocol
from videomem_hf.benchmark.scoring import Group
from videomem_hf.benchmark.truth import GroundTruth
from videomem_hf.data.scored_clips import config_of, feature_columns, open_splits, video_sources
from videomem_hf.schema import VIDEO_ID, InputError
from videomem_hf.video.sources import StillImage, StoredVideo, read_image
from videomem_hf.video.video import VideoError, sample_frames

_SIDE: Final = 32
_FREQUENCIES: Final = 8
_FRAMES: Final = 3
_NEAR_BITS: Final = 6
"""Bits of 64 that may differ between hashes of one picture at two sizes or compressions."""
_FLAT: Final = 2.0
"""Standard deviation of grey values (of 255) below which a picture has no structure to compare."""
_SAME_VECTOR: Final = 1e-3
"""Distance of copies, as a part of the median distance between clips."""
_MANY_NUMBERS: Final = 10
"""Numbers beside 0 from which on the same direction is no chance: two clips may show one and the same object."""
_TEMPORAL_PATTERNS: Final = 81
_MOTION: Final = ("little motion", "some motion", "much motion")
_BLOCK: Final = 512

Pairs = np.ndarray
"""`(pairs, 2)` positions of clips that are copies of each other."""


@dataclass(frozen=True)
class FrameContent:
    """What a few frames of each clip show.

    Attributes:
        hashes: `(clips, frames)` uint64 perceptual hashes of the first, the middle and the last sampled frame.
        mirrored: Those of the frames with left and right exchanged.
        structured: `(clips, frames)`: whether there is a frame with something on it.
        motion: `(clips,)` mean change of grey values from one sampled frame to the next, in [0, 1]; NaN without frames.
    """

    hashes: np.ndarray
    mirrored: np.ndarray
    structured: np.ndarray
    motion: np.ndarray


def frame_hash(grey: np.ndarray) -> int:
    """A perceptual hash of 64 bits: which of the lowest frequencies of a picture are above their median.

    Args:
        grey: `(32, 32)` grey values.
    """
    low = dctn(grey.astype(np.float64), norm="ortho")[:_FREQUENCIES, :_FREQUENCIES].ravel()
    bits = low > np.median(low[1:])
    return int(np.packbits(bits).view(">u8")[0])


def read_frame_content(truth: GroundTruth) -> FrameContent:
    """Hash frames of every scored clip that has a video, and measure its motion; a video that fails counts as absent.

    Raises:
        InputError: The data have no videos.
    """
    sources: dict[str, Any] = {}
    for table in open_splits(truth.data, "videos").values():
        sources |= dict(zip(table[VIDEO_ID], video_sources(table, truth.data), strict=True))
    shape = len(truth), _FRAMES
    hashes, mirrored, structured = np.zeros(shape, np.uint64), np.zeros(shape, np.uint64), np.zeros(shape, bool)
    motion = np.full(len(truth), np.nan)
    for row, clip in enumerate(tqdm(truth.ids, "frames", unit="clip")):
        frames = _small_frames(sources.get(clip))
        if not frames:
            continue
        chosen = [frames[0], frames[len(frames) // 2], frames[-1]]
        hashes[row] = [frame_hash(each) for each in chosen]
        mirrored[row] = [frame_hash(each[:, ::-1]) for each in chosen]
        structured[row] = [each.std() >= _FLAT for each in chosen]
        motion[row] = np.abs(np.diff(np.array(frames), axis=0)).mean() / 255 if len(frames) > 1 else 0.0
    return FrameContent(hashes, mirrored, structured, motion)


def _small_frames(source: Any) -> list[np.ndarray]:
    if source is None:
        return []
    if isinstance(source, StillImage):
        return [_shrink(read_image(source.path))]
    try:
        opened = source.read() if isinstance(source, StoredVideo) else source
        return [_shrink(frame.image) for frame in sample_frames(opened, 1.0, notes=[])]
    except VideoError:
        return []


def _shrink(image: np.ndarray) -> np.ndarray:
    small = Image.fromarray(image).convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    return np.asarray(small, np.float64)


def frame_copies(content: FrameContent) -> Pairs:
    """Clips whose three frames look alike, as they are or mirrored, each pair once."""
    usable = np.flatnonzero(content.structured.all(axis=1))
    hashes = content.hashes[usable]
    found = []
    for form in (hashes, content.mirrored[usable]):
        for start in range(0, len(usable), _BLOCK):
            block = form[start : start + _BLOCK]
            bits = np.bitwise_count(block[:, None] ^ hashes[None]).max(axis=2)  # (block, clips)
            first, second = np.nonzero(bits <= _NEAR_BITS)
            found.append(np.column_stack([usable[first + start], usable[second]]))
    return _each_once(found)


def read_feature(truth: GroundTruth, name: str) -> np.ndarray:
    """A feature of every scored clip, `(clips, size)` float32; NaN where a clip has none.

    Raises:
        InputError: The data have no such feature, or it is no vector of fixed length.
    """
    vectors: dict[str, np.ndarray] = {}
    for table in open_splits(truth.data, config_of(name)).values():
        if name not in table.column_names:
            raise InputError(f"{truth.data}: has no feature {name!r}; there are {', '.join(table.column_names)}")
        matrix, _ = feature_columns([table], [name])
        vectors |= dict(zip(table[VIDEO_ID], matrix.astype(np.float32), strict=True))
    size = len(next(iter(vectors.values())))
    return np.array([vectors.get(clip, np.full(size, np.nan, np.float32)) for clip in truth.ids])


def feature_copies(vectors: np.ndarray) -> Pairs:
    """Clips with the same vector up to rounding, and up to a factor where it has many numbers, each pair once."""
    known = np.isfinite(vectors).all(axis=1)
    many = (vectors != 0).sum(axis=1) >= _MANY_NUMBERS
    found = []
    for usable, scale in ((np.flatnonzero(known & many), True), (np.flatnonzero(known & ~many), False)):
        x = vectors[usable].astype(np.float64)
        if scale:
            x /= np.linalg.norm(x, axis=1, keepdims=True)
        found.append(usable[_close_pairs(x)])
    return _each_once(found)


def _close_pairs(x: np.ndarray) -> Pairs:
    """Rows that are as near to each other as rounding makes them, each pair twice, and rows with themselves.

    Args:
        x: `(rows, size)`; its mean is subtracted in place.
    """
    if len(x) < 2:
        return np.empty((0, 2), np.int64)
    x -= x.mean(axis=0)
    norms = (x**2).sum(axis=1)
    generator = np.random.default_rng(0)
    one, other = generator.integers(0, len(x), (2, 2000))
    typical = float(np.median(((x[one] - x[other]) ** 2).sum(axis=1)[one != other]))
    found = []
    for start in range(0, len(x), _BLOCK):
        squared = norms[start : start + _BLOCK, None] + norms[None] - 2 * x[start : start + _BLOCK] @ x.T
        first, second = np.nonzero(squared <= max(_SAME_VECTOR**2 * typical, 1e-12 * float(norms.max())))
        found.append(np.column_stack([first + start, second]))
    return np.concatenate(found)


def hmp_motion(vectors: np.ndarray) -> np.ndarray:
    """The share of blocks whose brightness changes, `(clips,)`, by histograms of motion patterns `(clips, 6075)`.

    A bin is 81 S + T, S the spatial and T the temporal pattern; T is 0 where no block is brighter than before or after.
    """
    return np.asarray(1.0 - vectors[:, ::_TEMPORAL_PATTERNS].sum(axis=1, dtype=np.float64))


def _each_once(found: Sequence[np.ndarray]) -> Pairs:
    pairs = np.concatenate(found) if found else np.empty((0, 2), np.int64)
    return np.unique(np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1), axis=0)


def copies_in_training(pairs: Pairs, protocol: Protocol) -> tuple[int, list[tuple[int, int]]]:
    """How many evaluation clips, the mean over folds, have a copy among the training clips; and the pairs of one fold.

    Returns:
        The number, rounded up, and `(evaluation clip, training clip)` of the first fold that has any.
    """
    counts: list[int] = []
    shown: list[tuple[int, int]] = []
    for fold in protocol.folds:
        both = np.concatenate([pairs, pairs[:, ::-1]])
        leaking = both[np.isin(both[:, 0], fold.evaluation) & np.isin(both[:, 1], fold.train)]
        counts.append(len(np.unique(leaking[:, 0])))
        shown = shown or [(int(a), int(b)) for a, b in leaking]
    return int(np.ceil(np.mean(counts))), shown


def topic_groups(truth: GroundTruth, most: int = 10) -> list[Group]:
    """Clips by the topic of their title."""
    return [Group("topic", ", ".join(topic.words[:4]), topic.rows) for topic in topics_of(truth.titles, most)]


def motion_groups(motion: np.ndarray) -> list[Group]:
    """Clips in thirds by how much they move."""
    known = np.flatnonzero(np.isfinite(motion))
    if len(known) < len(_MOTION) or np.ptp(motion[known]) == 0:
        return []
    order = known[np.argsort(motion[known], kind="stable")]
    return [Group("motion", name, np.sort(rows)) for name, rows in zip(_MOTION, np.array_split(order, 3), strict=True)]


def title_leak_groups(truth: GroundTruth, protocol: Protocol) -> list[Group]:
    """The evaluation clips whose title is nearly that of a training clip, and the others; of one fold only."""
    if len(protocol.folds) > 1 or not len(protocol.folds[0].train) or not any(truth.titles):
        return []
    fold = protocol.folds[0]
    shared = np.isin(truth.title_group[fold.evaluation], truth.title_group[fold.train])
    names = (("a nearly equal title in training", shared), ("no such title in training", ~shared))
    return [Group("title", name, fold.evaluation[rows]) for name, rows in names]
