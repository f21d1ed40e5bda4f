"""Titles belong to clips: in a file on the command line, in a list, a mapping or a row in Python."""

import csv
from functools import partial

import numpy as np
import pytest
import torch
from transformers import pipeline
from typer.testing import CliRunner

import videomem_hf
from tests.clips import grey_levels, write_clip
from tests.inference.test_predictor import tiny  # noqa: F401 - a fixture
from videomem_hf.cli import app
from videomem_hf.cli.options import quote
from videomem_hf.cli.predict_here import Scoring
from videomem_hf.cli.predict_next import next_commands
from videomem_hf.inference import ray_engine
from videomem_hf.models import config_class, model_class
from videomem_hf.schema import InputError

TITLES = {"a.webm": "red-car", "b.webm": "blue-sea"}


@pytest.fixture
def folder(tmp_path, tiny, monkeypatch):  # noqa: F811
    """Three clips, of which two have titles, a model of titles and one of frames."""
    torch.manual_seed(0)
    model = model_class("multiview")(config_class("multiview")(view_names=["title_words"], view_sizes=[8192]))
    model.save_pretrained(tmp_path / "words")
    tiny.model.save_pretrained(tmp_path / "frames")
    tiny.processor.save_pretrained(tmp_path / "frames")
    (tmp_path / "clips").mkdir()
    for name in ("a.webm", "b.webm", "c.webm"):
        write_clip(tmp_path / "clips" / name, grey_levels(24))
    (tmp_path / "titles.txt").write_text("a.webm\tred-car\nclips/b.webm\tblue-sea\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments, model="words"):
    return CliRunner().invoke(app, ["predict", *arguments, "--model", model, "--device", "cpu"])


def scores_of(title):
    return videomem_hf.predict("clips/a.webm", model="words", device="cpu", title=title).scores["short_term"]


def in_process(work, jobs):
    """What Ray does, in this process."""
    yield from zip(jobs, work.make()(list(jobs)), strict=True)


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_a_file_gives_each_clip_its_title(folder, monkeypatch, engine):
    monkeypatch.setattr(ray_engine, "run_ray_jobs", in_process)
    result = run("clips", "--titles", "titles.txt", "--csv", "out.csv", "--engine", engine)
    assert result.exit_code == 1, result.output  # one has no title, and nothing else is read of it
    with (folder / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    red, blue = scores_of("red car"), scores_of("blue sea")
    assert red != blue
    assert [float(row["short_term"]) for row in rows[:2]] == pytest.approx([red, blue], abs=1e-6)
    assert rows[2]["short_term"] == ""
    assert "Without its title: none is given" in rows[2]["note"]


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_the_next_command_keeps_the_options(folder, monkeypatch, engine):
    monkeypatch.setattr(ray_engine, "run_ray_jobs", in_process)
    given = ("--titles", "titles.txt", "--precision", "float32")
    result = run("clips/a.webm", *given, "--csv", "out.csv", "--engine", engine)
    assert result.exit_code == 0, result.output
    following = result.stderr.split("Next:\n")[1].splitlines()[0].split()
    assert following[:3] == ["videomem", "predict", "clips/a.webm"]
    for option in (*given, "--device", "cpu", "--model", "words"):
        assert option in following


def test_titles_that_fit_no_clip_or_model_are_refused(folder):
    cases = [
        (("clips", "--title", "a"), "words", "--title is for one clip, and there are 3 clips; give --titles FILE"),
        (("clips/a.webm", "--title", "a", "--titles", "titles.txt"), "words", "--title and --titles are both given"),
        (("clips/c.webm", "--titles", "titles.txt"), "words", "titles.txt: has no title of these clips"),
        (("clips", "--titles", "titles.txt"), "frames", "this model reads no titles"),
    ]
    for arguments, model, message in cases:
        error = run(*arguments, model=model).exception
        assert isinstance(error, InputError)
        assert message in str(error)
    assert run("clips/a.webm", "--title", "red car").exit_code == 0


def test_python_takes_titles_by_name_and_of_rows(folder):
    clips = [f"clips/{name}.webm" for name in "abc"]
    rows = [{"video": {"path": path, "bytes": None}, "title": TITLES.get(path[6:])} for path in clips]
    predict = partial(videomem_hf.predict, model=folder / "words", device="cpu")
    pipe = pipeline("video-memorability", model="words", device="cpu")
    expected = [scores_of("red-car"), scores_of("blue-sea")]
    for found in (predict(clips, titles=TITLES), predict(rows)):
        assert [each.scores["short_term"] for each in found[:2]] == pytest.approx(expected, abs=1e-9)
        assert "none is given" in str(found[2].error)
    for found in (pipe(clips[:2], titles=TITLES), pipe(clips[:2], titles=list(TITLES.values()), batch_size=1)):
        assert [each["short_term"] for each in found] == pytest.approx(expected, abs=1e-6)
    assert [each["short_term"] for each in pipe(rows[:2])] == pytest.approx(expected, abs=1e-6)
    assert predict(rows[1]).scores["short_term"] == pytest.approx(expected[1], abs=1e-9)
    assert predict(rows[1], title="red car").scores["short_term"] == pytest.approx(expected[0], abs=1e-9)
    assert predict(clips[0], titles=TITLES).scores["short_term"] == pytest.approx(expected[0], abs=1e-9)
    with pytest.raises(InputError, match="titles are one per clip"):
        pipe(clips, titles="red car")
    without = videomem_hf.predict(rows, model=folder / "frames", device="cpu")  # ignores the titles of rows
    assert all(np.isfinite(each.scores["short_term"]) for each in without)


def test_no_maps_cost_the_videos_and_not_the_scores(folder):
    result = run("clips/a.webm", "--title", "red car", "--overlay", "videos")
    assert result.exit_code == 0, result.output
    assert "no overlay videos, as saliency maps are missing: words offers none" in result.stderr
    assert "1 clip scored by words" in " ".join(result.stdout.split())
    assert not list((folder / "videos").iterdir())


def test_what_comes_next_can_be_pasted(folder):
    clip, other = folder / "clips" / "a b.webm", folder / "clips" / "c.webm"
    lines = next_commands([clip, other], " --model 'my model'", drawn=False, maps=True, written=False)
    assert lines == [
        f"videomem predict {quote(clip)} --model 'my model' --plots plots",
        f"videomem predict {quote(clip)} {other} --model 'my model' --csv scores.csv",
    ]
    assert next_commands([other], "", drawn=True, maps=True, written=False) == [
        f"videomem predict {other} --overlay videos"
    ]
    assert next_commands([other], "", drawn=True, maps=True, written=True) == []


def test_titles_of_other_clips_are_counted(folder):
    lines = [*TITLES.items(), *((f"other{number}.webm", "a-title") for number in range(4))]
    (folder / "titles.txt").write_text("".join(f"{name}\t{title}\n" for name, title in lines))
    result = run("clips/a.webm", "clips/b.webm", "--titles", "titles.txt")
    assert result.exit_code == 0, result.output
    said = "titles.txt: 4 titles of clips that are not given: other0.webm, other1.webm, other2.webm, ..."
    assert said in result.stderr


@pytest.mark.parametrize(
    "content", [b"", "a.webm\tcaf\u00e9".encode("latin-1"), b"\xff\xfea", b"a\0.\0", b"PK\x03\x04"]
)
def test_errors_of_a_file_of_ones_own_speak_of_no_release(folder, content):
    (folder / "titles.txt").write_bytes(content)
    error = run("clips/a.webm", "--titles", "titles.txt").exception
    assert isinstance(error, InputError)
    assert str(error).startswith("titles.txt")
    assert not {"release", "CSV"} & set(str(error).replace(".", " ").split())


def test_titles_for_a_model_of_frames_are_refused_before_it_is_loaded(folder, monkeypatch):
    monkeypatch.setattr(Scoring, "load", None)
    error = run("clips/a.webm", "--title", "red car", model="frames").exception
    assert str(error) == "frames: this model reads no titles; leave them out"
