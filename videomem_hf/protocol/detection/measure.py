"""Measures of each video by the detection model: d', criterion, rates of hits and of false alarms, each with its error.

Of a video with the tendencies h (hits) and f (false alarms), for the average participant and the reference lag:

    d_prime = h - f                     criterion = - (h + f) / 2
    hit_rate = Phi(h / sqrt(1 + variance of U_u1))          false_alarm_rate = Phi(f / sqrt(1 + variance of U_u0))
    corrected = hit_rate - false_alarm_rate                 discrimination = Phi(d_prime / sqrt(2))

Rates are those of the population of participants. `discrimination`, in [0, 1], is the chance that the average
participant tells the video seen from the same video new (two-alternative forced choice).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

from videomem_hf.protocol.annotations import TARGET, Annotations
from videomem_hf.protocol.design import StudyDesign
from videomem_hf.protocol.detection.attention import Attention, find_attention, review_attention
from videomem_hf.protocol.detection.linear import KINDS, NEW, REPEAT
from videomem_hf.protocol.detection.model import Detection, Responses, fit_detection
from videomem_hf.protocol.screening import Screening
from videomem_hf.schema import HORIZONS, Horizon, InputError
from videomem_hf.statistics import Floats

MEASURES: Final = ("d_prime", "criterion", "hit_rate", "false_alarm_rate", "corrected", "discrimination")
REPORTED: Final = {"hit_rate": "hits", "false_alarm_rate": "false alarms", "d_prime": "d'"}
"""Those in plans, reports and figures, and what a person reads."""
_REVIEWS: Final = 3
_FIRST_SHARE: Final = 0.5
"""Of participants who guess, as long as there is no fit."""
LEVEL: Final = 0.9
"""Of the intervals."""
FEWEST_VIDEOS: Final = 3
"""For a reliability."""
_NEEDS: Final = {"hit_rate": (REPEAT,), "false_alarm_rate": (NEW,)}
"""The kinds of response without which a measure of a video is unknown; both for all others."""


@dataclass(frozen=True, eq=False)
class Measurement:
    """The measures of one step's videos.

    Attributes:
        values, errors: Of each of `MEASURES`, `(videos,)`: posterior means and standard errors; NaN where a video has
            no responses of the kind.
        counts: `(videos, 2)` responses to the video when new and when repeated.
        reference_lag: That hit rates are for; None where lags are unknown or do not vary.
        attention: Whose responses were left out.
    """

    values: Mapping[str, Floats]
    errors: Mapping[str, Floats]
    counts: NDArray[np.int64]
    detection: Detection
    responses: Responses
    attention: Attention
    reference_lag: int | None

    def interval(self, measure: str, level: float = LEVEL) -> tuple[Floats, Floats]:
        """Ends of the posterior intervals of a measure, `(videos,)` each, within the range of a rate."""
        half = special.ndtri((1 + level) / 2) * self.errors[measure]
        ends = self.values[measure] - half, self.values[measure] + half
        if measure in ("hit_rate", "false_alarm_rate", "discrimination"):
            return np.clip(ends[0], 0, 1), np.clip(ends[1], 0, 1)
        return ends

    def model_reliability(self, measure: str) -> float:
        """Share of a measure's variance over videos that its values recover, in [0, 1]: 1 - error variance / variance.

        NaN where fewer than three videos have responses of the kind: their variance is then that of the prior alone.
        """
        kinds = _NEEDS.get(measure, (NEW, REPEAT))
        seen = (self.counts[:, kinds] > 0).all(axis=1)
        if seen.sum() < FEWEST_VIDEOS:
            return float("nan")
        weights = _weights(measure, self.detection.mean[None], self.detection.participant_covariance)[0]
        errors = np.einsum("i,nij,j->n", weights, self.detection.videos.covariance[seen], weights)
        spread = weights @ self.detection.video_covariance @ weights
        return float(np.clip(1 - errors.mean() / spread, 0, 1))


def measure_study(
    annotations: Annotations,
    screening: Screening,
    design: StudyDesign,
    *,
    progress: Callable[[int], object] | None = None,
) -> dict[Horizon, Measurement]:
    """Measure the videos of a study: of each step that has responses of both kinds.

    Args:
        annotations, screening, design: Of the study; participants who failed the controls are left out.
        progress: Called with 1 after each iteration of a fit.

    Raises:
        InputError: No step has responses to repeats and to new videos.
    """
    found: dict[Horizon, Measurement] = {}
    for horizon in HORIZONS:
        responses, position = study_responses(annotations, screening, design, horizon)
        if len(responses) and len(np.unique(responses.repeat)) == KINDS:
            responses, reference = _at_longest_lag(responses, design)
            found[horizon] = measure(responses, position, reference, progress)
    if not found:
        raise InputError(
            "No responses to new videos beside those to repeats; the model needs both, so score with --model plain."
        )
    return found


def measure(
    responses: Responses,
    position: NDArray[np.integer] | None = None,
    reference_lag: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> Measurement:
    """Fit the model to the responses of one step and measure each video.

    Args:
        responses: Of the step.
        position: Of each showing, `(responses,)`, to leave out who guesses or stopped responding (`attention`); None
            keeps all.
        reference_lag: The lag at which `responses.log_lag` is 0.
        progress: Called with 1 after each iteration.
    """
    everyone = np.zeros(responses.participants, dtype=bool)
    attention = Attention(np.ones(len(responses), dtype=bool), everyone, everyone)
    if position is None:
        detection = fit_detection(responses, progress=progress)
    else:
        attention, detection = _fit_attentive(responses, position, progress)
        responses = responses.select(attention.kept)
    counts = np.stack([np.bincount(responses.video[rows], minlength=responses.videos)
                       for rows in (~responses.repeat, responses.repeat)], axis=1)  # fmt: skip
    values, errors = {}, {}
    people, tendencies = detection.participant_covariance, detection.tendencies
    for name in MEASURES:
        known = (counts[:, _NEEDS.get(name, (NEW, REPEAT))] > 0).all(axis=1)
        weights = _weights(name, tendencies.mean, people)
        variance = np.einsum("ni,nij,nj->n", weights, tendencies.covariance, weights)
        values[name] = np.where(known, measure_values(name, tendencies.mean, people), np.nan)
        errors[name] = np.where(known, np.sqrt(variance), np.nan)
    lag = reference_lag if responses.lags_vary else None
    return Measurement(values, errors, counts, detection, responses, attention, lag)


def _fit_attentive(
    responses: Responses, position: NDArray[np.integer], progress: Callable[[int], object] | None
) -> tuple[Attention, Detection]:
    """Fit the model to those who attend, and say by it who does, until both agree.

    The first fit leaves out everyone in doubt: who guesses and is fitted too widens the spread of participants, so that
    those who guess seem possible by it.
    """
    attention = find_attention(responses, position, _FIRST_SHARE)
    for _ in range(_REVIEWS):
        if len(np.unique(responses.repeat[attention.kept])) < KINDS:
            raise InputError(
                "All participants guess: presses do not depend on what they had seen before; score with --model plain."
            )
        detection = fit_detection(responses.select(attention.kept), progress=progress)
        reviewed = review_attention(detection, responses, position)
        if (reviewed.kept == attention.kept).all():
            break
        attention = reviewed
    else:
        detection = fit_detection(responses.select(attention.kept), progress=progress)
    return attention, detection


def study_responses(
    annotations: Annotations, screening: Screening, design: StudyDesign, horizon: Horizon
) -> tuple[Responses, NDArray[np.int32]]:
    """The responses of one step by those who passed it, and their positions.

    Step 1: first showings of all videos, and repeats of targets; the repeats of vigilance fillers, seconds after the
    first showing, are another task. Step 2: its targets and its new videos.
    """
    step = screening.step1 if horizon == "short_term" else screening.step2
    rows = (annotations.step == step.step) & step.passed[annotations.participant] & annotations.counted
    rows &= (annotations.role == TARGET) | ~annotations.repeat
    repeat, lag = annotations.repeat[rows], annotations.lag[rows].astype(np.float64)
    log_lag = np.where(repeat & (lag > 0), np.log(np.maximum(lag, 1) / design.step1.target_lag_max), 0.0)
    responses = Responses(
        video=annotations.video[rows].astype(np.int64),
        participant=annotations.participant[rows].astype(np.int64),
        repeat=repeat,
        pressed=annotations.pressed[rows],
        log_lag=log_lag if horizon == "short_term" else np.zeros(len(lag)),
        videos=len(annotations.videos),
        participants=len(annotations.participants),
    )
    return responses, annotations.position[rows]


def measure_values(name: str, tendencies: Floats, participants: Floats) -> Floats:
    """A measure of tendencies (false alarms, hits) `(videos, 2)`; `participants` is their covariance `(2, 2)`."""
    new, repeat = tendencies.T
    if name == "d_prime":
        return repeat - new
    if name == "criterion":
        return -(repeat + new) / 2
    if name == "discrimination":
        return special.ndtr((repeat - new) / np.sqrt(2))
    rates = special.ndtr(tendencies / np.sqrt(1 + np.diag(participants)))
    return {"hit_rate": rates[:, REPEAT], "false_alarm_rate": rates[:, NEW]}.get(name, rates[:, REPEAT] - rates[:, NEW])


def hit_rates(tendency: Floats, participants: Floats) -> tuple[Floats, Floats]:
    """Hit rates of the population for hit tendencies, and their derivatives; `participants` as in `measure_values`."""
    spread = np.sqrt(1 + participants[REPEAT, REPEAT])
    return special.ndtr(tendency / spread), _density(tendency / spread) / spread


def _weights(name: str, tendencies: Floats, participants: Floats) -> Floats:
    """The derivative of a measure with respect to the tendencies, `(videos, 2)`."""
    if name in ("d_prime", "criterion"):
        return np.tile([-1.0, 1.0] if name == "d_prime" else [-0.5, -0.5], (len(tendencies), 1))
    if name == "discrimination":
        slope = _density((tendencies[:, REPEAT] - tendencies[:, NEW]) / np.sqrt(2)) / np.sqrt(2)
        return np.stack([-slope, slope], axis=1)
    spread = np.sqrt(1 + np.diag(participants))
    slopes = _density(tendencies / spread) / spread
    return slopes * {"hit_rate": [0.0, 1.0], "false_alarm_rate": [1.0, 0.0]}.get(name, [-1.0, 1.0])


def _density(z: Floats) -> Floats:
    return np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)


def _at_longest_lag(responses: Responses, design: StudyDesign) -> tuple[Responses, int | None]:
    """The responses with the longest lag among them as the reference, and that lag; None where lags do not vary.

    A design may allow longer lags than the table has; hit rates for those would be extrapolated.
    """
    if not responses.lags_vary:
        return responses, None
    beyond = min(0.0, float(responses.log_lag[responses.repeat].max()))
    log_lag = np.where(responses.repeat, responses.log_lag - beyond, 0.0)
    return replace(responses, log_lag=log_lag), round(design.step1.target_lag_max * float(np.exp(beyond)))
