"""Signal detection with crossed random effects, fitted to single responses by expectation propagation.

A participant u presses at a showing of video v with the chance

    P(press | repeat) = Phi(mean_1 + V_v1 + U_u1 + slope (log lag - log reference lag))
    P(press | new)    = Phi(mean_0 + V_v0 + U_u0)

Phi is the standard normal distribution. A video has a false-alarm tendency V_v0 and a hit tendency V_v1, a participant
U_u0 and U_u1: their bias is U_u0 and their sensitivity U_u1 - U_u0. Both pairs are normal with a mean of 0 and a
covariance that is estimated, so that scores of few responses are drawn towards the mean as far as their error demands.

Each response is approximated by a Gaussian (a *site*) of the moments that the probit likelihood gives it (expectation
propagation: Minka 2001; Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006, Sec. 3.6), which is
more exact than a mode with its curvature where a video has few responses. With the sites fixed, all is linear: `linear`
solves it by blocks. Covariances follow by EM.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

from videomem_hf.protocol.detection.linear import KINDS, NEW, REPEAT, Effects, Normal, solve
from videomem_hf.schema import InputError
from videomem_hf.statistics import Floats

ITERATIONS: Final = 80
"""At most."""
TOLERANCE: Final = 1e-3
"""Largest change of a mean or standard deviation, on the scale of d', at which the fit has converged."""
_STEPS_OF_EM: Final = 15
_LEAST_SD: Final = 0.02
_LARGEST_CORRELATION: Final = 0.99
_LEAST_PRECISION: Final = 1e-6


@dataclass(frozen=True, eq=False)
class Responses:
    """Responses to showings, `(responses,)` each.

    Attributes:
        video, participant: Indices.
        repeat: Whether the participant had seen the video before, so that a press is a hit and not a false alarm.
        pressed: Whether the key was pressed.
        log_lag: Of a repeat: log of its lag less log of the reference lag; 0 for a new video or where it is unknown.
        videos, participants: Numbers of both, those without responses included.
    """

    video: NDArray[np.int64]
    participant: NDArray[np.int64]
    repeat: NDArray[np.bool_]
    pressed: NDArray[np.bool_]
    log_lag: Floats
    videos: int
    participants: int

    def __len__(self) -> int:
        return len(self.video)

    def select(self, rows: NDArray[np.bool_]) -> "Responses":
        """The responses of a mask `(responses,)`."""
        return Responses(
            self.video[rows], self.participant[rows], self.repeat[rows], self.pressed[rows], self.log_lag[rows],
            self.videos, self.participants,
        )  # fmt: skip

    @property
    def lags_vary(self) -> bool:
        """Whether the slope over the lag can be fitted."""
        lags = self.log_lag[self.repeat]
        return bool(len(lags) and np.ptp(lags) > 1e-6)


@dataclass(frozen=True, eq=False)
class Detection:
    """A fitted model, on the scale of d' (standard deviations of the noise of one response).

    Attributes:
        mean: `(2,)` at new videos and at repeats of the reference lag, of the average video and participant.
        slope: Change of the hit tendency per unit of log lag; 0 where the lags do not vary.
        slope_error: Its standard error; NaN where there is no slope.
        fixed_covariance: Of the means, and of the slope where there is one.
        tendencies: False-alarm and hit tendency of each video for the average participant at the reference lag.
        videos, participants: Their effects (on false alarms, on hits), of a mean of 0.
        video_covariance, participant_covariance: `(2, 2)` estimated over videos and over participants.
        iterations: Until convergence.
        converged: Whether the fit changed by less than `TOLERANCE` in the end.
    """

    mean: Floats
    slope: float
    slope_error: float
    fixed_covariance: Floats
    tendencies: Normal
    videos: Normal
    participants: Normal
    video_covariance: Floats
    participant_covariance: Floats
    iterations: int
    converged: bool


def fit_detection(
    responses: Responses,
    *,
    covariances: tuple[Floats, Floats] | None = None,
    progress: Callable[[int], object] | None = None,
) -> Detection:
    """Fit the model to responses.

    Args:
        responses: Of one step.
        covariances: `(2, 2)` of videos and of participants, where they are known; estimated by default.
        progress: Called with 1 after each iteration.

    Raises:
        InputError: No responses to repeats, or none to new videos.
    """
    if len(np.unique(responses.repeat)) < KINDS:
        raise InputError("Responses of one kind only; a measurement needs some to new videos and some to repeats.")
    effects = Effects(responses.video, responses.participant, responses.repeat, responses.log_lag, responses.videos,
                      responses.participants, slope=responses.lags_vary)  # fmt: skip
    sign = np.where(responses.pressed, 1.0, -1.0)
    covariance = [0.25 * np.eye(KINDS), 0.25 * np.eye(KINDS)] if covariances is None else list(covariances)
    eta = _start(responses)
    precision, natural = _sites(sign, eta, np.zeros(len(sign)))
    before: Floats | float = np.inf
    converged, number = False, 0
    for number in range(1, ITERATIONS + 1):
        solution = solve(effects, precision, natural, covariance[0], covariance[1])
        eta, variance = effects.marginals(solution, precision)
        precision, natural = _update_sites(sign, eta, variance, precision, natural)
        if covariances is None:
            covariance = [_estimate(side, old) for side, old in zip(solution.sides(), covariance, strict=True)]
        state = np.concatenate([solution.fixed, *(np.sqrt(np.diag(each)) for each in covariance)])
        converged = bool(np.abs(state - before).max() < TOLERANCE) and number > 3
        before = state
        if progress is not None:
            progress(1)
        if converged:
            break
    solution = solve(effects, precision, natural, covariance[0], covariance[1], exact=effects.exact_at_the_end)
    slope, spread = effects.has_slope, solution.tendencies
    if covariances is None:
        spread = spread + _error_of_covariance(solution.videos, covariance[0])
    return Detection(
        mean=solution.fixed[:KINDS],
        slope=float(solution.fixed[KINDS]) if slope else 0.0,
        slope_error=float(np.sqrt(solution.fixed_covariance[KINDS, KINDS])) if slope else float("nan"),
        fixed_covariance=solution.fixed_covariance,
        tendencies=Normal(solution.fixed[:KINDS] + solution.videos.mean, spread),
        videos=solution.videos,
        participants=solution.participants,
        video_covariance=covariance[0],
        participant_covariance=covariance[1],
        iterations=number,
        converged=converged,
    )


def _start(responses: Responses) -> Floats:
    """The tendency of each response's kind, from the rate of presses."""
    eta = np.zeros(len(responses))
    for kind in (NEW, REPEAT):
        rows = responses.repeat == (kind == REPEAT)
        eta[rows] = special.ndtri((responses.pressed[rows].sum() + 0.5) / (rows.sum() + 1))
    return eta


def _sites(sign: Floats, mean: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """Precision and natural mean of the sites, from the mean and variance that all other responses give."""
    spread = 1 + variance
    z = sign * mean / np.sqrt(spread)
    ratio = np.sqrt(2 / np.pi) / special.erfcx(-z / np.sqrt(2))  # density over distribution
    curvature = np.maximum(ratio * (z + ratio) / spread, _LEAST_PRECISION)
    precision = curvature / (1 - np.minimum(curvature * variance, 0.999))
    return precision, precision * (mean + sign * ratio / np.sqrt(spread) / curvature)


def _update_sites(
    sign: Floats, eta: Floats, variance: Floats, precision: Floats, natural: Floats
) -> tuple[Floats, Floats]:
    cavity = variance / np.maximum(1 - precision * variance, 1e-3)
    return _sites(sign, cavity * (eta / variance - natural), cavity)


def _estimate(side: tuple[Normal, Floats, NDArray[np.bool_]], covariance: Floats) -> Floats:
    """The covariance of one side's effects by EM steps at fixed evidence of each video or participant.

    The mode under a prior that keeps it off 0 (Chung et al. 2015: the root of the determinant), whose weight is that
    of one item. `side` has the effects, the precision `(items, 2, 2)` of what the responses say of each, and which
    have responses.
    """
    effects, evidence, seen = side
    prior = np.linalg.inv(covariance)
    natural = np.einsum("nij,nj->ni", evidence + prior, effects.mean)[seen]
    evidence = evidence[seen]
    for _ in range(_STEPS_OF_EM):
        posterior = np.linalg.inv(evidence + np.linalg.inv(covariance))
        mean = np.einsum("nij,nj->ni", posterior, natural)
        covariance = (mean.T @ mean + posterior.sum(axis=0)) / max(len(mean) - 1, 1)
        covariance = _proper(covariance)
    return covariance


def _error_of_covariance(effects: Normal, covariance: Floats) -> Floats:
    """What the error of the estimated covariance adds to the errors of the effects, `(items, 2, 2)`.

    First-order: the derivative of each effect's mean by the three elements, times their inverse information (Kass and
    Steffey 1989). Without it, intervals from few videos are too narrow.
    """
    prior = np.linalg.inv(covariance)
    shrinkage = prior - prior @ effects.covariance @ prior
    elements = np.array([[[1.0, 0.0], [0.0, 0.0]], [[0.0, 1.0], [1.0, 0.0]], [[0.0, 0.0], [0.0, 1.0]]])
    parts = np.einsum("nij,ajk->naik", np.concatenate([shrinkage, prior[None]]), elements)
    information = np.einsum("naij,nbji->ab", parts, parts) / 2
    slopes = np.einsum("nij,ajk,nk->nai", effects.covariance @ prior, elements, effects.mean @ prior)
    return np.einsum("nai,ab,nbj->nij", slopes, np.linalg.inv(information), slopes)


def _proper(covariance: Floats) -> Floats:
    """The covariance with standard deviations and a correlation that can be inverted."""
    sd = np.maximum(np.sqrt(np.diag(covariance)), _LEAST_SD)
    correlation = np.clip(covariance[0, 1] / (sd[0] * sd[1]), -_LARGEST_CORRELATION, _LARGEST_CORRELATION)
    return np.array([[sd[0] ** 2, correlation * sd[0] * sd[1]], [correlation * sd[0] * sd[1], sd[1] ** 2]])
