"""Draws a video's annotations from its true memorability, with the simulator of the memory game.

Annotation counts are distributed like the release's, so the sample's scores have the same sampling noise.
"""

from dataclasses import dataclass

import numpy as np

from videomem_hf.protocol.simulate_counts import draw_released_counts, independent_scores
from videomem_hf.sample.draws import Draws
from videomem_hf.schema import HORIZONS


@dataclass(frozen=True)
class Annotations:
    """One video's row in the ground truth: two scores in [0, 1] and the annotation count behind each."""

    short_term: float
    short_term_count: int
    long_term: float
    long_term_count: int


def annotate(seed: int, video_id: int, short_term: float, long_term: float) -> Annotations:
    """Draw the annotations of one video from its true recognition chances: at lag 100, and 24 to 72 hours later.

    The scores are the hit rates, the short-term one corrected linearly to lag 100.
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
