"""Characters that the usual font lacks: drawn in another one that is installed, or replaced by words."""

import re
from collections.abc import Set
from functools import cache
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, fontManager, get_font
from matplotlib.text import Text

from videomem_hf.system import quantity

_PLACEHOLDERS = "LastResort"
"""A font that comes with matplotlib, with a box for every character."""


def complete_fonts(figure: Figure) -> None:
    """Give each text of a figure, such as the name of a film, fonts that have all its characters.

    Characters that no installed font has are replaced by words that say so, such as
    "[2 characters that no font here has].mp4".
    """
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        own = findfont(text.get_fontproperties())
        missing = {ord(each) for each in text.get_text() if not each.isspace()} - _characters(str(own))
        if not missing:
            continue
        families, lacking = fonts_for(frozenset(missing))
        text.set_fontfamily([*text.get_fontfamily(), *families])
        if lacking:
            text.set_text(name_missing(text.get_text(), lacking))


@cache
def fonts_for(characters: frozenset[int]) -> tuple[tuple[str, ...], frozenset[int]]:
    """The names of installed fonts that together have as many of these characters as any, and those that none has."""
    plain_last = sorted(fontManager.ttflist, key=lambda font: (font.style == "normal", font.weight in (400, "normal")))
    paths = {font.name: font.fname for font in plain_last if not Path(font.fname).name.startswith(_PLACEHOLDERS)}
    left, chosen = characters, []
    while left:
        name = max(sorted(paths), key=lambda name: len(left & _characters(paths[name])))
        if not left & _characters(paths[name]):
            break
        chosen.append(name)
        left -= _characters(paths[name])
    return tuple(chosen), left


def name_missing(text: str, missing: Set[int]) -> str:
    """Put words in place of each run of these characters."""
    characters = "[" + "".join(re.escape(chr(each)) for each in sorted(missing)) + "]"

    def words(run: re.Match[str]) -> str:
        return f"[{quantity(len(re.findall(characters, run[0])), 'character')} that no font here has]"

    return re.sub(rf"{characters}(?:\s*{characters})*", words, text)


@cache
def _characters(path: str) -> frozenset[int]:
    try:
        return frozenset(get_font(path).get_charmap())
    except (OSError, RuntimeError):  # a damaged font, or one that FreeType does not read
        return frozenset()
