"""Which title belongs to which clip, where titles are given by the clips' names."""

from collections.abc import Mapping
from pathlib import Path


class ClipTitles:
    """Titles by the clips' names.

    Args:
        titles: A clip's path, file name, or file name without its ending (`video10`), to its title.
    """

    def __init__(self, titles: Mapping[str, str | None]) -> None:
        self._given = {str(name): title for name, title in titles.items()}
        stems: dict[str, set[str | None]] = {}
        for name, title in self._given.items():
            stems.setdefault(Path(name).stem, set()).add(title)
        self._by_stem = {stem: next(iter(found)) for stem, found in stems.items() if len(found) == 1}

    def of(self, name: str) -> str | None:
        """The title of the clip with a path or file name; the most exact name counts, None if there is none."""
        path = Path(name)
        for key in (name, path.name, path.stem):
            if key in self._given:
                return self._given[key]
        return self._by_stem.get(path.stem)
