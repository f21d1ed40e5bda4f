"""How much the frame scores of a clip vary by chance, and how alike neighbouring frames are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from videomem_hf.inference.json_fields import Fields
from videomem_hf.statistics import Floats

_HIGHEST_CORRELATION: Final = 0.98
"""With a higher one clips would have to be longer than any to tell it from a trend."""


@dataclass(frozen=True)
class FrameNoise:
    """Frame scores of a clip as an autoregressive process.

    Attributes:
        sd: Standard deviation of frame scores about the clip's own level.
        correlation: Of one sampled frame with the next, from 0 to .98; of frames k apart it is the k-th power.
    """

    sd: float
    correlation: float = 0.0

    @classmethod
    def from_fields(cls, stored: Fields) -> "FrameNoise":
        """Read its attributes from a JSON object. Raises FieldError."""
        return cls(stored.number("sd", 0), stored.number("correlation", 0, _HIGHEST_CORRELATION, default=0.0))


def measure_frame_noise(curves: Sequence[np.ndarray]) -> FrameNoise | None:
    """Measure the noise that gives the curves of many clips the steps and the variances that they have.

    A variance about the mean of few correlated frames is too small; its expected value is solved for the correlation.

    Args:
        curves: Of each clip `(frames,)`.

    Returns:
        None without a clip of two frames or more.
    """
    known = [np.asarray(curve, np.float64) for curve in curves if len(curve) > 1]
    if not known:
        return None
    steps = float(np.mean(np.concatenate([np.diff(curve) for curve in known]) ** 2)) / 2
    squares = sum(float(((curve - curve.mean()) ** 2).sum()) for curve in known)
    lengths, clips = np.unique([len(curve) for curve in known], return_counts=True)

    def excess(correlation: float) -> float:
        expected = steps / (1 - correlation) * float(clips @ _expected_squares(lengths, correlation))
        return expected - squares

    ends = excess(0.0), excess(_HIGHEST_CORRELATION)
    if ends[0] >= 0:
        correlation = 0.0
    else:
        from scipy.optimize import brentq

        correlation = _HIGHEST_CORRELATION if ends[1] <= 0 else float(brentq(excess, 0, _HIGHEST_CORRELATION))
    return FrameNoise(float(np.sqrt(steps / (1 - correlation))), correlation)


def _expected_squares(lengths: np.ndarray, correlation: float) -> Floats:
    """Expected sums of squares about the mean of so many frames with variance 1, `(lengths,)`."""
    found = []
    for length in lengths:
        apart = np.arange(1, length)
        found.append(length - 1 - 2 * float((length - apart) @ correlation**apart) / length)
    return np.array(found)
