"""Titles of the clips that a command is about."""

from collections.abc import Sequence
from pathlib import Path

from videomem_hf.data.release.captions import read_titles
from videomem_hf.schema import InputError
from videomem_hf.system import quantity


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
    return titles
