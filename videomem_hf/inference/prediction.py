"""What a prediction holds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from videomem_hf.inference.frame_noise import FrameNoise
from videomem_hf.inference.intervals import LEVEL
from videomem_hf.inference.reference import Reference
from videomem_hf.inference.saliency import Area, place_on_frame
from videomem_hf.schema import Horizon, InputError
from videomem_hf.system import printable

if TYPE_CHECKING:
    from videomem_hf.inference.forgetting import ForgettingCurve


@dataclass(frozen=True)
class Still:
    """A frame of the clip to look at, with where in it the score came from.

    Attributes:
        time_s: Seconds from the first frame.
        scores: The frame's own score for each horizon, in [0, 1].
        image: `(height, width, 3)` uint8 RGB, scaled down for display.
        saliency: `(height, width)` float32 over `image`, non-negative, summing to 1; zero where the model does not look
            (outside its centre crop). Of a model that weighs frames it sums to the frame's weight as a share of the
            highest in the clip. None if the model offers no explanation.
    """

    time_s: float
    scores: dict[Horizon, float]
    image: np.ndarray
    saliency: np.ndarray | None = None


@dataclass(frozen=True)
class Saliency:
    """Where in each sampled frame its score came from, as coarse as the network sees it.

    Attributes:
        times_s: `(frames,)` float64, increasing; as of the prediction.
        maps: `(frames, map_height, map_width)` float32, non-negative, each summing to 1 (or 0 for an empty one). Of a
            model that weighs frames each sums to its frame's weight: a map over space and time, summing to 1.
        seen: Left, top, right and bottom of the part of the frame that the model saw, as shares of width and height.
        covered: The same of the part that the maps' cells cover; it may go over the edge of what was seen.
    """

    times_s: np.ndarray
    maps: np.ndarray
    seen: Area
    covered: Area

    def at(self, time_s: float, shape: tuple[int, int]) -> np.ndarray:
        """Give the map at any time, interpolated linearly between the sampled frames, over a frame of `shape`.

        Returns:
            `shape` float32 as of `place_on_frame`: bicubically enlarged, zero outside the part that was seen. It sums
            to 1 at the frame that counts most, and to less where others count less.
        """
        after = int(np.searchsorted(self.times_s, time_s).clip(0, len(self.times_s) - 1))
        before = max(after - 1, 0)
        gap = self.times_s[after] - self.times_s[before]
        share = float(np.clip((time_s - self.times_s[before]) / gap, 0, 1)) if gap > 0 else 1.0
        blended = (1 - share) * self.maps[before] + share * self.maps[after]
        strength = min(1.0, float(blended.sum()) / self._most)
        return place_on_frame(blended, shape, self.seen, self.covered) * np.float32(strength)

    @cached_property
    def _most(self) -> float:
        """The sum of the map that has the highest."""
        return float(self.maps.sum(axis=(1, 2)).max()) or 1.0


ATYPICAL_PERCENT: Final = 5.0
"""Typicality up to which a clip counts as unlike the training clips."""
ATYPICAL_NOTE: Final = "Unlike the clips that the model was trained on: its score may mean nothing."
NOT_COMPARED_NOTE: Final = (
    "How unlike the training data this clip is, was not measured: the model's typicality.safetensors has too few clips "
    "with the same numbers to compare it with."
)

Intervals = dict[Horizon, tuple[float, float]]
"""For each horizon the lower and the upper end of the prediction interval."""


@dataclass(frozen=True)
class Prediction:
    """The memorability of one clip.

    Attributes:
        source: Path or name of the clip.
        model: Name of the predictor.
        scores: The clip's score for each horizon, in [0, 1]: the mean of its frame scores (paper, Sec. 5.1), weighted
            by `temporal_weights` where there are some.
        times_s: `(frames,)` float64, times of the sampled frames in seconds.
        frame_scores: `(frames, horizons)` float64 in [0, 1], columns in the order of `scores`.
        stills: Some frames, evenly spread, when asked for.
        saliency_method: How stills' saliency and maps were found: "attention" (the model's own) or "Grad-CAM"; of a
            model that weighs frames "spatio-temporal attention" or "Grad-CAM and temporal attention".
        notes: What was odd about the file, a sentence each.
        saliency: The maps of all sampled frames, when asked for and if the model offers any.
        intervals: For each horizon the range in which the measured score of such a clip lies in ``interval_level`` of
            cases, by the errors on held-out clips of the model's training; None if those are not known.
        temporal_weights: `(frames,)` float64, how much each frame counts, summing to 1; None if all count alike.
        interval_level: Share of measured scores that lie in their intervals, such as 0.9.
        error: Why this clip of several could not be scored; then it has no frames, its scores are NaN, and the error is
            its note as well.
        reference: What the model's own predictions on held-out clips were; None if that is not known.
        caveats: What is true of every prediction of the model, a sentence each: what it was trained on, what its scores
            do not say.
        typicality: Share in percent of the model's held-out clips that are less typical of its training clips than this
            one; None if the model has no measure of it.
        frame_noise: For each horizon how frame scores of this model vary within a clip; empty if not known.
        model_version: First digits of a hash of the weights, or of the commit on the Hub; empty if not known.
    """

    source: str
    model: str
    scores: dict[Horizon, float]
    times_s: np.ndarray
    frame_scores: np.ndarray
    stills: tuple[Still, ...] = field(default=(), repr=False)
    saliency_method: str | None = None
    notes: tuple[str, ...] = ()
    saliency: Saliency | None = field(default=None, repr=False)
    intervals: Intervals | None = None
    temporal_weights: np.ndarray | None = None
    interval_level: float = LEVEL
    error: str | None = None
    reference: Reference | None = field(default=None, repr=False)
    caveats: tuple[str, ...] = ()
    typicality: float | None = None
    model_version: str = ""
    frame_noise: Mapping[Horizon, FrameNoise] = field(default_factory=dict, repr=False)

    @classmethod
    def failed(
        cls, source: str, model: str, horizons: tuple[Horizon, ...], cause: str, version: str = ""
    ) -> "Prediction":
        """The prediction of a clip that could not be scored."""
        scores = dict.fromkeys(horizons, float("nan"))
        rows = np.zeros((0, len(scores)))
        return cls(source, model, scores, np.zeros(0), rows, notes=(cause,), error=cause, model_version=version)

    @property
    def percentiles(self) -> dict[Horizon, float]:
        """For each horizon the share in percent of the held-out predictions that are lower; empty if not known.

        They are shares `reference.among`, which belongs beside them.
        """
        return self.reference.percentiles(self.scores) if self.reference and self.error is None else {}

    @property
    def atypical(self) -> bool:
        """Whether the clip is unlike the training clips: fewer than 1 in 20 held-out clips are as unlike them."""
        return self.typicality is not None and self.typicality <= ATYPICAL_PERCENT

    @property
    def curves(self) -> dict[Horizon, np.ndarray]:
        """For each horizon the scores of the frames, `(frames,)`."""
        return dict(zip(self.scores, self.frame_scores.T, strict=True))

    def forgetting(self) -> "ForgettingCurve":
        """The chance of being remembered after any time, by a power law through both scores; see `ForgettingCurve`.

        Raises:
            InputError: The model gives one horizon only, or the clip could not be scored.
        """
        from videomem_hf.inference.forgetting import forgetting_curve

        if self.error is not None:
            raise InputError(f"{self.source}: was not scored ({self.error})")
        return forgetting_curve(self.scores, self.intervals, self.interval_level, name=self.model)

    def to_dict(self) -> dict[str, Any]:
        """The prediction as plain numbers and strings, ready for JSON; pictures left out.

        Of a clip that could not be scored, the scores are None and `error` says why. What is not UTF-8 is escaped.
        """
        if self.error is not None:
            missing = {str(horizon): None for horizon in self.scores}
            error = printable(self.error)
            named = {"clip": printable(self.source), "model": self.model, "model_version": self.model_version}
            return {**named, **missing, "error": error, "notes": [error]}
        plain: dict[str, Any] = {
            "clip": printable(self.source),
            "model": self.model,
            "model_version": self.model_version,
            **{str(horizon): score for horizon, score in self.scores.items()},
            "percentiles": {str(h): round(p, 1) for h, p in self.percentiles.items()} or None,
            "among": self.reference.among if self.reference and self.percentiles else None,
            "intervals": self.intervals and {str(h): list(ends) for h, ends in self.intervals.items()},
            "interval_level": self.intervals and self.interval_level,
            "typicality": None if self.typicality is None else round(self.typicality, 1),
            "atypical": self.atypical,
            "caveats": list(self.caveats),
            "frames": [
                {"time_s": round(float(t), 3)} | dict(zip(self.scores, map(float, row), strict=True))
                for t, row in zip(self.times_s, self.frame_scores, strict=True)
            ],
            "notes": [printable(note) for note in self.notes],
        }
        if self.temporal_weights is not None:
            for frame, weight in zip(plain["frames"], self.temporal_weights, strict=True):
                frame["weight"] = float(weight)
        if self.saliency is not None:
            plain["saliency"] = {
                "method": self.saliency_method,
                "seen": list(self.saliency.seen),
                "covered": list(self.saliency.covered),
                "maps": self.saliency.maps.tolist(),
            }
        return plain
