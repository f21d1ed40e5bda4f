"""Feature files in the release's formats: extracted from the generated video where that needs no weights, else drawn.

What `videomem_hf.features` extracts with nothing but the clip is what `videomem extract` gives of the same video. What
needs a network's weights, or cannot be computed, is drawn: fixed random projections of what the scene shows, plus
noise, with each feature's size, sparsity and sum. So it carries a weak signal of memorability.
"""

from collections.abc import Callable, Sequence
from dataclasses import astuple
from functools import cache
from typing import Final

import numpy as np

from videomem_hf.data.feature_files.folders import FRAMES, KNOWN
from videomem_hf.data.feature_files.release_text import format_c3d
from videomem_hf.features.catalogue import CLASSICAL, feature_specs
from videomem_hf.features.collecting import collect
from videomem_hf.sample.draws import Draws
from videomem_hf.sample.memorability import causes_of
from videomem_hf.sample.places import PLACES
from videomem_hf.sample.scene import Scene
from videomem_hf.sample.things import ASPECTS
from videomem_hf.schema import InputError
from videomem_hf.video.video import VideoSource

EXTRACTED: Final = CLASSICAL
"""Features that are extracted from the generated videos; the others are drawn."""


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


def _frame_noise(attributes: Attributes, feature: str) -> list[np.ndarray]:
    """Noise of three frames of one video, mostly shared."""
    draws, size = attributes.draws(feature), _size(feature)
    shared = draws.bells(size)
    return [0.9 * shared + 0.44 * draws.bells(size) for _ in FRAMES]


def inceptionv3(attributes: Attributes) -> list[bytes]:
    """Sparse `class:activation` of 1,000 classes, from 0; a softmax without its smallest values."""
    level = 1.6 * attributes.project("inceptionv3")
    files = []
    for noise in _frame_noise(attributes, "inceptionv3"):
        values = _softmax(level + 1.8 * noise)
        kept = np.flatnonzero(values >= 1e-4)
        files.append(" ".join(f"{k}:{values[k]:e}" for k in kept.tolist()).encode("ascii"))
    return files


def aesthetics(attributes: Attributes) -> list[bytes]:
    """109 numbers separated by commas, as means and as medians over the frames."""
    draws = attributes.draws("aesthetics")
    mean = _profile("aesthetics", 1.0) + 0.4 * attributes.project("aesthetics") + 0.7 * draws.bells(_size("aesthetics"))
    median = mean + 0.05 * draws.bells(len(mean))
    return [",".join(map("{:.6f}".format, values)).encode("ascii") for values in (mean, median)]


_MAKERS: Final[dict[str, Callable[[Attributes], list[bytes]]]] = {
    maker.__name__: maker for maker in (c3d, inceptionv3, aesthetics)
}


def drawn_files(feature: str, scene: Scene) -> list[bytes]:
    """The contents of the files of a feature that is not `EXTRACTED`, for one video, as `layout.feature_paths` orders.

    They depend on the scene alone.
    """
    return _MAKERS[feature](Attributes(scene))


def extracted_files(features: Sequence[str], video: VideoSource) -> dict[str, list[bytes]]:
    """The contents of the files of some `EXTRACTED` features of one video, in the order of `layout.feature_paths`.

    Raises:
        InputError: A feature cannot be computed; a library that it needs is missing, for example.
    """
    specs = feature_specs(features)
    collected = collect(video, specs, threads="NONE")
    for name, error in collected.errors.items():
        raise InputError(f"{collected.clip.name}: no {name}: {error}")
    return {spec.name: [spec.encode(value) for value in collected.values[spec.name]] for spec in specs}
