"""What a user would type after `videomem predict`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from videomem_hf.cli.options import quoted

_LISTED: Final = 4
"""Clips from which their folder is named instead."""


def next_commands(clips: Sequence[Path], model: str | None, *, drawn: bool, maps: bool, written: bool) -> list[str]:
    """Give up to two commands.

    Args:
        clips: Scored clips that can be read again.
        model: As given.
        drawn, written: Whether a picture, and whether a table or overlay videos were written.
        maps: Whether the model offers saliency maps.
    """
    if not clips:
        return []
    of_model = f" --model {quoted(model)}" if model else ""
    one = quoted(clips[0])
    all_ = " ".join(map(quoted, clips)) if len(clips) < _LISTED else quoted(clips[0].parent)
    commands = [] if drawn else [f"videomem predict {one}{of_model} --plots plots"]
    if len(clips) > 1 and not written:
        commands.append(f"videomem predict {all_}{of_model} --csv scores.csv")
    elif maps and not written:
        commands.append(f"videomem predict {one}{of_model} --overlay videos")
    return commands
