"""Tables of annotations: what is read, what is refused, and the original software's tables."""

from pathlib import Path

import numpy as np
import pytest

from tests.protocol.studies import RIGHT, annotations_of, csv_of, played_study, rows_of
from videomem_hf.protocol.annotation_files import read_annotations
from videomem_hf.protocol.annotations import COLUMNS, MISSING_REASONS, Annotations, write_annotations
from videomem_hf.protocol.checks import find_contradiction
from videomem_hf.protocol.scoring import score_study
from videomem_hf.protocol.simulate_study import SimulatedStudy
from videomem_hf.schema import InputError

ROWS = [*rows_of("p1", RIGHT), *rows_of("p, 2", {(1, 5): 4000.5}, steps=(1,))]


def plain(annotations: Annotations) -> list[tuple[object, ...]]:
    """The showings as tuples with names for numbers, in the order of the table."""
    arrays = {name: getattr(annotations, name).tolist() for name in COLUMNS}
    arrays["participant"] = [annotations.participants[number] for number in arrays["participant"]]
    arrays["video"] = [annotations.videos[number] for number in arrays["video"]]
    arrays["rt_ms"] = [None if np.isnan(value) else round(value, 1) for value in arrays["rt_ms"]]
    return list(zip(*arrays.values(), strict=True))


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def study() -> SimulatedStudy:
    return played_study()


def test_reading_our_table(tmp_path: Path) -> None:
    text = csv_of(ROWS).replace("p, 2", '"p, 2"')
    assert plain(read_annotations([write(tmp_path / "a.csv", text)])) == plain(annotations_of(ROWS))


def test_a_table_written_before_its_column_was_renamed_is_read(tmp_path: Path) -> None:
    rows = rows_of("p1", RIGHT)
    text = csv_of(rows).replace(",pressed,", ",answered,", 1)
    assert plain(read_annotations([write(tmp_path / "a.csv", text)])) == plain(annotations_of(rows))
    both = text.replace("answered", "answered,pressed", 1)
    with pytest.raises(InputError, match=r"b\.csv:1: duplicate column 'pressed'"):
        read_annotations([write(tmp_path / "b.csv", both)])


def test_spelling_variants_mean_the_same(tmp_path: Path) -> None:
    lines = csv_of(rows_of("p1", RIGHT)).splitlines()
    header, *rows = [line.split(",") for line in lines]
    turned = [",".join(reversed(row)) for row in [header, *rows]]
    text = "\ufeff" + "\r\n".join([turned[0].upper(), "", *turned[:0:-1]]) + "\r\n"
    found = plain(read_annotations([write(tmp_path / "a.csv", text.replace("2026-03-01 ", "2026-03-01T"))]))
    assert found == plain(annotations_of(rows_of("p1", RIGHT)))[::-1]
    (tmp_path / "folder").mkdir()
    write(tmp_path / "folder" / "export.csv", "\n".join(lines))
    assert plain(read_annotations([tmp_path / "folder"])) == found[::-1]


def test_times_and_response_times_may_be_left_out(tmp_path: Path) -> None:
    lines = [line.rsplit(",", 2)[0] for line in csv_of(rows_of("p1", RIGHT)).splitlines()]
    found = read_annotations([write(tmp_path / "a.csv", "\n".join(lines))])
    assert np.isnan(found.rt_ms).all()
    assert np.isnat(found.time).all()
    assert found.pressed.sum() == 5


def test_lags_are_within_a_step() -> None:
    rows = [(*row[:3], "a" if row[1:3] == (2, 3) else row[3], *row[4:]) for row in rows_of("p1", RIGHT)]
    found = annotations_of(rows)
    assert found.lag.tolist() == [0, 0, 0, 2, 0, 5, 4, 0, 0, 0, 0]
    assert find_contradiction(found) is None
    assert found.select(found.step == 2).lag.tolist() == [0, 0, 0]


def marked(text: str, **reasons: str) -> str:
    """The table with a column `missing`; `line7="hidden"` marks line 7."""
    header, *rows = text.splitlines()
    lines = [f"{row},{reasons.get(f'line{number}', '')}" for number, row in enumerate(rows, start=2)]
    return "\n".join([f"{header},missing", *lines]) + "\n"


def test_missing_responses_are_read_and_written(tmp_path: Path) -> None:
    """A missing first showing also takes the repeat with it, and a missing filler the target of step 2."""
    text = marked(csv_of(rows_of("p1", RIGHT)), line2="stalled", line6="hidden", line9="unplayable")
    found = read_annotations([write(tmp_path / "a.csv", text)])
    reasons = [MISSING_REASONS[index] for index in found.missing]
    assert {line: reason for line, reason in enumerate(reasons, start=2) if reason} == {
        2: "stalled", 6: "hidden", 9: "unplayable",
    }  # fmt: skip
    # Lines 2 and 7 show a; 6 and 10 show f; 9 and 12 show g.
    assert [line for line, counts in enumerate(found.counted, start=2) if not counts] == [2, 6, 7, 9, 10, 12]
    write_annotations(found, tmp_path / "b.csv")
    assert plain(read_annotations([tmp_path / "b.csv"])) == plain(found)
    with pytest.raises(InputError, match=r"c\.csv:2: 'asleep' in column missing is not empty or one of interrupted, "):
        read_annotations([write(tmp_path / "c.csv", text.replace("stalled", "asleep"))])


@pytest.mark.parametrize(("delimiter", "comma"), [(";", False), ("\t", False), (";", True), ("\t", True)])
def test_other_delimiters_and_decimal_commas(tmp_path: Path, delimiter: str, comma: bool) -> None:
    rows = rows_of("p1", RIGHT)
    text = csv_of(rows).replace(",", delimiter)
    text = text.replace("900.0", "900,0").replace("1200.0", "1200,0") if comma else text
    text = text.replace("1000.0", "1000").replace("3000.0", "3000").replace("3500.0", "3500") if comma else text
    assert plain(read_annotations([write(tmp_path / "a.csv", text)])) == plain(annotations_of(rows))
    bad = text.replace(f"{delimiter}vigilance{delimiter}0", f"{delimiter}probe{delimiter}0")
    with pytest.raises(InputError, match=r"b\.csv:3: 'probe' in column role"):
        read_annotations([write(tmp_path / "b.csv", bad)])


def test_other_columns_are_kept(tmp_path: Path) -> None:
    header, *rows = csv_of(rows_of("p1", RIGHT)).splitlines()
    lines = [f"007,{row},note {number}" for number, row in enumerate(rows)]
    found = read_annotations([write(tmp_path / "a.csv", "\n".join([f"lab,{header},Remark", *lines]))])
    assert found.extra is not None
    assert found.extra["lab"].to_pylist() == ["007"] * 11
    some = found.select(found.step == 2)
    write_annotations(some, tmp_path / "b.csv")
    again = read_annotations([tmp_path / "b.csv"])
    assert again.extra is not None
    assert again.extra["remark"].to_pylist() == ["note 8", "note 9", "note 10"]
    assert plain(again) == plain(some)


def test_a_study_survives_its_file(tmp_path: Path, study: SimulatedStudy) -> None:
    write_annotations(study.annotations, tmp_path / "a.csv")
    found = read_annotations([tmp_path / "a.csv"])
    some = slice(None, None, 997)
    for ours, theirs in zip(plain(study.annotations)[some], plain(found)[some], strict=True):
        assert ours[:-3] == theirs[:-3]
        assert ours[-2:] == theirs[-2:]
        assert ours[-3] == theirs[-3] or abs(ours[-3] - theirs[-3]) < 0.11  # type: ignore[operator]
    assert (score_study(found, study.design).scores["long_term"].hits.sum()) == (
        score_study(study.annotations, study.design).scores["long_term"].hits.sum()
    )


@pytest.mark.parametrize(
    ("line", "old", "new", "message"),
    [
        (3, ",1,2,v,", ",3,2,v,", r"a\.csv:3: '3' in column step is not 1 or 2"),
        (3, ",1,2,v,", ",1.0,2,v,", r"a\.csv:3: '1\.0' in column step is not 1 or 2"),
        (3, ",1,2,v,", ",1,0,v,", r"a\.csv:3: '0' in column position is not a whole number from 1"),
        (3, ",2,v,", ",2,,", r"a\.csv:3: '' in column video is not a video's name"),
        (3, "p1,", ",", r"a\.csv:3: '' in column participant"),
        (3, "vigilance", "probe", r"a\.csv:3: 'probe' in column role is not one of target, vigilance, filler"),
        (5, ",1,1,900.0", ",2,1,900.0", r"a\.csv:5: '2' in column repeat is not 0 or 1"),
        (5, ",1,1,900.0", ",1,yes,900.0", r"a\.csv:5: 'yes' in column pressed is not 0 or 1"),
        (5, ",900.0,", ",-900,", r"a\.csv:5: '-900' in column rt_ms is not empty or milliseconds"),
        (5, ",900.0,", ",inf,", r"a\.csv:5: 'inf' in column rt_ms"),
        (
            5,
            "2026-03-01",
            "01.03.2026",
            r"a\.csv:5: '01\.03\.2026T10:00:32\.000Z' in column time is not empty or a time",
        ),
        (5, ".000Z", "", r"a\.csv:5: '2026-03-01T10:00:32' in column time"),
        (5, ",900.0,", ",", r"a\.csv:5: 8 cells where the header has 9"),
        (5, ",1,4,", ",1,3,", r"a\.csv:5: participant 'p1' has position 3 of step 1 twice"),
        (5, ",1,1,900.0", ",0,1,900.0", r"a\.csv:5: participant 'p1': not marked as a repeat, but shown before"),
        (2, "target,0", "target,1", r"a\.csv:2: participant 'p1': marked as a repeat, but not shown before"),
        (5, ",v,vigilance", ",v,target", r"a\.csv:5: participant 'p1': a role other than at the video's first"),
        (9, ",g,filler,0", ",f,filler,1", r"a\.csv:9: participant 'p1': a filler shown twice"),
        (9, ",g,filler,0", ",a,target,1", r"a\.csv:9: participant 'p1': a video's third showing"),
        (10, "target,1", "target,0", r"a\.csv:10: participant 'p1': a step-2 target not marked as a repeat"),
        (11, "filler,0", "filler,1", r"a\.csv:11: participant 'p1': a step-2 filler marked as a repeat"),
        (12, ",g,target", ",f,target", r"a\.csv:12: participant 'p1': a step-2 video shown twice"),
        (5, ",1,900.0", ",0,900.0", r"a\.csv:5: participant 'p1': a response time without a press"),
        (1, "video,", "clip,", r"a\.csv:1: no column 'video'"),
        (1, "rt_ms", "step", r"a\.csv:1: duplicate column 'step'"),
    ],
)
def test_a_wrong_row_gives_its_line(tmp_path: Path, line: int, old: str, new: str, message: str) -> None:
    lines = csv_of(rows_of("p1", RIGHT)).splitlines()
    assert old in lines[line - 1]
    lines[line - 1] = lines[line - 1].replace(old, new, 1)
    with pytest.raises(InputError, match=message):
        read_annotations([write(tmp_path / "a.csv", "\n".join(lines))])


def test_the_line_is_right_after_blank_lines(tmp_path: Path) -> None:
    lines = csv_of(rows_of("p1", RIGHT)).splitlines()
    lines[4] = lines[4].replace(",1,4,", ",1,3,")
    lines[2:2] = ["", ""]
    with pytest.raises(InputError, match=r"a\.csv:7: participant 'p1' has position 3"):
        read_annotations([write(tmp_path / "a.csv", "\n".join(lines))])


def test_what_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.csv: no such file"):
        read_annotations([tmp_path / "none.csv"])
    with pytest.raises(InputError, match=r"no \.csv file in this folder"):
        read_annotations([tmp_path])
    header = csv_of([])
    with pytest.raises(InputError, match="a header and no rows"):
        read_annotations([write(tmp_path / "a.csv", header)])
    write(tmp_path / "b.csv", csv_of(ROWS[:11]))
    with pytest.raises(InputError, match="2 tables"):
        read_annotations([tmp_path])
    (tmp_path / "c.csv").write_bytes(csv_of(ROWS[:11]).replace("p1", "pé").encode("latin-1"))
    with pytest.raises(InputError, match=r"c\.csv.*UTF-8"):
        read_annotations([tmp_path / "c.csv"])


ORIGINAL_COLUMNS = (
    "rt,key_press,trial_type,subject,gender,sequence_id,video_id,target1_or_filler0,"
    "firstoccurrence1_or_secondoccurrence2,video_position,url_name,correct"
)


def original(rows: list[tuple[object, ...]], step: int) -> str:
    """The original software's table of a step; our rows are `rows_of`'s."""
    header = ORIGINAL_COLUMNS if step == 1 else ORIGINAL_COLUMNS.replace("sequence_id,", "")
    lines = [",".join(f'"{name}"' for name in header.split(","))]
    blank = ["NULL"] * len(header.split(","))
    lines.append(",".join([*blank[:2], '"text"', '"p1"', *blank[4:]]))
    for participant, of_step, position, video, role, repeat, pressed, rt, _ in rows:
        if of_step != step:
            continue
        occurrence = 2 if step == 1 and repeat else 1
        cells = [rt if pressed else -1, 32 if pressed else -1, "single-stim", participant, "f"]
        cells += [17] if step == 1 else []
        cells += [position, int(role == "target"), occurrence, position, f"../videos/{video}.webm", 1]
        lines.append(",".join(f'"{cell}"' for cell in cells))
    return "\n".join(lines) + "\n"


def test_the_original_softwares_tables(tmp_path: Path) -> None:
    first = write(tmp_path / "results_day1_on_table.csv", original(ROWS, 1))
    second = write(tmp_path / "results_day2_on_table.csv", original(ROWS, 2))
    expected = {row[:8] for row in plain(annotations_of(ROWS))}
    for paths in ([first, second], [second, first], [tmp_path]):
        found = read_annotations(paths)
        assert {row[:8] for row in plain(found)} == expected
        assert np.isnat(found.time).all()
    assert {row[:8] for row in plain(read_annotations([second]))} == {row for row in expected if row[1] == 2}


@pytest.mark.parametrize("change", [str.upper, lambda text: text.replace(",", ";")])
def test_the_originals_spelling_may_vary(tmp_path: Path, change) -> None:
    head, rest = original(ROWS[:8], 1).split("\n", 1)
    text = change(head) + "\n" + (rest if change is str.upper else change(rest))
    found = read_annotations([write(tmp_path / "day1.csv", text)])
    assert {row[:8] for row in plain(found)} == {row[:8] for row in plain(annotations_of(ROWS[:8]))}


def test_backslash_escapes_of_the_original(tmp_path: Path) -> None:
    header, page, *rows = original(ROWS[:8], 1).splitlines()
    escaped = [f'{row},"<video width=\\"854\\", autoplay>"' for row in rows]
    text = "\n".join([f"{header},stimulus", page.replace("NULL", "\\N") + ",\\N", *escaped])
    found = read_annotations([write(tmp_path / "day1.csv", text)])
    assert {row[:8] for row in plain(found)} == {row[:8] for row in plain(annotations_of(ROWS[:8]))}


def test_a_step2_target_that_the_original_shows_twice_is_no_annotation(tmp_path: Path) -> None:
    rows = original(rows_of("p1", RIGHT, steps=(2,)), 2).splitlines()
    rows.append(rows[2].replace('"1","../videos', '"4","../videos'))
    found = read_annotations([write(tmp_path / "day2.csv", "\n".join(rows))])
    roles = {row[2]: row[4] for row in plain(found)}
    assert roles == {1: 1, 2: 2, 3: 0, 4: 1}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"3","../videos/b', '"x","../videos/b', r"day1\.csv:5: 'x' in column video_position is not a whole"),
        ('"17","3","1","1"', '"17","3","2","1"', r"day1\.csv:5: '2' in column target1_or_filler0 is not 0 or 1"),
        ('"17","3","1","1"', '"17","3","1","1.5"', r"day1\.csv:5: '1\.5' in column firstoccurrence1"),
        ('"900.0"', '"soon"', r"day1\.csv:6: 'soon' in column rt is not milliseconds"),
        ('"17","4","0","2"', '"17","4","0","1"', r"day1\.csv:6: participant 'p1': not marked as a repeat"),
        ('"../videos/g.webm"', "NULL", r"day1\.csv:10: column url_name is empty"),
        ('"url_name"', '"url"', r"day1\.csv:1: no column 'url_name'"),
    ],
)
def test_a_wrong_row_of_the_original_gives_its_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = original(ROWS[:8], 1)
    assert old in text
    with pytest.raises(InputError, match=message):
        read_annotations([write(tmp_path / "day1.csv", text.replace(old, new, 1))])


def test_two_tables_of_one_step_are_refused(tmp_path: Path) -> None:
    for name in ("a_day1.csv", "b_day1.csv"):
        write(tmp_path / name, original(ROWS, 1))
    with pytest.raises(InputError, match="Two tables of step 1"):
        read_annotations([tmp_path])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"p1,1,3,b", b"p1,1,3,b\0", r"a\.csv:4: 'b.' in column video is not a video's name"),
        (b"p1,1,3,b", b'p1,1,3,"b', r"a\.csv:4: not a CSV row \(.*\), perhaps an open quote"),
        (b"p1,1,3,b", b"p1,1,3,\xe9", r"a\.csv:4: not UTF-8"),
    ],
)
def test_bytes_that_are_no_text_are_refused_with_their_line(tmp_path, old, new, message) -> None:
    table = csv_of(rows_of("p1", RIGHT)).encode()
    assert table.count(old) == 1
    (tmp_path / "a.csv").write_bytes(table.replace(old, new))
    with pytest.raises(InputError, match=message):
        read_annotations([tmp_path / "a.csv"])
