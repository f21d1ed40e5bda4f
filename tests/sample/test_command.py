"""`videomem sample` passes every option on."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from videomem_hf.cli.sample import sample
from videomem_hf.sample import FEATURES, read_truth
from videomem_hf.schema import InputError

app = typer.Typer()
app.command()(sample)


def run(*arguments: str) -> None:
    CliRunner().invoke(app, arguments, catch_exceptions=False)


def test_options_reach_the_sample(tmp_path: Path) -> None:
    out = tmp_path / "s"
    options = [
        "--videos",
        "3",
        "--test-videos",
        "1",
        "--seed",
        "5",
        "--size",
        "64x66",
        "--features",
        "lbp",
        "--workers",
        "1",
    ]
    run(str(out), *options)
    assert len(read_truth(out)) == 4
    assert len(list((out / "release").rglob("*.webm"))) == 4
    assert {path.parent.name for path in (out / "release").rglob("video*-0.txt")} == {"LBP"}
    assert '"seed": 5' in (out / "sample.json").read_text()
    assert '"height": 66' in (out / "sample.json").read_text()


def test_all_none_and_no_videos(tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    run(str(tmp_path / "all"), "--videos", "1", "--features", "all", "--no-videos", "--workers", "1", "--size", "64x64")
    folders = {path.name for path in (tmp_path / "all/release/devset/dev-set/features").iterdir()}
    assert len(folders) == len(FEATURES)
    assert not list((tmp_path / "all").rglob("*.webm"))
    run(str(tmp_path / "none"), "--videos", "1", "--features", "none", "--no-videos", "--workers", "1")
    assert not list((tmp_path / "none").rglob("features"))


@pytest.mark.parametrize("size", ["320", "320X180", "ax180", "-2x4"])
def test_a_wrong_size_is_told(tmp_path: Path, size: str) -> None:
    with pytest.raises(InputError, match="320x180"):
        run(str(tmp_path / "s"), f"--size={size}")
