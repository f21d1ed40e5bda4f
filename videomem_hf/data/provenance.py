"""Where data come from: a generated sample, which anybody may have; a study; or VideoMem, which stays private."""

import json
from pathlib import Path
from typing import Any, Final, Literal

import yaml

CARD: Final = "README.md"
CARD_KEY: Final = "generated_sample"
"""Under which a prepared folder's card carries the arguments of the sample that it was made from."""
PLAN_FILE: Final = "sample.json"
RELEASE_FOLDER: Final = "release"
STUDY_KEY: Final = "study"
"""Under which a prepared folder's card says that it was made from a study."""
STUDY_FILES: Final = ("summary.json", "design.yaml")
"""What `videomem score` writes beside the release that it makes of a study."""

DataTitle = Literal["VideoMem", "a generated sample", "a study"]
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


def data_title(data: str | Path) -> DataTitle:
    """Where data come from, in words."""
    return "a generated sample" if generated_plan(data) is not None else "a study" if is_study(data) else "VideoMem"


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
