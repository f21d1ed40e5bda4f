"""Where data come from: a generated sample, which anybody may have; a study; or VideoMem, which stays private."""

import json
from pathlib import Path
from typing import Any, Final

from videomem_hf.schema import InputError

CARD: Final = "README.md"
CARD_KEY: Final = "generated_sample"
"""Under which a prepared folder's card carries the arguments of the sample that it was made from."""
PLAN_FILE: Final = "sample.json"
RELEASE_FOLDER: Final = "release"
STUDY_KEY: Final = "study"
"""Under which a prepared folder's card says that it was made from a study."""
STUDY_FILES: Final = ("summary.json", "design.yaml")
"""What `videomem score` writes beside the release that it makes of a study."""

TABLE_KEY: Final = "own_table"
"""Under which a prepared folder's card has the title, licence and citation of the table that it was made from."""

Plan = dict[str, Any]
"""The arguments that determine a generated sample: `seed`, `videos`, `test_videos`, `width`, `height`, ..."""


def generated_plan(data: str | Path) -> Plan | None:
    """Return the arguments of the sample that data were generated as; None for all other data, such as a Hub id.

    The data are a sample's folder, its `release` or a folder in that, or a prepared folder.
    """
    folder = Path(data).expanduser().resolve()
    if not folder.exists():
        return None
    if plan := _plan_of_card(folder / CARD):
        return plan
    for inside in (folder / RELEASE_FOLDER, folder, *folder.parents):
        if inside.name == RELEASE_FOLDER and inside.is_dir() and (inside.parent / PLAN_FILE).is_file():
            return _json_object(inside.parent / PLAN_FILE)
    return None


def is_study(data: str | Path) -> bool:
    """Whether data come from a study: the folder that `videomem score` wrote, its `release`, or a prepared copy."""
    folder = Path(data).expanduser().resolve()
    if (_front_matter(folder / CARD) or {}).get(STUDY_KEY) is True:
        return True
    homes = (folder, *(inside.parent for inside in (folder, *folder.parents) if inside.name == RELEASE_FOLDER))
    return any(all((home / name).is_file() for name in STUDY_FILES) for home in homes)


def own_table(data: str | Path) -> dict[str, str | None] | None:
    """Return `title`, `license` and `citation` of a table of one's own or of a published set; None for other data.

    The data are its folder or a prepared copy; licence and citation are None unless its `memorability.yaml` has them.
    """
    folder = Path(data).expanduser()
    if (folder / CARD).is_file() and is_prepared(folder):
        found = (_front_matter(folder / CARD) or {}).get(TABLE_KEY)
        return {key: found.get(key) for key in ("title", "license", "citation")} if isinstance(found, dict) else None
    from .identify import identify  # loads pyarrow
    from .tables.options import read_decisions
    from .tables.presets import get_preset

    if not folder.is_dir() or generated_plan(folder) is not None or is_study(folder):
        return None
    try:
        name, keywords = identify(folder)
        if name != "memorability":
            return None
        options = read_decisions(folder, keywords)
    except InputError:
        return None
    title = options.title or (get_preset(options.preset).title if options.preset else folder.resolve().name)
    return {"title": title, "license": options.license, "citation": options.citation}


def data_title(data: str | Path) -> str:
    """Where data come from, in words: "VideoMem", "a generated sample", "a study", or the title of a table."""
    if generated_plan(data) is not None:
        return "a generated sample"
    table = own_table(data)
    return "a study" if is_study(data) else "VideoMem" if table is None else str(table["title"])


def is_prepared(data: str | Path) -> bool:
    """Whether data are a folder that `videomem prepare` wrote, or a copy of one: a card and Parquet files."""
    return (Path(data) / CARD).is_file() and any(Path(data).glob("**/*.parquet"))


def _plan_of_card(card: Path) -> Plan | None:
    plan = (_front_matter(card) or {}).get(CARD_KEY)
    return plan if isinstance(plan, dict) else None


def _front_matter(card: Path) -> dict[str, Any] | None:
    if not card.is_file():
        return None
    parts = card.read_text(encoding="utf-8").split("---\n", 2)
    if len(parts) < 3 or parts[0]:
        return None
    import yaml  # predictions without such data do not need it

    try:
        front = yaml.safe_load(parts[1])
    except yaml.YAMLError:
        return None  # a card that somebody else wrote
    return front if isinstance(front, dict) else None


def _json_object(path: Path) -> Plan | None:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return None  # some other program's file of that name
    return value if isinstance(value, dict) and "seed" in value else None
