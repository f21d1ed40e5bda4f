"""The design: the paper's numbers, where they come from, and what is refused."""

import dataclasses
import json
import re
from pathlib import Path

import pytest
import yaml

from videomem_hf.protocol.design import (
    Controls,
    FirstStep,
    Practice,
    Presentation,
    SecondStep,
    StudyDesign,
    load_design,
    save_design,
)
from videomem_hf.schema import InputError


def test_the_papers_numbers() -> None:
    design = StudyDesign()
    assert (design.step1.showings, design.step1.videos, design.step2.showings) == (180, 120, 120)
    assert (design.step1.targets, design.step1.vigilance_fillers, design.step1.fillers) == (40, 20, 60)
    assert (design.step2.targets, design.step2.fillers) == (40, 80)
    assert (design.step1.target_lag_min, design.step1.target_lag_max) == (45, 100)
    assert (design.step1.vigilance_lag_min, design.step1.vigilance_lag_max) == (3, 6)
    assert (design.step2.delay_min_h, design.step2.delay_max_h, design.step1.candidates) == (24, 72, 1000)
    assert (design.presentation.window_s, design.presentation.gap_s, design.presentation.key) == (7, 1, " ")
    assert dataclasses.astuple(design.controls) == (0.71, 0.30, 0.40, 0.15, True, 0.10, True)


def test_every_number_has_its_source() -> None:
    entries = [
        entry for part in dataclasses.fields(StudyDesign()) for entry in dataclasses.fields(part.default_factory)
    ]
    assert len(entries) == 28
    assert all(entry.metadata["source"] for entry in entries)


@pytest.mark.parametrize("name", ["design.yaml", "design.json"])
def test_a_design_survives_its_file(tmp_path: Path, name: str) -> None:
    design = StudyDesign(
        step1=FirstStep(targets=6, target_lag_min=4, target_lag_max=9, vigilance_fillers=2, fillers=8, candidates=20),
        step2=SecondStep(targets=5, fillers=7, delay_min_h=0.5, delay_max_h=2, targets_by="least_annotated"),
        presentation=Presentation(window_s=3.5, key="Enter"),
        controls=Controls(step2_recognition_above_false_alarms=False),
    )
    save_design(design, tmp_path / name)
    assert load_design(tmp_path / name) == design


def test_the_file_says_where_numbers_come_from(tmp_path: Path) -> None:
    save_design(StudyDesign(controls=Controls(vigilance_hits_min=0.5)), tmp_path / "design.yaml")
    lines = (tmp_path / "design.yaml").read_text().splitlines()
    assert "  target_lag_max: 100  # Sec. 3.2, Fig. 2a" in lines
    assert any(
        line.startswith("  vigilance_hits_min: 0.5  # own choice; 0.71 in the original software") for line in lines
    )


def test_a_partial_file_keeps_the_papers_other_numbers(tmp_path: Path) -> None:
    (tmp_path / "d.yaml").write_text("step1:\n  fillers: 70\ncontrols:\n")
    no_practice = Practice(0, 0)  # the paper reports none
    assert load_design(tmp_path / "d.yaml") == StudyDesign(step1=FirstStep(fillers=70), practice=no_practice)
    (tmp_path / "empty.yaml").write_text("")
    assert load_design(tmp_path / "empty.yaml") == StudyDesign(practice=no_practice)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"step3": {}}, "design: unknown key 'step3'"),
        ({"step1": {"target": 3}}, "design, step1: unknown key 'target'"),
        ({"step1": 7}, "design, step1: a section of keys and values is wanted, got 7"),
        ([1], "design: must hold keys and values"),
        ({"step1": {"targets": 40.0}}, "targets 40.0; it is a whole number"),
        ({"step1": {"targets": True}}, "targets True; it is a whole number"),
        ({"step1": {"targets": 0}}, "targets 0; it must be 1 or more"),
        ({"step1": {"target_lag_min": 101}}, "target_lag_min 101 is above target_lag_max 100"),
        ({"step1": {"target_lag_max": 180}}, "can be at most 179"),
        ({"step1": {"target_lag_min": 141, "target_lag_max": 150}}, "the shortest lag can be at most 140"),
        ({"step1": {"candidates": 119}}, "set candidates to 120 or more"),
        ({"step2": {"targets": 61}}, "61 targets, step 1 only 60 fillers"),
        ({"step2": {"delay_min_h": 80}}, "delay_min_h 80.0 is above delay_max_h 72.0"),
        ({"step2": {"delay_min_h": float("nan")}}, "delay_min_h nan"),
        ({"step2": {"delay_max_h": 1e300}}, "delay_max_h 1e+300; it is in hours, at most 87,660"),
        ({"step2": {"delay_max_h": 10**400}}, "delay_max_h is too large a number"),
        ({"step1": {"targets": 10**12}}, "showings for each participant; at most 100,000"),
        ({"step2": {"fillers": 10**12}}, "showings for each participant; at most 100,000"),
        ({"step2": {"targets_by": "best"}}, "'best'; it is one of random, least_annotated"),
        ({"presentation": {"window_s": 0}}, "window_s 0.0"),
        ({"presentation": {"gap_s": -1}}, "gap_s -1.0"),
        ({"presentation": {"key": ""}}, "key is empty"),
        ({"controls": {"vigilance_hits_min": 71}}, "vigilance_hits_min 71.0; a rate is a number from 0 to 1"),
        ({"controls": {"step2_recognition_above_false_alarms": 1}}, "it is true or false"),
    ],
)
def test_what_cannot_work_is_refused(tmp_path: Path, content: dict, message: str) -> None:
    (tmp_path / "design").write_text(yaml.safe_dump(content))
    with pytest.raises(InputError, match=re.escape(message)):
        load_design(tmp_path / "design")


def test_errors_of_a_file_name_it(tmp_path: Path) -> None:
    path = tmp_path / "d.yaml"
    with pytest.raises(InputError, match=r"d\.yaml: cannot be read"):
        load_design(path)
    path.write_text("step1: [")
    with pytest.raises(InputError, match=r"d\.yaml: not YAML"):
        load_design(path)
    path.write_text(json.dumps({"step2": {"targets": 99}}))
    with pytest.raises(InputError, match=r"d\.yaml: Step 2 has 99 targets"):
        load_design(path)


def test_candidates_fit_the_collection() -> None:
    assert StudyDesign().for_collection(10_000) == StudyDesign()
    assert StudyDesign().for_collection(1001) == StudyDesign()
    assert StudyDesign().for_collection(1000).step1.candidates == 120
    assert StudyDesign(step1=FirstStep(candidates=5000)).for_collection(3000).step1.candidates == 300
    assert StudyDesign().for_collection(200).step1.candidates == 120


def test_a_collection_can_be_too_small() -> None:
    StudyDesign().check_collection(200)
    with pytest.raises(
        InputError, match=r"Add 197 videos, or let `videomem study plan` write a smaller design, which.* 20"
    ):
        StudyDesign().check_collection(3, clips=3)
    with pytest.raises(InputError, match="Add 1 videos"):
        StudyDesign().check_collection(199)


def test_numbers_in_a_dict_are_plain() -> None:
    assert json.loads(json.dumps(dataclasses.asdict(StudyDesign()))) == dataclasses.asdict(StudyDesign())
