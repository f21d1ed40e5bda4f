"""What a model's own predictions on held-out clips were: what percentiles, intervals and rankings are measured on."""

import json
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from videomem_hf.conformal import difference_error
from videomem_hf.inference.frame_noise import FrameNoise
from videomem_hf.inference.intervals import LEVEL, IntervalFit, fit_intervals
from videomem_hf.inference.json_fields import FieldError, Fields
from videomem_hf.run_files import (
    PREDICTIONS_FILE,
    REFERENCE_FILE,
    TRAINED_ON,
    counts_column,
    is_run_folder,
    read_predictions,
    read_results,
    score_column,
)
from videomem_hf.schema import Horizon, InputError, cause_of
from videomem_hf.system import atomic_write, quantity

FEW_CLIPS: Final = 50
"""Below so many held-out clips a percentage would say more than is known."""
_PERCENT: Final = np.arange(101)


@dataclass(frozen=True)
class Reference:
    """Held-out predictions of a model, in summary: no clip's score, and no name.

    Attributes:
        data: Name of the data that they are on, for people.
        generated: Whether the data are a generated sample.
        trained_on: Whether the model was trained on "videomem", on photographs ("lamem") or on "both".
        clips: How many were held out; 0 if not known.
        split: The split that they are.
        quantiles: For each horizon the quantiles of the predictions at 0, 1, ... 100 %.
        fits: For each horizon what prediction intervals are computed from.
        difference_error: For each horizon the error of a difference, see `statistics.difference_error`: infinite where
            no difference is large enough; missing where it is not known.
        frame_noise: For each horizon how frame scores vary within a clip.
        maps: What was found of the model's saliency maps, see `map_checks`; empty if that is not known.
    """

    data: str
    generated: bool = False
    trained_on: str = "videomem"
    clips: int = 0
    split: str = ""
    quantiles: dict[Horizon, tuple[float, ...]] = field(default_factory=dict)
    fits: dict[Horizon, IntervalFit] = field(default_factory=dict, repr=False)
    difference_error: dict[Horizon, float] = field(default_factory=dict)
    frame_noise: dict[Horizon, FrameNoise] = field(default_factory=dict)
    maps: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def among(self) -> str:
        """What percentiles are shares of, to stand beside them: "of 100 held-out clips of a generated sample"."""
        data = "a generated sample" if self.generated else self.data
        number = quantity(self.clips, "held-out clip") if self.clips else "held-out clips"
        return f"of {number} of {data}"

    @property
    def interval_level(self) -> float:
        """Share of measured scores that the intervals cover."""
        return next((fit.level for fit in self.fits.values()), LEVEL)

    def share(self, percentile: float) -> str:
        """A percentile in words: "74%", "over 99%", "under 1%"; of few clips how many: "9 of 11"."""
        if 0 < self.clips < FEW_CLIPS:
            return f"{round(percentile / 100 * self.clips)} of {self.clips}"
        share = "under 1" if percentile < 1 else "over 99" if percentile > 99 else f"{percentile:.0f}"
        return f"{share}%"

    def standing(self, percentile: float) -> str:
        """Where a score stands, in words: "higher than 74% of 150 held-out clips of ..."; of few clips how many."""
        return f"higher than {self.share(percentile).removesuffix(f' of {self.clips}')} {self.among}"

    def percentiles(self, scores: Mapping[Horizon, float]) -> dict[Horizon, float]:
        """For each horizon the share of the held-out predictions that are lower, in percent; empty if not known."""
        return {h: _share_below(self.quantiles[h], score) for h, score in scores.items() if self.quantiles.get(h)}

    def intervals(self, scores: Mapping[Horizon, float]) -> dict[Horizon, tuple[float, float]] | None:
        """For each horizon the prediction interval of a clip whose annotation count is unknown.

        None unless it is known for every horizon.
        """
        if not scores or scores.keys() - self.fits.keys():
            return None
        ends = {h: self.fits[h].ends([score])[0].tolist() for h, score in scores.items()}
        return {h: (low, high) for h, (low, high) in ends.items()}

    def to_dict(self) -> dict[str, Any]:
        """The content of `reference.json`; null stands for an infinite error of a difference."""
        errors = {h: None if math.isinf(error) else error for h, error in self.difference_error.items()}
        fits = {h: fit.to_dict() for h, fit in self.fits.items()}
        noise = {h: asdict(each) for h, each in self.frame_noise.items()}
        return vars(self) | {"fits": fits, "difference_error": errors, "frame_noise": noise}

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), indent=1) + "\n"

    @classmethod
    def from_dict(cls, content: Any) -> "Reference":
        """The inverse of `to_dict`; unknown keys are ignored. Raises FieldError for what it cannot be."""
        stored = Fields.of(content)
        quantiles, of_quantiles = stored.of_horizons("quantiles")
        fits, of_fits = stored.of_horizons("fits")
        errors, of_errors = stored.of_horizons("difference_error")
        noise, of_noise = stored.of_horizons("frame_noise", {})
        older, of_older = stored.of_horizons("frame_sd", {})  # of files from before correlations were measured
        read_fits = {h: IntervalFit.from_fields(fits.section(h)) for h in of_fits}
        if len({fit.level for fit in read_fits.values()}) > 1:
            raise FieldError("level of one horizon's fit", [fit.level for fit in read_fits.values()], "that of all")
        return cls(
            data=stored.text("data"),
            generated=stored.flag("generated", False),
            trained_on=stored.choice("trained_on", TRAINED_ON, cls.trained_on),
            clips=stored.count("clips", 0),
            split=stored.text("split", ""),
            quantiles={h: quantiles.numbers(h, len(_PERCENT), 0, 1, rising=True) for h in of_quantiles},
            fits=read_fits,
            difference_error={h: math.inf if errors.values[h] is None else errors.number(h, 0, 1) for h in of_errors},
            frame_noise={h: FrameNoise.from_fields(noise.section(h)) for h in of_noise}
            | {h: FrameNoise(older.number(h, 0)) for h in of_older},
            maps=_checks_of_maps(stored.section("maps", {})),
        )


def _checks_of_maps(stored: Fields) -> dict[str, Any]:
    """What `map_checks` gave; empty where that is not known."""
    if not stored.values:
        return {}
    sanity = stored.section("sanity")
    return {
        "method": stored.text("method"),
        "sanity": {part: sanity.number(part, -1, 1) for part in ("head", "all")},
        "agreement": stored.number("agreement", -1, 1),
        "frames": stored.count("frames"),
    }


def _share_below(quantiles: Sequence[float], score: float) -> float:
    """Interpolate the share of a distribution that is below a score; none is below one that equals the lowest."""
    levels = np.linspace(0.0, 100.0, len(quantiles))
    values, first = np.unique(np.asarray(quantiles), return_index=True)
    return float(np.interp(score, values, levels[first], left=0.0, right=100.0))


def make_reference(
    about: Reference,
    predicted: np.ndarray,
    measured: np.ndarray,
    counts: np.ndarray | None,
    horizons: Sequence[Horizon],
    frame_noise: Mapping[Horizon, FrameNoise] | None = None,
) -> Reference:
    """Sum up held-out predictions.

    Args:
        about: What they are on.
        predicted, measured, counts: `(clips, horizons)`: predictions, scores and their annotation counts; NaN where
            unknown. The clips are none that the model was trained on.
        horizons: Names of the columns.
        frame_noise: As of `Reference`.
    """
    quantiles: dict[Horizon, tuple[float, ...]] = {}
    fits: dict[Horizon, IntervalFit] = {}
    errors: dict[Horizon, float] = {}
    for column, horizon in enumerate(horizons):
        known = np.isfinite(measured[:, column]) & np.isfinite(predicted[:, column])
        p, y = predicted[known, column], measured[known, column]
        if not len(p):
            continue
        quantiles[horizon] = tuple(np.percentile(p, _PERCENT).tolist())
        fit = fit_intervals(p, y, None if counts is None else counts[known, column])
        if fit is not None:
            fits[horizon] = fit
        error = difference_error(p, y) if len(p) > 1 else None
        if error is not None:
            errors[horizon] = error
    return replace(
        about,
        clips=len(predicted),
        quantiles=quantiles,
        fits=fits,
        difference_error=errors,
        frame_noise=dict(frame_noise or {}),
    )


def reference_of_results(results: Mapping[str, Any]) -> Reference:
    """What a run's `results.json` says of the data that it was evaluated on."""
    data, config = (each if isinstance(each := results.get(key), Mapping) else {} for key in ("data", "config"))
    trained_on = config.get("train_on")
    return Reference(
        f'the data "{data["name"]}"' if data.get("name") else "its data",
        bool(data.get("generated")),
        trained_on if trained_on in TRAINED_ON else Reference.trained_on,
        split=str(results.get("split") or ""),
    )


@contextmanager
def warn_of_failure(folder: Path) -> Iterator[None]:
    """Turn an error in what stands beside the weights of a finished run into a warning: the run itself is kept."""
    try:
        yield
    except Exception as error:
        warnings.warn(
            f"{folder}: the run is complete, but what its predictions are measured against could not be written "
            f"({cause_of(error)}); predictions come without percentiles, intervals and notes on unlike clips",
            stacklevel=3,
        )


def write_reference(folder: Path, reference: Reference) -> None:
    """Write `reference.json` into a model's folder."""
    with atomic_write(folder / REFERENCE_FILE) as path:
        path.write_text(reference.to_json(), encoding="utf-8")


def read_reference(folder: Path, horizons: Sequence[Horizon]) -> Reference | None:
    """Read `reference.json`; for an older run without one, sum up its `predictions.csv`.

    Raises:
        InputError: The file is damaged.
    """
    path = folder / REFERENCE_FILE
    if path.is_file():
        return parse_reference(path)
    if not is_run_folder(folder):
        return None
    about = reference_of_results(read_results(folder))
    predictions = folder / PREDICTIONS_FILE
    if about.split in ("", "train") or not predictions.is_file():
        return about
    ids, columns = read_predictions(predictions)
    unknown = np.full(len(ids), np.nan)
    names = ([score_column(h) for h in horizons], horizons, [counts_column(h) for h in horizons])
    predicted, measured, counts = (np.stack([columns.get(n, unknown) for n in each], axis=1) for each in names)
    return make_reference(about, predicted, measured, counts, horizons)


def parse_reference(path: Path) -> Reference:
    """Read a `reference.json`. Raises InputError, with the field, for one that cannot be used."""
    try:
        return Reference.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except FieldError as error:
        cause = str(error)
    except (OSError, ValueError, RecursionError) as error:
        cause = f"it cannot be read as JSON: {cause_of(error)}"
    raise InputError(
        f"{path}: is damaged ({cause}); fetch it or train the model again, or remove it: predictions then come without "
        "percentiles and intervals"
    )
