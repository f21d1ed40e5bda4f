"""`videomem timeline`: one film and many, bad ones among them."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.clips import write_audio
from tests.films.films import still, write_film
from tests.inference.test_predictor import tiny  # noqa: F401 - a fixture
from videomem_hf.cli import app
from videomem_hf.inference import Predictor


@pytest.fixture
def folder(tmp_path: Path, tiny: Predictor, monkeypatch: pytest.MonkeyPatch) -> Path:  # noqa: F811
    tiny.model.save_pretrained(tmp_path / "model")
    tiny.processor.save_pretrained(tmp_path / "model")
    (tmp_path / "films").mkdir()
    write_film(tmp_path / "films/a.webm", still(1, 1.2), still(2, 1))
    write_audio(tmp_path / "films/b.mp4")
    write_film(tmp_path / "films/c.webm", still(3, 1))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["timeline", *arguments, "--model", "model", "--device", "cpu"])
    return result.exit_code, " ".join(result.output.split()) + (f" {result.exception}" if result.exception else "")


def test_one_film(folder: Path) -> None:
    code, output = run("films/a.webm", "--out", "out", "--otio")
    assert code == 0, output
    assert re.search(r"films/a.webm: 2 shots in 2.2 s; (the most memorable one begins at|no shot stands out)", output)
    assert "Written: out/timeline.html" in output
    assert {path.suffix for path in (folder / "out").iterdir()} == {
        ".html", ".png", ".csv", ".json", ".otio", ".edl", ".journal",
    }  # fmt: skip
    assert run("films/a.webm", "--out", "out")[0] == 0


def test_a_bad_film_does_not_stop_the_others(folder: Path) -> None:
    code, output = run("films", "--out", "out")
    assert code == 1
    assert "videomem: films/b.mp4: holds no moving picture, only sound" in output
    assert sorted(path.parent.name for path in folder.glob("out/*/timeline.html")) == ["a", "c"]


def test_another_films_timeline_is_not_written_over(folder: Path) -> None:
    assert run("films/a.webm", "--out", "out")[0] == 0
    before = (folder / "out/timeline.html").read_bytes()
    code, output = run("films/c.webm", "--out", "out")
    assert (code, "out: holds the timeline of a.webm; name another folder, or remove it" in output) == (1, True), output
    assert (folder / "out/timeline.html").read_bytes() == before


def test_a_name_that_begins_with_a_dash_is_said_as_it_can_be_given(folder: Path) -> None:
    (folder / "films/a.webm").rename(folder / "-a.webm")
    code, output = run("./-a.webm", "--out", "out")
    assert code == 0, output
    assert "videomem timeline ./-a.webm --out out" in output


def test_the_next_command_has_the_list_and_the_rate(folder: Path) -> None:
    (folder / "list.txt").write_text("films/a.webm\nfilms/c.webm\n")
    code, output = run("--list", "list.txt", "--out", "out", "--fps", "2")
    assert code == 0, output
    assert "videomem timeline --list list.txt --out out --fps 2 --model model --best 30s --poster" in output


def test_mistakes_are_one_sentence(folder: Path) -> None:
    assert "--out is missing: name the folder" in run("films/a.webm")[1]
    (folder / "file").write_text("")
    assert "cannot be a folder" in run("films/a.webm", "--out", "file")[1]
    assert "leave them out" in run("films", "--out", "out", "--engine", "ray", "--trust-remote-code")[1]


@pytest.mark.slow
def test_ray_makes_the_same(folder: Path) -> None:
    pytest.importorskip("ray")
    code, output = run("films", "--out", "out", "--engine", "ray", "--jobs", "1")
    assert code == 1
    assert "only sound" in output
    run("films/a.webm", "--out", "here")
    assert (folder / "out/a/timeline.csv").read_text() == (folder / "here/timeline.csv").read_text()


@pytest.mark.parametrize(
    ("films", "said"),
    [
        (["films/a.webm"], "videomem: interrupted; the same command goes on from here"),
        (
            ["films/a.webm", "films/c.webm"],
            "interrupted; 0 of 2 films are done, and the same command goes on from here",
        ),
    ],
)
def test_an_interrupted_run_says_how_it_goes_on(
    folder: Path, films: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("videomem_hf.films.timeline_files.make_timeline", interrupt)
    code, output = run(*films, "--out", "out")
    assert (code, said in output) == (130, True), output
