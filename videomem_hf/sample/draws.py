"""Random draws that are the same on every machine and for every library version."""

import zlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Choice = TypeVar("Choice")


class Draws:
    """A stream of draws named by a seed, a video and a purpose.

    Only raw uniform numbers are taken from numpy: the bit generator's stream is guaranteed to stay the same, the
    methods built on it are not. Streams of different videos or purposes are independent, so a video's scene depends
    neither on how many videos there are nor on who draws first.
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
        """Numbers of mean 0 and variance 1 in a bell shape (four uniforms summed: exact arithmetic everywhere)."""
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
        """One of the options, all alike or by weight."""
        if weights is None:
            return options[int(self.unit() * len(options))]
        left = self.unit() * sum(weights)
        for option, weight in zip(options, weights, strict=True):
            left -= weight
            if left < 0:
                return option
        return options[-1]
