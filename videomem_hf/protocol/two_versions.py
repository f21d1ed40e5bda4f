"""Two versions of a clip, each shown to a group of its own: the design of the game, its size, and the comparison."""

from dataclasses import dataclass, replace
from math import ceil, sqrt
from typing import Final

from scipy import stats

from videomem_hf.protocol.design import FirstStep, Presentation, SecondStep, StudyDesign
from videomem_hf.schema import InputError
from videomem_hf.statistics import Interval

POWER: Final = 0.8
LEVEL: Final = 0.05
_FEWEST_VIGILANCE: Final = 4
_SHORTEST_LAG: Final = 7
"""Longer than the lags of vigilance fillers."""


def design_for_length(clip_s: float) -> StudyDesign:
    """The paper's game for clips of another length: about as many minutes, and the same delays in minutes.

    The numbers of videos and the lags of the targets are divided by how much longer a showing lasts; clips of up to 7 s
    have the paper's.

    Args:
        clip_s: Length of the longest clip in seconds.

    Raises:
        InputError: The clips are too long for a game.
    """
    paper = StudyDesign()
    shown = paper.presentation
    window = max(float(ceil(clip_s)), shown.window_s)
    share = (shown.window_s + shown.gap_s) / (window + shown.gap_s)
    first, second = paper.step1, paper.step2
    lags = max(_SHORTEST_LAG, round(share * first.target_lag_min)), round(share * first.target_lag_max)
    if lags[1] <= lags[0]:
        raise InputError(f"a clip of {clip_s:.0f} s: too long for a game of half an hour; give one of up to 90 s")
    fillers = max(round(share * first.fillers), round(share * second.targets))
    step1 = FirstStep(
        targets=round(share * first.targets),
        target_lag_min=lags[0],
        target_lag_max=lags[1],
        vigilance_fillers=max(_FEWEST_VIGILANCE, round(share * first.vigilance_fillers)),
        fillers=fillers,
    )
    step2 = SecondStep(targets=round(share * second.targets), fillers=round(share * second.fillers))
    presentation = replace(Presentation(), window_s=window)
    return StudyDesign(step1=step1, step2=step2, presentation=presentation, controls=paper.controls)


def responses_needed(before: float, after: float, power: float = POWER, level: float = LEVEL) -> int:
    """Responses that each version needs so that a two-sided test finds the difference of two recognition rates.

    Normal approximation of two proportions (Fleiss, Levin and Paik, "Statistical Methods for Rates and Proportions",
    2003, ch. 4, without the continuity correction).

    Args:
        before, after: The rates, in [0, 1].
        power: Chance of finding the difference.
        level: Chance of finding one where there is none.

    Raises:
        InputError: The rates are equal or out of their range.
    """
    if not (0 <= before <= 1 and 0 <= after <= 1) or before == after:
        raise InputError(f"recognition rates {before} and {after}; give two different ones from 0 to 1")
    z = stats.norm.isf(level / 2), stats.norm.isf(1 - power)
    mean = (before + after) / 2
    spreads = sqrt(2 * mean * (1 - mean)), sqrt(before * (1 - before) + after * (1 - after))
    return ceil(((z[0] * spreads[0] + z[1] * spreads[1]) / (after - before)) ** 2)


@dataclass(frozen=True)
class VersionComparison:
    """How two versions of a clip were recognised.

    Attributes:
        difference: Rate of the second version less that of the first.
        interval: Its 95 % confidence interval (Newcombe, Statistics in Medicine 1998, method 10).
        p_value: Two-sided, of no difference (Fisher's exact test).
    """

    difference: float
    interval: Interval
    p_value: float


def compare_versions(before: tuple[float, int], after: tuple[float, int]) -> VersionComparison:
    """Compare the versions by their scores and numbers of annotations, as `videomem score` gives them.

    Args:
        before, after: Of each version the score in [0, 1] and its number of annotations, 1 or more.

    Raises:
        InputError: A score or number is out of its range.
    """
    hits = []
    for score, count in (before, after):
        if not 0 <= score <= 1 or count < 1:
            raise InputError(f"score {score} of {count} annotations; give a score from 0 to 1 of 1 annotation or more")
        hits.append(round(score * count))
    counts = before[1], after[1]
    rates = [hit / count for hit, count in zip(hits, counts, strict=True)]
    wilson = [stats.binomtest(hit, n).proportion_ci(0.95, "wilson") for hit, n in zip(hits, counts, strict=True)]
    difference = rates[1] - rates[0]
    low = difference - sqrt((rates[1] - wilson[1].low) ** 2 + (wilson[0].high - rates[0]) ** 2)
    high = difference + sqrt((wilson[1].high - rates[1]) ** 2 + (rates[0] - wilson[0].low) ** 2)
    table = [[hit, count - hit] for hit, count in zip(hits, counts, strict=True)]
    return VersionComparison(difference, Interval(low, high), float(stats.fisher_exact(table).pvalue))
