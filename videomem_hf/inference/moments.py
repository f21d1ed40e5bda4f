"""Whether one moment of a clip is more memorable than the rest, by more than sampled frames vary anyway."""

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from scipy.ndimage import convolve1d
from scipy.special import ndtri

from videomem_hf.inference.prediction import Prediction
from videomem_hf.schema import Horizon

FALSE_ALARMS: Final = 0.05
"""Share of clips without such a moment in which one is found all the same."""
NO_MOMENT: Final = "no moment stands out"
NOT_KNOWN: Final = "it cannot be told whether a moment stands out"
LEAST_RISE: Final = 0.01
"""A smaller rise is not called a moment however certain it is: it cannot be seen in pictures, whose axes of scores span
.1 or more, and is as much as scores move with the number format of the network."""
FEWEST_FRAMES: Final = 3
FEWEST_FRAMES_ALONE: Final = 8
"""Where the noise is known from other clips, and where a clip's own frames have to tell."""
_WEIGHTS: Final = np.array([0.25, 0.5, 0.25])
_DRAWS: Final = 4000
_MOST_SIMULATED: Final = 1000


@dataclass(frozen=True)
class Moment:
    """The most memorable moment of a clip.

    Attributes:
        time_s: Seconds from the first frame.
        index: Of its frame among the sampled ones.
        score: Of that frame, in [0, 1].
        rise: How far the curve, averaged lightly over neighbouring frames, rises above its mean there.
    """

    time_s: float
    index: int
    score: float
    rise: float


def standout_moment(prediction: Prediction, horizon: Horizon) -> Moment | None:
    """Find the moment at which a clip's curve of scores peaks; None if no moment stands out, or it cannot be told.

    It stands out if the peak of the lightly smoothed curve is .01 or more above the curve's mean, and higher above it
    than in 95 % of clips whose frames differ by chance alone. How much they do so, and how alike neighbouring frames
    are, is known from the model's held-out clips (`prediction.frame_noise`). Otherwise the frames of the clip are put
    in random orders (a permutation test): only a peak that lasts for several frames can then stand out, and there must
    be 8 frames or more.

    Args:
        prediction: Of a clip whose frames were scored.
        horizon: One of those of the prediction.
    """
    curve = prediction.curves[horizon]
    if len(curve) < FEWEST_FRAMES:
        return None
    rise = _rise(curve)
    if rise < LEAST_RISE:
        return None
    noise = prediction.frame_noise.get(horizon)
    if noise is None or not noise.sd > 0:
        threshold = _threshold_alone(curve)
    else:
        threshold = noise.sd * _threshold_of_normal(len(curve), round(noise.correlation, 2))
    if threshold is None or rise <= threshold + 1e-9:
        return None
    peak = int(_smooth(curve).argmax())
    start = max(peak - 1, 0)
    index = start + int(curve[start : peak + 2].argmax())
    return Moment(float(prediction.times_s[index]), index, float(curve[index]), rise)


def is_moment_known(prediction: Prediction, horizon: Horizon) -> bool:
    """Whether it can be told if a moment of a clip stands out.

    It cannot of fewer than 3 frames. Nor can it where the curve rises, nothing stands out, and the model's noise is not
    known: random orders of the frames have peaks as high as a part that lasts for a large share of the clip.
    """
    curve, noise = prediction.curves[horizon], prediction.frame_noise.get(horizon)
    if len(curve) >= FEWEST_FRAMES and (_rise(curve) < LEAST_RISE or (noise is not None and noise.sd > 0)):
        return True
    return standout_moment(prediction, horizon) is not None


def _rise(curve: np.ndarray) -> float:
    """How far the smoothed curve rises above the curve's mean."""
    return float(_smooth(curve).max() - curve.mean())


def _smooth(curve: np.ndarray) -> np.ndarray:
    """Average `(..., frames)` over three frames; the first and the last stand for what is beyond them."""
    return convolve1d(curve, _WEIGHTS, mode="nearest")


@cache
def _threshold_of_normal(frames: int, correlation: float) -> float:
    """Which rise of the smoothed curve of so many standard normal frames is exceeded in 5 % of cases.

    Neighbours are correlated, frames further apart by powers of that (an autoregressive process). Simulated; for many
    frames by the distribution of the maximum of independent ones, which lies a little higher.
    """
    if frames > _MOST_SIMULATED:
        apart = np.abs(np.subtract.outer(np.arange(len(_WEIGHTS)), np.arange(len(_WEIGHTS))))
        spread = np.sqrt(_WEIGHTS @ correlation**apart @ _WEIGHTS)
        return float(spread * ndtri((1 - FALSE_ALARMS) ** (1 / frames)))
    curves = np.random.default_rng(0).normal(size=(_DRAWS, frames))
    curves[:, 1:] *= np.sqrt(1 - correlation**2)
    for frame in range(1, frames):
        curves[:, frame] += correlation * curves[:, frame - 1]
    return float(np.quantile(_smooth(curves).max(axis=1) - curves.mean(axis=1), 1 - FALSE_ALARMS))


def _threshold_alone(curve: np.ndarray) -> float | None:
    """Which rise is exceeded in 5 % of the random orders of these frames."""
    if len(curve) < FEWEST_FRAMES_ALONE:
        return None
    draws = min(_DRAWS // 4, max(200, _DRAWS * 100 // len(curve)))
    orders = np.random.default_rng(0).permuted(np.tile(curve, (draws, 1)), axis=1)
    return float(np.quantile(_smooth(orders).max(axis=1) - curve.mean(), 1 - FALSE_ALARMS))
