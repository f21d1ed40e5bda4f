"""Tables as people damage them: each gives the right values, or one sentence that says what is wrong and where."""

import datetime
import re
import warnings
from pathlib import Path
from typing import Any

import pytest

from tests.data.release_trees import write
from tests.data.tables.folders import write_media
from videomem_hf.data.tables.opening import open_table
from videomem_hf.schema import InputError

RIGHT = {"a": (0.5, 12), "b": (0.25, 30), "c": (1.0, 9)}
HEAD, ROWS = "video,st,n", ("a,0.5,12", "b,0.25,30", "c,1,9")
TEXT = "\n".join([HEAD, *ROWS, ""])


def text(*lines: str) -> str:
    return "\n".join([*lines, ""])


READ = {
    "columns in another order": text("n,st,video", "12,0.5,a", "30,0.25,b", "9,1,c"),
    "rows in another order": text(HEAD, *reversed(ROWS)),
    "byte-order mark": "\ufeff" + TEXT,
    "two byte-order marks": "\ufeff\ufeff" + TEXT,
    "UTF-16": TEXT.encode("utf-16"),
    "old Macintosh line ends": TEXT.replace("\n", "\r"),
    "Windows line ends": TEXT.replace("\n", "\r\n"),
    "line ends of both kinds": TEXT.replace("\n", "\r\n", 2),
    "blank lines between rows": TEXT.replace("\n", "\n\n"),
    "rows of separators alone": text(HEAD, *ROWS, ",,", ",,"),
    "separators after every row": TEXT.replace("\n", ",,\n"),
    "decimal commas and semicolons": TEXT.replace(",", ";").replace(".", ","),
    "tabs": TEXT.replace(",", "\t"),
    "a line that declares the separator": "sep=;\n" + TEXT.replace(",", ";"),
    "quoted cells": re.sub(r"[^,\n]+", lambda cell: f'"{cell[0]}"', TEXT),
    "spaces around cells": TEXT.replace(",", " , "),
    "non-breaking spaces around cells": TEXT.replace(",", "\u00a0,\u00a0"),
    "names in capitals": text("VIDEO,ST,N", *ROWS),
    "names with accents and units": text("Vidéo,Short-term memorability (0-1),N", *ROWS),
    "percent signs": text(HEAD, "a,50%,12", "b,25 %,30", "c,100%,9"),
    "scientific numbers": text(HEAD, "a,5e-1,12", "b,2.5E-1,30", "c,1.0,9"),
    "counts as a spreadsheet writes them": text(HEAD, "a,0.5,12.0", "b,0.25,30.0", "c,1.0,9.0"),
    "endings of other files": text(HEAD, "a.avi,0.5,12", "b.MOV,0.25,30", "c.webm,1,9"),
    "folders before names": text(HEAD, "./a,0.5,12", "./b,0.25,30", "./c,1,9"),
    "an index of pandas": text(f",{HEAD}", "0,a,0.5,12", "1,b,0.25,30", "2,c,1,9"),
    "more columns": text(f"{HEAD},room", "a,0.5,12,x", "b,0.25,30,", "c,1,9,z"),
    "no line end": TEXT.rstrip(),
}


@pytest.mark.parametrize("name", READ)
def test_values_are_right(tmp_path: Path, name: str) -> None:
    content = READ[name]
    write(tmp_path / "scores.csv", content)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = open_table(tmp_path)
    assert {each.video_id: (each.short_term, each.short_term_annotations) for each in found.records} == RIGHT


REFUSED = {
    "a total": (text(HEAD, *ROWS, "Total,0.58,51"), r"scores.csv:5: 'Total' is the name of a summary, not of a video"),
    "means": (text(HEAD, *ROWS, "Mean:,0.58,17"), r"scores.csv:5: 'Mean:' is the name of a summary"),
    "a total without a name": (text(HEAD, *ROWS, ",0.58,51"), r"scores.csv:5: no name of a video in column video"),
    "a video twice": (text(HEAD, *ROWS, ROWS[0]), r"'a' is in two rows"),
    "a video with two endings": (text("video,st", "a.mp4,0.5", "a.webm,0.6"), r"'a' is in two rows"),
    "the header again": (text(HEAD, ROWS[0], HEAD, ROWS[1]), r"scores.csv:3: 'st' in column st is not a number"),
    "a header of two lines": (
        text("video,Short-term,,Long-term,", ",score,n,score,n", "a,0.5,12,0.4,9"),
        r"scores.csv:2: 5 cells where the header has 4",
    ),
    "a title above the header": (
        text("Scores of 2024", "", HEAD, *ROWS),
        r"scores.csv:3: 3 cells where the header has",
    ),
    "no header": (text(*ROWS), r"scores.csv:1: the first line names no columns"),
    "rows as columns": (text("video,a,b,c", "st,0.5,0.25,1"), r"no column of scores among video, a, b, c"),
    "a column twice": (text("video,st,ST", "a,0.5,0.5"), r"column 'st' twice"),
    "two columns of one score": (text("video,st,short_term_score", "a,1,1"), r"st, short_term_score can all be"),
    "decimal commas with commas": (
        text("video,st", "a,0,5", "b,0,25"),
        r"scores.csv:2: 3 cells where the header has 2",
    ),
    "percent without a word": (
        text(HEAD, "a,50,12", "b,25,30"),
        r"scores above 1, up to 50; if they are percent say so",
    ),
    "percent signs in all but a zero": (text(HEAD, "a,50%,12", "b,0,30"), r"scores.csv:3: no % in column st"),
    "long beside short and lat": (
        text("video,short,long,lat", "a,0.5,0.4,530", "b,0.6,0.3,610"),
        r"'long' can be a long-term score or, beside 'lat', a longitude; rename it",
    ),
    "percent signs in some rows": (text(HEAD, "a,50%,12", "b,0.25,30"), r"scores.csv:3: no % in column st"),
    "words": (text(HEAD, "a,about 0.5,12"), r"'about 0.5' in column st is not a number"),
    "a sign that is no minus": (text(HEAD, "a,\u22120.5,12"), r"in column st is not a number"),
    "digits of another script": (text(HEAD, "a,\u0660.\u0665,12"), r"in column st is not a number"),
    "a score above 1": (text(HEAD, "a,1.5,12", "b,0.25,30"), r"scores.csv:2: .* scores above 1, up to 1.5"),
    "a negative score": (text(HEAD, "a,-0.1,12"), r"-0.1 in column st is not a score"),
    "infinity": (text(HEAD, "a,inf,12"), r"'inf' in column st is not a number"),
    "half a participant": (text(HEAD, "a,0.5,12.5"), r"'12.5' in column n is not a number of annotations"),
    "a quote that is not closed": (text(HEAD, '"a,0.5,12', ROWS[1]), r"a quote that is not closed"),
    "a row that is cut": (text(HEAD, ROWS[0], "b,0.25"), r"scores.csv:3: 2 cells where the header has 3"),
    "Windows' own encoding": (text(HEAD, "\u00e9,0.5,12").encode("latin-1"), r"scores.csv:2: byte 0xe9 is not UTF-8"),
    "zero bytes": (TEXT.encode() + b"\0\0", r"a zero byte in a text file"),
    "a spreadsheet called CSV": (b"PK\x03\x04" + bytes(40), r"is a spreadsheet or zip file"),
    "a page of the web": ("<html><body>Sign in</body></html>", r"scores.csv"),
    "a row for each response": (
        text("subject_id,video,st", "p1,a,1", "p2,a,0"),
        r"a row for each response, by its column 'subject_id', .*`videomem study import` and `videomem score`",
    ),
    "a row for each horizon": (
        text("video,delay,score", "a,day,0.5", "a,week,0.4"),
        r"'a' is in two rows; keep one of them: a table has a row for each video, and a column for each horizon",
    ),
    "columns of a published set": (
        text("video_id,video_url,part_1_annotations,part_1_scores", "1,u,16,0.5"),
        r"no column of scores among .*; they are those of TRECVid, MediaEval 2020, whose files have other names$",
    ),
    "nothing": ("\n\n", r"scores.csv is empty|No ground truth|no table"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_right_is_one_sentence(tmp_path: Path, name: str) -> None:
    content, message = REFUSED[name]
    write(tmp_path / "scores.csv", content)
    with pytest.raises(InputError, match=message) as caught:
        open_table(tmp_path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_percent_is_not_believed_of_scores_that_are_none(tmp_path: Path) -> None:
    write(tmp_path / "scores.csv", text("video,st,lt", "a,50,0.5", "b,25,0.25"))
    with pytest.raises(InputError, match=r"the column 'lt' has no score above 1, and the scale is percent; give all"):
        open_table(tmp_path, {"scale": "percent"})
    write(tmp_path / "scores.csv", text("video,st,lt (%)", "a,50,0.5", "b,25,0.25"))
    records = open_table(tmp_path, {"scale": "percent"}).records
    assert [(each.short_term, each.long_term) for each in records] == [(0.5, 0.005), (0.25, 0.0025)]


def test_a_longitude_is_no_score(tmp_path: Path) -> None:
    write(tmp_path / "scores.csv", text("video,st,lat,long", "a,0.5,51.5,0.12", "b,0.25,50.1,0.25"))
    records = open_table(tmp_path).records
    assert [(each.long_term, each.extras["long"]) for each in records] == [(None, 0.12), (None, 0.25)]


def test_a_number_of_rows_is_no_number_of_annotations(tmp_path: Path) -> None:
    for first in (0, 1):
        write(tmp_path / "scores.csv", text("N,video,st", *(f"{first + i},v{i},0.{5 + i}" for i in range(3))))
        records = open_table(tmp_path).records
        assert [(each.short_term_annotations, each.extras["N"]) for each in records] == [
            (None, first), (None, first + 1), (None, first + 2),
        ]  # fmt: skip


def test_what_rounding_adds_to_a_score_is_taken_off(tmp_path: Path) -> None:
    write(tmp_path / "scores.csv", text("video,st", "a,1.0000000000000002", "b,-1e-17", "c,0.5"))
    assert [each.short_term for each in open_table(tmp_path).records] == [1.0, 0.0, 0.5]


def test_whole_numbers_that_json_has_as_fractions_are_names(tmp_path: Path) -> None:
    write(tmp_path / "scores.json", '[{"video": 7.0, "st": 0.5}, {"video": 8, "st": 0.6}]')
    assert [each.video_id for each in open_table(tmp_path).records] == ["7", "8"]


def test_a_separator_in_a_quoted_name_separates_nothing(tmp_path: Path) -> None:
    write(tmp_path / "scores.csv", text('video;"st";"shown, where, when"', "a;0,5;x"))
    assert open_table(tmp_path).records[0].extras == {"shown, where, when": "x"}


def test_a_column_of_scores_without_any_is_said(tmp_path: Path) -> None:
    write(tmp_path / "scores.csv", text("video,st,lt", "a,0.5,NA", "b,0.25,"))
    with pytest.warns(UserWarning, match="none of 2 rows has a long-term score"):
        open_table(tmp_path)
    write(tmp_path / "scores.csv", text("video,st,lt", "a,,NA", "b,nan,"))
    with pytest.warns(UserWarning, match="none of 2 rows has a short-term or long-term score"):
        assert {each.part for each in open_table(tmp_path).records} == {"test"}


def workbook(path: Path, rows: list[list[Any]]) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(path)


def test_dates_that_a_spreadsheet_made_of_names_and_scores_are_refused(tmp_path: Path) -> None:
    date = datetime.datetime(2025, 3, 4)
    for column, (rows, message) in enumerate(
        [
            (
                [["video", "st"], [date, 0.5]],
                r"row 2: the name of a video is the date 2025-03-04.*write the names as text",
            ),
            ([["video", "st"], ["a", date]], r"row 2: '2025-03-04.*' in column st is not a number"),
        ]
    ):
        folder = tmp_path / str(column)
        folder.mkdir()
        workbook(folder / "scores.xlsx", rows)
        with pytest.raises(InputError, match=message):
            open_table(folder)


def test_dates_and_merged_cells_beside_scores_are_kept(tmp_path: Path) -> None:
    day = datetime.datetime(2025, 3, 4)
    workbook(tmp_path / "scores.xlsx", [["video", "st", "shown"], ["a", 0.5, day], [None, None, None], ["7", 1, None]])
    records = open_table(tmp_path).records
    assert [(each.video_id, each.short_term) for each in records] == [("a", 0.5), ("7", 1.0)]
    assert str(records[0].extras["shown"]).startswith("2025-03-04")


def test_two_rows_that_mean_one_file_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "scores.csv", text("video,st", "Clip,0.5", "clip,0.6"))
    write_media(tmp_path, ["clips/clip.mp4"])
    with pytest.raises(InputError, match=r"'Clip' and 'clip' are both .*clip.mp4; keep one of them"):
        open_table(tmp_path).find_media()
