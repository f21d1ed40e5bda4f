"""Small films with known shots for tests."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tests.clips import write_clip
from videomem_hf.inference import ClipPredictor, Prediction

RATE = 25


def picture(seed: int, width: int = 96, height: int = 54) -> np.ndarray:
    """A picture of coloured tiles `(height, width, 3)` uint8, the same for a seed."""
    tiles = np.random.default_rng(seed).integers(0, 256, (height // 9, width // 12, 3))
    return np.kron(tiles, np.ones((9, 12, 1))).astype(np.uint8)


def still(seed: int, seconds: float) -> list[np.ndarray]:
    return [picture(seed)] * round(seconds * RATE)


def dissolve(first: int, second: int, seconds: float) -> list[np.ndarray]:
    shares = np.linspace(0, 1, round(seconds * RATE) + 2)[1:-1]
    return [((1 - share) * picture(first) + share * picture(second)).astype(np.uint8) for share in shares]


def pan(seed: int, seconds: float) -> list[np.ndarray]:
    """A camera that moves over a picture three times as wide."""
    wide, frames = picture(seed, width=288), round(seconds * RATE)
    return [wide[:, (start := round(192 * i / frames)) : start + 96] for i in range(frames)]


def write_film(path: Path, *shots: list[np.ndarray], codec: str = "libvpx") -> Path:
    return write_clip(path, [frame for shot in shots for frame in shot], fps=RATE, codec=codec)


class OfFeatures(ClipPredictor):
    """Stands for any predictor that does not score frames."""

    def __init__(self) -> None:
        self.name = "best"

    def extract(self, source: object, title: str | None = None) -> tuple[dict[str, np.ndarray], list[str]]:
        raise NotImplementedError

    def _predict_each(self, titled: object, options: object) -> Iterator[Prediction]:
        raise NotImplementedError
