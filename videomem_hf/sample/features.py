"""Feature files in the release's formats.

The numbers are generated, not extracted with the networks and filters of the release: fixed random projections of what
the scene shows, plus noise, with each feature's size, sparsity and sum. So they carry a weak signal of memorability.
Only the colour histogram is computed from the frames.
"""

import pickle
from collections.abc import Callable
from dataclasses import astuple
from functools import cache
from typing import Final

import numpy as np

from videomem_hf.data.feature_files.folders import FRAMES, KNOWN
from videomem_hf.data.feature_files.release_text import format_c3d, format_histogram
from videomem_hf.sample.draws import Draws
from videomem_hf.sample.memorability import causes_of
from videomem_hf.sample.places import PLACES
from videomem_hf.sample.render import Shots, thing_box
from videomem_hf.sample.scene import FPS, Scene
from videomem_hf.sample.things import ASPECTS

_HMP_MACROBLOCKS: Final = 440_000
_MILLION: Final = 1_000_000


class Attributes:
    """The input of the features: a scene's causes, place and thing as one vector, and streams of noise."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.causes = causes_of(scene)
        things = [float(scene.thing is not None and scene.thing.kind == kind) for kind in ASPECTS]
        places = [float(scene.place == place) for place in PLACES]
        self.vector = np.array([*astuple(self.causes), *things, *places])

    def draws(self, feature: str) -> Draws:
        """The video's own stream for one feature."""
        return Draws(self.scene.seed, self.scene.video_id, feature)

    def project(self, feature: str) -> np.ndarray:
        """The feature's fixed random projection of the attributes, `(size,)`, with about unit variance over scenes."""
        return np.round(self.vector @ _projection(feature, len(self.vector)), 9)


def _size(feature: str) -> int:
    size = KNOWN[feature].length
    assert size is not None
    return size


@cache
def _projection(feature: str, rows: int) -> np.ndarray:
    return Draws(0, 0, f"projection {feature}").bells(rows, _size(feature)) * 0.5


@cache
def _profile(feature: str, spread: float) -> np.ndarray:
    """The mean log-weights of a feature's bins over videos."""
    return Draws(0, 0, f"profile {feature}").bells(_size(feature)) * spread


def _softmax(logits: np.ndarray) -> np.ndarray:
    weights = np.exp(logits - logits.max())
    return weights / weights.sum()


def c3d(attributes: Attributes) -> list[bytes]:
    """101 numbers, each followed by a space; a softmax."""
    noise = attributes.draws("c3d").bells(_size("c3d"))
    return [format_c3d(_softmax(1.3 * (attributes.project("c3d") + 1.2 * noise)))]


def hmp(attributes: Attributes) -> list[bytes]:
    """Sparse `bin:value` of 6,075 motion patterns, from 1, with sum 1."""
    noise = attributes.draws("hmp").bells(_size("hmp"))
    logits = _profile("hmp", 2.9) + 0.35 * attributes.project("hmp") + 0.5 * noise
    counts = np.floor(_softmax(logits) * _HMP_MACROBLOCKS)
    bins = np.flatnonzero(counts)
    millionths = np.rint(counts[bins] * (_MILLION / counts.sum())).astype(int)
    names, values = _hmp_texts()
    last = len(values) - 1
    texts = [values[value] if value <= last else f"{value / _MILLION:.6f}" for value in millionths.tolist()]
    pairs = (names[index] + text for index, text in zip(bins.tolist(), texts, strict=True))
    return [(" ".join(pairs) + "\n").encode("ascii")]


@cache
def _hmp_texts() -> tuple[list[str], list[str]]:
    """The texts of all bins and of small values, so that writing a file only needs look-ups."""
    return [f"{index}:" for index in range(1, _size("hmp") + 1)], [f"{value / _MILLION:.6f}" for value in range(4000)]


def _frame_noise(attributes: Attributes, feature: str) -> list[np.ndarray]:
    """Noise of three frames of one video, mostly shared."""
    draws, size = attributes.draws(feature), _size(feature)
    shared = draws.bells(size)
    return [0.9 * shared + 0.44 * draws.bells(size) for _ in FRAMES]


def lbp(attributes: Attributes) -> list[bytes]:
    """122 numbers with sum 1; sometimes one pattern is missing, as in the release."""
    level = _profile("lbp", 0.8) + 0.3 * attributes.project("lbp")
    missing = attributes.draws("lbp missing").chance(0.02)
    files = []
    for noise in _frame_noise(attributes, "lbp"):
        values = _softmax(level + 0.4 * noise)[: len(level) - missing]
        files.append((" ".join(["%.8f"] * len(values)) % tuple(values / values.sum()) + "\n").encode("ascii"))
    return files


def inceptionv3(attributes: Attributes) -> list[bytes]:
    """Sparse `class:activation` of 1,000 classes, from 0; a softmax without its smallest values."""
    level = 1.6 * attributes.project("inceptionv3")
    files = []
    for noise in _frame_noise(attributes, "inceptionv3"):
        values = _softmax(level + 1.8 * noise)
        kept = np.flatnonzero(values >= 1e-4)
        files.append(" ".join(f"{k}:{values[k]:e}" for k in kept.tolist()).encode("ascii"))
    return files


def hog(attributes: Attributes) -> list[bytes]:
    """Numbers on one line, of varying length; larger for busier frames."""
    draws = attributes.draws("hog")
    busy = 0.1 + 0.25 * attributes.causes.clutter + 0.15 * attributes.causes.conspicuity
    return [_hog_frame(draws, busy) for _ in FRAMES]


def _hog_frame(draws: Draws, busy: float) -> bytes:
    count = 36 * draws.integer(4, 20)
    values = np.minimum(1.0, busy * draws.units(count) * (0.5 + draws.units(count)))
    return (" ".join(["%.6f"] * count) % tuple(values) + "\n").encode("ascii")


def orb(attributes: Attributes) -> list[bytes]:
    """Pickled lists of (pt, size, angle, response, octave, class_id, descriptor): more of them the busier the frame.

    As in the release every entry carries the first descriptor.
    """
    draws = attributes.draws("orb")
    return [_orb_frame(attributes, draws, number / FPS) for number in FRAMES]


def _orb_frame(attributes: Attributes, draws: Draws, time_s: float) -> bytes:
    causes = attributes.causes
    count = min(500, 20 + int(60 * draws.unit() + 300 * causes.clutter + 150 * causes.conspicuity))
    left, top, right, bottom = thing_box(attributes.scene, time_s) or (0.0, 0.0, 1.0, 1.0)
    spots = draws.units(count, 6)
    on_thing = spots[:, 2] < 0.6
    xs = np.where(on_thing, left + (right - left) * spots[:, 0], spots[:, 0]) * 1920
    ys = np.where(on_thing, top + (bottom - top) * spots[:, 1], spots[:, 1]) * 1080
    descriptor = (draws.units(32) * 256).astype(np.uint8)
    octaves = (spots[:, 3] * 8).astype(int)
    angles, responses = np.round(360 * spots[:, 4], 3), np.round(0.001 * spots[:, 5], 8)
    columns = (column.tolist() for column in (np.round(xs, 2), np.round(ys, 2), octaves, angles, responses))
    points = [
        ((x, y), 31.0 * 1.2**octave, angle, response, octave, -1, descriptor)
        for x, y, octave, angle, response in zip(*columns, strict=True)
    ]
    return pickle.dumps(points, protocol=2)


def colorhistogram(attributes: Attributes, size: tuple[int, int]) -> list[bytes]:
    """Pixel counts of the 256 levels of each channel, computed from the frames before encoding.

    Three lines in the order blue, green, red (the release's red and blue are swapped), each from the channel's smallest
    level to its largest, empty levels between them included.
    """
    shots = Shots(attributes.scene, size)
    frames = [np.asarray(shots.frame(number / FPS)).reshape(-1, 3) for number in FRAMES]
    counts = [[np.bincount(frame[:, channel], minlength=256) for channel in (2, 1, 0)] for frame in frames]
    return [format_histogram(np.array(channels)) for channels in counts]


def aesthetics(attributes: Attributes) -> list[bytes]:
    """109 numbers separated by commas, as means and as medians over the frames."""
    draws = attributes.draws("aesthetics")
    mean = _profile("aesthetics", 1.0) + 0.4 * attributes.project("aesthetics") + 0.7 * draws.bells(_size("aesthetics"))
    median = mean + 0.05 * draws.bells(len(mean))
    return [",".join(map("{:.6f}".format, values)).encode("ascii") for values in (mean, median)]


_MAKERS: Final[dict[str, Callable[[Attributes], list[bytes]]]] = {
    maker.__name__: maker for maker in (c3d, hmp, lbp, hog, inceptionv3, orb, aesthetics)
}


def feature_files(feature: str, scene: Scene, size: tuple[int, int]) -> list[bytes]:
    """The contents of one feature's files for one video, in the order of `layout.feature_paths`.

    `size` is the frame size in pixels: the colour histogram counts them.
    """
    attributes = Attributes(scene)
    return colorhistogram(attributes, size) if feature == "colorhistogram" else _MAKERS[feature](attributes)
