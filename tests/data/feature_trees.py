"""Writes feature files as the release has them, and gives the values that were written, for tests."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.data.release_trees import write

FRAMES = (0, 56, 112)


def _simplex(rng: np.random.Generator, size: int, decimals: int) -> list[str]:
    """Numbers with fixed decimals that sum to exactly 1."""
    units = 10**decimals
    cuts = np.sort(rng.choice(units - 1, size - 1, replace=False)) + 1
    parts = np.diff(np.concatenate(([0], cuts, [units])))
    return [f"{part // units}.{part % units:0{decimals}d}" for part in parts]


def c3d(rng: np.random.Generator) -> tuple[bytes, Any]:
    numbers = _simplex(rng, 101, 8)
    return "".join(f"{number} " for number in numbers).encode(), [float(number) for number in numbers]


def hmp(rng: np.random.Generator) -> tuple[bytes, Any]:
    bins = np.sort(rng.choice(6075, 3000, replace=False)) + 1
    numbers = _simplex(rng, len(bins), 6)
    vector = np.zeros(6075)
    vector[bins - 1] = [float(number) for number in numbers]
    pairs = " ".join(f"{index}:{number}" for index, number in zip(bins, numbers, strict=True))
    return f"{pairs}\n".encode(), vector.tolist()


def lbp(rng: np.random.Generator) -> tuple[bytes, Any]:
    numbers = _simplex(rng, int(rng.integers(120, 123)), 8)
    return (" ".join(numbers) + "\n").encode(), [float(number) for number in numbers]


def hog(rng: np.random.Generator) -> tuple[bytes, Any]:
    values = rng.random(int(rng.integers(5, 60)))
    return " ".join(map(repr, values.tolist())).encode(), values.tolist()


def inceptionv3(rng: np.random.Generator) -> tuple[bytes, Any]:
    classes = np.sort(rng.choice(1000, 400, replace=False))
    texts = [f"{value:e}" for value in rng.random(400) ** 20]
    vector = np.zeros(1000)
    vector[classes] = [float(text) for text in texts]
    return " ".join(f"{index}:{text}" for index, text in zip(classes, texts, strict=True)).encode(), vector.tolist()


def colorhistogram(rng: np.random.Generator) -> tuple[bytes, Any]:
    lines, histogram, pixels = [], np.zeros((3, 256), int), int(rng.integers(10**5, 2 * 10**6))
    for channel in range(3):
        low, high = np.sort(rng.choice(256, 2, replace=False))
        histogram[channel, low : high + 1] = rng.multinomial(pixels, rng.dirichlet(np.ones(high + 1 - low)))
        lines.append("".join(f"{index}:{histogram[channel, index]} " for index in range(low, high + 1)))
    return "\n".join(lines).encode(), histogram.tolist()


def orb(rng: np.random.Generator) -> tuple[bytes, Any]:
    descriptor = rng.integers(0, 256, 32).astype(np.uint8)
    keypoints, values = [], []
    for _ in range(int(rng.integers(0, 6))):
        x, y, size, angle, response = map(float, rng.random(5).astype(np.float32))
        keypoints.append(((x, y), size, angle, response, 3, -1, descriptor))
        values.append(
            {"x": x, "y": y, "size": size, "angle": angle, "response": response, "octave": 3, "class_id": -1}
            | {"descriptor": descriptor.tolist()}
        )
    return pickle.dumps(keypoints, protocol=int(rng.integers(0, 6))), values


def aesthetics(rng: np.random.Generator) -> tuple[bytes, Any]:
    values = (rng.normal(size=109) * 10.0 ** rng.integers(-6, 3, 109)).tolist()
    return ",".join(map(repr, values)).encode(), values


PER_VIDEO: dict[str, tuple[str, Callable[[np.random.Generator], tuple[bytes, Any]]]] = {
    "c3d": ("C3D", c3d),
    "hmp": ("HMP", hmp),
}
PER_FRAME: dict[str, tuple[str, str, Callable[[np.random.Generator], tuple[bytes, Any]]]] = {
    "lbp": ("LBP", "txt", lbp),
    "hog": ("HOG", "txt", hog),
    "inceptionv3": ("InceptionV3", "txt", inceptionv3),
    "colorhistogram": ("ColorHistogram", "txt", colorhistogram),
    "orb": ("ORB", "p", orb),
}
AESTHETICS = {
    "dev": "aesthetic_visual_features/aesthetic_feat_dev-set_{}",
    "test": "Aesthetics/aesthetics_{}",
}


def write_features(features: Path, numbers: list[int], part: str = "dev", seed: int = 0) -> dict[str, dict[str, Any]]:
    """Write every feature of some videos under a `features` folder; gives column -> video_id -> value."""
    rng = np.random.default_rng(seed)
    values: dict[str, dict[str, Any]] = {}
    for column, (folder, make) in PER_VIDEO.items():
        for number in numbers:
            data, values.setdefault(column, {})[f"video{number}"] = make(rng)
            write(features / folder / f"video{number}.txt", data)
    for column, (folder, suffix, make) in PER_FRAME.items():
        for number in numbers:
            made = [make(rng) for _ in FRAMES]
            for frame, (data, _) in zip(FRAMES, made, strict=True):
                write(features / folder / f"video{number}-{frame}.{suffix}", data)
            values.setdefault(column, {})[f"video{number}"] = [value for _, value in made]
    for statistic in ("mean", "median"):
        for number in numbers:
            data, values.setdefault(f"aesthetics_{statistic}", {})[f"video{number}"] = aesthetics(rng)
            write(features / AESTHETICS[part].format(statistic) / f"video{number}.txt", data)
    return values
