"""What a model's own predictions on held-out clips were: what percentiles, intervals and rankings are measured on."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from videomem_hf.schema import Horizon
from videomem_hf.system import quantity

Kind = Literal["clips", "photographs"]


@dataclass(frozen=True)
class Reference:
    """Held-out predictions of a model, in summary.

    Attributes:
        data: Name of the data that they are on, for people.
        generated: Whether the data are a generated sample.
        kind: Whether the data are clips or photographs.
        clips: How many were held out; 0 if not known.
        split: The split that they are.
        quantiles: For each horizon the quantiles of the predictions at 0, 1, ... 100 %.
        difference_error: For each horizon the error of a difference, see `statistics.difference_error`; none where
            it is not known.
        frame_sd: For each horizon the standard deviation of a frame score from one sampled frame to the next.
    """

    data: str
    generated: bool = False
    kind: Kind = "clips"
    clips: int = 0
    split: str = ""
    quantiles: dict[Horizon, tuple[float, ...]] = field(default_factory=dict)
    difference_error: dict[Horizon, float] = field(default_factory=dict)
    frame_sd: dict[Horizon, float] = field(default_factory=dict)

    @property
    def among(self) -> str:
        """What percentiles are shares of, to stand beside them: "of 100 held-out clips of a generated sample"."""
        data = "a generated sample" if self.generated else self.data
        number = quantity(self.clips, self.kind.removesuffix("s")).replace(" ", " held-out ", 1) if self.clips else ""
        return f"of {number or f'held-out {self.kind}'} of {data}"

    def percentiles(self, scores: dict[Horizon, float]) -> dict[Horizon, float]:
        """For each horizon the share of the held-out predictions that are lower, in percent; empty if not known."""
        return {h: _share_below(self.quantiles[h], score) for h, score in scores.items() if self.quantiles.get(h)}


def _share_below(quantiles: tuple[float, ...], score: float) -> float:
    """Interpolate the share of a distribution that is below a score; all above a score that equals the lowest."""
    levels = np.linspace(0.0, 100.0, len(quantiles))
    values, first = np.unique(np.asarray(quantiles), return_index=True)
    return float(np.interp(score, values, levels[first], left=0.0, right=100.0)) if np.isfinite(score) else score
