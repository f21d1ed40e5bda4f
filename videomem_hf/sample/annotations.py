"""Draws the annotations of a video from its true memorability, as the study would have collected them.

The memory game's simulator gives the answers, at annotation counts such as the release's; so the sample's scores carry
the noise of as many participants as the release's do.
"""

from dataclasses import dataclass

import numpy as np

from videomem_hf.protocol.simulate_counts import draw_released_counts, independent_scores
from videomem_hf.sample.draws import Draws
from videomem_hf.schema import HORIZONS


@dataclass(frozen=True)
class Annotations:
    """What the release tells of one video: two scores in [0, 1] and how many participants are behind each."""

    short_term: float
    short_term_count: int
    long_term: float
    long_term_count: int


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
    counts = {horizon: draw_released_counts(horizon, 1, draws.units) for horizon in HORIZONS}
    scores = independent_scores(np.array([short_term]), np.array([long_term]), counts, draws.units)
    return Annotations(
        float(scores["short_term"][0]),
        int(counts["short_term"][0]),
        float(scores["long_term"][0]),
        int(counts["long_term"][0]),
    )
