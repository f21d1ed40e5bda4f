"""Whether data are a generated sample, which anybody may have, or a copy of VideoMem, which stays with its owner."""

import json
from pathlib import Path
from typing import Any, Final

import yaml

CARD: Final = "README.md"
CARD_KEY: Final = "generated_sample"
"""Under which a prepared folder's card carries the arguments of the sample that it was made from."""
PLAN_FILE: Final = "sample.json"
RELEASE_FOLDER: Final = "release"

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


def is_prepared(data: str | Path) -> bool:
    """Whether data are a folder that `videomem prepare` wrote, or a copy of one: a card and Parquet files."""
    return (Path(data) / CARD).is_file() and any(Path(data).glob("**/*.parquet"))


def _plan_of_card(card: Path) -> Plan | None:
    if not card.is_file():
        return None
    parts = card.read_text(encoding="utf-8").split("---\n", 2)
    if len(parts) < 3 or parts[0]:
        return None
    try:
        front = yaml.safe_load(parts[1])
    except yaml.YAMLError:
        return None  # a card that somebody else wrote
    plan = front.get(CARD_KEY) if isinstance(front, dict) else None
    return plan if isinstance(plan, dict) else None


def _json_object(path: Path) -> Plan | None:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return None  # some other program's file of that name
    return value if isinstance(value, dict) and "seed" in value else None
