"""Hit rates from all that a study says of a video: both steps, hits and false alarms, and how fast hits came.

The measures of a video are related: what is recognised after minutes is recognised more often after days, and hits of a
memorable video come faster (Sec. 4.3 of the paper). Where a score has few annotations, the other measures say much of
what is missing. The effects of a video,

    (false alarms, hits, log response time of hits)  in each step,

are normal over videos with a covariance that is estimated by EM from what the responses say of each; a video's combined
hit tendency is its posterior mean. A combined score is the best guess of one measure. It is of no use to compare
measures: the two steps' combined scores agree by construction.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from videomem_hf.protocol.detection.linear import KINDS, REPEAT
from videomem_hf.protocol.detection.measure import Measurement, hit_rates
from videomem_hf.protocol.scoring import StudyScores, TargetAnnotations
from videomem_hf.schema import HORIZONS, Horizon
from videomem_hf.statistics import Floats

_EFFECTS: Final = KINDS + 1
"""Of a step: false alarms, hits, response time."""
_STEPS_OF_EM: Final = 200
_TOLERANCE: Final = 1e-3
_PRIOR_VIDEOS: Final = 2
"""Weight, in videos, of the prior that measures are not related."""
_LEAST_VARIANCE: Final = 1e-4
_ROUNDS: Final = 3


@dataclass(frozen=True, eq=False)
class Combined:
    """Combined hit rates by horizon, `(videos,)` each: in [0, 1], and their standard errors; NaN without responses.

    Attributes:
        correlation: Between the effects over videos, `(effects, effects)`: of each horizon in turn the false-alarm
            tendency, the hit tendency, and the log response time.
    """

    values: Mapping[Horizon, Floats]
    errors: Mapping[Horizon, Floats]
    correlation: Floats


def combine(measured: Mapping[Horizon, Measurement], targets: Mapping[Horizon, TargetAnnotations]) -> Combined:
    """Combine the measures of a study; `targets` are the annotations of each horizon (`StudyScores.annotations`)."""
    horizons = [horizon for horizon in HORIZONS if horizon in measured]
    videos, size = measured[horizons[0]].responses.videos, _EFFECTS * len(horizons)
    evidence, natural = np.zeros((videos, size, size)), np.zeros((videos, size))
    start = np.zeros(size)
    for number, horizon in enumerate(horizons):
        first = _EFFECTS * number
        own = slice(first, first + KINDS)
        fit = measured[horizon].detection
        inverse = np.linalg.inv(fit.videos.covariance)
        evidence[:, own, own] = inverse - np.linalg.inv(fit.video_covariance)
        natural[:, own] = np.einsum("nij,nj->ni", inverse, fit.videos.mean)
        start[own] = np.diag(fit.video_covariance)
        time = first + KINDS
        evidence[:, time, time], natural[:, time], start[time] = _response_times(
            targets[horizon], measured[horizon].attention.guessing, videos
        )
    mean, posterior, covariance = _posterior(evidence, natural, np.diag(start))
    values, errors = {}, {}
    for number, horizon in enumerate(horizons):
        part, hit = measured[horizon], _EFFECTS * number + REPEAT
        tendency = part.detection.mean[REPEAT] + mean[:, hit]
        rate, slope = hit_rates(tendency, part.detection.participant_covariance)
        known = (part.counts > 0).any(axis=1)
        values[horizon] = np.where(known, rate, np.nan)
        of_mean = part.detection.tendencies.covariance - part.detection.videos.covariance
        variance = posterior[:, hit, hit] + np.maximum(of_mean[:, REPEAT, REPEAT], 0)
        errors[horizon] = np.where(known, slope * np.sqrt(variance), np.nan)
    sd = np.sqrt(np.diag(covariance))
    return Combined(values, errors, covariance / np.outer(sd, sd))


def combined_scores(scores: StudyScores, combined: Combined) -> StudyScores:
    """The scores of a study with combined hit rates and their errors in place of plain ones, in the steps measured.

    Unlike plain ones they are not biased where videos were assigned by the responses: the model's prior draws back a
    video that its first participants happened to miss.
    """
    found = {
        horizon: replace(values, score=combined.values[horizon], standard_error=combined.errors[horizon])
        if horizon in combined.values
        else values
        for horizon, values in scores.scores.items()
    }
    return replace(scores, scores=found, model="detection")


def _posterior(evidence: Floats, natural: Floats, covariance: Floats) -> tuple[Floats, Floats, Floats]:
    """Mean and covariance of each video's effects, and their covariance over videos."""
    videos = len(evidence)
    shrinkage = np.full(covariance.shape, videos / (videos + _PRIOR_VIDEOS))
    np.fill_diagonal(shrinkage, 1.0)
    for _ in range(_STEPS_OF_EM):
        posterior = np.linalg.inv(evidence + np.linalg.inv(covariance))
        mean = np.einsum("nij,nj->ni", posterior, natural)
        new = (mean.T @ mean + posterior.sum(axis=0)) / videos * shrinkage
        change = np.abs(new - covariance).max() / np.abs(covariance).max()
        covariance = new
        if change < _TOLERANCE:
            break
    return mean, posterior, covariance


def _response_times(
    targets: TargetAnnotations, guessing: NDArray[np.bool_], videos: int
) -> tuple[Floats, Floats, float]:
    """What hits say of the log response time of each video: precision, natural mean, and a variance to start with.

    Participants' own pace is taken out; nothing is said where times are unknown or do not vary.
    """
    rows = targets.hit & (targets.rt_ms > 0) & ~guessing[targets.participant]
    nothing = np.zeros(videos), np.zeros(videos), _LEAST_VARIANCE
    if rows.sum() < 2 * videos:
        return nothing
    values, video, person = np.log(targets.rt_ms[rows]), targets.video[rows], targets.participant[rows]
    of_video, of_person = np.zeros(videos), np.zeros(int(person.max()) + 1)
    shown = np.bincount(video, minlength=videos)
    for _ in range(_ROUNDS):
        of_person = _means(values - of_video[video], person, len(of_person))
        of_video = _means(values - of_person[person], video, videos)
    noise = float((values - of_video[video] - of_person[person]).var())
    if noise < _LEAST_VARIANCE:
        return nothing
    of_video -= of_video[shown > 0].mean()
    precision = shown / noise
    variance = of_video[shown > 0].var() - (1 / precision[shown > 0]).mean()
    return precision, precision * of_video, max(float(variance), _LEAST_VARIANCE)


def _means(values: Floats, group: NDArray[np.int64], groups: int) -> Floats:
    """The mean of each group; 0 of an empty one."""
    return np.bincount(group, values, groups) / np.maximum(np.bincount(group, minlength=groups), 1)
