"""What to type next is a message: on standard error, shell and Python apart, with the program as it was called."""

import subprocess
import sys
from pathlib import Path

import pytest

from videomem_hf.__main__ import INTERRUPTED
from videomem_hf.cli import exit_codes
from videomem_hf.cli.options import python_line, quote, say_next

INTERRUPTION = """
import runpy, sys

class Stop:
    def find_spec(self, name, *_):
        if name == "videomem_hf.cli":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Stop())
runpy.run_module("videomem_hf", run_name="__main__")
"""


def test_shell_and_python_are_apart(capsys: pytest.CaptureFixture[str]) -> None:
    say_next("videomem report run", python=python_line('load_dataset("x")'))
    captured = capsys.readouterr()
    assert captured.out == ""
    expected = 'import videomem_hf; from datasets import load_dataset; data = load_dataset("x")'
    assert captured.err == f"Next:\n  videomem report run\nIn Python:\n  {expected}\n"
    say_next()
    assert capsys.readouterr().err == ""


def test_the_program_is_named_as_it_was_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    program = tmp_path / "my env" / "videomem"
    monkeypatch.setattr(sys, "argv", [str(program), "describe"])
    say_next("videomem report run")
    assert capsys.readouterr().err == f"Next:\n  {quote(program)} report run\n"


def test_an_interruption_of_the_first_imports_prints_no_traceback() -> None:
    done = subprocess.run([sys.executable, "-c", INTERRUPTION], capture_output=True, text=True, check=False)
    assert done.returncode == INTERRUPTED == exit_codes.INTERRUPTED
    assert done.stderr == "\nvideomem: interrupted\n"
