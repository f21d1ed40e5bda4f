"""Responses that say nothing of memory: of those who guess or always press, and after someone stopped responding.

The model of `model` has no place for them: a participant who guesses has no effect of videos at all, and someone asleep
misses what they would have recognised. The controls of a design find most of them; others have none.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from videomem_hf.protocol.detection.model import Responses
from videomem_hf.statistics import Floats

GUESSING_P: Final = 0.05
"""Whoever's presses do not depend on what was shown before, by a one-sided test at this level, is left out."""
ASLEEP_P: Final = 1e-4
"""Responses after the last press are left out if a run as long without a press is less likely than this."""
FEWEST_RESPONSES: Final = 10
"""Of each kind, for a participant to be tested."""


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
    old, new = (_count(responses, kind & kept) for kind in (responses.repeat, ~responses.repeat))
    hits, false = (_count(responses, kind & kept & responses.pressed) for kind in (responses.repeat, ~responses.repeat))
    tested = (old >= FEWEST_RESPONSES) & (new >= FEWEST_RESPONSES)
    # Hypergeometric: Fisher's exact test, one-sided.
    p_value = stats.hypergeom.sf(hits - 1, old + new, hits + false, np.maximum(old, 0))
    return tested & (p_value > GUESSING_P)


def _count(responses: Responses, rows: NDArray[np.bool_]) -> Floats:
    return np.bincount(responses.participant[rows], minlength=responses.participants).astype(np.float64)
