"""What a prediction holds."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from videomem_hf.schema import Horizon


@dataclass(frozen=True)
class Still:
    """A frame of the clip to look at, with where in it the score came from.

    Attributes:
        time_s: Seconds from the first frame.
        scores: The frame's own score for each horizon, in [0, 1].
        image: `(height, width, 3)` uint8 RGB, scaled down for display.
        saliency: `(height, width)` float32 over `image`, non-negative, summing to 1; zero where the model does not look
            (outside its centre crop). None if the model offers no explanation.
    """

    time_s: float
    scores: dict[Horizon, float]
    image: np.ndarray
    saliency: np.ndarray | None = None


@dataclass(frozen=True)
class Prediction:
    """The memorability of one clip.

    Attributes:
        source: Path or name of the clip.
        model: Name of the predictor.
        scores: The clip's score for each horizon, in [0, 1]: the mean of its frame scores (paper, Sec. 5.1).
        times_s: `(frames,)` float64, times of the sampled frames in seconds.
        frame_scores: `(frames, horizons)` float64 in [0, 1], columns in the order of `scores`.
        stills: Some frames, evenly spread, when asked for.
        saliency_method: How the stills' saliency was found: "attention" (the model's own) or "Grad-CAM".
        notes: What was odd about the file, a sentence each.
    """

    source: str
    model: str
    scores: dict[Horizon, float]
    times_s: np.ndarray
    frame_scores: np.ndarray
    stills: tuple[Still, ...] = field(default=(), repr=False)
    saliency_method: str | None = None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The prediction as plain numbers and strings, ready for JSON; pictures left out."""
        return {
            "clip": self.source,
            "model": self.model,
            **{str(horizon): score for horizon, score in self.scores.items()},
            "frames": [
                {"time_s": round(float(t), 3)} | dict(zip(self.scores, map(float, row), strict=True))
                for t, row in zip(self.times_s, self.frame_scores, strict=True)
            ],
            "notes": list(self.notes),
        }
