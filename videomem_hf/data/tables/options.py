"""What was decided about a folder with a table of one's own, and the file that keeps it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

import yaml
from huggingface_hub.dataclasses import strict

from videomem_hf.recipes import build, read_yaml, refuse_unknown
from videomem_hf.system import atomic_write

DECISIONS: Final = "memorability.yaml"
"""The file in the folder."""


@strict
@dataclass
class TableOptions:
    """How a table of scores is read.

    Attributes:
        table: The table, below the folder or anywhere; None for the only one in the folder.
        sheet: Of a spreadsheet with several.
        videos: Folder of the videos or images, below the data's or anywhere; None for the data's.
        columns: What a column is (see `columns.ROLES`) and its name, where names do not say it.
        scale: `unit` for scores in [0, 1], `percent`, or None where the table says it.
        preset: Name of a published set's layout, see `presets`.
        title: What people call the data set; None for its folder's name, or the preset's.
        license: Licence of the scores and the media, as the Hub writes it (`cc-by-4.0`) or in words.
        citation: How it is cited: BibTeX, or a sentence.
    """

    table: str | None = None
    sheet: str | None = None
    videos: str | None = None
    columns: dict[str, Any] | None = None
    scale: str | None = None
    preset: str | None = None
    title: str | None = None
    license: str | None = None
    citation: str | None = None


OPTION_NAMES: Final = tuple(option.name for option in fields(TableOptions))


def read_decisions(folder: Path, given: Mapping[str, Any]) -> TableOptions:
    """Return the options that a folder's `memorability.yaml` holds, and those that are given in place of them.

    Raises:
        InputError: The file holds other keys or values of a wrong type, or so do the given options.
    """
    path = folder / DECISIONS
    kept: dict[str, Any] = {}
    if path.is_file():
        kept = read_yaml(path)
        refuse_unknown(kept, OPTION_NAMES, str(path))
    wanted = {name: value for name, value in given.items() if value is not None}
    return build(TableOptions, kept | wanted, str(path) if kept else "options of the table")


def write_decisions(folder: Path, options: TableOptions) -> Path:
    """Write what was decided into the folder, as `memorability.yaml`; gives its path."""
    values = {name: value for name, value in asdict(options).items() if value is not None}
    path = folder / DECISIONS
    with atomic_write(path) as partial:
        text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
        partial.write_text(
            "# How this folder's scores are read; `videomem describe` shows it.\n" + text, encoding="utf-8"
        )
    return path


def below(folder: Path, name: str) -> Path:
    """Return a path that is absolute, or relative to the folder; else to where the program runs."""
    path = Path(name).expanduser()
    inside = folder / path
    return inside if path.is_absolute() or inside.exists() or not path.exists() else path.resolve()
