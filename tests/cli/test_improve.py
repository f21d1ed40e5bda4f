"""`videomem improve`, `videomem timeline --best` and `videomem predict --forgetting`."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.films.films import still, write_film
from tests.inference.test_predictor import tiny  # noqa: F401 - a fixture
from videomem_hf.cli import app
from videomem_hf.inference import Predictor
from videomem_hf.video.video import probe


@pytest.fixture
def folder(tmp_path: Path, tiny: Predictor, monkeypatch: pytest.MonkeyPatch) -> Path:  # noqa: F811
    tiny.model.save_pretrained(tmp_path / "model")
    tiny.processor.save_pretrained(tmp_path / "model")
    write_film(tmp_path / "a.webm", still(1, 2), still(2, 2), still(3, 2))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, [*arguments, "--model", "model", "--device", "cpu"])
    return result.exit_code, " ".join(result.output.split()) + (f" {result.exception}" if result.exception else "")


def test_a_model_of_unknown_error_advises_nothing_and_lists_what_was_tried(folder: Path) -> None:
    code, output = run("improve", "a.webm", "--out", "out")
    assert code == 0, output
    assert "none can be told apart from no edit: leave the clip as it is" in output
    assert "A model says so, not people." in output
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["improve.csv", "improve.html", "improve.json"]
    text = (folder / "out/improve.json").read_text(encoding="utf-8")
    found = json.loads(text)
    assert "Infinity" not in text
    assert found["tried"] == len(found["edits"]) > 8
    assert {"drop a shot", "crop", "brightness"} <= {kind for edit in found["edits"] for kind in edit["kinds"]}
    page = (folder / "out/improve.html").read_text(encoding="utf-8")
    assert "not known, so no gain can be told apart from none" in page


def test_mistakes_of_improve_are_one_sentence(folder: Path) -> None:
    (folder / "file").write_text("")
    assert "--out file: is a file" in run("improve", "a.webm", "--out", "file")[1]
    assert "--out file/sub: cannot be a folder (not a directory)" in run("improve", "a.webm", "--out", "file/sub")[1]
    assert "gives no long_term score" in run("improve", "a.webm", "--out", "out", "--horizon", "long_term")[1]


def test_the_best_part_of_a_film_and_its_poster(folder: Path) -> None:
    code, output = run("timeline", "a.webm", "--out", "out", "--best", "2s", "--poster")
    assert code == 0, output
    assert "against a random part; best." in output
    (part,) = folder.glob("out/best.[mw]*")
    assert probe(part).duration_s == pytest.approx(2, abs=0.1)
    assert (folder / "out/best.jpg").is_file()
    too_long = run("timeline", "a.webm", "--out", "out", "--best", "9s")[1]
    assert "an excerpt of 9 s of a film of 6.0 s" in too_long
    assert "(the timeline is written)" in too_long
    assert "give --best LENGTH as well" in run("timeline", "a.webm", "--out", "out", "--poster")[1]
    assert "'soon' is no length" in run("timeline", "a.webm", "--out", "out", "--best", "soon")[1]


def test_forgetting_takes_both_horizons(folder: Path) -> None:
    code, output = run("predict", "a.webm", "--forgetting", "curves")
    assert code == 1
    assert "gives short_term scores only; take a model that gives both" in output


def test_a_folder_that_cannot_be_written_is_one_sentence(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "out/improve.json")

    monkeypatch.setattr("videomem_hf.films.advice_page.atomic_write", refuse)
    code, output = run("improve", "a.webm", "--out", "out")
    assert code == 1
    assert "out/improve.json: cannot be written (permission denied)" in output
