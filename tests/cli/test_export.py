"""`videomem export`, and what `videomem predict --engine onnx` refuses."""

import csv
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.inference.exported import OF_FRAMES, clip, save
from videomem_hf.cli import app
from videomem_hf.schema import InputError

__all__ = ["clip"]


def run(*arguments: object) -> str:
    found = CliRunner().invoke(app, [str(each) for each in arguments], catch_exceptions=False)
    assert found.exit_code == 0
    return found.output


def test_an_export_is_described_and_its_scores_are_those_of_the_model(clip: Path, tmp_path: Path) -> None:
    model = save(OF_FRAMES["spatiotemporal"], tmp_path / "run")
    out = tmp_path / "onnx"
    said = run("export", model, "--onnx", out)
    assert "SpatioTemporalModel as float32, opset 20" in said
    assert "pixel_values_videos (batch, frames, 3, height, width)" in said
    assert "temporal_weights (batch, frames)" in said
    assert f"--model {out} --engine onnx" in said
    run("predict", clip, "--model", model, "--csv", tmp_path / "a.csv")
    run("predict", clip, "--model", out, "--engine", "onnx", "--csv", tmp_path / "b.csv")
    expected, found = ([*csv.DictReader((tmp_path / name).open())] for name in ("a.csv", "b.csv"))
    assert found[0].keys() == expected[0].keys()
    for name, value in expected[0].items():
        try:
            assert float(found[0][name]) == pytest.approx(float(value), abs=1e-4)
        except ValueError:
            assert found[0][name] == value


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "name with --model the folder"),
        (["--model", "MODEL", "--device", "cuda"], "--device is cuda"),
        (["--model", "MODEL", "--precision", "bfloat16"], "--precision is for --engine local"),
        (["--model", "MODEL", "--trust-remote-code"], "for --engine local"),
        (["--model", "MODEL", "--plots", "p", "--occlusion"], "--occlusion is for --engine local"),
        (["--model", "MODEL"], "holds no export.json"),
    ],
)
def test_what_an_export_cannot_do_is_refused(
    options: list[str], message: str, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").mkdir()
    given = [str(tmp_path / "model") if each == "MODEL" else each for each in options]
    with pytest.raises(InputError, match=message):
        CliRunner().invoke(app, ["predict", str(clip), "--engine", "onnx", *given], catch_exceptions=False)
