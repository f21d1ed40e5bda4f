"""The raw responses of MediaEval 2021: scores by hand, and what is no such table."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from videomem_hf.cli import app
from videomem_hf.protocol.mediaeval_tables import score_tables
from videomem_hf.schema import InputError

HEADER = "video_id,video_url,video_position_first,video_position_second,key_press,rt"
ROWS = ["7,u,3,60,32,1500", "7,u,10,90,-1,-1", "7,u,1,99,32,900.5", "12,u,5,50,,", "12,u,2,80,32,2000"]


def write(path: Path, rows: list[str]) -> Path:
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    return path


def test_scores_are_the_hit_rates_of_the_rows(tmp_path: Path) -> None:
    files = [write(tmp_path / "training_short_term_annotations.csv", ROWS[:3]), write(tmp_path / "dev.csv", ROWS[3:])]
    annotations, scores = score_tables(files, lag_correction="never")
    assert len(annotations) == 0
    assert scores.videos == ("video12", "video7")
    short = scores.scores["short_term"]
    assert short.score == pytest.approx([1 / 2, 2 / 3])
    assert short.annotations.tolist() == [2, 3]
    assert short.mean_lag == pytest.approx([(45 + 78) / 2, (57 + 80 + 98) / 3])
    assert short.rt_ms == pytest.approx([2000, (1500 + 900.5) / 2])
    assert not scores.scores["long_term"].annotations.any()


def test_the_commands_take_them(tmp_path: Path) -> None:
    draw = np.random.default_rng(3)
    rows = [
        f"{video},u,{first},{first + lag},{key},{1000 + lag if key == 32 else -1}"
        for video in range(1, 41)
        for first, lag, key in zip(
            draw.integers(1, 80, 20), draw.integers(45, 101, 20), np.where(draw.random(20) < 0.5 + video / 100, 32, -1),
            strict=True,
        )
    ]  # fmt: skip
    table = write(tmp_path / "raw.csv", rows)
    for name, out, *options in (("score", tmp_path / "out"), ("analyse", tmp_path / "an", "--splits", "2")):
        command = [str(name), str(table), str(out), *map(str, options)]
        result = CliRunner().invoke(app, command, catch_exceptions=False)
        assert result.exit_code == 0, result.output
    with (tmp_path / "out/scores.csv").open(newline="") as file:
        assert {row["video"] for row in csv.DictReader(file)} == {f"video{number}" for number in range(1, 41)}
    assert json.loads((tmp_path / "an/analysis.json").read_text())["study"]["short_term"]["annotations"] == 800


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("7,u,3,x,32,1500", r"raw\.csv:2: video_id '7', .*'x'.*; positions, key and rt are numbers"),
        ("7,u,60,3,32,1500", r"raw\.csv:2: .*; the second position is after the first"),
        ("7,u,3,60,32,0", r"raw\.csv:2: .* takes more than 0 ms"),
        ("7,u,3,60", r"raw\.csv:2: .*; positions, key and rt are numbers"),
        ("", r"raw\.csv: a header and no rows"),
    ],
)
def test_a_wrong_row_gives_its_line(tmp_path: Path, row: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        score_tables([write(tmp_path / "raw.csv", [row])])
