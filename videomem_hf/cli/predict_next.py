"""What a user would type after `videomem predict`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from videomem_hf.cli.options import quote

_NAMED: Final = 4
"""More clips than these are not named one by one."""


def next_commands(clips: Sequence[Path], options: str, *, drawn: bool, maps: bool, written: bool) -> list[str]:
    """Give up to two commands.

    Args:
        clips: Scored clips that can be read again.
        options: The model and what else was given, as it is typed.
        drawn, written: Whether a picture, and whether a table or overlay videos were written.
        maps: Whether the model offers saliency maps.
    """
    if not clips:
        return []
    one = quote(clips[0])
    commands = [] if drawn else [f"videomem predict {one}{options} --plots plots"]
    if 1 < len(clips) <= _NAMED and not written:
        commands.append(f"videomem predict {' '.join(map(quote, clips))}{options} --csv scores.csv")
    elif maps and not written:
        commands.append(f"videomem predict {one}{options} --overlay videos")
    return commands


def typed_options(options: Mapping[str, Sequence[Path | str | None]]) -> str:
    """Options with their values as a shell takes them, after a space each; those without a value are left out."""
    return "".join(f" {name} {quote(each)}" for name, values in options.items() for each in values if each)
