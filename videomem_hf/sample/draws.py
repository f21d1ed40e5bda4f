"""Random draws that are the same on every machine and with every library version."""

import zlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Choice = TypeVar("Choice")


class Draws:
    """A stream of draws identified by a seed, a video and a purpose.

    Only uniform numbers are taken from NumPy: it guarantees the bit generator's stream, not the methods built on it.
    Streams of different videos or purposes are independent, so a video's scene depends neither on the number of videos
    nor on the order of drawing.
    """

    def __init__(self, seed: int, video_id: int, purpose: str) -> None:
        entropy = [seed, video_id, zlib.crc32(purpose.encode("ascii"))]
        self._generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))

    def unit(self) -> float:
        """One number, uniform in [0, 1)."""
        return float(self._generator.random())

    def units(self, *shape: int) -> np.ndarray:
        """An array of numbers, uniform in [0, 1)."""
        return self._generator.random(shape)

    def bells(self, *shape: int) -> np.ndarray:
        """Bell-shaped numbers with mean 0 and variance 1, each a sum of four uniform ones, exact on every machine."""
        return (self._generator.random((4, *shape)).sum(axis=0) - 2.0) * np.sqrt(3.0)

    def between(self, low: float, high: float) -> float:
        """One number, uniform in [low, high)."""
        return low + (high - low) * self.unit()

    def integer(self, low: int, high: int) -> int:
        """One whole number from low to high, both included."""
        return low + int(self.unit() * (high - low + 1))

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return self.unit() < probability

    def choice(self, options: Sequence[Choice], weights: Sequence[float] | None = None) -> Choice:
        """One of the options, with equal or given weights."""
        if weights is None:
            return options[int(self.unit() * len(options))]
        left = self.unit() * sum(weights)
        for option, weight in zip(options, weights, strict=True):
            left -= weight
            if left < 0:
                return option
        return options[-1]
