"""Responses drawn from the detection model, with the truth."""

from typing import NamedTuple

import numpy as np
from scipy import stats

from videomem_hf.protocol.detection.model import Responses

VIDEOS = np.array([[0.16, -0.05], [-0.05, 0.2]])
PEOPLE = np.array([[0.3, 0.05], [0.05, 0.25]])
MEAN = np.array([-1.4, 1.0])
SLOPE = -0.25


class Drawn(NamedTuple):
    responses: Responses
    position: np.ndarray
    tendencies: np.ndarray
    """`(videos, 2)` of new videos and of repeats at the reference lag."""
    people: np.ndarray
    """`(participants, 2)` effects."""


def draw_responses(
    seed: int, videos: int = 40, people: int = 30, repeated: int = 12, once: int = 12, slope: float = SLOPE
) -> Drawn:
    """Each participant sees `repeated` videos twice and `once` others; lags are 45 to 100, the reference is 100."""
    generator = np.random.default_rng(seed)
    of_videos = generator.multivariate_normal([0, 0], VIDEOS, videos)
    of_people = generator.multivariate_normal([0, 0], PEOPLE, people)
    video, repeat, lag, position = [], [], [], []
    for _ in range(people):
        shown = generator.permutation(videos)[: repeated + once]
        video += [shown, shown[:repeated]]
        repeat += [np.zeros(repeated + once), np.ones(repeated)]
        lag += [np.zeros(repeated + once), np.log(generator.integers(45, 101, repeated) / 100)]
        position += [generator.permutation(repeated + once) + 1, repeated + once + generator.permutation(repeated) + 1]
    indices = np.concatenate(video)
    kind = np.concatenate(repeat).astype(int)
    who = np.repeat(np.arange(people), 2 * repeated + once)
    log_lag = np.concatenate(lag)
    chance = stats.norm.cdf((MEAN + of_videos)[indices, kind] + of_people[who, kind] + slope * log_lag)
    pressed = generator.random(len(chance)) < chance
    responses = Responses(indices, who, kind == 1, pressed, log_lag, videos, people)
    return Drawn(responses, np.concatenate(position), MEAN + of_videos, of_people)
