"""Plans a study with adaptive assignment: its design, and the share of the participants of the paper's rule it takes.

By the paper's rule step 1 has half as many fillers again as step 2 has targets, which are drawn from them at random. An
adaptive study chooses the fillers already, so that none is to spare. Their showings become targets, each of which takes
two: the participant gives more short-term annotations in the same minutes, at the same lags and vigilance.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from videomem_hf.protocol.design import StudyDesign
from videomem_hf.protocol.detection.combined import combine
from videomem_hf.protocol.detection.measure import measure_study
from videomem_hf.protocol.plan import EXAMPLES, Plan, can_be_drawn, plan_design, play_study
from videomem_hf.protocol.scoring import score_study
from videomem_hf.protocol.simulate_study import SimulatedStudy
from videomem_hf.schema import HORIZONS, Horizon
from videomem_hf.statistics import Floats, spearman

SHARES: Final = (0.5, 0.65, 0.8, 1.0)
"""Of the participants of the paper's rule, which are simulated until one is enough."""
_MOST_VIDEOS: Final = 300
"""Of a simulated study: the share hardly changes from there on."""
_SIMULATED_PARTICIPANTS: Final = 3000
"""With each share, over all studies: a small study is simulated several times, at most `_MOST_STUDIES` times."""
_MOST_STUDIES: Final = 16


@dataclass(frozen=True)
class AdaptivePlan:
    """A plan with adaptive assignment beside that of the paper's rule.

    Attributes:
        plan: With the adaptive design; its participants are those of the paper's rule times `share`.
        share: Of the participants of the paper's rule, those with which the combined scores have the same rank
            correlation with the truth; at least the first of `SHARES`, and 1 where even all of them are too few.
        paper, adaptive: That correlation by horizon: of the paper's rule and score, and of the combined score with
            each of `SHARES` up to the first that is enough.
    """

    plan: Plan
    share: float
    paper: dict[Horizon, float]
    adaptive: dict[Horizon, tuple[float, ...]]

    @property
    def reached(self) -> bool:
        """Whether the simulated studies with one of the shares had the correlations of the paper's rule."""
        return all(max(self.adaptive[horizon]) >= value for horizon, value in self.paper.items())


def adaptive_design(design: StudyDesign) -> StudyDesign:
    """The design with adaptive assignment and as many targets in step 1 as its minutes hold.

    It keeps lags and vigilance, has as many fillers as step 2 has targets, and at most one showing more.
    """
    first, assignment = design.step1, replace(design.assignment, policy="adaptive")
    for more in range(math.ceil((first.fillers - design.step2.targets) / 2), 0, -1):
        fillers = max(first.fillers - 2 * more, design.step2.targets)
        step1 = replace(first, targets=first.targets + more, fillers=fillers)
        if can_be_drawn(step1):
            return replace(design, step1=step1, assignment=assignment)
    return replace(design, assignment=assignment)


def plan_adaptive(paper: Plan, seed: int = 0, progress: Callable[[int], object] | None = None) -> AdaptivePlan:
    """Plan adaptive assignment for the scores that a plan by the paper's rule has, from simulated studies.

    Args:
        paper: The plan by the paper's rule.
        seed: Of the simulation.
        progress: Called with the number of participants simulated since the last call.
    """
    design = adaptive_design(paper.design)
    videos = min(paper.videos, _MOST_VIDEOS)
    people = [math.ceil(paper.expected[horizon].participants * videos / paper.videos) for horizon in HORIZONS]
    played = plan_design(videos + EXAMPLES) if videos < paper.videos else paper.design
    played = replace(played, presentation=paper.design.presentation).for_collection(videos)
    studies = min(max(2, math.ceil(_SIMULATED_PARTICIPANTS / people[0])), _MOST_STUDIES)

    def correlations(candidate: StudyDesign, share: float, combined: bool) -> Floats:
        """By horizon, the mean over studies."""
        found = []
        for number in range(studies):
            first, second = (max(1, math.ceil(share * count)) for count in people)
            study = play_study(candidate, videos, first, min(first, second), seed + number)
            found.append(_correlations(study, combined))
            if progress is not None:
                progress(math.ceil(share * people[0]))
        return np.ma.masked_invalid(found).mean(axis=0).filled(np.nan)  # few people may leave no correlation

    goal = correlations(played, 1.0, False)
    found: list[Floats] = []
    for share in SHARES:
        found.append(correlations(adaptive_design(played), share, True))
        if (found[-1] >= goal).all():
            break
    by_share = np.array(found)
    share = max(_share_for(value, column) for value, column in zip(goal, by_share.T, strict=True))
    return AdaptivePlan(
        _with_fewer(paper, design, share),
        share,
        dict(zip(HORIZONS, goal.tolist(), strict=True)),
        {horizon: tuple(column) for horizon, column in zip(HORIZONS, by_share.T.tolist(), strict=True)},
    )


def _correlations(study: SimulatedStudy, combined: bool) -> list[float]:
    """The rank correlation of the scores of each horizon with the truth."""
    scored = score_study(study.annotations, study.design)
    values = {horizon: scored.scores[horizon].score for horizon in HORIZONS}
    if combined:
        measured = measure_study(study.annotations, scored.screening, study.design)
        values |= combine(measured, scored.annotations).values
    found = []
    for horizon in HORIZONS:
        known = np.isfinite(values[horizon])
        found.append(spearman(values[horizon][known], getattr(study.videos, horizon)[known]))
    return found


def _share_for(goal: float, reached: Floats) -> float:
    """The smallest share that reaches the goal, between those simulated; 1 where none does, or nothing is known."""
    rising = np.maximum.accumulate(np.nan_to_num(reached, nan=-1.0))
    return float(np.interp(np.nan_to_num(goal, nan=1.0), rising, SHARES[: len(rising)]))


def _with_fewer(paper: Plan, design: StudyDesign, share: float) -> Plan:
    """The plan with another design and this share of the participants."""
    first, second = (math.ceil(share * count) for count in paper.invited)
    targets = {"short_term": design.step1.targets, "long_term": design.step2.targets}
    expected = {}
    for horizon, part in paper.expected.items():
        people = math.ceil(share * part.participants)
        annotations = people * targets[horizon] / paper.videos
        expected[horizon] = replace(part, participants=people, annotations=annotations)
    return replace(paper, design=design, invited=(first, second), expected=expected)
