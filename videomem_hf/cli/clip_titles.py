"""Titles of the clips that a command is about."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import typer

from videomem_hf.data.release.captions import read_titles
from videomem_hf.model_names import NO_TITLES, RESMEM, is_model_of_frames
from videomem_hf.schema import InputError
from videomem_hf.system import printable, quantity

_NAMED: Final = 3
"""Clips of unused titles that are named."""


def clip_titles(clips: Sequence[Path | str], title: str | None, file: Path | None) -> list[str | None] | None:
    """Give each clip its title, None where the file has none of it; None if no titles are given.

    Raises:
        InputError: One title and several clips, both options, or a file without a title of these clips.
    """
    if title is None and file is None:
        return None
    if title is not None and file is not None:
        raise InputError("--title and --titles are both given; --title is for one clip, --titles for several")
    if file is None:
        if len(clips) > 1:
            raise InputError(
                f"--title is for one clip, and there are {quantity(len(clips), 'clip')}; give --titles FILE, a text "
                "file with one line `clip.mp4<TAB>title` per clip"
            )
        return [title]
    from videomem_hf.features.clip_titles import ClipTitles

    named = ClipTitles(read_titles(file))
    titles = [named.of(str(clip)) for clip in clips]
    if not any(titles):
        raise InputError(f"{file}: has no title of these clips; a line is a clip's file name, a tab and its title")
    if unused := named.unused(map(str, clips)):
        shown = ", ".join(map(printable, unused[:_NAMED])) + (", ..." if len(unused) > _NAMED else "")
        typer.echo(f"videomem: {file}: {quantity(len(unused), 'title')} of clips that are not given: {shown}", err=True)
    return titles


def check_reads_titles(model: str | None, title: str | None, file: Path | None) -> None:
    """Refuse titles before a model is loaded of which it is known without that it reads none.

    Raises:
        InputError: Titles are given to such a model.
    """
    if (title is not None or file is not None) and is_model_of_frames(model):
        raise InputError(f"{model or RESMEM}: {NO_TITLES}")
