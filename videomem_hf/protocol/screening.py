"""Screens participants by the controls of Sec. 3.2 and reports who failed which, with the measured rates."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from videomem_hf.protocol.annotations import FILLER, TARGET, VIGILANCE, Annotations
from videomem_hf.protocol.design import StudyDesign
from videomem_hf.statistics import Floats

Counts = NDArray[np.int64]
Mask = NDArray[np.bool_]
Step = Literal[1, 2]

_ROUNDING: Final = 1e-9


@dataclass(frozen=True, eq=False)
class Failure:
    """A control: what is allowed, as a format string for a measured value; these, and who failed, `(participants,)`."""

    name: str
    text: str
    values: NDArray[np.generic]
    who: Mask


@dataclass(frozen=True, eq=False)
class StepScreening:
    """One step's screening, arrays with one element per participant of the table.

    Attributes:
        showings: Number of showings in the table; 0 if the participant did not take part.
        vigilance_hits: Hit rate of vigilance repeats; NaN without any.
        false_alarms: False-alarm rate: presses at first showings (step 1) or new videos (step 2); NaN without any.
        recognition: Hit rate of targets; NaN without any.
        delay_h: Step 2: hours from the end of step 1 to the start of step 2; NaN where unknown.
        missing: Share of the showings that are missing; NaN without any showing.
        failures: The controls that at least one participant failed.
        passed: Who took part and failed no control.
    """

    step: Step
    showings: Counts
    vigilance_hits: Floats
    false_alarms: Floats
    recognition: Floats
    delay_h: Floats
    missing: Floats
    failures: tuple[Failure, ...]
    passed: Mask

    @property
    def took_part(self) -> Mask:
        """Who has at least one showing."""
        return self.showings > 0

    @property
    def guessing(self) -> tuple[float, float] | None:
        """Mean false-alarm and hit rate of those who passed, where they do not tell repeats from new videos; else None.

        They do where the mean difference of a participant's two rates is above two standard errors.
        """
        known = self.passed & np.isfinite(self.recognition) & np.isfinite(self.false_alarms)
        difference = (self.recognition - self.false_alarms)[known]
        if not len(difference) or difference.mean() > 2 * difference.std() / np.sqrt(len(difference)):
            return None
        return float(self.false_alarms[known].mean()), float(self.recognition[known].mean())

    def reasons(self, participant: int) -> list[str]:
        """The controls that a participant failed, with the measured value and what is allowed; empty if none."""
        failures = (failure for failure in self.failures if failure.who[participant])
        return [failure.text.format(failure.values[participant]) for failure in failures]


@dataclass(frozen=True, eq=False)
class Screening:
    """Both steps' screening."""

    participants: tuple[str, ...]
    step1: StepScreening
    step2: StepScreening

    def steps(self) -> tuple[StepScreening, StepScreening]:
        return self.step1, self.step2

    def rows(self) -> Iterator[tuple[str | int | float, ...]]:
        """The report: one row per participant and step, with the cells of `REPORT_COLUMNS`."""
        for step in self.steps():
            numbers = (step.vigilance_hits, step.false_alarms, step.recognition, step.delay_h, step.missing)
            for index in np.flatnonzero(step.took_part).tolist():
                start = (self.participants[index], step.step, int(step.passed[index]), int(step.showings[index]))
                yield *start, *(float(values[index]) for values in numbers), "; ".join(step.reasons(index))


REPORT_COLUMNS: Final = (
    "participant", "step", "passed", "showings", "vigilance_hits", "false_alarms", "recognition", "delay_h", "missing",
    "reasons",
)  # fmt: skip


def screen(annotations: Annotations, design: StudyDesign) -> Screening:
    """Apply the design's controls to every participant.

    A step passes if it is complete and meets its controls; step 2 only if step 1, where the table has it, passes too.
    """
    first = screen_step1(annotations, design)
    return Screening(annotations.participants, first, _screen_step2(annotations, design, first))


def screen_step1(annotations: Annotations, design: StudyDesign) -> StepScreening:
    """Screen step 1: vigilance hits and false alarms."""
    here, repeat, role = annotations.step == 1, annotations.repeat, annotations.role
    showings = _count_showings(annotations, here)
    rates = {
        "vigilance_hits": _press_rate(annotations, here & repeat & (role == VIGILANCE)),
        "false_alarms": _press_rate(annotations, here & ~repeat),
        "recognition": _press_rate(annotations, here & repeat & (role == TARGET)),
        "delay_h": np.full(len(showings), np.nan),
        "missing": _missing_rate(annotations, here),
    }
    failures = [
        _incomplete(showings, design.step1.showings if design.controls.design_numbers else 1),
        _above("missing", rates["missing"], design.controls.missing_max),
        _below("vigilance hits", rates["vigilance_hits"], design.controls.vigilance_hits_min),
        _above("false alarms", rates["false_alarms"], design.controls.step1_false_alarms_max),
    ]
    return _step_screening(1, showings, rates, failures)


def _screen_step2(annotations: Annotations, design: StudyDesign, first: StepScreening) -> StepScreening:
    """Screen step 2: recognition, false alarms, the delay, and step 1."""
    controls, step, here = design.controls, design.step2, annotations.step == 2
    showings = _count_showings(annotations, here)
    false_alarms = _press_rate(annotations, here & (annotations.role == FILLER))
    recognition = _press_rate(annotations, here & (annotations.role == TARGET))
    delay_h, missing = _delay_h(annotations), _missing_rate(annotations, here)
    outside = (delay_h < step.delay_min_h - _ROUNDING) | (delay_h > step.delay_max_h + _ROUNDING)
    failures = [
        _incomplete(showings, step.showings if controls.design_numbers else 1),
        _above("missing", missing, controls.missing_max),
        _below("recognition", recognition, controls.step2_recognition_min),
        _above("false alarms", false_alarms, controls.step2_false_alarms_max),
        Failure("delay", f"delay {{:.1f}} h, from {step.delay_min_h:g} to {step.delay_max_h:g}", delay_h, outside),
        Failure("step 1", "step 1 not passed", showings, first.took_part & ~first.passed),
    ]
    if controls.step2_recognition_above_false_alarms:
        name, text = "recognition above false alarms", "recognition {:.3f}, not above the false-alarm rate"
        failures.append(Failure(name, text, recognition, recognition <= false_alarms + _ROUNDING))
    rates = {"false_alarms": false_alarms, "recognition": recognition, "delay_h": delay_h, "missing": missing}
    return _step_screening(2, showings, rates | {"vigilance_hits": np.full(len(showings), np.nan)}, failures)


def _incomplete(showings: Counts, wanted: int) -> Failure:
    return Failure("all showings", f"{{}} of {wanted} showings", showings, showings < wanted)


def _below(name: str, rates: Floats, lowest: float) -> Failure:
    return Failure(name, f"{name} {{:.3f}}, at least {lowest:g}", rates, rates < lowest - _ROUNDING)


def _above(name: str, rates: Floats, highest: float) -> Failure:
    return Failure(name, f"{name} {{:.3f}}, at most {highest:g}", rates, rates > highest + _ROUNDING)


def _step_screening(step: Step, showings: Counts, rates: dict[str, Floats], failures: list[Failure]) -> StepScreening:
    took_part = showings > 0
    failures = [replace(failure, who=failure.who & took_part) for failure in failures]
    passed = took_part & ~np.logical_or.reduce([failure.who for failure in failures])
    failed = tuple(failure for failure in failures if failure.who.any())
    return StepScreening(step, showings, failures=failed, passed=passed, **rates)


def _count_showings(annotations: Annotations, rows: Mask) -> Counts:
    return np.bincount(annotations.participant[rows], minlength=len(annotations.participants))


def _press_rate(annotations: Annotations, rows: Mask) -> Floats:
    """Share of the showings that count at which each participant pressed; NaN without any."""
    rows = rows & annotations.counted
    return quotient(_count_showings(annotations, rows & annotations.pressed), _count_showings(annotations, rows))


def _missing_rate(annotations: Annotations, rows: Mask) -> Floats:
    """Share of each participant's showings that are missing; NaN without any."""
    return quotient(_count_showings(annotations, rows & (annotations.missing > 0)), _count_showings(annotations, rows))


def quotient(numerator: NDArray[Any], denominator: NDArray[Any]) -> Floats:
    """Elementwise quotient, with NaN where nothing is divided by nothing."""
    with np.errstate(invalid="ignore"):
        return numerator / denominator


def _delay_h(annotations: Annotations) -> Floats:
    """Hours from each participant's last showing of step 1 to the first of step 2; NaN where unknown."""
    known = ~np.isnat(annotations.time)
    starts, ends = np.full((2, len(annotations.participants)), np.nan)
    hours = annotations.time.astype(np.int64) / 3_600_000
    first, second = known & (annotations.step == 1), known & (annotations.step == 2)
    np.fmax.at(ends, annotations.participant[first], hours[first])
    np.fmin.at(starts, annotations.participant[second], hours[second])
    return starts - ends
