"""The published sets that are a table of scores and a folder of media, as data: one YAML file for each in `presets/`.

Each file begins with where its layout is documented. A set whose layout nobody documents in public is not here.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from videomem_hf.data.release.csv_tables import known_tables
from videomem_hf.data.release.inventory import Inventory
from videomem_hf.data.score_tables import another_set
from videomem_hf.recipes import build, read_yaml
from videomem_hf.schema import InputError

from .formats import read_table

_FOLDER: Final = Path(__file__).parent / "presets"
ALL: Final = "all"
"""In place of a split: rows that are yet to be divided."""


@dataclass(frozen=True)
class Preset:
    """The layout of one published set.

    Attributes:
        title: What people call it.
        tables: For each split, or `all`, the names that its table can have, as regular expressions; the first that is
            found counts.
        columns: As in `TableOptions`.
        rate: A horizon, and the columns of hits and misses that its score is computed of.
        needs: Columns that its tables have, those of the test part aside.
        captions: How the names of tables with descriptions end, after the name of the part.
        folder: Column with the folder of a file.
        other_names: Columns with other names of the media files.
        below_zero, above_one: `zero` (`one`): scores that a correction took below 0 (above 1) count as 0 (as 1).
        known_as: Name in `score_tables`, where other sets have tables of the same names.
    """

    title: str
    tables: dict[str, list[str]]
    columns: dict[str, Any]
    rate: dict[str, list[str]] = field(default_factory=dict)
    needs: list[str] = field(default_factory=list)
    captions: str | None = None
    folder: str | None = None
    other_names: list[str] = field(default_factory=list)
    below_zero: str = "refuse"
    above_one: str = "refuse"
    known_as: str | None = None

    def find_tables(self, inventory: Inventory, certain: bool = False) -> dict[str, list[Path]]:
        """Return the set's tables in a copy, by split; those of another set with tables of these names are left out.

        With `certain`, tables that can be another set's as well are none. Raises an InputError for a second table of
        one part.
        """
        files = [folder.path / name for folder in inventory.folders for name in folder.names]
        others = {path.parent.parent for path in files if self._is_another_sets(path)}
        found: dict[str, list[Path]] = {}
        for split, names in self.tables.items():
            for name in names:
                paths = [path for path in files if re.fullmatch(name, path.name, re.IGNORECASE)]
                paths = [path for path in paths if not (self.known_as and path.parent.parent in others)]
                if len(paths) > 1 and "*" not in name:
                    raise InputError(f"{paths[1]}: a second file of its kind, beside {paths[0]}; keep one of them.")
                if paths:
                    found[split] = sorted(paths)
                    break
        return found if any(self._has_scores(path, certain) for paths in found.values() for path in paths) else {}

    def _is_another_sets(self, path: Path) -> bool:
        if self.known_as is None or not path.name.lower().endswith("_scores.csv"):
            return False
        tables = known_tables(path)
        return bool(tables) and self.known_as not in tables

    def _has_scores(self, path: Path, certain: bool) -> bool:
        if self.known_as is not None:
            names = known_tables(path)
            return names == [self.known_as] if certain else self.known_as in names
        return set(self.needs) <= set(read_table(path).columns)

    def find_captions(self, tables: Mapping[str, Sequence[Path]]) -> list[Path]:
        """Return the tables of descriptions beside the tables of scores."""
        if self.captions is None:
            return []
        folders = dict.fromkeys(path.parent for paths in tables.values() for path in paths)
        return sorted(path for folder in folders for path in folder.glob(f"*_{self.captions}"))


def preset_names() -> list[str]:
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


@cache
def get_preset(name: str) -> Preset:
    """Return a preset by name; raises an InputError for an unknown one."""
    if name not in preset_names():
        raise InputError(f"no preset {name!r:.40}; there are {', '.join(preset_names())}")
    return build(Preset, read_yaml(_FOLDER / f"{name}.yaml"), f"preset {name}")


def detect_presets(inventory: Inventory) -> list[str]:
    """Names of the presets whose tables, with their columns, a folder holds."""
    return [name for name in preset_names() if get_preset(name).find_tables(inventory, certain=True)]


def refuse_other_sets(inventory: Inventory, preset: Preset) -> None:
    """Raise an InputError that names the set that a folder holds in place of the preset's."""
    for path in inventory.tables():
        tables = known_tables(path) if path.name.lower().endswith("_scores.csv") else []
        if tables and preset.known_as not in tables:
            raise InputError(another_set(path, tables))
    names = ", ".join(name for names in preset.tables.values() for name in names[:1]).replace("\\", "")
    raise InputError(f"No {preset.title} under {inventory.root}: none of {names} is there.{inventory.unpacking_hint()}")
