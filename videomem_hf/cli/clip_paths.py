"""Which clips a command is about: arguments, and a list in a file."""

import codecs
import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from videomem_hf.schema import InputError, is_system_file
from videomem_hf.video.video import expand_user, find_videos

Clips = Annotated[
    list[str] | None,
    typer.Argument(
        help="Video files, folders (searched to any depth), glob patterns or, on this machine, addresses (http://, "
        "https://, hf://)."
    ),
]
ClipFiles = Annotated[
    list[str] | None, typer.Argument(help="Video files, folders (searched to any depth) or glob patterns.")
]
ListFile = Annotated[
    Path | None,
    typer.Option("--list", metavar="FILE", help="Text file with one path of a clip per line; - for standard input."),
]
FailFast = Annotated[bool, typer.Option("--fail-fast", help="Stop at the first clip that fails.")]
Engine = Annotated[
    Literal["local", "ray"], typer.Option(help="This machine, or Ray: a cluster's, or this one's where none runs.")
]


def clip_paths(arguments: list[str] | None, list_file: Path | None) -> list[Path]:
    """Give the clips that arguments and a list name, in order, each once; see `clip_sources`, without addresses.

    Raises:
        InputError: As `clip_sources`, or a clip is an address.
    """
    paths = []
    for source in clip_sources(arguments, list_file):
        if isinstance(source, str):
            raise InputError(f"{source}: is an address; download the clip and give its path")
        paths.append(source)
    return paths


def clip_sources(arguments: list[str] | None, list_file: Path | None) -> list[Path | str]:
    """Give the clips that arguments and a list name, in order, each once; what a list names is not looked at yet.

    Returns:
        Paths, and addresses (`http://...`) as strings. Files of the operating system's own (`._clip.mp4`) are left out.

    Raises:
        InputError: Nothing is named, an argument matches nothing, or the list cannot be read.
    """
    if not arguments and list_file is None:
        raise InputError("no clip is named: give files, folders or patterns, or a list of paths with --list FILE")
    sources: dict[Path | str, None] = {}
    for argument in arguments or []:
        sources.update(dict.fromkeys([argument] if "://" in argument else find_videos([argument])))
    if list_file is not None:
        lines = (line for line in _read_lines(list_file) if line.strip())
        sources.update(dict.fromkeys(line if "://" in line else expand_user(line) for line in lines))
    clips = [source for source in sources if isinstance(source, str) or not is_system_file(source)]
    if not clips:
        found = f"{list_file}: names" if list_file else f"{', '.join(arguments or [])}: is"
        raise InputError(f"{found} no clip; name video files, in a list one path per line")
    return clips


def _read_lines(file: Path) -> list[str]:
    try:
        data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise InputError(f"--list {file}: cannot be read ({error}); it is a text file, one path per line") from None
    return os.fsdecode(data.removeprefix(codecs.BOM_UTF8)).splitlines()
