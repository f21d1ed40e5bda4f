"""`videomem extract` as a user runs it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.clips import write_clip
from tests.features.media import moving_frames
from videomem_hf.cli import app
from videomem_hf.schema import InputError


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["extract", *map(str, arguments)])
    if isinstance(result.exception, InputError):  # `main` prints it
        return 1, str(result.exception)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    folder = tmp_path / "clips"
    folder.mkdir()
    write_clip(folder / "video1.webm", moving_frames(12))
    write_clip(folder / "b.webm", moving_frames(12, seed=1))
    return folder


def test_extracts_reports_and_goes_on(clips: Path, tmp_path: Path) -> None:
    (clips / "bad.mp4").write_text("no video")
    code, output = run(clips, "--features", "hmp, LBP", "--out", tmp_path / "out")
    assert code == 1
    assert "bad.mp4: not a video" in output
    assert "2 of 3 clips extracted, 1 with errors" in output
    assert {path.name for path in (tmp_path / "out/HMP").iterdir()} == {"video1.txt", "video2.txt"}
    (clips / "bad.mp4").unlink()
    code, output = run(clips, "--features", "hmp,lbp", "--out", tmp_path / "out", "--jobs", 1)
    assert code == 0
    assert "2 were done before" in output


def test_default_features_need_no_extra(clips: Path, tmp_path: Path) -> None:
    code, _ = run(clips / "b.webm", "--out", tmp_path / "out", "--jobs", 1)
    assert code == 0
    folders = {path.name for path in (tmp_path / "out").iterdir() if path.is_dir()}
    assert folders == {"HMP", "LBP", "HOG", "ColorHistogram"}


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ("aesthetics", "read from the release only"),
        ("c3d", "videomem convert c3d"),
        ("x", "there are hmp"),
        (",", "no feature is named"),
    ],
)
def test_wrong_features_are_one_sentence(
    clips: Path, tmp_path: Path, features: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VIDEOMEM_C3D", raising=False)
    code, output = run(clips, "--features", features, "--out", tmp_path / "out")
    assert code == 1
    assert message in output
    assert not (tmp_path / "out").exists()


def test_titles_of_the_release_form(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sentence_transformers")
    from videomem_hf.features.title_views import TitleSpec

    given = []

    def network(clips_of_titles: list[list[str]]) -> list[list[object]]:
        import numpy as np

        given.extend(clips_of_titles)
        return [[np.array([1.0, 2.0])] for _ in clips_of_titles]

    monkeypatch.setattr(TitleSpec, "load", lambda self, device: network)
    (tmp_path / "titles.txt").write_bytes(b"video1.webm\ta-dog-runs\r\nvideo5.webm\ta-cat")
    arguments = (clips, "--features", "title:m", "--titles", tmp_path / "titles.txt", "--out", tmp_path / "out")
    code, output = run(*arguments, "--jobs", 1)
    assert code == 1
    assert "b.webm: no title:m: it has no title" in output
    assert given == [["a dog runs"]]
    assert (tmp_path / "out/title-m/video1.txt").read_text() == "1 2\n"


def test_ctrl_c_leaves_whole_files_and_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    folder.mkdir()
    clip = write_clip(folder / "video1.webm", moving_frames(60))
    for number in range(2, 120):
        (folder / f"video{number}.webm").write_bytes(clip.read_bytes())
    options = ["--features", "hmp,lbp", "--out", str(tmp_path / "out")]
    command = [sys.executable, "-m", "videomem_hf", "extract", str(folder), *options]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    deadline = time.monotonic() + 300
    while not list((tmp_path / "out").glob("LBP/video*-112.txt")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "interrupted" in errors
    assert "Traceback" not in errors + output
    assert 0 < len(list((tmp_path / "out/HMP").iterdir())) < 119
    assert not list((tmp_path / "out").glob("*/.*"))
    listed = (tmp_path / "out/test-set_list.txt").read_text().split()
    assert len(listed) == len(list((tmp_path / "out/HMP").iterdir()))


def test_help_offers_addresses_only_where_they_are_taken() -> None:
    pages = {name: CliRunner().invoke(app, [name, "--help"]).output for name in ("extract", "predict")}
    assert "http://" not in pages["extract"]
    assert "http://" in pages["predict"]
    assert run("http://127.0.0.1:9/a.mp4", "--out", "features")[1].endswith("download the clip and give its path")
