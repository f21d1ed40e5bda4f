"""What `score` refuses: each damage is made by hand in a right table, and is one sentence with line and participant."""

import csv
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.protocol.studies import RIGHT, TINY, annotations_of, csv_of, played_study, rows_of
from videomem_hf.protocol.annotation_files import read_annotations
from videomem_hf.protocol.annotations import write_annotations
from videomem_hf.protocol.checks import CHECKS, check_annotations
from videomem_hf.protocol.design import FirstStep, StudyDesign
from videomem_hf.protocol.scoring import score_study, summary
from videomem_hf.schema import InputError

Table = list[dict[str, str]]
OTHER = {key: rt + 7 for key, rt in RIGHT.items()}


def right_table() -> Table:
    """Two participants of the tiny study: lines 2 to 12 and 13 to 23."""
    rows = [*rows_of("p1", RIGHT), *rows_of("p2", OTHER)]
    return list(csv.DictReader(csv_of(rows).splitlines()))


def read(tmp_path: Path, table: Table):
    path = tmp_path / "a.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, table[0])
        writer.writeheader()
        writer.writerows(table)
    return read_annotations([path])


def at(line: int, **cells: str) -> Callable[[Table], None]:
    """Change cells of a line of the file."""
    return lambda table: table[line - 2].update(cells)


def drop(line: int) -> Callable[[Table], None]:
    return lambda table: table.pop(line - 2) and None


def seconds(table: Table) -> None:
    for row in table:
        row["rt_ms"] = str(float(row["rt_ms"]) / 1000) if row["rt_ms"] else ""


def swap_videos(table: Table) -> None:
    """Step 2 of p2 shows a target of step 1 instead of a filler."""
    table[19]["video"] = "a"


DAMAGES = {
    "positions": (drop(17), r"a\.csv:17: participant 'p2': position 6 of step 1 where 5 should follow, so rows"),
    "times": (
        at(4, time="2026-03-01T10:00:08.000Z"),
        r"a\.csv:4: participant 'p1': position 3 starts before the one that precedes it",
    ),
    "times after the response": (
        at(8, time="2026-03-01T10:00:58.500Z", rt_ms="6900"),
        r"a\.csv:9: participant 'p1': position 8 starts before the showings that precede it can have ended",
    ),
    "times all alike": (
        lambda table: [row.update(time="2026-03-01T10:00:00.000Z", rt_ms="") for row in table[:8]]
        and [row.update(rt_ms="50000.0") for row in table[:8] if row["pressed"] == "1"]
        and None,
        r"a\.csv:3: participant 'p1': position 2 starts before the showings that precede it can have ended",
    ),
    "times of a row without a press": (
        at(3, time="2026-03-01T10:00:13.000Z"),
        r"a\.csv:3: participant 'p1': position 2 starts before the showings that precede it can have ended",
    ),
    "times of a pause": (
        lambda table: [row.update(time=row["time"].replace("T10", "T12")) for row in table[5:8]] and None,
        r"a\.csv:7: participant 'p1': position 6 starts 2\.0 h after the one that precedes it",
    ),
    "response_times": (at(7, rt_ms="1"), r"a\.csv:7: participant 'p1': a response after 1 ms, faster than people can"),
    "response_times in seconds": (seconds, r"a\.csv:5: participant 'p1': a response after 0\.9 ms, .* be in seconds"),
    "response_times late": (at(7, rt_ms="7400"), r"a\.csv:7: participant 'p1': a response after 7400 ms, where .*000"),
    "response_times lost": (at(7, rt_ms=""), r"a\.csv:7: participant 'p1': a press without a response time, where"),
    "step2_targets": (swap_videos, r"a\.csv:21: participant 'p2': video 'a', a target of step 2, was no filler"),
    "step2_targets alone": (
        lambda table: table.__delitem__(slice(11, 19)),
        r"a\.csv:13: participant 'p2': a step 2 without a step 1",
    ),
    "step2_fillers": (at(11, video="v"), r"a\.csv:11: participant 'p1': video 'v', new in step 2 by its role, was"),
    "roles": (
        lambda table: [table[line - 2].update(role="filler", repeat="0", video=f"x{line}") for line in (3, 5)]
        and table[3].update(pressed="0", rt_ms=""),
        r"a\.csv:2: participant 'p1': 0 showings of the role vigilance in step 1, where the design has 1",
    ),
    "names": (at(22, video="N.webm"), r"a\.csv:22: participant 'p2': videos 'n' and 'N\.webm', which may be the same"),
    "names with zeros": (
        lambda table: [table[line - 2].update(video=name) for line, name in ((11, "n7"), (22, "n007"))] and None,
        r"a\.csv:22: participant 'p2': videos 'n7' and 'n007', which may be the same",
    ),
    "names in other codes": (
        lambda table: [table[line - 2].update(video=name) for line, name in ((11, "caf\u00e9"), (22, "cafe\u0301"))]
        and None,
        r"a\.csv:22: participant 'p2': videos 'caf\u00e9' and 'cafe\u0301', which may be the same",
    ),
    "names of people": (
        lambda table: [table[line - 2].update(participant="P1 ") for line in (10, 11, 12)] and None,
        r"a\.csv:10: participant 'P1 ': participants 'p1' and 'P1 ', which may be the same",
    ),
}  # fmt: skip


def test_a_right_table_passes(tmp_path: Path) -> None:
    assert check_annotations(read(tmp_path, right_table()), TINY) == {}
    assert check_annotations(played_study().annotations, played_study().design) == {}


@pytest.mark.parametrize("name", DAMAGES)
def test_each_damage_is_one_sentence(tmp_path: Path, name: str) -> None:
    table = right_table()
    change, message = DAMAGES[name]
    change(table)
    annotations = read(tmp_path, table)
    with pytest.raises(InputError, match=message) as caught:
        check_annotations(annotations, TINY)
    text = str(caught.value)
    assert "\n" not in text
    remedy = re.search(r", or accept this with --ignore (\w+)\.$", text)
    assert remedy
    assert remedy[1] in CHECKS
    if name in CHECKS:
        assert remedy[1] == name


def test_responses_that_are_all_equal_are_made() -> None:
    played = played_study()
    rt_ms = played.annotations.rt_ms.copy()
    rt_ms[(played.annotations.participant == 4) & np.isfinite(rt_ms)] = 1000.0
    with pytest.raises(InputError, match=r"participant 'p00005': all \d+ responses after exactly 1000 ms; correct"):
        score_study(replace(played.annotations, rt_ms=rt_ms), played.design)


def test_misses_that_are_marked_as_missing_are_found() -> None:
    played = played_study()
    table = played.annotations
    missed = np.flatnonzero(table.repeat & ~table.pressed)
    assert len(missed) >= 60
    missing = table.missing.copy()
    missing[missed[:40]] = 3
    with pytest.raises(
        InputError, match=r"as at 40 of [\d,]+ repeats but only 0 of .* accept this with --ignore missing"
    ):
        check_annotations(replace(table, missing=missing), played.design)
    missing[np.flatnonzero(~table.repeat & ~table.pressed)[:40]] = 3
    assert check_annotations(replace(table, missing=missing), played.design) == {}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04", "a.csv: an Excel workbook or another ZIP file; save it as CSV"),
        ("participant".encode("utf-16"), "a.csv: a text in UTF-16; save"),
        (b"\x1f\x8b\x08", "a.csv: compressed by gzip"),
        (b"", "a.csv: an empty file"),
    ],
)
def test_another_kind_of_file_is_named(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(InputError, match=re.escape(message)):
        read_annotations([tmp_path / "a.csv"])


def test_a_press_at_a_clip_that_was_not_shown_is_refused(tmp_path: Path) -> None:
    table = right_table()
    for row in table:
        row["missing"] = ""
    at(7, missing="hidden")(table)
    read(tmp_path, table)
    at(7, missing="unplayable")(table)
    with pytest.raises(InputError, match=r"a\.csv:7: participant 'p1': a press at a clip that was not shown"):
        read(tmp_path, table)


def test_another_design_is_refused() -> None:
    played = played_study()
    with pytest.raises(
        InputError, match=r"participant 'p00001': 180 showings in step 1, where the design has 8; give the"
    ):
        score_study(played.annotations, TINY)
    more = StudyDesign(step1=FirstStep(fillers=100))
    with pytest.raises(InputError, match=r"180 showings in step 1, the most of all, where the design has 220"):
        score_study(played.annotations, more)
    unfinished = [row for name in "ab" for row in rows_of(name, RIGHT, steps=(1,))[: 6 if name == "a" else 5]]
    with pytest.raises(
        InputError, match=r"of 8 showings\)\. Nobody has finished step 1: score again when somebody has"
    ):
        score_study(annotations_of(unfinished), TINY)
    shorter = StudyDesign(step1=FirstStep(target_lag_max=90))
    with pytest.raises(InputError, match=r"a target, repeated at lag (9[1-9]|100), where the design has 45 to 90"):
        score_study(played.annotations, shorter)
    exchanged = StudyDesign(step1=FirstStep(targets=39, fillers=62))
    with pytest.raises(InputError, match=r"40 showings of the role target in step 1, where the design has 39"):
        score_study(played.annotations, exchanged)


@pytest.mark.parametrize(
    ("renamed", "said"), [("", "same videos in the same order"), ("x", "same response times at the same positions")]
)
def test_a_copy_of_a_participant_is_refused(tmp_path: Path, renamed: str, said: str) -> None:
    """The first of 400 participants occurs again under another name, as it is or with other videos."""
    write_annotations(played_study().annotations, tmp_path / "a.csv")
    lines = (tmp_path / "a.csv").read_text().splitlines()
    copy = []
    for cells in (line.split(",") for line in lines if line.startswith("p00001,")):
        video, time = cells[3] + renamed, ""
        copy.append(",".join(["p99999", *cells[1:3], video, *cells[4:8], time, *cells[9:]]))
    (tmp_path / "a.csv").write_text("\n".join([*lines, *copy]) + "\n")
    message = rf"a\.csv:{len(lines) + 1}: participant 'p99999': the {said} in step 1 as participant 'p00001'"
    with pytest.raises(InputError, match=message):
        score_study(read_annotations([tmp_path / "a.csv"]), played_study().design)


def test_what_is_ignored_is_reported(tmp_path: Path) -> None:
    table = right_table()
    at(7, rt_ms="1")(table)
    annotations = read(tmp_path, table)
    assert check_annotations(annotations, TINY, {"response_times", "copies"}) == {"response_times": 1}
    scores = score_study(annotations, TINY, ignore=["response_times"])
    assert summary(scores)["ignored_checks"] == {"response_times": 1}
    with pytest.raises(InputError, match=r"no check 'response_time' \(did you mean 'response_times'\?\); there are "):
        check_annotations(annotations, TINY, ["response_time"])


def test_a_table_in_memory_has_no_line() -> None:
    rows = rows_of("p1", RIGHT)
    with pytest.raises(InputError, match=r"^participant 'p1': position 2 of step 1 where 1 should follow"):
        check_annotations(annotations_of(rows[1:]), TINY)


def test_the_documentation_names_every_check() -> None:
    text = (Path(__file__).parents[2] / "docs/annotations.md").read_text()
    listed = re.findall(r"^\| `(\w+)` \|", text.split("## What is checked")[1].split("## Screening")[0], re.M)
    assert listed == list(CHECKS)
