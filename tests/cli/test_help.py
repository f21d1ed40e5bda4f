"""The help reads like a manual: a line a command under a heading, and examples that run as they are written."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import videomem_hf
from videomem_hf.cli import app

COMMAND = typer.main.get_command(app)


def leaves(command: Any = COMMAND, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if not hasattr(command, "commands"):
        yield path, command
        return
    for name, each in command.commands.items():
        yield from leaves(each, (*path, name))


LEAVES = dict(leaves())


def shown(*arguments: str, columns: int = 100) -> str:
    result = CliRunner().invoke(app, [*arguments, "--help"], env={"COLUMNS": str(columns), "TERM": "dumb"})
    assert result.exit_code == 0, result.output
    return result.output


def test_every_command_has_its_line_under_a_heading() -> None:
    page = shown()
    assert "─ Commands ─" not in page  # the heading of commands without one
    for name in {path[0] for path in LEAVES}:
        [line] = re.findall(rf"^│ {name} +(\S.*?) *│$", page, re.MULTILINE)
        assert len(line) > 20
    commands = page[page.index("First steps") :]
    assert not re.findall(r"^│ {4,}\S.*", commands, re.MULTILINE)  # none needs a second line


@pytest.mark.parametrize("code", ["0 done", "1 something", "2 the command", "130 stopped"])
def test_exit_codes_are_named(code: str) -> None:
    assert code in " ".join(shown().split())


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_examples_are_commands_that_parse(path: tuple[str, ...]) -> None:
    examples = re.findall(r"\[bold\](videomem [^\[]+(?:\[[^/\[]*[^\[]*)*?)\[/bold\]", LEAVES[path].help or "")
    examples = [example.replace("\\\n", "") for example in examples]
    own = [words for words in map(shlex.split, examples) if tuple(words[1 : 1 + len(path)]) == path]
    assert own, f"no example of videomem {' '.join(path)}"
    for words in own:
        context = LEAVES[path].make_context(path[-1], words[1 + len(path) :])
        assert context.params


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_no_text_is_swallowed_as_markup(path: tuple[str, ...]) -> None:
    page = "".join(shown(*path, columns=200).split())
    for parameter in LEAVES[path].params:
        if text := getattr(parameter, "help", None):
            assert re.sub(r"\s|│", "", text)[-30:] in re.sub(r"│", "", page), f"{parameter.name}: {text}"


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_option_names_are_whole_and_examples_paste_at_80_columns(path: tuple[str, ...]) -> None:
    page = shown(*path, columns=80)
    for parameter in LEAVES[path].params:
        for name in (*parameter.opts, *parameter.secondary_opts):
            assert not name.startswith("-") or name in page
    assert max(map(len, page.splitlines())) <= 80
    [examples] = re.findall(r"\n  Examples?:\n(.*?)\n\n", page, re.DOTALL)
    for line in examples.replace("\\\n", "").splitlines():
        assert line.startswith("    videomem ")


@pytest.mark.parametrize(
    ("words", "files"),
    [(["--help"], set()), (["predcit"], set()), (["train-sorter", "--help"], {"options", "train_sorter"})],
)
def test_only_the_command_that_is_called_is_imported(words: list[str], files: set[str]) -> None:
    code = f"""import sys
from videomem_hf.cli import main
sys.argv = {["videomem", *words]!r}
try:
    main()
finally:
    print(*(name.removeprefix("videomem_hf.cli.") for name in sys.modules if name.startswith("videomem_hf.cli.")))
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False).stdout
    assert set(found.splitlines()[-1].split()) == {"exit_codes", "help", "lazy_group"} | files


def test_a_mistyped_command_gets_a_suggestion() -> None:
    result = CliRunner().invoke(app, ["predcit", "clip.mp4"])
    assert result.exit_code == 2
    assert "predict" in result.output


@pytest.mark.parametrize(
    ("typed", "expected"), [("pre", "predict"), ("predict --eng", "--engine"), ("study se", "serve")]
)
def test_the_shell_completes(typed: str, expected: str) -> None:
    environment = os.environ | {
        "_VIDEOMEM_COMPLETE": "complete_bash",
        "COMP_WORDS": f"videomem {typed}",
        "COMP_CWORD": str(len(typed.split())),
        "PYTHONPATH": str(Path(videomem_hf.__file__).parents[1]),
    }
    code = "from videomem_hf.cli import app; app(prog_name='videomem')"
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert expected in result.stdout.split()
