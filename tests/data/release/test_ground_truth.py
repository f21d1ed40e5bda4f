"""Ground-truth tables in every form that circulates, and damaged ones."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data.release_trees import HEADER, course_ground_truth, make_truth, mediaeval_ground_truth, write
from videomem_hf.data.release.csv_tables import parse_number
from videomem_hf.data.release.ground_truth import GroundTruthRow, ground_truth_release, read_ground_truth
from videomem_hf.data.release.names import parse_video_file, parse_video_id, video_number
from videomem_hf.schema import InputError

NUMBERS = [1, 2, 10, 100, 101, 1000, 9999]
ORIGINAL = mediaeval_ground_truth(NUMBERS)


def by_number(rows: list[GroundTruthRow]) -> dict[int, tuple[float | int | None, ...]]:
    return {video_number(row.video_id): row.values for row in rows}


EXPECTED = {
    number: (truth.short_term, truth.long_term, truth.short_term_annotations, truth.long_term_annotations)
    for number in NUMBERS
    for truth in [make_truth(number)]
}


@pytest.mark.parametrize(
    "data",
    [
        ORIGINAL,
        course_ground_truth(NUMBERS),
        ORIGINAL.removeprefix(b"\xef\xbb\xbf"),
        ORIGINAL.replace(b"\r\n", b"\n"),
        ORIGINAL.replace(b"\r\n", b"\r"),
        ORIGINAL + b"\r\n\r\n",
        ORIGINAL.replace(b".webm", b""),
        ORIGINAL.replace(b".webm", b".mp4"),
        ORIGINAL.replace(b"\nvideo", b"\n").replace(b".webm", b""),
        ORIGINAL.replace(b".webm", b".0").replace(b"\nvideo", b"\n"),
        ORIGINAL.replace(b",", b";"),
        ORIGINAL.replace(b",", b"\t"),
        ORIGINAL.replace(b",", b" , "),
        b'"' + ORIGINAL[3:].replace(b",", b'","').replace(b"\r\n", b'"\r\n"') + b'"',
        b"\xef\xbb\xbf" + ORIGINAL,
        ORIGINAL.upper(),
        ORIGINAL[3:].decode().encode("utf-16"),
        b"\xef\xbb\xbfsep=;\r\n" + ORIGINAL[3:].replace(b",", b";"),
        ORIGINAL.replace(b",", b";").replace(b".", b",").replace(b",webm", b".webm"),
        ORIGINAL.replace(b",", b"\t").replace(b".", b",").replace(b",webm", b".webm"),
        b"\n".join(b"%d,%s" % (i, line) if i else b"," + line for i, line in enumerate(ORIGINAL[3:].split(b"\r\n"))),
    ],
)
def test_every_form_gives_the_same_values(tmp_path: Path, data: bytes) -> None:
    path = write(tmp_path / "table.csv", data)
    assert ground_truth_release(path) == "2018"
    assert by_number(read_ground_truth(path)) == EXPECTED


def test_numbers_are_finite_and_have_a_decimal_point() -> None:
    assert [parse_number(cell) for cell in ("-1.5e-3", "+2", ".5", "1,5", "-0,001")] == [-0.0015, 2, 0.5, 1.5, -0.001]
    for cell in ("nan", "inf", "1e999", "-1e999", "1,500", "1,5,2", "0x1", "1_0", ""):
        with pytest.raises(ValueError, match="a number with a decimal point"):
            parse_number(cell)


def test_empty_cells_and_columns_in_another_order(tmp_path: Path) -> None:
    path = write(
        tmp_path / "t.csv",
        "long-term_memorability,video,short-term_memorability,nb_long-term_annotations,nb_short-term_annotations\n"
        ",7,,,\n0.5,video8.webm,1,10,33.0\n",
    )
    first, second = read_ground_truth(path)
    assert (first.values, first.labelled, first.line) == ((None, None, None, None), False, 2)
    assert (second.video_id, second.values) == ("video8", (1.0, 0.5, 33, 10))


def test_counts_may_be_left_out_together(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "video,short-term_memorability,long-term_memorability\nvideo1.webm,0.9,0.8\n")
    assert read_ground_truth(path)[0].values == (0.9, 0.8, None, None)


ROW = "video5.webm,0.900,33,0.800,10"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"t.csv is empty"),
        (b" \r\n ", r"t.csv is empty"),
        (HEADER.encode(), r"t.csv: a header and no rows"),
        (f"{HEADER}\n{ROW},1".encode(), r"t.csv:2: 6 cells where the header has 5"),
        (f"{HEADER}\n{ROW}\nvideo6.webm,0.9".encode(), r"t.csv:3: 2 cells where the header has 5"),
        (f"{HEADER}\n\n{ROW.replace('0.900', '0,900')}".encode(), r"t.csv:3: 6 cells"),
        (
            f"{HEADER}\n{ROW.replace('0.900', '1.900')}".encode(),
            r"t.csv:2: '1.900' in column short-term_memorability is",
        ),
        (f"{HEADER}\n{ROW.replace('0.800', '-0.1')}".encode(), r"t.csv:2: '-0.1' in column long-term_memorability"),
        (f"{HEADER}\n{ROW.replace('33', '33x')}".encode(), r"t.csv:2: '33x' in column"),
        (f'{HEADER}\n{ROW}\n"video6.webm,0.9,33,0.8,10\n{ROW}'.encode(), r"t.csv:3: not a CSV line \(a quote that"),
        (
            f"{HEADER}\n{ROW.replace('33', chr(34) + '1,000' + chr(34))}".encode(),
            r"t.csv:2: '1,000' in column nb_short",
        ),
        (
            f"{HEADER}\n{ROW.replace('33', chr(34) + '3' + chr(10) + '3' + chr(34))}".encode(),
            r"t.csv:2: '3\\n3' in column",
        ),
        (f"{HEADER}\n{ROW.replace('0.900', '0.9O0')}".encode(), r"t.csv:2: '0.9O0' in column"),
        (f"{HEADER}\n{ROW.replace('33', '33.5')}".encode(), r"t.csv:2: '33.5' in column nb_short-term_annotations"),
        (f"{HEADER}\n{ROW.replace('33', '-3')}".encode(), r"t.csv:2: '-3' in column nb_short-term_annotations"),
        (
            f"{HEADER}\n{ROW.replace('video5.webm', '../../etc/passwd')}".encode(),
            r"t.csv:2: '../../etc/passwd' is not a",
        ),
        (f"{HEADER}\n{ROW.replace('video5', 'clip5')}".encode(), r"t.csv:2: 'clip5.webm' is not a video's name"),
        (f"{HEADER}\n{ROW.replace('video5', 'video0')}".encode(), r"t.csv:2: 'video0.webm' is not a video's name"),
        (
            HEADER.replace("short-term_m", "shortterm_m").encode() + b"\n" + ROW.encode(),
            r"t.csv:1: no column 'short-term_",
        ),
        (
            HEADER.replace("nb_long", "n_long").encode() + b"\n" + ROW.encode(),
            r"t.csv:1: no column 'nb_long-term_annot",
        ),
        (
            HEADER.replace("video,", "short-term_memorability,").encode() + b"\n" + ROW.encode(),
            r"t.csv:1: column 'short",
        ),
        (ROW.encode() + b"\n" + ROW.encode(), r"t.csv:1: (column|no column)"),
        (f"{HEADER}\n{ROW}".encode("utf-16")[:-1], r"t.csv is damaged UTF-16"),
        (f"{HEADER}\n{ROW}".encode("utf-16-le"), r"t.csv:1: a zero byte"),
        (HEADER.encode() + b"\nvideo5\xff.webm,0.9,33,0.8,10", r"t.csv:2: byte 0xff is not UTF-8"),
        (HEADER.encode() + b"\nvideo5.webm\0,0.9,33,0.8,10", r"t.csv:2: a zero byte"),
        (f'{HEADER}\n"{ROW}'.encode(), r"t.csv:2: not a CSV line"),
        (b"PK\x03\x04" + b"x" * 50, r"t.csv is a spreadsheet or zip"),
    ],
)
def test_damage_is_one_sentence_with_file_and_line(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_ground_truth(write(tmp_path / "t.csv", data))


def test_other_tables_are_not_taken_for_a_ground_truth(tmp_path: Path) -> None:
    for name, text in {
        "submission.csv": "video1.webm,0.5,1\r\nvideo2.webm,0.6,1",
        "notes.txt": "video and memorability",
        "captions.txt": "video1.webm\ta-b-c",
        "other.csv": "a,b,c,d,e\n1,2,3,4,5",
        "ground-truth.md": HEADER,
    }.items():
        assert ground_truth_release(write(tmp_path / name, text)) is None
    assert ground_truth_release(write(tmp_path / "x.csv", ROW)) == "2018"
    assert ground_truth_release(write(tmp_path / "ground-truth_dev-set.csv", "damaged")) == "2018"


@pytest.mark.parametrize("cell", ["", "nan", "NaN", "NA", "N/A", "null", "NULL", "None"])
def test_what_says_that_nothing_is_known_is_unknown(tmp_path: Path, cell: str) -> None:
    path = write(tmp_path / "t.csv", f"{HEADER}\nvideo5.webm,{cell},{cell},0.8,10\n")
    assert read_ground_truth(path)[0].values == (None, 0.8, None, 10)


def test_2022_tables_have_the_normalised_score(tmp_path: Path) -> None:
    path = write(
        tmp_path / "train_scores.csv",
        "video_id,video_url,annotations_short_term,annotations_long_term,scores_normalized_short_term,"
        "scores_raw_long_term\n12,http://x,30,9,0.75,0.667\n",
    )
    assert ground_truth_release(path) == "2022"
    row = read_ground_truth(path, "2022")[0]
    assert (row.video_id, row.values) == ("video12", (0.75, 0.667, 30, 9))


@given(st.integers(9, 40).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_released_long_term_scores_are_proportions(k_of_n: tuple[int, int]) -> None:
    k, n = k_of_n
    for text in (f"{k / n:.3f}", repr(k / n)):
        row = GroundTruthRow("video1", None, float(text), None, n, 1)
        assert row.is_proportion
    assert not GroundTruthRow("video1", None, (k + 0.4) / n, None, n, 1).is_proportion


@given(st.integers(1, 10**6), st.sampled_from(["", ".webm", ".WEBM", ".txt", ".0"]), st.integers(0, 3))
def test_ids_are_read_from_names(number: int, ending: str, zeros: int) -> None:
    assert parse_video_id(f" {'0' * zeros}{number}{ending}") == f"video{number}"
    assert parse_video_id(f"video{'0' * zeros}{number}{ending.replace('.0', '')} ") == f"video{number}"


@given(st.text())
def test_no_name_breaks_the_reader(text: str) -> None:
    found = parse_video_id(text)
    assert found is None or found == f"video{video_number(found)}"
    assert parse_video_file(text) is None or text.lower().startswith("video")


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "t.csv"
    path.write_bytes(HEADER.encode() + b"\n" + data)
    with contextlib.suppress(InputError):
        assert read_ground_truth(path)
