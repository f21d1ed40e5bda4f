"""Tables in every format give the same rows; what cannot be read is one sentence with its location."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.data.release_trees import write
from videomem_hf.data.tables.formats import read_table
from videomem_hf.schema import InputError

COLUMNS = ["clip", "score", "n", "note"]
ROWS = [["a.mp4", 0.25, 12, "first"], ["b", 1.0, 30, None], ["7", None, 9, "x, y"]]
TEXT = 'clip,score,n,note\na.mp4,0.25,12,first\nb,1.0,30,\n7,nan,9,"x, y"\n'


def as_numbers(table: object) -> list[list[object]]:
    """Values with the numbers that text holds."""
    rows = []
    for row in table.rows:  # type: ignore[attr-defined]
        clip, score, n, note = (row.values.get(name) for name in COLUMNS)
        number = None if score is None else float(str(score).replace(",", "."))
        rows.append([str(clip), number, int(str(n)), note])
    return rows


def excel(path: Path) -> Path:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in [COLUMNS, *ROWS]:
        book.active.append(row)
    book.create_sheet("empty")
    book.save(path)
    return path


def ods(path: Path) -> Path:
    pytest.importorskip("odf")
    from odf.opendocument import OpenDocumentSpreadsheet
    from odf.table import Table, TableCell, TableRow
    from odf.text import P

    document, sheet = OpenDocumentSpreadsheet(), Table(name="scores")
    for values in [COLUMNS, *ROWS]:
        row = TableRow()
        for value in values:
            number = isinstance(value, int | float)
            cell = TableCell(valuetype="float", value=value) if number else TableCell(valuetype="string")
            cell.addElement(P(text="" if value is None else str(value)))
            row.addElement(cell)
        sheet.addElement(row)
    document.spreadsheet.addElement(sheet)
    document.save(str(path))
    return path


def parquet(path: Path) -> Path:
    pq.write_table(pa.table(dict(zip(COLUMNS, map(list, zip(*ROWS, strict=True)), strict=True))), path)
    return path


OBJECTS = [dict(zip(COLUMNS, row, strict=True)) for row in ROWS]
MAKERS = {
    "t.csv": lambda path: write(path, TEXT),
    "t.tsv": lambda path: write(path, TEXT.replace('"x, y"', "x; y").replace(",", "\t").replace("x; y", "x, y")),
    "semicolons.csv": lambda path: write(
        path,
        TEXT.replace('"x, y"', "x. y")
        .replace(",", ";")
        .replace(".", ",")
        .replace("a,mp4", "a.mp4")
        .replace("x, y", "x, y"),
    ),
    "sep.csv": lambda path: write(path, "sep=;\r\n" + TEXT.replace(",", ";").replace("x; y", "x, y")),
    "utf16.csv": lambda path: write(path, TEXT.encode("utf-16")),
    "excels_empty_columns.csv": lambda path: write(path, "\n".join(f"{line},," for line in TEXT.splitlines())),
    "t.jsonl": lambda path: write(path, "\n".join(map(json.dumps, OBJECTS))),
    "t.json": lambda path: write(path, json.dumps(OBJECTS)),
    "t.parquet": parquet,
    "t.xlsx": excel,
    "t.ods": ods,
}


@pytest.mark.parametrize("name", MAKERS)
def test_every_format_gives_the_same_rows(tmp_path: Path, name: str) -> None:
    if name.endswith(("xlsx", "ods")):
        pytest.importorskip("python_calamine")
    table = read_table(MAKERS[name](tmp_path / name))
    assert list(table.columns) == COLUMNS
    assert as_numbers(table) == [[str(clip), score, n, note] for clip, score, n, note in ROWS]
    assert all(str(tmp_path / name) in row.location for row in table.rows)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.csv", "clip,score\na,0.5,1\n", r"t.csv:2: 3 cells where the header has 2"),
        ("t.csv", 'clip,score\na,0.5\n"b,0.5\n', r"t.csv:3: not a CSV line \(a quote that is not closed"),
        ("t.csv", "clip,score,Score\na,1,1\n", r"t.csv:1: column 'score' twice"),
        ("t.csv", "0.5,1\n0.7,2\n", r"t.csv:1: the first line names no columns"),
        ("t.csv", "clip,score\n", r"t.csv: a header and no rows"),
        ("t.json", '{"a": 1}', r"t.json: not a list of rows"),
        ("t.json", "[1]", r"t.json: entry 1: not an object"),
        ("t.jsonl", '{"a": 1}\n{"a": }', r"t.jsonl:2: not JSON"),
        ("t.jsonl", '{"a": 1}\n{"a": 1, "a": 2}', r"t.jsonl:2: 'a' twice in one object; keep one of them"),
        ("t.parquet", "x", r"t.parquet: not a Parquet file"),
        ("t.doc", "x", r"t.doc: a table ends in one of .csv"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_table(write(tmp_path / name, text))
    assert "\n" not in str(caught.value)


def test_names_that_parquet_has_as_bytes_are_text(tmp_path: Path) -> None:
    pq.write_table(pa.table({"clip": [b"a.mp4"], "score": [0.5]}), tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet").rows[0].values == {"clip": "a.mp4", "score": 0.5}


def test_sheets(tmp_path: Path) -> None:
    pytest.importorskip("python_calamine")
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.load_workbook(excel(tmp_path / "t.xlsx"))
    book["empty"].append(["clip", "score"])
    book.save(tmp_path / "t.xlsx")
    with pytest.raises(InputError, match=r"several sheets have content \(Sheet, empty\); say which with sheet="):
        read_table(tmp_path / "t.xlsx")
    assert len(read_table(tmp_path / "t.xlsx", "Sheet").rows) == 3
    with pytest.raises(InputError, match="no sheet 'x'; there are Sheet, empty"):
        read_table(tmp_path / "t.xlsx", "x")
    with pytest.raises(InputError, match="not a spreadsheet that can be read"):
        read_table(write(tmp_path / "broken.xlsx", b"PK\x03\x04rubbish"))
    with pytest.raises(InputError, match="has no sheets"):
        read_table(write(tmp_path / "t.csv", TEXT), "Sheet")
