"""Runs of trials: their order, and who seems to have played twice under one name."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from videomem_hf.protocol.responses.trials import Trial, order_column

_TELL_APART: Final = (
    "If these are several people, name the column that tells them apart with --participant; if they came back, name "
    "the later visit with --second"
)
_AGAIN: Final = 1.5
"""Times as many showings as the design has: of someone who played twice."""
_COPIED_TRIALS: Final = 10
"""With as many different response times, trials with the same item, response and time are no chance."""
_NEARLY_ALL: Final = 0.9
"""Share of a participant's trials that are originals or copies: some may have been removed since."""


def find_copied_trials(trials: Sequence[Trial]) -> None:
    """Refuse trials that are there twice: half of a participant's, with the same item, response and response time.

    Raises:
        InputError: With the file and the number of the first of them.
    """
    timed = [trial for trial in trials if not math.isnan(trial.rt_ms)]
    first: dict[tuple[str, int, str, str | None, float], Trial] = {}
    copies: dict[str, list[Trial]] = defaultdict(list)
    for trial in timed:
        key = trial.participant, trial.step, trial.item, trial.press, trial.rt_ms
        if first.setdefault(key, trial) is not trial:
            copies[trial.participant].append(trial)
    counts = Counter(trial.participant for trial in timed)
    for name, found in copies.items():
        times = {trial.rt_ms for trial in found}
        if len(times) >= _COPIED_TRIALS and 2 * len(found) >= _NEARLY_ALL * counts[name]:
            raise found[0].row.error(
                f"participant {name!r} has {len(found)} trials twice, with the same items and response times; remove "
                "the copy"
            )


def played_again(asked: Sequence[Trial], kept: Sequence[Trial]) -> list[str]:
    """A note on participants most of whose items came more often than the design has them."""
    before, after = (Counter(trial.participant for trial in trials) for trials in (asked, kept))
    again = [name for name, count in before.items() if count >= _AGAIN * after[name]]
    if not again:
        return []
    return [f"as if played twice under one name: {_listed(again)}; what came later is left out. {_TELL_APART}"]


def numbered_anew(trials: Sequence[Trial]) -> list[str]:
    """A note on participants who have trial numbers twice, and one on those of them whose rows are in no order."""
    column = order_column([trial.row for trial in trials])
    if column is None:
        return []
    numbers: dict[tuple[str, int], list[str]] = defaultdict(list)
    for trial in trials:
        numbers[trial.participant, trial.step].append(str(trial.row.cells.get(column)))
    often = {key: max(Counter(each).values()) for key, each in numbers.items()}
    twice = [key for key, count in often.items() if count > 1]
    anew = list(dict.fromkeys(who for who, _ in twice))
    mixed = list(dict.fromkeys(key[0] for key in twice if _falls(numbers[key]) > 2 * often[key]))
    notes = [f"{column} starts anew: {_listed(anew)}; taken as parts of one session. {_TELL_APART}"] if anew else []
    if mixed:
        notes.append(
            f"rows in no order by {column}: {_listed(mixed)}; which showing was the first is taken from the order "
            "of the rows, so sort the table by visit and time"
        )
    return notes


def _falls(numbers: Sequence[str]) -> int:
    """How often a number is not above the one before it; 0 if some are no numbers."""
    try:
        values = [float(number) for number in numbers]
    except ValueError:
        return 0
    return sum(before >= after for before, after in pairwise(values))


def _listed(names: Sequence[str]) -> str:
    """The first few names and how many there are."""
    shown = ", ".join(repr(name) for name in names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3:,} more participants"
