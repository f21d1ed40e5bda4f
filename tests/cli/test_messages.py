"""What any command says of a warning, and where a package of the whole installation is missing."""

import sys
import warnings

import pytest
import typer

from videomem_hf.cli import run
from videomem_hf.cli.predict_onnx import check_onnx
from videomem_hf.schema import InputError


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    monkeypatch.setattr(sys, "argv", ["videomem"])


def test_a_warning_is_shown_once_as_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    app = typer.Typer()

    @app.command()
    def twice() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("two clips are odd", stacklevel=1)
            warnings.warn("two clips are odd", stacklevel=1)

    with pytest.raises(SystemExit):
        run(app, "videomem")
    assert capsys.readouterr().err == "Note: two clips are odd\n"


@pytest.mark.parametrize(("module", "is_ours"), [("pyarrow", True), ("no_such_package", False)])
def test_a_missing_package_of_the_core_is_one_sentence(
    module: str, is_ours: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    def fails() -> None:
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)

    with pytest.raises(SystemExit if is_ours else ModuleNotFoundError):
        run(app, "videomem")
    assert capsys.readouterr().err.startswith("videomem: pyarrow is not installed; ") == is_ours


def test_pictures_of_an_export_need_more_than_the_small_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("videomem_hf.cli.predict_onnx.find_spec", lambda name: None if name == "torch" else object())
    with pytest.raises(InputError, match="--plots, --overlay and --forgetting need torch, not installed here"):
        check_onnx("onnx", "model", None, "auto", None, False, False, True)
    check_onnx("onnx", "model", None, "auto", None, False, False, False)
