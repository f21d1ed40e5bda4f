"""`videomem doctor`: tells what is there and what is not, and what to do; fails only if the core does not work."""

import importlib.metadata
import json
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from typer.testing import CliRunner

from videomem_hf.cli import app, examinations


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["doctor", *arguments], env={"COLUMNS": "200"})
    return result.exit_code, result.output


def findings(output: str) -> dict[str, dict[str, Any]]:
    return {finding["name"]: finding for finding in json.loads(output)["findings"]}


def test_a_working_core_is_success_and_versions_are_true() -> None:
    code, output = run("--json")
    assert code == 0
    assert json.loads(output)["core_works"] is True
    found = findings(output)
    for name in ("torch", "transformers", "datasets", "av"):
        assert found[name]["found"] == importlib.metadata.version(name)
    assert found["vp8 clips"]["state"] == "ok"
    code, text = run()
    assert code == 0
    assert "The core works" in text
    assert importlib.metadata.version("torch") in text


def test_everything_that_is_missing_comes_with_a_remedy() -> None:
    for finding in findings(run("--json")[1]).values():
        assert (finding["state"] == "ok") == (not finding["remedy"]), finding


def test_what_is_too_old_or_absent_breaks_the_core(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [Requirement("numpy>=999"), Requirement("no-such-package>=1"), Requirement("torch>=1")]
    monkeypatch.setattr(examinations, "requirements", lambda: wanted)
    code, output = run("--json")
    assert code == 1
    found = findings(output)
    assert found["numpy"]["state"] == "bad"
    assert found["numpy"]["remedy"] == "pip install -U 'numpy>=999'"
    assert found["no-such-package"]["found"] == "not installed"
    assert found["torch"]["state"] == "ok"
    assert "first fix numpy, no-such-package" in " ".join(run()[1].split())


def test_a_small_environment_is_told_that_exported_models_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examinations, "requirements", lambda: [Requirement("no-such-package>=1"), Requirement("av>=1")])
    pytest.importorskip("onnxruntime")
    said = "Exported models of frames work as it is: videomem predict --engine onnx."
    assert said in " ".join(run()[1].split())
    monkeypatch.setattr(examinations, "requirements", lambda: [Requirement("av>=999")])
    assert said not in " ".join(run()[1].split())
    file = Path(__file__).parents[2] / "docs/onnx-requirements.txt"
    listed = {Requirement(line).name for line in file.read_text().splitlines() if line and not line.startswith("#")}
    core = {each.name for each in declared_core()}
    assert listed & core == examinations.EXPORTS_NEED


def declared_core() -> list[Requirement]:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [Requirement(line) for line in project["dependencies"]]


def test_an_incomplete_extra_names_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [Requirement("no-such-package; extra == 'ray'"), Requirement("numpy>=1; extra == 'timm'")]
    wanted += [Requirement(f"{name}; extra == 'study'") for name in ("numpy", "no-a", "no-b", "no-c", "no-d")]
    monkeypatch.setattr(examinations, "requirements", lambda: wanted)
    extras = {finding.name.split("]")[0]: finding for finding in examinations.extras()}
    assert extras["[ray"].remedy == "pip install 'videomem_hf[ray]'"
    assert extras["[timm"].state == "ok"
    assert extras["[study"].found == "4 of 5 packages are missing or too old"


def test_every_extra_has_a_purpose() -> None:
    declared = {name for each in examinations.requirements() for name in examinations._extra_of(each)}
    assert len(declared) > 8
    assert declared <= set(examinations.EXTRAS)


def test_a_full_disk_and_missing_decoders_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=10**9))
    cache = next(examinations.folders())
    assert (cache.state, "1 GB free" in cache.found, "HF_HOME" in cache.remedy) == ("missing", True, True)
    import av

    monkeypatch.setattr(av, "codecs_available", {"h264"})
    states = {finding.name: finding.state for finding in examinations.decoders()}
    assert states == {
        "vp8 clips": "bad", "vp9 clips": "missing", "h264 clips": "ok", "hevc clips": "missing", "av1 clips": "missing",
        "overlay videos": "missing",
    }  # fmt: skip


def test_weights_by_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VIDEOMEM_C3D", str(tmp_path))
    monkeypatch.setenv("VIDEOMEM_INCEPTIONV3", str(tmp_path / "none.pth"))
    found = {finding.name: finding for finding in examinations.weights()}
    assert found["C3D"].state == "ok"
    assert "not there" in found["InceptionV3"].found
