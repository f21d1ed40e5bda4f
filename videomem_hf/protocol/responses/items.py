"""The name of what a trial showed, from a path, an address, HTML, or a list of one."""

import json
import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any, Final

from videomem_hf.schema import VIDEO_SUFFIXES

_SOURCE: Final = re.compile(r"""(?:src|href|data-item)\s*=\s*\\?["']?([^"'\s>\\]+)""", re.IGNORECASE)
_URL: Final = re.compile(r"""url\(["']?([^"')]+)""", re.IGNORECASE)
_IMAGES: Final = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".svg"})


def item_path(value: Any) -> str | None:
    """The path of what was shown; None where the cell names nothing, as the HTML of a fixation cross.

    A list of several, such as the formats of one video, gives its first.
    """
    if isinstance(value, str) and value.strip().startswith("["):
        try:
            value = json.loads(value)
        except json.JSONDecodeError:
            value = value.strip("[]").split(",")[0].strip(" \"'")
    if isinstance(value, list):
        return item_path(value[0]) if value else None
    if isinstance(value, dict):
        return next((item_path(value[name]) for name in ("src", "path", "name", "id") if name in value), None)
    text = str(value).strip()
    if "<" in text:
        found = _SOURCE.search(text) or _URL.search(text)
        return found[1].split("?")[0].split("#")[0] if found else None
    return text.split("?")[0].replace("\\", "/") or None


def short_names(paths: Iterable[str]) -> dict[str, str]:
    """Each path's name: its last part without the ending of a video or picture, or more of it where two are alike."""
    names = {path: _without_ending(PurePosixPath(path).name) for path in paths}
    counts: dict[str, set[str]] = {}
    for path, name in names.items():
        counts.setdefault(name.casefold(), set()).add(path)
    return {path: name if len(counts[name.casefold()]) == 1 else _without_ending(path) for path, name in names.items()}


def _without_ending(name: str) -> str:
    ending = PurePosixPath(name).suffix
    return name[: -len(ending)] if ending.lower() in VIDEO_SUFFIXES | _IMAGES and len(ending) < len(name) else name
