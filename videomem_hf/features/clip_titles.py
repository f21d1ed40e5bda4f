"""Which title belongs to which clip, where titles are given by the clips' names."""

from collections.abc import Mapping
from pathlib import Path

from videomem_hf.models.video_addresses import address_name


class ClipTitles:
    """Titles by the clips' names.

    Args:
        titles: A clip's path, file name, or file name without its ending (`video10`), to its title.
    """

    def __init__(self, titles: Mapping[str, str | None]) -> None:
        self._given = dict(titles) | {str(Path(n)): t for n, t in titles.items()}
        stems: dict[str, set[str | None]] = {}
        for name, title in titles.items():
            stems.setdefault(Path(name).stem, set()).add(title)
        self._by_stem = {stem: next(iter(found)) for stem, found in stems.items() if len(found) == 1}

    def of(self, name: str) -> str | None:
        """The title of a clip, by its path, file name or address; None if there is none.

        Of several names that match, the one with the most folders of the clip's path counts. An address is looked for
        as it is, then without its query.
        """
        if name in self._given:
            return self._given[name]
        parts = Path(address_name(name)).parts
        for start in range(len(parts)):
            path = Path(*parts[start:])
            for key in (str(path), str(path.parent / path.stem)):
                if key in self._given:
                    return self._given[key]
        return self._by_stem.get(Path(parts[-1]).stem) if parts else None
