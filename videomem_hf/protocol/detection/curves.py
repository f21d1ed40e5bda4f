"""Reliability against the number of annotations, the lag curve, and the agreement of the two steps without noise.

Intervals are percentiles over draws that take random halves of the participants and videos with replacement, so that
they hold for other participants and other videos. Fits to halves take the time, so the videos of each pair of halves
are drawn several times, `FEWEST_VALUES` in all or more.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

from videomem_hf.protocol.clustered import mean_error
from videomem_hf.protocol.detection.linear import KINDS, REPEAT
from videomem_hf.protocol.detection.measure import FEWEST_VIDEOS, REPORTED, Measurement
from videomem_hf.protocol.detection.reliability import agreement, half_measures
from videomem_hf.statistics import Floats, Interval, spearman_brown

SHARES: Final = (0.125, 0.25, 0.5, 0.75, 1.0)
DRAWS: Final = 25
"""Of halves of the participants."""
FEWEST_VALUES: Final = 200
"""Behind an interval."""
CONFIDENCE: Final = 0.95
_FEWEST_PARTICIPANTS: Final = 4
_BINS: Final = 10
_LEAST_RELIABILITY: Final = 0.02


@dataclass(frozen=True, eq=False)
class ReliabilityCurve:
    """Reliability of measures against the annotations per video, `(points,)` each.

    Attributes:
        annotations: Mean number of repeats per video of the participants that a point is for.
        mean, low, high: By measure: Spearman's correlation between halves, projected by Spearman-Brown to all
            participants of the point, with its 95 % interval.
    """

    annotations: Floats
    mean: Mapping[str, Floats]
    low: Mapping[str, Floats]
    high: Mapping[str, Floats]


@dataclass(frozen=True, eq=False)
class LagCurve:
    """Hit rate of the population against the lag: by the model with its 95 % band, and in bins with 95 % intervals."""

    lag: Floats
    rate: Floats
    low: Floats
    high: Floats
    bin_lag: Floats
    bin_rate: Floats
    bin_error: Floats


@dataclass(frozen=True)
class StepAgreement:
    """Correlation over videos of a measure in the two steps; `disattenuated` is NaN where halves do not agree at all.

    Attributes:
        observed: Of the values, Pearson.
        disattenuated: Of what the values measure, with its 95 % interval: from cross-correlations between halves of
            the participants, divided by the root of the two reliabilities, as neither shares participants.
    """

    observed: float
    disattenuated: float
    interval: Interval
    videos: int


def reliability_curve(
    measurement: Measurement, *, draws: int = DRAWS, seed: int = 0, progress: Callable[[int], object] | None = None
) -> ReliabilityCurve:
    """Measure the reliability with a part of the participants, and with all; `progress` is called after each draw."""
    generator = np.random.default_rng([seed, 5])
    participants = np.unique(measurement.responses.participant)
    sizes = _sizes(len(participants))
    found: dict[str, list[list[float]]] = {name: [] for name in REPORTED}
    annotations = []
    seen = max(int((measurement.counts[:, REPEAT] > 0).sum()), 1)
    for size in sizes:
        point: dict[str, list[float]] = {name: [] for name in REPORTED}
        shown = []
        for _ in range(draws):
            chosen = generator.permutation(participants)[:size]
            masks = _masks(chosen, measurement.responses.participants)
            shown.append(measurement.responses.repeat[(masks[0] | masks[1])[measurement.responses.participant]].sum())
            halves = [half_measures(measurement, mask) for mask in masks]
            for _ in range(_resamples(draws)):
                videos = generator.integers(0, len(measurement.counts), len(measurement.counts))
                for name in REPORTED:
                    value = agreement(halves[0][name][videos], halves[1][name][videos])
                    point[name].append(spearman_brown(value, 2) if value > -0.9 else np.nan)
            if progress is not None:
                progress(1)
        annotations.append(float(np.mean(shown)) / seen)
        for name in REPORTED:
            found[name].append(point[name])
    levels = (1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2
    values = {name: np.array(found[name]).reshape(len(sizes), draws * _resamples(draws)) for name in REPORTED}
    return ReliabilityCurve(
        np.array(annotations),
        {name: np.array([_mean(row) for row in each]) for name, each in values.items()},
        {name: np.array([_quantile(row, levels[0]) for row in each]) for name, each in values.items()},
        {name: np.array([_quantile(row, levels[1]) for row in each]) for name, each in values.items()},
    )


def draws_in_all(measurement: Measurement, draws: int = DRAWS) -> int:
    """The number of draws that `reliability_curve` reports as progress."""
    return draws * len(_sizes(len(np.unique(measurement.responses.participant))))


def _resamples(draws: int) -> int:
    """How often the videos of each pair of halves are drawn."""
    return math.ceil(FEWEST_VALUES / draws)


def _sizes(participants: int) -> list[int]:
    """How many participants each point of a reliability curve is for."""
    return sorted({size for share in SHARES if (size := round(share * participants)) >= _FEWEST_PARTICIPANTS})


def lag_curve(measurement: Measurement) -> LagCurve | None:
    """The hit rate against the lag; None where lags are unknown or do not vary."""
    reference, fit, responses = measurement.reference_lag, measurement.detection, measurement.responses
    if reference is None:
        return None
    rows = responses.repeat
    log_lag, hit = responses.log_lag[rows], responses.pressed[rows].astype(np.float64)
    lag = np.exp(np.linspace(log_lag.min(), log_lag.max(), 50))
    spread = np.sqrt(
        1 + fit.video_covariance[REPEAT, REPEAT] + fit.participant_covariance[REPEAT, REPEAT]
    )  # the population's rate: over its videos and participants
    design = np.stack([np.ones(len(lag)), np.log(lag)], axis=1)
    covariance = fit.fixed_covariance[np.ix_([REPEAT, KINDS], [REPEAT, KINDS])]
    middle = design @ [fit.mean[REPEAT], fit.slope]
    reach = float(special.ndtri((1 + CONFIDENCE) / 2))
    half = reach * np.sqrt(np.einsum("ni,ij,nj->n", design, covariance, design))
    rate, low, high = (special.ndtr(each / spread) for each in (middle, middle - half, middle + half))
    edges = np.unique(np.quantile(log_lag, np.linspace(0, 1, _BINS + 1)))
    index = np.clip(np.searchsorted(edges, log_lag, side="right") - 1, 0, max(len(edges) - 2, 0))
    index = np.unique(index, return_inverse=True)[1]  # of few responses some bins have none
    counts = np.bincount(index)
    rates = np.bincount(index, hit) / counts
    errors = [mean_error(hit[index == each], responses.participant[rows][index == each]) for each in range(len(counts))]
    centres = np.exp(np.bincount(index, log_lag) / counts)
    return LagCurve(lag * reference, rate, low, high, centres * reference, rates, reach * np.array(errors))


def step_agreement(
    measured: Sequence[Measurement], measure: str, *, draws: int = DRAWS, seed: int = 0
) -> StepAgreement:
    """Correlate a measure of the two steps' videos, with and without noise."""
    first, second = measured
    generator = np.random.default_rng([seed, 6])
    both = np.isfinite(first.values[measure]) & np.isfinite(second.values[measure])
    observed = _pearson(first.values[measure][both], second.values[measure][both])
    participants = np.arange(first.responses.participants)
    found, middle = [], []
    for _ in range(draws):
        masks = _masks(generator.permutation(participants), len(participants))
        halves = [[half_measures(step, mask)[measure] for mask in masks] for step in measured]
        known = np.flatnonzero(np.isfinite(halves).all(axis=(0, 1)))
        if len(known) < FEWEST_VIDEOS:
            continue
        middle.append(_cross(halves, known))
        found += [_cross(halves, generator.choice(known, len(known))) for _ in range(_resamples(draws))]
    if np.isfinite(found).sum() < draws * _resamples(draws) / 2:  # a step without reliability
        return StepAgreement(observed, float("nan"), Interval(float("nan"), float("nan")), int(both.sum()))
    levels = (1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2
    ends = Interval(*(_quantile(np.array(found), level) for level in levels))
    return StepAgreement(observed, _mean(np.array(middle)), ends, int(both.sum()))


def _cross(halves: Sequence[Sequence[Floats]], videos: NDArray[np.int64]) -> float:
    (a, b), (c, d) = ([half[videos] for half in step] for step in halves)
    reliabilities = _pearson(a, b), _pearson(c, d)
    if min(reliabilities) < _LEAST_RELIABILITY:
        return float("nan")
    return float((_pearson(a, d) + _pearson(b, c)) / 2 / np.sqrt(reliabilities[0] * reliabilities[1]))


def _masks(chosen: NDArray[np.int64], size: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Two halves of participants in random order, as masks."""
    masks = np.zeros((2, size), dtype=bool)
    for number in range(2):
        masks[number][chosen[number::2]] = True
    return masks[0], masks[1]


def _pearson(x: Floats, y: Floats) -> float:
    return float(np.corrcoef(x, y)[0, 1]) if len(x) > 1 and np.ptp(x) > 0 and np.ptp(y) > 0 else float("nan")


def _mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _quantile(values: Floats, level: float) -> float:
    known = values[np.isfinite(values)]
    return float(np.quantile(known, level)) if len(known) else float("nan")
