import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import videomem_hf
from tests.clips import grey_levels, write_clip
from tests.inference.test_predictor import tiny  # noqa: F401 - a fixture
from videomem_hf.cli import app, main
from videomem_hf.video.video import probe


@pytest.fixture
def folder(tmp_path, tiny, monkeypatch):  # noqa: F811
    """Three clips, the middle one unreadable, and a model in `model/`."""
    tiny.model.save_pretrained(tmp_path / "model")
    tiny.processor.save_pretrained(tmp_path / "model")
    (tmp_path / "clips").mkdir()
    write_clip(tmp_path / "clips" / "a.webm", grey_levels(72))
    (tmp_path / "clips" / "b.mp4").write_text("this is not a video")
    write_clip(tmp_path / "clips" / "c $1.webm", grey_levels(24))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(app, ["predict", *arguments, "--model", "model", "--device", "cpu"])


def test_table_json_csv_and_plots(folder):
    result = run("clips", "--json", "out.json", "--csv", "out.csv", "--plots", "plots")
    assert result.exit_code == 1, result.output
    assert "not a video that FFmpeg can read" in " ".join(result.stdout.replace("│", " ").split())
    assert "2 clips scored by model, 1 failed" in " ".join(result.stdout.split())

    rows = json.loads((folder / "out.json").read_text())
    assert [row["clip"] for row in rows] == ["clips/a.webm", "clips/b.mp4", "clips/c $1.webm"]
    assert [len(row.get("frames", [])) for row in rows] == [3, 0, 1]
    assert "error" in rows[1]
    with (folder / "out.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    for row, line in zip(rows, table, strict=True):
        assert line["clip"] == row["clip"]
        assert line["frames"] == str(len(row.get("frames", [])))
        assert (
            (float(line["short_term"]) == pytest.approx(row["short_term"], abs=1e-6))
            if "frames" in row
            else line["note"]
        )
    plots = sorted(p.name for p in (folder / "plots").iterdir())
    assert plots == ["a.png", "c_1.png"]
    assert np.asarray(Image.open(folder / "plots" / "a.png").convert("RGB")).std() > 10


def test_all_readable_is_success_and_json_to_stdout_is_clean(folder):
    result = run("clips/a.webm", "--json", "-")
    assert result.exit_code == 0
    assert json.loads(result.stdout)[0]["clip"] == "clips/a.webm"
    assert "1 clips scored" in " ".join(result.stderr.split())


def test_overlay_videos(folder):
    result = run("clips", "--overlay", "videos")
    assert result.exit_code == 1, result.output
    assert sorted(p.name for p in (folder / "videos").iterdir()) == ["a.mp4", "c_1.mp4"]
    info = probe(folder / "videos" / "a.mp4")
    assert (info.codec, info.frames_per_second, info.duration_s) == ("h264", 24, pytest.approx(3))
    rows = "".join(line for line in result.stdout.splitlines() if "c $1" in line)
    assert rows.count("│") == 6


def test_clips_of_the_same_name_keep_their_plots(folder):
    (folder / "other").mkdir()
    write_clip(folder / "other" / "a.webm", grey_levels(24))
    assert run("clips/a.webm", "other/a.webm", "--plots", "plots").exit_code == 0
    assert sorted(p.name for p in (folder / "plots").iterdir()) == ["a-2.png", "a.png"]


def test_an_interruption_keeps_what_is_done(folder, monkeypatch):
    from videomem_hf.inference import Predictor

    real = Predictor.predict

    def interrupted(self, source, *arguments):
        if "c $1" in str(source):
            raise KeyboardInterrupt
        return real(self, source, *arguments)

    monkeypatch.setattr(Predictor, "predict", interrupted)
    result = run("clips", "--json", "out.json", "--csv", "out.csv")
    assert result.exit_code == 130
    assert "2 of 3 clips are done" in result.stderr
    assert len(json.loads((folder / "out.json").read_text())) == 2
    assert len((folder / "out.csv").read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.mp4"], "missing.mp4: no such file or folder"),
        (["clips", "--json", "no/such/folder.json"], "does not exist; make it first"),
        (["clips", "--plots", "clips/a.webm"], "cannot be a folder"),
        (["clips", "--overlay", "clips/a.webm"], "--overlay clips/a.webm: cannot be a folder"),
        (["clips", "--model", "clips"], "no model can be loaded"),
    ],
)
def test_mistakes_end_in_one_sentence(folder, arguments, message, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["videomem", "predict", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 1
    error = capsys.readouterr().err
    assert error.startswith("videomem: ")
    assert message in error
    assert error.count("\n") == 1


def test_the_module_runs(folder):
    environment = {**os.environ, "PYTHONPATH": str(Path(videomem_hf.__file__).parents[1])}
    command = [sys.executable, "-m", "videomem_hf", "predict", "missing.mp4"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False, env=environment)
    assert (result.returncode, result.stderr) == (1, "videomem: missing.mp4: no such file or folder\n")
