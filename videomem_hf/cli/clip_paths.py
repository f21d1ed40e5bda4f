"""Which clips a command is about: arguments, and a list in a file."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from videomem_hf.schema import InputError
from videomem_hf.video.video import find_videos

Clips = Annotated[
    list[str] | None, typer.Argument(help="Video files, folders (searched to any depth) or glob patterns.")
]
ListFile = Annotated[
    Path | None,
    typer.Option("--list", metavar="FILE", help="Text file with the path of a clip a line; - for standard input."),
]
Engine = Annotated[
    Literal["local", "ray"], typer.Option(help="This machine, or Ray: a cluster's, or this one's where none runs.")
]


def clip_paths(arguments: list[str] | None, list_file: Path | None) -> list[Path]:
    """Give the clips that arguments and a list name, in order, each once; what a list names is not looked at yet.

    Raises:
        InputError: Nothing is named, an argument matches nothing, or the list cannot be read.
    """
    if not arguments and list_file is None:
        raise InputError("no clip is named: give files, folders or patterns, or a list of paths with --list FILE")
    paths = dict.fromkeys(find_videos(arguments or []))
    if list_file is not None:
        paths.update(dict.fromkeys(Path(line).expanduser() for line in _lines(list_file) if line.strip()))
    if not paths:
        raise InputError(f"{list_file}: names no clip; write the path of a clip a line")
    return list(paths)


def _lines(file: Path) -> list[str]:
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--list {file}: cannot be read ({error}); it is a text file, a path a line") from None
    return text.splitlines()
