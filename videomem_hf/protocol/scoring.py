"""Memorability scores from the answers of a study (Sec. 3.3).

A raw score is the share of participants who recognised the video when it came again. Short-term recognition falls along
a line with the lag, so that raw short-term scores depend on the lags that chance gave a video. The slope is fitted over
all answers by least squares with an intercept of its own for each video, and every score is brought along it to the
longest lag. Long-term scores stay as they are: k of n.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from videomem_hf.protocol.annotations import TARGET, Annotations
from videomem_hf.protocol.design import StudyDesign
from videomem_hf.protocol.screening import Screening, screen
from videomem_hf.schema import HORIZONS, SCORE_MAX, SCORE_MIN, Horizon, InputError

Floats = NDArray[np.float64]

_PRIOR_ANSWERS: Final = (2.0, 1000.0)
"""Fewest and most answers of the average video that a standard error takes in; see `_standard_error`."""


@dataclass(frozen=True, eq=False)
class TargetAnswers:
    """Answers to repeated targets, one element an answer: the annotations of one horizon.

    Attributes:
        participant: `(answers,)` number of the participant.
        video: `(answers,)` number of the video.
        hit: `(answers,)` whether the video was recognised.
        interval: `(answers,)` between the two showings: lag in videos (short-term), hours (long-term, NaN if unknown).
        rt_ms: `(answers,)` response time, NaN if not recognised or unknown.
    """

    participant: NDArray[np.int64]
    video: NDArray[np.int64]
    hit: NDArray[np.bool_]
    interval: Floats
    rt_ms: Floats

    def __len__(self) -> int:
        """The number of answers."""
        return len(self.hit)


@dataclass(frozen=True, eq=False)
class Sums:
    """What scores are computed from, `(videos,)` each; sums of parts of the answers add up."""

    answers: Floats
    hits: Floats
    lags: Floats
    squared_lags: Floats
    lags_of_hits: Floats

    def __sub__(self, part: "Sums") -> "Sums":
        """The sums over the other answers."""
        names = self.__dataclass_fields__
        return Sums(*(getattr(self, name) - getattr(part, name) for name in names))


@dataclass(frozen=True)
class LagCorrection:
    """The line along which short-term scores are corrected.

    Attributes:
        slope: Change of the recognition rate with each video more between the showings; negative.
        standard_error: Of the slope.
        to_lag: The lag that scores are brought to.
    """

    slope: float
    standard_error: float
    to_lag: int


@dataclass(frozen=True, eq=False)
class Scores:
    """The scores of one horizon, `(videos,)` each.

    Attributes:
        score: In [0, 1], corrected for the lag (short-term); NaN for a video without annotations.
        raw: Share of participants who recognised the video.
        annotations: How many participants are behind a score.
        hits: How many of them recognised the video.
        standard_error: Of the score as an estimate: of the answers' number and of the correction's slope.
        mean_lag: Mean lag of the annotations; NaN in the long term.
        rt_ms: Mean response time of correct detections; NaN without any.
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
    """All that a study gives.

    Attributes:
        videos: The videos' names, in the order of the arrays.
        scores: For each horizon the scores.
        answers: For each horizon the answers behind them, of participants who passed.
        correction: The line of the short-term correction; None without short-term answers.
        screening: Who passed.
        design: The design they were judged by.
    """

    videos: tuple[str, ...]
    scores: Mapping[Horizon, Scores]
    answers: Mapping[Horizon, TargetAnswers]
    correction: LagCorrection | None
    screening: Screening
    design: StudyDesign


def score_study(annotations: Annotations, design: StudyDesign | None = None) -> StudyScores:
    """Screen the participants and score the videos.

    Args:
        annotations: The answers of a study.
        design: Its design; the paper's by default.

    Raises:
        InputError: No participant passes the controls; says what most fail.
    """
    design = design or StudyDesign()
    screening = screen(annotations, design)
    if not screening.step1.passed.any() and not screening.step2.passed.any():
        raise InputError(_nobody_passes(screening))
    answers = {horizon: target_answers(annotations, screening, horizon) for horizon in HORIZONS}
    count = len(annotations.videos)
    sums = {horizon: sums_of(answers[horizon], count) for horizon in HORIZONS}
    correction = fit_correction(sums["short_term"], design.step1.target_lag_max)
    scores = {
        "short_term": _scores(answers["short_term"], sums["short_term"], correction),
        "long_term": _scores(answers["long_term"], sums["long_term"], None),
    }
    return StudyScores(annotations.videos, scores, answers, correction, screening, design)  # type: ignore[arg-type]


def target_answers(annotations: Annotations, screening: Screening, horizon: Horizon) -> TargetAnswers:
    """The answers to repeated targets of the participants who passed the horizon's step."""
    step = screening.step1 if horizon == "short_term" else screening.step2
    rows = (annotations.step == step.step) & (annotations.role == TARGET) & annotations.repeat
    rows &= step.passed[annotations.participant]
    participant = annotations.participant[rows].astype(np.int64)
    interval = annotations.lag[rows].astype(np.float64) if horizon == "short_term" else step.delay_h[participant]
    return TargetAnswers(
        participant=participant,
        video=annotations.video[rows].astype(np.int64),
        hit=annotations.answered[rows],
        interval=interval,
        rt_ms=annotations.rt_ms[rows].astype(np.float64),
    )


def sums_of(answers: TargetAnswers, videos: int, rows: NDArray[np.bool_] | None = None) -> Sums:
    """Sum the answers of each video, or those of a mask `(answers,)`."""
    video = answers.video if rows is None else answers.video[rows]
    hit = (answers.hit if rows is None else answers.hit[rows]).astype(np.float64)
    lag = answers.interval if rows is None else answers.interval[rows]

    def summed(values: Floats | None) -> Floats:
        return np.bincount(video, values, minlength=videos).astype(np.float64)

    return Sums(summed(None), summed(hit), summed(lag), summed(lag**2), summed(lag * hit))


def fit_correction(sums: Sums, to_lag: int) -> LagCorrection | None:
    """Fit the common slope by least squares, each video having its own intercept.

    Returns:
        A slope of 0 where the lags do not vary within any video, so that nothing can be fitted; None without answers.
    """
    some = sums.answers > 0
    if not some.any():
        return None
    n, hits, lags = sums.answers[some], sums.hits[some], sums.lags[some]
    lag_spread = (sums.squared_lags[some] - lags**2 / n).sum()
    if lag_spread < 1e-6:
        return LagCorrection(0.0, float("nan"), to_lag)
    slope = (sums.lags_of_hits[some] - lags * hits / n).sum() / lag_spread
    residual = (hits - hits**2 / n).sum() - slope**2 * lag_spread
    freedom = n.sum() - len(n) - 1
    variance = residual / freedom if freedom > 0 else np.nan
    return LagCorrection(float(slope), float(np.sqrt(max(variance, 0.0) / lag_spread)), to_lag)


def corrected(sums: Sums, correction: LagCorrection | None) -> Floats:
    """The score of each video, `(videos,)`: raw without a correction, else brought to its lag and kept in [0, 1]."""
    with np.errstate(invalid="ignore"):
        raw = sums.hits / sums.answers
        if correction is None:
            return raw
        return np.clip(raw + correction.slope * (correction.to_lag - sums.lags / sums.answers), SCORE_MIN, SCORE_MAX)


def _scores(answers: TargetAnswers, sums: Sums, correction: LagCorrection | None) -> Scores:
    with np.errstate(invalid="ignore"):
        mean_lag = sums.lags / sums.answers if correction is not None else np.full(len(sums.answers), np.nan)
    return Scores(
        score=corrected(sums, correction),
        raw=corrected(sums, None),
        annotations=sums.answers.astype(np.int64),
        hits=sums.hits.astype(np.int64),
        standard_error=_standard_error(sums, mean_lag, correction),
        mean_lag=mean_lag,
        rt_ms=mean_rt_ms(answers, len(sums.answers)),
    )


def _standard_error(sums: Sums, mean_lag: Floats, correction: LagCorrection | None) -> Floats:
    """Binomial standard errors, at rates drawn towards the mean rate as far as the scores' noise says (shrinkage).

    At its own rate, a video that all of 10 participants recognised would have an error of 0.
    """
    if not sums.answers.sum():
        return np.full(len(sums.answers), np.nan)
    mean = sums.hits.sum() / sums.answers.sum()
    prior = _prior_answers(sums, mean)
    rate = (sums.hits + prior * mean) / (sums.answers + prior)
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = np.where(sums.answers > 0, rate * (1 - rate) / sums.answers, np.nan)
    if correction is not None and np.isfinite(correction.standard_error):
        variance += ((correction.to_lag - mean_lag) * correction.standard_error) ** 2
    return np.sqrt(variance)


def _prior_answers(sums: Sums, mean: float) -> float:
    """How many answers of the average video weigh as much as what the videos have in common (method of moments)."""
    several = sums.answers > 1
    n, raw = sums.answers[several], sums.hits[several] / sums.answers[several]
    spread = float(raw.var() - (raw * (1 - raw) / (n - 1)).mean()) if len(n) > 1 else 0.0
    return float(np.clip(mean * (1 - mean) / spread - 1, *_PRIOR_ANSWERS)) if spread > 0 else _PRIOR_ANSWERS[1]


def mean_rt_ms(answers: TargetAnswers, videos: int) -> Floats:
    """Mean response time of the correct detections of each video, `(videos,)`; NaN without any."""
    known = answers.hit & np.isfinite(answers.rt_ms)
    video = answers.video[known]
    with np.errstate(invalid="ignore"):
        return np.bincount(video, answers.rt_ms[known], videos) / np.bincount(video, minlength=videos)


def _nobody_passes(screening: Screening) -> str:
    lines = []
    for step in screening.steps():
        if step.took_part.any():
            most = max(step.failures, key=lambda failure: int(failure.who.sum()))
            example = int(np.flatnonzero(most.who)[0])
            text = most.text.format(most.values[example])
            lines.append(
                f"step {step.step}: {int(most.who.sum())} of {int(step.took_part.sum())} fail, such as: {text}"
            )
    return f"No participant passes the controls ({'; '.join(lines)}). If the study had another design, give it."


def summary(scores: StudyScores) -> dict[str, Any]:
    """The study in numbers: participants, annotations, means, and the correction."""
    content: dict[str, Any] = {"videos": len(scores.videos)}
    for horizon, step in zip(HORIZONS, scores.screening.steps(), strict=True):
        values = scores.scores[horizon]
        scored = values.annotations > 0
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
        content["lag_correction"] = {
            "slope_per_video": scores.correction.slope,
            "slope_standard_error": scores.correction.standard_error,
            "to_lag": scores.correction.to_lag,
            "mean_correction": float(np.nanmean(scores.scores["short_term"].raw - scores.scores["short_term"].score)),
        }
    return content
