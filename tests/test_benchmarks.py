"""Every benchmark starts: its imports exist, and its options are parsed."""

import importlib
import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
SHARED = {
    "adapt_domains",
    "made_up_clips",
    "made_up_films",
    "plain_networks",
    "results_file",
    "stand_in",
    "timing",
    "variants",
}
"""Files that benchmarks import."""
COMMANDS = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in SHARED)


@pytest.mark.parametrize("name", COMMANDS)
def test_help(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setattr(sys, "argv", [f"{name}.py", "--help"])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
    assert stopped.value.code == 0
    assert f"benchmarks/{name}.py" in capsys.readouterr().out


@pytest.mark.parametrize(
    "parts", [["peaks", "loop"], pytest.param(["training", "scores", "prediction", "resume"], marks=pytest.mark.slow)]
)
def test_gpu_benchmark_measures_every_part_without_a_gpu(parts: list[str], tmp_path: Path) -> None:
    command = [sys.executable, str(FOLDER / "gpu.py"), "--device", "cpu", "--minutes", "30", "--out", str(tmp_path)]
    subprocess.run([*command, "--only", *parts], check=True, capture_output=True)
    results = json.loads((tmp_path / "gpu.json").read_text())
    assert set(results) == {"environment", "seconds", *parts}
    for part in parts:
        assert results[part]
        assert not [row for row in results[part] if "failed" in row]
    if "loop" in parts:
        assert len(results["loop"]) == 3
        assert all(row["loop_step_s"] > 0 and row["plain_step_s"] > 0 for row in results["loop"])
    if "resume" in parts:
        (row,) = results["resume"]
        assert row["resumed_from"]
        assert row["largest_difference_of_weights"] == 0


def test_results_are_json_with_a_list_of_numbers_on_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    write = importlib.import_module("results_file").write_results
    words = ["[1,", "2]", "[ 1,  2 ]"]
    write({"shares": (0.5, 1.0), "none": [], "rows": [{"found": [float("nan"), 2]}], "words": words}, tmp_path / "r")
    text = (tmp_path / "r").read_text()
    assert text == capsys.readouterr().out
    assert json.loads(text, parse_constant=pytest.fail) == {
        "shares": [0.5, 1.0], "none": [], "rows": [{"found": [None, 2]}], "words": words,
    }  # fmt: skip
    assert '"shares": [0.5, 1.0],' in text
    assert '"found": [null, 2]' in text


def test_gpu_benchmark_stops_in_time(tmp_path: Path) -> None:
    command = [sys.executable, str(FOLDER / "gpu.py"), "--device", "cpu", "--minutes", "0", "--out", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    results = json.loads((tmp_path / "gpu.json").read_text())
    assert all(
        "left_out" in results[part][0] for part in ("peaks", "training", "scores", "prediction", "loop", "resume")
    )
