"""Draws the annotations of a video from its true memorability, as the study would have collected them.

Counts follow the shape the release reports (short-term 30 to 100, most often 33, mean about 38; long-term 9 to 40, most
often 10, mean about 13). Participants answer independently.
"""

import math
from dataclasses import dataclass
from typing import Final

from videomem_hf.sample.draws import Draws

LAGS: Final = (45, 100)
"""A target is repeated this many videos after its first view (paper, Sec. 3.2)."""

DECAY_PER_VIDEO: Final = 0.016 / (100 - 72.5)
"""Recognition falls linearly with the lag: from .875 over all lags to .859 at lag 100 (paper, Sec. 3.3)."""


@dataclass(frozen=True)
class Annotations:
    """What the release tells of one video: two scores in [0, 1] and how many participants are behind each."""

    short_term: float
    short_term_count: int
    long_term: float
    long_term_count: int


def _counts(lowest: int, highest: int, shape: float, scale: float) -> tuple[list[int], list[float]]:
    """Whole numbers with the weights of a gamma density above the lowest."""
    numbers = list(range(lowest, highest + 1))
    steps = [(number - lowest + 0.5) / scale for number in numbers]
    return numbers, [step ** (shape - 1.0) * math.exp(-step) for step in steps]


_SHORT_COUNTS: Final = _counts(30, 100, 1.6, 5.25)
_LONG_COUNTS: Final = _counts(9, 40, 1.25, 3.65)


def annotate(seed: int, video_id: int, short_term: float, long_term: float) -> Annotations:
    """Draw the annotations of one video.

    Args:
        seed: Seed of the sample.
        video_id: Number of the video.
        short_term: True chance to recognise it at lag 100, in [0, 1].
        long_term: True chance to recognise it 24 to 72 hours later, in [0, 1].

    Returns:
        The scores, short-term the raw hit rate corrected linearly to lag 100, long-term the raw hit rate.
    """
    draws = Draws(seed, video_id, "annotations")
    short_count, long_count = draws.choice(*_SHORT_COUNTS), draws.choice(*_LONG_COUNTS)
    long_hits = int((draws.units(long_count) < long_term).sum())
    return Annotations(
        _short_term_score(draws, short_term, short_count), short_count, long_hits / long_count, long_count
    )


def _short_term_score(draws: Draws, at_longest_lag: float, count: int) -> float:
    lags = LAGS[0] + (draws.units(count) * (LAGS[1] - LAGS[0] + 1)).astype(int)
    decay = DECAY_PER_VIDEO * (LAGS[1] - lags)
    hits = draws.units(count) < at_longest_lag + decay
    return max(0.0, float(hits.mean() - decay.mean()))
