"""Controls applied by hand-counted answers."""

import dataclasses

import numpy as np
import pytest

from tests.protocol.studies import RIGHT, TINY, annotations_of, played_study, rows_of
from videomem_hf.protocol.design import Controls, SecondStep, StudyDesign
from videomem_hf.protocol.screening import Screening, screen


def reasons(people: dict[str, dict], design: StudyDesign = TINY, **keywords) -> dict[str, tuple[list[str], list[str]]]:
    rows = [row for name, presses in people.items() for row in rows_of(name, presses, **keywords)]
    screening = screen(annotations_of(rows), design)
    return {
        name: tuple(step.reasons(index) for step in screening.steps())
        for index, name in enumerate(screening.participants)
    }


def without(*showings: tuple[int, int]) -> dict[tuple[int, int], float]:
    return {showing: rt for showing, rt in RIGHT.items() if showing not in showings}


def test_who_does_everything_right_passes() -> None:
    assert reasons({"p": RIGHT}) == {"p": ([], [])}


def test_every_control() -> None:
    found = reasons(
        {
            "inattentive": without((1, 4)),
            "guesser": {**RIGHT, (1, 5): 100.0, (1, 8): 100.0},
            "forgetful": without((2, 1), (2, 3)),
            "presser": {**RIGHT, (2, 2): 100.0},
        }
    )
    assert found == {
        "inattentive": (["vigilance hits 0.000, at least 0.71"], ["step 1 not passed"]),
        "guesser": (["false alarms 0.400, at most 0.3"], ["step 1 not passed"]),
        "forgetful": (
            [],
            ["recognition 0.000, at least 0.15", "recognition 0.000, not above the false-alarm rate"],
        ),
        "presser": ([], ["false alarms 1.000, at most 0.4", "recognition 1.000, not above the false-alarm rate"]),
    }


def test_a_limit_itself_passes() -> None:
    # 2 of 5 first showings are false alarms, 1 of 2 targets is recognised, 1 of 1 new videos is a false alarm.
    people = {"p": {**without((2, 3)), (1, 5): 9.0, (1, 8): 9.0, (2, 2): 9.0}}
    limits = {"step1_false_alarms_max": 0.4, "step2_false_alarms_max": 1.0, "step2_recognition_min": 0.5}
    controls = Controls(**limits, vigilance_hits_min=1.0, step2_recognition_above_false_alarms=False)
    assert reasons(people, dataclasses.replace(TINY, controls=controls)) == {"p": ([], [])}
    for name, value in (("step1_false_alarms_max", 0.399), ("step2_recognition_min", 0.501)):
        stricter = dataclasses.replace(controls, **{name: value})
        assert reasons(people, dataclasses.replace(TINY, controls=stricter)) != {"p": ([], [])}
    above = dataclasses.replace(controls, step2_recognition_above_false_alarms=True)
    found = reasons(people, dataclasses.replace(TINY, controls=above))
    assert found == {"p": ([], ["recognition 0.500, not above the false-alarm rate"])}


def test_equal_rates_of_recognition_and_false_alarms_fail() -> None:
    # One target of two and, among two new videos, one false alarm.
    step2 = dataclasses.replace(
        TINY, step2=SecondStep(targets=2, fillers=2), controls=Controls(step2_false_alarms_max=0.5)
    )
    rows = [row for row in rows_of("p", {**without((2, 3)), (2, 2): 50.0}) if row[1] == 2]
    rows.append((*rows[1][:2], 4, "m", *rows[1][4:6], 0, None, None))
    screening = screen(annotations_of(rows), step2)
    assert screening.step2.reasons(0) == ["recognition 0.500, not above the false-alarm rate"]


def test_an_unfinished_step_does_not_count() -> None:
    rows = [row for row in rows_of("p", RIGHT) if row[1:3] not in {(1, 8), (2, 3)}]
    screening = screen(annotations_of(rows), TINY)
    assert screening.step1.reasons(0) == ["7 of 8 showings"]
    assert screening.step2.reasons(0) == ["2 of 3 showings", "step 1 not passed"]


@pytest.mark.parametrize(("hours", "passes"), [(24.1, True), (20.0, False), (72.0, True), (80.0, False)])
def test_the_delay(hours: float, passes: bool) -> None:
    found = reasons({"p": RIGHT}, hours=hours)["p"][1]
    assert (found == []) == passes
    if not passes:
        assert found == [f"delay {hours - 56 / 3600:.1f} h, from 24 to 72"]


def test_what_is_not_in_the_table_is_not_judged() -> None:
    rows = rows_of("only 2", RIGHT, steps=(2,)) + rows_of("only 1", RIGHT, steps=(1,))
    screening = screen(annotations_of(rows), TINY)
    assert screening.step1.took_part.tolist() == [False, True]
    assert screening.step1.passed.tolist() == [False, True]
    assert screening.step2.passed.tolist() == [True, False]
    assert [row[:3] for row in screening.rows()] == [("only 1", 1, 1), ("only 2", 2, 1)]


def test_the_report_has_the_numbers() -> None:
    screening: Screening = screen(annotations_of(rows_of("p", {**without((1, 6)), (1, 5): 9.0})), TINY)
    first, second = screening.rows()
    assert first[:6] == ("p", 1, 1, 8, 1.0, 0.2)
    assert first[6] == 0.5
    assert np.isnan(first[7])
    assert second[:4] == ("p", 2, 1, 3)
    assert second[5:7] == (0.0, 1.0)
    assert second[7] == pytest.approx(30 - 56 / 3600)
    assert first[8] == second[8] == 0
    assert first[9] == second[9] == ""


@pytest.mark.parametrize(("hours", "passes"), [(23.99, False), (24, True), (72, True), (72.01, False)])
def test_the_delay_is_the_designs(hours: float, passes: bool) -> None:
    start_to_start = hours + 8 * 7 / 3600  # from the last of step 1's 8 showings to the first of step 2
    assert (reasons({"p": RIGHT}, hours=start_to_start)["p"][1] == []) == passes


def test_the_rates_of_a_report_are_of_their_own_showings() -> None:
    """One of two targets and the vigilance repeat are recognised; one of five first showings is a false alarm."""
    people = {"p": {**without((1, 6)), (1, 5): 9.0}, "q": {}}
    rows = [row for name, presses in people.items() for row in rows_of(name, presses, steps=(1,))]
    screening = screen(annotations_of([*rows[:8], rows[8]]), TINY)
    step = screening.step1
    assert (step.recognition[0], step.vigilance_hits[0], step.false_alarms[0]) == (0.5, 1.0, 0.2)
    assert step.took_part.tolist() == [True, True]
    assert step.reasons(1) == ["1 of 8 showings"]


def test_people_who_all_guess_are_found() -> None:
    """Presses that are exchanged at random within each person: nobody tells old from new."""
    table, generator = played_study().annotations, np.random.default_rng(1)
    loose = Controls(0.0, 1.0, 1.0, 0.0, False)
    design = dataclasses.replace(played_study().design, controls=loose)
    assert screen(table, design).step1.guessing is None
    order = np.lexsort((generator.random(len(table)), table.step, table.participant))
    place = np.lexsort((np.arange(len(table)), table.step, table.participant))
    pressed = table.pressed.copy()
    pressed[place] = table.pressed[order]
    for step in screen(dataclasses.replace(table, pressed=pressed), design).steps():
        assert step.guessing is not None
        assert step.guessing[0] == pytest.approx(step.guessing[1], abs=0.03)
