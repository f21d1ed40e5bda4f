"""Every code block of the README and the documentation runs as it stands, on a small sample; a page is one walk.

A comment before a block says what is special about it:
`<!-- test: skip REASON -->` it cannot run here: its commands must parse all the same;
`<!-- test: append WORDS -->` the words are added to its first command, to make it small;
`<!-- test: file NAME -->` it is the content of a file;
`<!-- test: slow -->` it takes over a minute with what the page needs;
`<!-- test: needs PACKAGE -->` it runs where the package is installed.

A `console` block, with `$ ` before its commands, is a transcript: it does not run, its commands must parse.
"""

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from tests.clips import write_clip
from tests.features.media import moving_frames
from tests.films.films import still, write_film
from tests.training.conftest import TINY
from videomem_hf.cli import app
from videomem_hf.sample import generate_sample

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]
FENCE = re.compile(
    r"(?P<before>(?:^ *<!-- test: [^\n]* -->\n)*)^(?P<indent> *)```(?P<language>\w+)\n(?P<code>.*?)^(?P=indent)```$",
    re.M | re.S,
)
MARKER = re.compile(r"<!-- test: (skip|append|file|slow|needs)(?: (.*?))? -->")
INSTALLS = re.compile(r"\bpip install\b|^python3 -m venv|^source |--install-completion")
"""Lines that change the machine or need a network; `videomem doctor` and the build of the wheel see to what they do."""


@dataclass(frozen=True)
class Block:
    page: Path
    line: int
    language: str
    code: str
    marks: dict[str, str]

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"

    def lines(self) -> list[str]:
        """A bash block's commands, with what is to be appended and without what installs."""
        joined = self.code.replace("\\\n", " ").replace(".venv/bin/", "")
        prompt = "$ " if self.language == "console" else ""
        typed = [line.removeprefix(prompt) for line in joined.splitlines() if line.startswith(prompt)]
        commands = [line.split("  #")[0].strip() for line in typed if line.strip()]
        commands = [line for line in commands if not INSTALLS.search(line) and not line.startswith("#")]
        if commands and "append" in self.marks:
            commands[0] += f" {self.marks['append']}"
        return commands


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for found in FENCE.finditer(text):
        comments = [line.strip() for line in found["before"].splitlines()]
        marks = {m[1]: m[2] or "" for comment in comments if (m := MARKER.fullmatch(comment))}
        assert len(marks) == len(comments), f"{page.name}: a marker of {comments} is unknown"
        if found["language"] == "console":
            marks["skip"] = "is a transcript"
        line = text.count("\n", 0, found.start("language")) + 1
        yield Block(page, line, found["language"], textwrap.dedent(found["code"]), marks)


ALL = [block for page in PAGES for block in blocks(page)]
RUNNABLE = ("bash", "python")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What pages speak of: `sample/release`, a trained `model`, `clip.mp4`, `film.mp4`, `clips/` and train.py."""
    from videomem_hf.training import TrainingConfig, train

    folder = tmp_path_factory.mktemp("prepared")
    generate_sample(
        folder / "sample", videos=32, test_videos=2, size=(64, 64), features=("c3d", "hmp"), workers=1, progress=False
    )
    overrides = [*TINY, "stages.*.epochs=1", f"frame_cache={folder / 'frames'}"]
    config = TrainingConfig.from_recipe(
        "frame_attention", data=folder / "sample/release", output=folder / "model", overrides=overrides
    )
    train(config)
    (folder / "clips").mkdir()
    for seed, name in enumerate(("a.webm", "b.webm")):
        write_clip(folder / "clips" / name, moving_frames(48, seed=seed))
    write_clip(folder / "clip.mp4", moving_frames(72), codec="h264")
    write_film(folder / "film.mp4", still(1, 1.2), still(2, 1), still(3, 1), codec="h264")
    shutil.copy(ROOT / "train.py", folder)
    (folder / "quickstart").mkdir()
    shutil.copytree(folder / "model", folder / "quickstart/model")
    (folder / "more").mkdir()
    shutil.copy(folder / "clips/a.webm", folder / "more")
    (folder / "bin").mkdir()
    shim = folder / "bin/videomem"
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m videomem_hf "$@"\n')
    shim.chmod(0o755)
    return folder


@pytest.fixture
def page_folder(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "page"
    shutil.copytree(prepared, folder)
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    path = os.pathsep.join([str(folder / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
    for name, value in {
        "PATH": path, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}", "ACCELERATE_USE_CPU": "true", "COLUMNS": "160",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    return folder


def run_python(block: Block, names: dict[str, Any]) -> None:
    source = "\n" * block.line + block.code  # lines of a traceback are the page's
    exec(compile(source, block.page.name, "exec"), names)


def run_command(block: Block, line: str) -> None:
    if line.startswith("videomem ") and not re.search(r"[|;&<>$*']", line):
        result = CliRunner().invoke(app, shlex.split(line)[1:])  # in this process, where the libraries are loaded
        assert result.exit_code == 0, f"{block}: {line}\n{result.output}\n{result.exception!r}"
        return
    done = subprocess.run(["bash", "-ec", line], capture_output=True, text=True, check=False, timeout=800)
    assert done.returncode == 0, f"{block}: {line}\n{done.stdout}\n{done.stderr}"


def walk(page: Path, slow: bool) -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks(page):
        if "file" in block.marks:
            Path(block.marks["file"]).write_text(block.code, encoding="utf-8")
        elif not runs(block, slow):
            continue
        elif block.language == "python":
            run_python(block, names)
        else:
            for line in block.lines():
                run_command(block, line)


def runs(block: Block, slow: bool) -> bool:
    if block.language not in RUNNABLE or "skip" in block.marks:
        return False
    package = block.marks.get("needs")
    return (slow or "slow" not in block.marks) and (package is None or importlib.util.find_spec(package) is not None)


def has_code(page: Path) -> bool:
    return any(block.language in RUNNABLE and "skip" not in block.marks for block in blocks(page))


@pytest.mark.parametrize("page", [page for page in PAGES if has_code(page)], ids=lambda page: page.name)
def test_every_block_runs(page: Path, page_folder: Path) -> None:
    walk(page, slow=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page for page in PAGES if any("slow" in block.marks for block in blocks(page))], ids=lambda page: page.name
)
def test_slow_blocks_run(page: Path, page_folder: Path) -> None:
    if "--engine ray" in page.read_text(encoding="utf-8"):
        pytest.importorskip("ray")
    walk(page, slow=True)


@pytest.mark.parametrize("block", [b for b in ALL if "skip" in b.marks], ids=str)
def test_what_cannot_run_here_is_written_right(block: Block, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(block.marks["skip"].split()) >= 3, "the marker gives its reason"
    if block.language == "python":
        compile(block.code, block.page.name, "exec")
        return
    assert block.lines()
    for line in block.lines():
        words = [word for word in shlex.split(line) if not re.match(r"[A-Z_]+=", word)]
        if words[0] == "videomem" or "videomem_hf" in words:
            command = words.index("videomem_hf" if "videomem_hf" in words else "videomem")
            parse(typer.main.get_command(app), words[command + 1 :])
        elif words[0].startswith(".ci/"):
            assert os.access(ROOT / words[0], os.X_OK)
        elif "train.py" in words:
            parse(typer.main.get_command(app), ["train", *words[words.index("train.py") + 1 :]])
        else:
            assert shutil.which(words[0], path=f"{Path(sys.executable).parent}"), line


def parse(command: Any, words: list[str]) -> None:
    while hasattr(command, "commands"):
        command, words = command.commands[words[0]], words[1:]
    command.make_context("x", words)


def test_languages_and_markers_are_known() -> None:
    assert len(ALL) > 30
    for block in ALL:
        assert block.language in (*RUNNABLE, "console", "yaml", "text", "mermaid"), block
    assert sum("skip" in block.marks for block in ALL) < len(ALL) / 3


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    """Broken links within the documentation, unknown names and unreadable docstrings are errors."""
    pytest.importorskip("sphinx")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "--keep-going",
        "-q",
        "-b",
        "html",
        "-d",
        tmp_path / "trees",
        ROOT / "docs",
    ]
    environment = os.environ | {"VIDEOMEM_DOCS_PICTURES": "0"}
    words = [*map(str, command), str(tmp_path / "site")]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    api = (tmp_path / "site/api.html").read_text()
    assert 'id="videomem_hf.predict"' in api
    assert "Score a clip." in api  # from a docstring
    assert (tmp_path / "site/getting-started.html").is_file()
    assert "--max-train-time" in (tmp_path / "site/commands.html").read_text()
    assert 'href="#resnet3d"' in (tmp_path / "site/recipes.html").read_text()
