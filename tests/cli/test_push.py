"""`videomem push`: shows before it sends."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.hub.conftest import hub, prepared, sample  # noqa: F401 - fixtures
from tests.hub.stand_in import Hub
from videomem_hf.cli import app
from videomem_hf.hub import push
from videomem_hf.hub.shipments import Shipment
from videomem_hf.schema import InputError


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["push", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_without_yes_it_shows_everything_and_sends_nothing(hub: Hub, prepared: Path) -> None:  # noqa: F811
    output = run("dataset", prepared, "ann/sample")
    assert f"{hub.url}: dataset ann/sample, private" in output
    for path in (*prepared.rglob("*.parquet"), prepared / "SHA256SUMS"):
        assert f"{path.stat().st_size:,}  {path.relative_to(prepared)}\n" in output
    assert "bytes in 9 files" in output
    assert "Nothing was sent. The same command with --yes sends it." in output
    assert hub.requests == []


def test_with_yes_it_sends_what_it_shows(hub: Hub, prepared: Path) -> None:  # noqa: F811
    output = run("dataset", prepared, "ann/sample", "--public", "--yes")
    assert "dataset ann/sample, public" in output
    assert f"Everything is there: {hub.url}/datasets/ann/sample" in output
    there = hub.repositories["dataset", "ann/sample"]
    assert not there.private
    assert len(there.files) == 9
    assert sum(map(len, there.files.values())) == int(output.split("  bytes in")[0].split()[-1].replace(",", ""))


def test_the_metric_goes_under_the_repositorys_name(hub: Hub) -> None:  # noqa: F811
    output = run("metric", "ann/agreement")
    assert "space ann/agreement, private" in output
    assert "agreement.py" in output
    assert hub.requests == []


def test_mistakes_are_one_sentence(tmp_path: Path) -> None:
    for arguments, message in {
        ("model", tmp_path, "ann/name"): "holds no config.json",
        ("dataset", tmp_path, "ann/name"): "`videomem prepare RELEASE",
        ("space", tmp_path, "ann/name"): "holds no README.md",
        ("metric", "name"): "give the owner as well, USER/NAME",
    }.items():
        with pytest.raises(InputError, match=message):
            run(*arguments)


def test_ctrl_c_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: Shipment) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(push, "send", interrupted)
    result = CliRunner().invoke(app, ["push", "metric", "ann/name", "--yes"])
    assert result.exit_code == 130
    assert "The same command goes on where it was." in result.output


def test_help_has_an_example_of_each() -> None:
    for kind in ("model", "dataset", "metric", "space"):
        assert f"videomem push {kind}" in run(kind, "--help")
