"""Which clips a command is about: arguments, and a list in a file."""

import codecs
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import typer

from videomem_hf.cli.options import quote
from videomem_hf.schema import InputError, is_system_file
from videomem_hf.system import printable, quantity
from videomem_hf.video.finding import NOT_THERE, expand_user, find_videos, path_exists

PICTURE_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".heic"})
"""Endings of photographs; a folder is not searched for them."""
_SKIPPED_NAMED: Final = 5
_ENCODINGS: Final = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def clip_paths(arguments: list[str] | None, list_file: Path | None, note_pictures: bool = False) -> list[Path]:
    """Give the clips that arguments and a list name, in order, each once; see `clip_sources`, without addresses.

    Raises:
        InputError: As `clip_sources`, or a clip is an address.
    """
    from videomem_hf.models.video_input import input_name

    paths = []
    for source in clip_sources(arguments, list_file, note_pictures):
        if isinstance(source, str):
            raise InputError(f"{input_name(source)}: is an address; download the clip and give its path")
        paths.append(source)
    return paths


def clip_sources(arguments: list[str] | None, list_file: Path | None, note_pictures: bool = False) -> list[Path | str]:
    """Give the clips that arguments and a list name, in order, each once.

    Args:
        arguments, list_file: Files, folders, patterns and addresses; and a file with one path per line.
        note_pictures: Whether to say on standard error how many pictures in folders with videos are left out.

    Returns:
        Paths, and addresses (`http://...`) as strings. Files of the operating system's own (`._clip.mp4`) are left out.
        Links that lead nowhere, pipes and devices in folders are named in a note on standard error, and so is a folder
        or pattern without clips beside others. What a list names is not looked at yet; an argument that is not there is
        among the paths if any other is.

    Raises:
        InputError: Nothing is named, no argument can be used, or the list cannot be read.
    """
    if not arguments and list_file is None:
        raise InputError("no clip is named: give files, folders or patterns, or a list of paths with --list FILE")
    sources: dict[Path | str, None] = {}
    missing: set[Path | str] = set()
    unusable: list[InputError] = []
    skipped: list[Path] = []
    for argument in arguments or []:
        if not argument:
            raise InputError("'' names no clip; give a file, or . for the current folder")
        try:
            found: Sequence[Path | str] = [argument] if "://" in argument else find_videos([argument], skipped)
        except InputError as error:
            unusable.append(_name_pictures(argument) or error)
            found = [expand_user(argument)] if f": {NOT_THERE}" in str(error) else []
            missing |= set(found)
        sources |= dict.fromkeys(found)
    if unusable and len(missing) == len(sources) and list_file is None:
        raise InputError(f"{unusable[0]}{_name_skipped(skipped, ' but ')}")
    for each in unusable:
        if f": {NOT_THERE}" not in str(each):  # that has a row of its own
            typer.echo(f"videomem: {each}", err=True)
    if skipped:
        typer.echo(f"videomem: left out{_name_skipped(skipped)}", err=True)
    if list_file is not None:
        lines = (line for line in _read_lines(list_file) if line.strip() and not line.startswith("#"))
        sources |= {line if "://" in line else expand_user(line): None for line in lines}
    clips = [source for source in sources if isinstance(source, str) or not is_system_file(source)]
    if not clips:
        found_in = f"{list_file}: names" if list_file else f"{', '.join(arguments or [])}: is"
        raise InputError(f"{found_in} no clip; name video files, in a list one path per line")
    if note_pictures:
        _note_pictures(arguments or [], clips)
    return clips


def _name_pictures(argument: str) -> InputError | None:
    """What to say of a folder without videos that holds pictures; None for another one."""
    pictures = _pictures_in(argument)
    if not pictures:
        return None
    how = _how_given(pictures[0])
    return InputError(f"{argument}: the folder holds no video; it holds pictures, which are given by name: {how}")


def _note_pictures(arguments: list[str], sources: Sequence[Path | str]) -> None:
    """Say on standard error how many pictures in folders are not among the clips."""
    given = set(sources)
    found = dict.fromkeys(picture for argument in arguments for picture in _pictures_in(argument))
    if left := [picture for picture in found if picture not in given]:
        number = quantity(len(left), "picture")
        how = _how_given(left[0])
        typer.echo(f"videomem: left out {number} in folders; pictures are given by name or pattern: {how}", err=True)


def _pictures_in(argument: str) -> list[Path]:
    """The pictures in a folder, to any depth; none in what is no folder."""
    folder = expand_user(argument)
    files = sorted(folder.rglob("*")) if path_exists(folder) and folder.is_dir() else ()
    return [each for each in files if each.suffix.lower() in PICTURE_SUFFIXES and not is_system_file(each)]


def _how_given(picture: Path) -> str:
    """A pattern that names a picture and those beside it."""
    return quote(picture.parent / f"*{picture.suffix}")


def _name_skipped(paths: list[Path], before: str = " ") -> str:
    """Name what folders hold that is no file, in one line."""
    if not paths:
        return ""
    named = ", ".join(printable(str(path)) for path in paths[:_SKIPPED_NAMED])
    others = len(paths) - _SKIPPED_NAMED
    more = f" and {others} more" if others > 0 else ""
    return f"{before}links that lead nowhere, pipes or devices: {named}{more}"


def clip_names(sources: Sequence[Path | str]) -> list[str]:
    """What tables and messages call clips: addresses without their secrets, and the shell's pipes as they are typed."""
    from videomem_hf.models.video_input import input_name

    pipes = [source for source in sources if re.fullmatch(r"/dev/fd/\d+", str(source))]
    numbers = {pipe: f" {number}" if len(pipes) > 1 else "" for number, pipe in enumerate(pipes, 1)}
    return [f"<(...){numbers[source]}" if source in numbers else input_name(source) for source in sources]


def short_name(name: str) -> str:
    """The end of a clip's name, for a progress bar."""
    return printable(Path(name).name)[-40:]


def _read_lines(file: Path) -> list[str]:
    try:
        data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        encoding = _ENCODINGS.get(data[:2])
        if encoding is None and b"\0" in data:
            raise InputError(f"--list {file}: is no text file; it names clips, one path per line")
        text = data.decode(encoding) if encoding else os.fsdecode(data.removeprefix(codecs.BOM_UTF8))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--list {file}: cannot be read ({error}); it is a text file, one path per line") from None
    return [line.removesuffix("\r") for line in text.split("\n")]
