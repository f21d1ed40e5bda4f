"""Plans a study: a design for a number of clips by the paper's rules, and how many participants it takes.

The design keeps the paper's proportions (Sec. 3.2): of 200 clips 40 are targets of step 1, 20 check vigilance, 60 are
fillers and 80 are new in step 2; lags are a quarter to five ninths of the showings. Vigilance lags stay 3 to 6 where
they fit.

Figures come in closed form and from the simulator. With `n` annotations per video, and true scores of mean `m` and
variance `s2` over the videos, one annotation has the noise `m (1 - m) - s2`, so that

    standard error = sqrt(noise / n)        reliability = s2 / (s2 + noise / n)

and the reliability is also the correlation to expect with another study of this size.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from videomem_hf.protocol.consistency import finite_mean
from videomem_hf.protocol.design import FEWEST_CLIPS, FirstStep, SecondStep, StudyDesign
from videomem_hf.protocol.schedule import step1_slots
from videomem_hf.protocol.scoring import score_study
from videomem_hf.protocol.simulate import MemoryModel, draw_videos
from videomem_hf.protocol.simulate_study import SimulatedStudy, simulate_study
from videomem_hf.schema import HORIZONS, Horizon, InputError
from videomem_hf.statistics import spearman

EXAMPLES: Final = 2
"""Clips that the instructions take."""
_TRIED_ORDERS: Final = 5
_PAPER: Final = StudyDesign()
_MOST_SHOWINGS: Final = 50_000_000
"""Of a simulated study, which takes about 100 bytes for each."""
_MOST_STUDIES: Final = 100
_SIMULATED_PARTICIPANTS: Final = 1500
"""Participants simulated in all: a small study is simulated several times, for figures that chance does not move."""


@dataclass(frozen=True)
class Expected:
    """What to expect of one horizon, `closed` in closed form and `simulated`.

    Attributes:
        participants: Who pass the step's controls.
        annotations: Per video.
        error: Standard error of a score, in [0, 1].
        reliability: Share of the scores' variance that is not noise; the simulated one is the squared correlation with
            the true scores.
        consistency: Spearman's correlation with another study of this size; NaN where it was not simulated.
    """

    participants: int
    annotations: float
    error: tuple[float, float]
    reliability: tuple[float, float]
    consistency: float


@dataclass(frozen=True)
class Plan:
    """A planned study.

    Attributes:
        invited: Participants to recruit for each step: also those who fail its controls.
        minutes: Of each step with its practice, at most: nobody presses.
        expected: By horizon.
    """

    design: StudyDesign
    videos: int
    invited: tuple[int, int]
    minutes: tuple[float, float]
    expected: dict[Horizon, Expected]

    def cost(self, pay_per_hour: float) -> float:
        """All participants paid for the whole time, without the platform's fee."""
        return (
            sum(count * minutes for count, minutes in zip(self.invited, self.minutes, strict=True)) * pay_per_hour / 60
        )


def plan_design(clips: int) -> StudyDesign:
    """The paper's design scaled down to this number of clips, of which two are for the instructions.

    Raises InputError below 20 clips.
    """
    if clips < FEWEST_CLIPS:
        raise InputError(f"{clips} clips; a game with targets, fillers and new clips needs {FEWEST_CLIPS} or more.")
    videos = clips - EXAMPLES
    if videos >= _PAPER.videos_needed:
        return _PAPER.for_collection(videos)
    scale = videos / _PAPER.videos_needed
    while True:
        design = _scaled(scale)
        if design.videos_needed <= videos and can_be_drawn(design.step1):
            return design
        scale *= 0.99


def _scaled(scale: float) -> StudyDesign:
    first, second = _PAPER.step1, _PAPER.step2
    targets, vigilance = max(2, round(first.targets * scale)), max(2, round(first.vigilance_fillers * scale))
    fillers = max(2, round(first.fillers * scale))
    showings = 2 * targets + 2 * vigilance + fillers
    longest = round(first.target_lag_max * showings / first.showings)
    short = first.vigilance_lag_max < longest // 2
    return StudyDesign(
        step1=FirstStep(
            targets=targets,
            target_lag_min=max(2, round(first.target_lag_min * showings / first.showings)),
            target_lag_max=longest,
            vigilance_fillers=vigilance,
            vigilance_lag_min=first.vigilance_lag_min if short else 1,
            vigilance_lag_max=first.vigilance_lag_max if short else 2,
            fillers=fillers,
            candidates=targets + vigilance + fillers,
        ),
        step2=SecondStep(targets=max(1, round(second.targets * scale)), fillers=max(1, round(second.fillers * scale))),
    )


def can_be_drawn(step: FirstStep) -> bool:
    """Whether orders of step 1 are found."""
    try:
        return all(len(step1_slots(step, seed)) for seed in range(_TRIED_ORDERS))
    except InputError:
        return False


def annotations_for_reliability(horizon: Horizon, reliability: float) -> float:
    """Annotations per video for a reliability above 0 and below 1."""
    if not 0 < reliability < 1:
        raise InputError(f"reliability {reliability}; it lies between 0 and 1.")
    spread, noise = _variances(horizon)
    return reliability / (1 - reliability) * noise / spread


def annotations_for_precision(horizon: Horizon, error: float) -> float:
    """Annotations per video for a standard error of a score, above 0 and below 0.5."""
    if not 0 < error < 0.5:
        raise InputError(f"precision {error}; a standard error lies between 0 and 0.5.")
    return _variances(horizon)[1] / error**2


def _variances(horizon: Horizon) -> tuple[float, float]:
    """Variance of the true scores over videos, and the noise of one annotation, by the simulator's model."""
    model = MemoryModel()
    mean, sd = getattr(model, f"{horizon}_mean"), getattr(model, f"{horizon}_sd")
    return sd**2, mean * (1 - mean) - sd**2


def plan_study(
    clips: int,
    annotations: dict[Horizon, float],
    *,
    design: StudyDesign | None = None,
    return_rate: float = 0.5,
    seed: int = 0,
    progress: Callable[[int], object] | None = None,
) -> Plan:
    """Plan a study in which videos get this many annotations on average.

    Args:
        clips: All of them, with the two for the instructions.
        annotations: Wanted per video in each horizon.
        design: `plan_design` by default.
        return_rate: Share of those who pass step 1 who also pass step 2, above 0 and at most 1.
        seed: Of the simulation.
        progress: Called with the number of participants simulated since the last call.
    """
    if not 0 < return_rate <= 1:
        raise InputError(f"return rate {return_rate}; a share above 0 and at most 1.")
    design, videos = design or plan_design(clips), clips - EXAMPLES
    first = math.ceil(annotations["short_term"] * videos / design.step1.targets)
    second = math.ceil(annotations["long_term"] * videos / design.step2.targets)
    first = max(first, math.ceil(second / return_rate), 2)
    return _expect(design, videos, first, max(1, int(first * return_rate)), seed, progress)


def plan_for_budget(
    clips: int,
    hours: float,
    *,
    design: StudyDesign | None = None,
    return_rate: float = 0.5,
    seed: int = 0,
    progress: Callable[[int], object] | None = None,
) -> Plan:
    """Plan a study that takes this many paid hours of all participants together; otherwise as `plan_study`.

    Raises InputError if the hours do not pay for two participants.
    """
    design, videos = design or plan_design(clips), clips - EXAMPLES
    trial = play_study(design, videos, 100, 50, seed)
    rates, minutes = _pass_rates(trial), _minutes(design)
    per_passed = minutes[0] / rates[0] + return_rate * minutes[1] / rates[1]
    first = int(hours * 60 / per_passed)
    if first < 2:
        raise InputError(
            f"{hours:.1f} paid hours; one participant takes {per_passed / 60:.2f}, and two are the fewest."
        )
    return _expect(design, videos, first, max(1, int(first * return_rate)), seed, progress)


def _minutes(design: StudyDesign) -> tuple[float, float]:
    """A showing of the practice takes as long as one of the game: its feedback takes the time of the gap."""
    seconds = design.presentation.window_s + design.presentation.gap_s
    practice = design.practice
    first = design.step1.showings + practice.step1_showings
    return first * seconds / 60, (design.step2.showings + practice.step2_showings) * seconds / 60


def play_study(design: StudyDesign, videos: int, first: int, second: int, seed: int) -> SimulatedStudy:
    """Simulate a study in which this many pass step 1 (`first`) and step 2, over videos drawn with the same seed."""
    collection = draw_videos([f"video{number}" for number in range(1, videos + 1)], seed)
    return simulate_study(collection, design, participants=first, returning=second, seed=seed)


def _pass_rates(study: SimulatedStudy) -> tuple[float, float]:
    steps = score_study(study.annotations, study.design).screening.steps()
    return tuple(float(step.passed.sum() / max(step.took_part.sum(), 1)) or 1.0 for step in steps)  # type: ignore[return-value]


def _expect(
    design: StudyDesign, videos: int, first: int, second: int, seed: int, progress: Callable[[int], object] | None
) -> Plan:
    """Simulate the study, a small one several times over the same videos, and compare the scores with the truth."""
    if first * design.step1.showings + second * design.step2.showings > _MOST_SHOWINGS:
        raise InputError(
            f"This takes {first:,} participants, more than can be simulated; lower the reliability or the budget, or "
            "raise the standard error."
        )
    studies = min(max(2, math.ceil(_SIMULATED_PARTICIPANTS / first)), _MOST_STUDIES)
    collection = draw_videos([f"video{number}" for number in range(1, videos + 1)], seed)
    found: dict[Horizon, list[tuple[float, float]]] = {horizon: [] for horizon in HORIZONS}
    agreement: dict[Horizon, list[float]] = {horizon: [] for horizon in HORIZONS}
    rates, before = [], None
    for number in range(studies):
        played = simulate_study(collection, design, participants=first, returning=second, seed=seed + number)
        scores = score_study(played.annotations, design)
        rates.append([step.passed.sum() / max(step.took_part.sum(), 1) for step in scores.screening.steps()])
        for horizon in HORIZONS:
            own, true = scores.scores[horizon].score, getattr(collection, horizon)
            known = np.isfinite(own)
            if known.sum() > 2 and np.ptp(own[known]) > 0:
                errors = float(np.sqrt(np.mean((own[known] - true[known] - (own[known] - true[known]).mean()) ** 2)))
                found[horizon].append((errors, float(np.corrcoef(own[known], true[known])[0, 1] ** 2)))
            if before is not None:
                other = before.scores[horizon].score
                both = known & np.isfinite(other)
                vary = both.sum() > 2 and np.ptp(own[both]) > 0 and np.ptp(other[both]) > 0
                agreement[horizon].append(spearman(own[both], other[both]) if vary else float("nan"))
        before = scores
        if progress is not None:
            progress(first + second)
    passing = np.mean(rates, axis=0)
    invited = (math.ceil(first / passing[0]), math.ceil(second / max(passing[1], 1e-9)))
    targets = (design.step1.targets, design.step2.targets)
    expected = {
        horizon: _expected(horizon, count, count * each / videos, found[horizon], agreement[horizon])
        for horizon, count, each in zip(HORIZONS, (first, second), targets, strict=True)
    }
    return Plan(design, videos, invited, _minutes(design), expected)


def _expected(
    horizon: Horizon, participants: int, annotations: float, found: list[tuple[float, float]], agreement: list[float]
) -> Expected:
    spread, noise = _variances(horizon)
    errors, reliabilities = zip(*found, strict=True) if found else ((math.nan,), (math.nan,))
    return Expected(
        participants=participants,
        annotations=annotations,
        error=(math.sqrt(noise / annotations), float(np.mean(errors))),
        reliability=(spread / (spread + noise / annotations), float(np.mean(reliabilities))),
        consistency=finite_mean(np.array(agreement)) if agreement else math.nan,
    )


def with_window(design: StudyDesign, window_s: float) -> StudyDesign:
    """The design with another response window, that of clips of another length."""
    return replace(design, presentation=replace(design.presentation, window_s=window_s))
