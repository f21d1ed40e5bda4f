"""Which title belongs to which clip, where titles are given by the clips' names."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from videomem_hf.models.video_addresses import address_name


class ClipTitles:
    """Titles by the clips' names.

    Args:
        titles: A clip's path, file name, or file name without its ending (`video10`), to its title.
    """

    def __init__(self, titles: Mapping[str, str | None]) -> None:
        self._titles = dict(titles)
        self._names = {str(Path(name)): name for name in titles} | {name: name for name in titles}
        stems: dict[str, list[str]] = {}
        for name in titles:
            stems.setdefault(Path(name).stem, []).append(name)
        self._by_stem = {stem: found[0] for stem, found in stems.items() if len({titles[n] for n in found}) == 1}

    def of(self, name: str) -> str | None:
        """The title of a clip, by its path, file name or address; None if there is none.

        Of several names that match, the one with the most folders of the clip's path counts. An address is looked for
        as it is, then without its query.
        """
        given = self._name_of(name)
        return None if given is None else self._titles[given]

    def unused(self, clips: Iterable[str]) -> list[str]:
        """The names of titles that no clip gets."""
        used = {self._name_of(clip) for clip in clips}
        return [name for name in self._titles if name not in used]

    def _name_of(self, name: str) -> str | None:
        """Which of the given names a clip's title stands under."""
        if name in self._names:
            return self._names[name]
        parts = Path(address_name(name)).parts
        for start in range(len(parts)):
            path = Path(*parts[start:])
            for key in (str(path), str(path.parent / path.stem)):
                if key in self._names:
                    return self._names[key]
        return self._by_stem.get(Path(parts[-1]).stem) if parts else None
