"""Responses that say nothing of memory: of those who guess or always press, and after someone stopped responding.

The model of `model` has no place for them: a participant who guesses has no effect of videos at all, and someone asleep
misses what they would have recognised. The controls of a design find most of them; others have none.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from videomem_hf.protocol.detection.model import Responses
from videomem_hf.statistics import Floats

GUESSING_SHARE: Final = 0.05
"""Prior share of participants who guess; who is more likely one of them than one of the others is left out."""
ASLEEP_P: Final = 1e-4
"""Responses after the last press are left out if a run as long without a press is less likely than this."""
FEWEST_RESPONSES: Final = 10
"""Of each kind, for a participant to be tested."""
_LEAST_SD: Final = 0.1
"""Of d' over participants."""
_MAD_TO_SD: Final = 1.4826


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


def find_attention(responses: Responses, position: NDArray[np.integer]) -> Attention:
    """Say which responses count; `position` is that of each showing in its step, `(responses,)`."""
    last = np.zeros(responses.participants, dtype=np.int64)
    np.maximum.at(last, responses.participant[responses.pressed], position[responses.pressed])
    after = position > last[responses.participant]
    asleep = _is_asleep(responses, after)
    kept = ~(after & asleep[responses.participant])
    guessing = _is_guessing(responses, kept)
    return Attention(kept & ~guessing[responses.participant], guessing, asleep & ~guessing)


def _is_asleep(responses: Responses, after: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether the run after the last press is too long for the participant's rates of presses before it."""
    logarithm = np.zeros(responses.participants)
    for kind in (responses.repeat, ~responses.repeat):
        shown, pressed = (_count(responses, kind & ~after & each) for each in (True, responses.pressed))
        rate = pressed / (shown + 1)
        logarithm += _count(responses, kind & after) * np.log1p(-rate)
    return logarithm < np.log(ASLEEP_P)


def _is_guessing(responses: Responses, kept: NDArray[np.bool_]) -> NDArray[np.bool_]:
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
    odds = np.log(GUESSING_SHARE / (1 - GUESSING_SHARE))
    constant = (hits + false == old + new) | (hits + false == 0)
    return tested & (constant | ((guess + odds > others) & (d_prime < median)))


def _count(responses: Responses, rows: NDArray[np.bool_]) -> Floats:
    return np.bincount(responses.participant[rows], minlength=responses.participants).astype(np.float64)
