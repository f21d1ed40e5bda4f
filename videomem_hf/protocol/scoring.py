"""Memorability scores from the annotations of a study (Sec. 3.3).

A raw score is a video's hit rate: the share of participants who recognised it when it was repeated. The short-term hit
rate falls linearly with the lag, so raw short-term scores depend on the lags that a video happened to get. The slope is
fitted to all annotations by least squares with one intercept per video, and every score is corrected along it to the
longest lag, if the slope can be told from 0. Long-term scores are not corrected: k of n.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from videomem_hf.protocol.annotations import MISSING_REASONS, TARGET, Annotations
from videomem_hf.protocol.checks import check_annotations
from videomem_hf.protocol.clustered import fit_slope
from videomem_hf.protocol.design import StudyDesign
from videomem_hf.protocol.screening import Screening, quotient, screen
from videomem_hf.schema import HORIZONS, SCORE_MAX, SCORE_MIN, Horizon, InputError
from videomem_hf.statistics import Floats

LagChoice = Literal["significant", "always", "never"]
"""When short-term scores are corrected for the lag."""
_SIGNIFICANT: Final = 0.05
_PRIOR_ANNOTATIONS: Final = (2.0, 1000.0)
"""Bounds of the prior's weight, in annotations; see `_standard_error`."""


@dataclass(frozen=True, eq=False)
class TargetAnnotations:
    """The responses to repeated targets: the annotations of one horizon, `(annotations,)` each.

    Attributes:
        participant, video: Indices.
        hit: Whether the video was recognised.
        interval: Between the two showings: lag in videos (short-term), hours (long-term, NaN if unknown).
        rt_ms: NaN for a miss or where unknown.
    """

    participant: NDArray[np.int64]
    video: NDArray[np.int64]
    hit: NDArray[np.bool_]
    interval: Floats
    rt_ms: Floats

    def __len__(self) -> int:
        return len(self.hit)


@dataclass(frozen=True, eq=False)
class Sums:
    """What scores are computed from, `(videos,)` each; the sums of two subsets of the annotations add up."""

    annotations: Floats
    hits: Floats
    lags: Floats
    squared_lags: Floats
    lags_of_hits: Floats

    def __sub__(self, part: "Sums") -> "Sums":
        """The sums over the other annotations."""
        names = self.__dataclass_fields__
        return Sums(*(getattr(self, name) - getattr(part, name) for name in names))


@dataclass(frozen=True)
class LagCorrection:
    """The line along which short-term scores are corrected to one lag; the hit rate's `slope` per unit is negative.

    `standard_error` and `p_value` (of "no slope", two-sided) are by participant in a study's scores; NaN where unknown.
    """

    slope: float
    standard_error: float
    to_lag: int
    p_value: float = float("nan")


@dataclass(frozen=True, eq=False)
class Scores:
    """The scores of one horizon, `(videos,)` each.

    Attributes:
        score: In [0, 1], corrected for the lag (short-term, where `StudyScores.corrected`); NaN without annotations.
        raw: Hit rate.
        standard_error: Of the score, from the annotation count and the standard error of the slope.
        mean_lag: Mean lag of the annotations; NaN in the long term.
        rt_ms: Mean response time of the hits; NaN without any.
    """

    score: Floats
    raw: Floats
    annotations: NDArray[np.int64]
    hits: NDArray[np.int64]
    standard_error: Floats
    mean_lag: Floats
    rt_ms: Floats


@dataclass(frozen=True, eq=False)
class StudyScores:
    """A scored study: its videos by name, in the order of the arrays, and the annotations of those who passed.

    Attributes:
        correction: The line fitted to the short-term annotations; None without any, or without lags.
        corrected: Whether the short-term scores are corrected along it.
        accepted: Participants with a problem that was ignored, by the name of the check.
        missing: Showings of all participants without a response that counts, by reason.
        model: Whose the scores are: plain, the hit rates of Sec. 3.3; or those of the detection model.
    """

    videos: tuple[str, ...]
    scores: Mapping[Horizon, Scores]
    annotations: Mapping[Horizon, TargetAnnotations]
    correction: LagCorrection | None
    screening: Screening
    design: StudyDesign
    corrected: bool
    accepted: Mapping[str, int]
    missing: Mapping[str, int]
    model: Literal["plain", "detection"] = "plain"


def score_study(
    annotations: Annotations,
    design: StudyDesign | None = None,
    *,
    ignore: Collection[str] = (),
    lag_correction: LagChoice = "significant",
) -> StudyScores:
    """Screen the participants and score the videos of a study; its design is the paper's by default.

    Args:
        annotations: Of the study.
        design: Of the study; the annotations must fit it.
        ignore: Names of `checks.CHECKS` whose problems are accepted.
        lag_correction: When short-term scores are corrected for the lag; significant: if the slope differs from 0 at
            p < .05, by participant.

    Raises:
        InputError: The annotations do not fit the design, or no participant passes; the message names the showing, or
            the control that most participants fail.
    """
    design = design or StudyDesign()
    accepted = check_annotations(annotations, design, ignore)
    screening = screen(annotations, design)
    if not screening.step1.passed.any() and not screening.step2.passed.any():
        raise InputError(_nobody_passes(screening))
    targets = {horizon: target_annotations(annotations, screening, horizon) for horizon in HORIZONS}
    missing = np.bincount(annotations.missing, minlength=len(MISSING_REASONS)).tolist()
    reasons = {reason: count for reason, count in zip(MISSING_REASONS[1:], missing[1:], strict=True) if count}
    return score_targets(
        annotations.videos,
        targets,
        screening,
        design,
        lag_correction=lag_correction,
        accepted=accepted,
        missing=reasons,
    )


def score_targets(
    videos: tuple[str, ...],
    targets: Mapping[Horizon, TargetAnnotations],
    screening: Screening,
    design: StudyDesign,
    *,
    lag_correction: LagChoice = "significant",
    accepted: Mapping[str, int] = MappingProxyType({}),
    missing: Mapping[str, int] = MappingProxyType({}),
) -> StudyScores:
    """Score videos by the annotations of those who passed; arguments as the attributes of `StudyScores`."""
    sums = {horizon: sum_by_video(targets[horizon], len(videos)) for horizon in HORIZONS}
    correction = _fit_by_participant(targets["short_term"], sums["short_term"], design.step1.target_lag_max)
    corrected = correction is not None and (
        lag_correction == "always" or (lag_correction == "significant" and correction.p_value < _SIGNIFICANT)
    )
    scores: dict[Horizon, Scores] = {
        "short_term": _scores(targets["short_term"], sums["short_term"], correction if corrected else None),
        "long_term": replace(
            _scores(targets["long_term"], sums["long_term"], None), mean_lag=np.full(len(videos), np.nan)
        ),
    }
    return StudyScores(videos, scores, targets, correction, screening, design, corrected, accepted, missing)


def _fit_by_participant(annotations: TargetAnnotations, sums: Sums, to_lag: int) -> LagCorrection | None:
    """`fit_correction` with standard error and p-value by participant; None where the design has no lags."""
    correction = fit_correction(sums, to_lag) if annotations.interval.any() else None
    if correction is None:
        return None
    hit = annotations.hit.astype(np.float64)
    slope = fit_slope(annotations.interval, hit, annotations.participant, annotations.video)
    if slope is None:
        return correction
    return replace(correction, standard_error=slope.standard_error, p_value=slope.p_value)


def target_annotations(annotations: Annotations, screening: Screening, horizon: Horizon) -> TargetAnnotations:
    """The annotations of one horizon: responses to repeated targets of the participants who passed its step.

    Missing responses, and those to a video whose first showing is missing, are left out.
    """
    step = screening.step1 if horizon == "short_term" else screening.step2
    rows = (annotations.step == step.step) & (annotations.role == TARGET) & annotations.repeat
    rows &= step.passed[annotations.participant] & annotations.counted
    participant = annotations.participant[rows].astype(np.int64)
    return TargetAnnotations(
        participant=participant,
        video=annotations.video[rows].astype(np.int64),
        hit=annotations.pressed[rows],
        interval=annotations.lag[rows].astype(np.float64) if horizon == "short_term" else step.delay_h[participant],
        rt_ms=annotations.rt_ms[rows].astype(np.float64),
    )


def sum_by_video(annotations: TargetAnnotations, videos: int, rows: NDArray[np.bool_] | None = None) -> Sums:
    """Sum the annotations of each video, or those of a mask `(annotations,)`."""
    chosen = slice(None) if rows is None else rows
    video, lag = annotations.video[chosen], annotations.interval[chosen]
    hit = annotations.hit[chosen].astype(np.float64)

    def by_video(values: Floats | None) -> Floats:
        return np.bincount(video, values, minlength=videos).astype(np.float64)

    return Sums(by_video(None), by_video(hit), by_video(lag), by_video(lag**2), by_video(lag * hit))


def fit_correction(sums: Sums, to_lag: int) -> LagCorrection | None:
    """Fit one slope to all videos by least squares, with one intercept per video.

    The slope is 0 where no video has annotations at different lags; None without annotations.
    """
    some = sums.annotations > 0
    if not some.any():
        return None
    n, hits, lags = sums.annotations[some], sums.hits[some], sums.lags[some]
    lag_spread = (sums.squared_lags[some] - lags**2 / n).sum()
    if lag_spread < 1e-6:
        return LagCorrection(0.0, float("nan"), to_lag)
    slope = (sums.lags_of_hits[some] - lags * hits / n).sum() / lag_spread
    residual = (hits - hits**2 / n).sum() - slope**2 * lag_spread
    freedom = n.sum() - len(n) - 1
    variance = residual / freedom if freedom > 0 else np.nan
    return LagCorrection(float(slope), float(np.sqrt(max(variance, 0.0) / lag_spread)), to_lag)


def correct_scores(sums: Sums, correction: LagCorrection | None) -> Floats:
    """The score of each video, `(videos,)`: raw without a correction, else corrected and clipped to [0, 1]."""
    raw = quotient(sums.hits, sums.annotations)
    if correction is None:
        return raw
    missing_lag = correction.to_lag - quotient(sums.lags, sums.annotations)
    return np.clip(raw + correction.slope * missing_lag, SCORE_MIN, SCORE_MAX)


def _scores(annotations: TargetAnnotations, sums: Sums, correction: LagCorrection | None) -> Scores:
    videos = len(sums.annotations)
    known = annotations.hit & np.isfinite(annotations.rt_ms)
    rt_ms = np.bincount(annotations.video[known], annotations.rt_ms[known], videos)
    mean_lag = quotient(sums.lags, sums.annotations)
    return Scores(
        score=correct_scores(sums, correction),
        raw=correct_scores(sums, None),
        annotations=sums.annotations.astype(np.int64),
        hits=sums.hits.astype(np.int64),
        standard_error=_standard_error(sums, mean_lag, correction),
        mean_lag=mean_lag,
        rt_ms=quotient(rt_ms, np.bincount(annotations.video[known], minlength=videos)),
    )


def _standard_error(sums: Sums, mean_lag: Floats, correction: LagCorrection | None) -> Floats:
    """Binomial standard errors, at hit rates shrunk towards the mean hit rate.

    At its own hit rate, a video that all of 10 participants recognised would have a standard error of 0.
    """
    if not sums.annotations.sum():
        return np.full(len(sums.annotations), np.nan)
    mean = sums.hits.sum() / sums.annotations.sum()
    prior = _prior_annotations(sums, mean)
    rate = (sums.hits + prior * mean) / (sums.annotations + prior)
    variance = rate * (1 - rate) / np.where(sums.annotations > 0, sums.annotations, np.nan)
    if correction is not None and np.isfinite(correction.standard_error):
        variance += ((correction.to_lag - mean_lag) * correction.standard_error) ** 2
    return np.sqrt(variance)


def _prior_annotations(sums: Sums, mean: float) -> float:
    """The weight of the mean hit rate in the shrinkage, in annotations (method of moments)."""
    several = sums.annotations > 1
    variance = (sums.hits[several] / sums.annotations[several]).var() if several.sum() > 1 else 0.0
    spread = variance - sampling_variance(sums) if variance else 0.0
    return float(np.clip(mean * (1 - mean) / spread - 1, *_PRIOR_ANNOTATIONS)) if spread > 0 else _PRIOR_ANNOTATIONS[1]


def sampling_variance(sums: Sums) -> float:
    """Mean binomial variance p (1 - p) / (n - 1) of the hit rates, over the videos with two annotations or more."""
    n, hits = sums.annotations[sums.annotations > 1], sums.hits[sums.annotations > 1]
    return float((hits / n * (1 - hits / n) / (n - 1)).mean())


def _nobody_passes(screening: Screening) -> str:
    lines = []
    for step in screening.steps():
        if step.took_part.any():
            most = max(step.failures, key=lambda failure: int(failure.who.sum()))
            text = most.text.format(most.values[most.who][0])
            lines.append(f"step {step.step}: {most.who.sum()} of {step.took_part.sum()} fail, such as: {text}")
    first = screening.step1 if screening.step1.took_part.any() else screening.step2
    unfinished = any(each.name == "all showings" and each.who.sum() == first.took_part.sum() for each in first.failures)
    remedy = (
        f"Nobody has finished step {first.step}: score again when somebody has, or give the design with --design if "
        "the study had another."
        if unfinished
        else "If the study had another design, give it with --design."
    )
    return f"No participant passes the controls ({'; '.join(lines)}). {remedy}"


def summary(scores: StudyScores) -> dict[str, Any]:
    """The study in numbers: participants, annotations, means, and the correction."""
    content: dict[str, Any] = {"videos": len(scores.videos), "model": scores.model}
    content |= {"showings_missing": dict(scores.missing), "ignored_checks": dict(scores.accepted)}
    for horizon, step in zip(HORIZONS, scores.screening.steps(), strict=True):
        values = scores.scores[horizon]
        scored = np.isfinite(values.score)
        content[horizon] = {
            "participants": int(step.took_part.sum()),
            "participants_passed": int(step.passed.sum()),
            "participants_failed": {failure.name: int(failure.who.sum()) for failure in step.failures},
            "videos_scored": int(scored.sum()),
            "annotations": int(values.annotations.sum()),
        }
        if scored.any():
            numbers = values.annotations[scored]
            content[horizon] |= {
                "annotations_mean": float(numbers.mean()),
                "annotations_min": int(numbers.min()),
                "annotations_max": int(numbers.max()),
                "raw_mean": float(values.raw[scored].mean()),
                "score_mean": float(values.score[scored].mean()),
                "score_sd": float(values.score[scored].std()),
            }
    if scores.correction is not None:
        short = scores.scores["short_term"]
        content["lag_correction"] = {
            "slope_per_video": scores.correction.slope,
            "slope_standard_error": scores.correction.standard_error,
            "slope_p_value": scores.correction.p_value,
            "applied": scores.corrected,
            "to_lag": scores.correction.to_lag,
            "mean_correction": float(np.nanmean(short.raw - short.score)),
        }
    return content
