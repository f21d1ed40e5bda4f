"""Responses that say nothing of memory: of those who guess or always press, and after someone stopped responding.

The model of `model` has no place for them: a participant who guesses has no effect of videos at all, and someone asleep
misses what they would have recognised. The controls of a design find most of them; others have none.

`find_attention` finds them by rates of presses alone, before there is a fit. `review_attention` does by the fit: the
likelihood of a participant's responses under the model, their own effects integrated out, against that of presses
which depend on nothing, from the first showing on or from a later one. So it knows how much their responses can say.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from videomem_hf.protocol.detection.linear import KINDS, NEW, REPEAT
from videomem_hf.protocol.detection.model import Detection, Responses
from videomem_hf.statistics import Floats

GUESSING_SHARE: Final = 0.05
"""Prior share of participants who guess; who is more likely one of them than one of the others is left out."""
ASLEEP_SHARE: Final = 0.05
"""Prior share of participants whose presses depend on nothing from some showing on."""
ASLEEP_P: Final = 1e-4
"""Responses after the last press are left out if a run as long without a press is less likely than this."""
FEWEST_RESPONSES: Final = 10
"""Of each kind, for a participant to be tested."""
_LEAST_SD: Final = 0.1
"""Of d' over participants."""
_MAD_TO_SD: Final = 1.4826
_NODES: Final = np.linspace(-4, 4, 33)
"""Of a participant's effects, in standard deviations, at which likelihoods are computed."""
_PARTS: Final = 10
"""Of a participant's showings, after each of which they may have fallen asleep."""


@dataclass(frozen=True, eq=False)
class Attention:
    """Which responses count.

    Attributes:
        kept: `(responses,)`.
        guessing: `(participants,)` who were left out because their presses do not depend on what was shown before.
        asleep: `(participants,)` whose responses after the last press were left out.
    """

    kept: NDArray[np.bool_]
    guessing: NDArray[np.bool_]
    asleep: NDArray[np.bool_]


def find_attention(
    responses: Responses, position: NDArray[np.integer], guessing_share: float = GUESSING_SHARE
) -> Attention:
    """Say which responses count; `position` is that of each showing in its step, `(responses,)`.

    With a higher prior share of participants who guess more of them are left out, and more of the others.
    """
    last = np.zeros(responses.participants, dtype=np.int64)
    np.maximum.at(last, responses.participant[responses.pressed], position[responses.pressed])
    after = position > last[responses.participant]
    asleep = _is_asleep(responses, after)
    kept = ~(after & asleep[responses.participant])
    guessing = _is_guessing(responses, kept, guessing_share)
    return Attention(kept & ~guessing[responses.participant], guessing, asleep & ~guessing)


def review_attention(fit: Detection, responses: Responses, position: NDArray[np.integer]) -> Attention:
    """Say which responses count by a fitted model; arguments as of `find_attention`."""
    part = _parts(responses, position)
    evidence = _attentive_evidence(fit, responses, part) + _careless_evidence(responses, part)
    evidence += np.log(
        [GUESSING_SHARE, *np.full(_PARTS - 1, ASLEEP_SHARE / (_PARTS - 1)), 1 - GUESSING_SHARE - ASLEEP_SHARE]
    )
    fell_asleep = special.logsumexp(evidence[:, 1:-1], axis=1)
    careless = np.logaddexp(evidence[:, 0], fell_asleep) > evidence[:, -1]
    guessing, asleep = careless & (evidence[:, 0] > fell_asleep), careless & (evidence[:, 0] <= fell_asleep)
    until = 1 + np.argmax(evidence[:, 1:-1], axis=1)  # parts with attention
    last = np.zeros(responses.participants, dtype=np.int64)
    np.maximum.at(last, responses.participant[responses.pressed], position[responses.pressed])
    # Who never pressed again fell asleep after the last press, others where it is most likely.
    silent = np.bincount(responses.participant[responses.pressed & (part >= until[responses.participant])],
                         minlength=responses.participants) == 0  # fmt: skip
    later = np.where(silent[responses.participant], position > last[responses.participant],
                     part >= until[responses.participant])  # fmt: skip
    return Attention(~guessing[responses.participant] & ~(asleep[responses.participant] & later), guessing, asleep)


def _parts(responses: Responses, position: NDArray[np.integer]) -> NDArray[np.int64]:
    """The part of each response in the order of its participant, `(responses,)` from 0 to below `_PARTS`."""
    order = np.lexsort((position, responses.participant))
    counts = np.bincount(responses.participant, minlength=responses.participants)
    starts = np.cumsum(counts) - counts
    who = responses.participant[order]
    part = np.empty(len(responses), dtype=np.int64)
    part[order] = (np.arange(len(responses)) - starts[who]) * _PARTS // counts[who]
    return part


def _attentive_evidence(fit: Detection, responses: Responses, part: NDArray[np.int64]) -> Floats:
    """Log likelihood of each participant's first parts by the model, `(participants, parts + 1)`."""
    kind = np.where(responses.repeat, REPEAT, NEW)
    mean = fit.mean[kind] + fit.videos.mean[responses.video, kind] + fit.slope * responses.log_lag
    scale = np.where(responses.pressed, 1.0, -1.0) / np.sqrt(1 + fit.videos.covariance[responses.video, kind, kind])
    sd = np.sqrt(np.diag(fit.participant_covariance))
    size = responses.participants * KINDS * _PARTS
    cell = (responses.participant * KINDS + kind) * _PARTS + part
    likelihood = np.zeros((len(_NODES), responses.participants, KINDS, _PARTS + 1))
    for number, node in enumerate(_NODES):
        each = special.log_ndtr(scale * (mean + node * sd[kind]))
        likelihood[number, :, :, 1:] = np.bincount(cell, each, size).reshape(-1, KINDS, _PARTS).cumsum(axis=2)
    correlation = fit.participant_covariance[NEW, REPEAT] / sd.prod()
    square = _NODES[:, None] ** 2 - 2 * correlation * np.outer(_NODES, _NODES) + _NODES**2
    weights = np.exp(-square / (2 * (1 - correlation**2)))
    most = likelihood.max(axis=0)
    shares = np.exp(likelihood - most)
    total = np.einsum("inp,ij,jnp->np", shares[:, :, NEW], weights / weights.sum(), shares[:, :, REPEAT], optimize=True)
    return np.log(np.maximum(total, 1e-300)) + most.sum(axis=1)


def _careless_evidence(responses: Responses, part: NDArray[np.int64]) -> Floats:
    """Log likelihood of each participant's last parts if presses depend on nothing, `(participants, parts + 1)`.

    Any rate of presses is possible; low and high ones are the most likely (Jeffreys' prior).
    """
    cell, size = responses.participant * _PARTS + part, responses.participants * _PARTS
    counts = [
        np.bincount(cell[rows], minlength=size).reshape(-1, _PARTS) for rows in (responses.pressed, ~responses.pressed)
    ]
    pressed, not_pressed = (
        np.pad(each[:, ::-1].cumsum(axis=1)[:, ::-1], ((0, 0), (0, 1))).astype(np.float64) for each in counts
    )
    return special.betaln(pressed + 0.5, not_pressed + 0.5) - special.betaln(0.5, 0.5)


def _is_asleep(responses: Responses, after: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether the run after the last press is too long for the participant's rates of presses before it."""
    logarithm = np.zeros(responses.participants)
    for kind in (responses.repeat, ~responses.repeat):
        shown, pressed = (_count(responses, kind & ~after & each) for each in (True, responses.pressed))
        rate = pressed / (shown + 1)
        logarithm += _count(responses, kind & after) * np.log1p(-rate)
    return logarithm < np.log(ASLEEP_P)


def _is_guessing(responses: Responses, kept: NDArray[np.bool_], share: float) -> NDArray[np.bool_]:
    """Whether a participant's d' is more likely that of someone who guesses (0) than that of one of the others.

    The others' d' is normal with the median and, robustly, the spread of all participants. A test of d' against 0 would
    leave out people of low sensitivity where each gives few responses, and so raise the mean. Whoever always or never
    presses says nothing, and is counted among them.
    """
    old, new = (_count(responses, kind & kept) for kind in (responses.repeat, ~responses.repeat))
    hits, false = (_count(responses, kind & kept & responses.pressed) for kind in (responses.repeat, ~responses.repeat))
    tested = (old >= FEWEST_RESPONSES) & (new >= FEWEST_RESPONSES)
    if not tested.any():
        return tested
    rates = (hits + 0.5) / (old + 1), (false + 0.5) / (new + 1)
    z = [special.ndtri(rate) for rate in rates]
    d_prime = z[0] - z[1]
    errors = [
        rate * (1 - rate) / ((n + 1) * stats.norm.pdf(each) ** 2)
        for rate, each, n in zip(rates, z, (old, new), strict=True)
    ]
    variance = errors[0] + errors[1]
    median = np.median(d_prime[tested])
    spread = (_MAD_TO_SD * np.median(np.abs(d_prime[tested] - median))) ** 2 - np.median(variance[tested])
    others = stats.norm.logpdf(d_prime, median, np.sqrt(np.maximum(spread, _LEAST_SD**2) + variance))
    guess = stats.norm.logpdf(d_prime, 0, np.sqrt(variance))
    odds = np.log(share / (1 - share))
    constant = (hits + false == old + new) | (hits + false == 0)
    return tested & (constant | ((guess + odds > others) & (d_prime < median)))


def _count(responses: Responses, rows: NDArray[np.bool_]) -> Floats:
    return np.bincount(responses.participant[rows], minlength=responses.participants).astype(np.float64)
