"""Published figures of the field, each with its protocol in words and whether a benchmark can be compared with it."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from videomem_hf.benchmark.truth import Version
from videomem_hf.schema import HORIZONS

_FILE: Final = Path(__file__).with_name("published.yaml")
COLUMNS: Final = ("validation", "test", "test500")
"""Those of the paper's Table 1 for each horizon."""

Triple = tuple[float, ...]
"""A figure for each of `COLUMNS`."""


@dataclass(frozen=True)
class Published:
    """A published figure.

    Attributes:
        name: The predictor or the consistency.
        source: Where it is published.
        version: Ground truth that it was measured on, as in `versions.yaml`.
        split: Its protocol in words.
        protocol: The protocol of `videomem benchmark` that does the same; empty where none does.
        spearman: Horizon to the figure as published, a string with its digits.
    """

    name: str
    source: str
    version: str
    split: str
    protocol: str
    spearman: dict[str, str]


def read_published() -> list[Published]:
    """Read all published figures."""
    return [
        Published(**(entry | {"source": group["source"], "version": group["version"]} | figures))
        for group in _content()
        for entry, figures in _entries(group)
    ]


@cache
def _content() -> list[dict[str, Any]]:
    return list(yaml.safe_load(_FILE.read_text(encoding="utf-8")))


def table1_figures(name: str) -> tuple[Triple, Triple]:
    """Short- and long-term figures of a predictor in the paper's Table 1: of validation, test and test(500)."""
    splits = [split for group in _content() for split in group["splits"] if "table1" in split]
    of = {split["table1"]: split["figures"][name] for split in splits}
    short, long = ((*(float(of[each][h]) for each in COLUMNS),) for h in HORIZONS)
    return short, long


def _entries(group: dict[str, Any]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    return [
        ({"name": name, "split": split["words"], "protocol": split.get("protocol", "")}, {"spearman": figures})
        for split in group["splits"]
        for name, figures in split["figures"].items()
    ]


def beside(version: Version, protocols: Collection[str]) -> list[dict[str, Any]]:
    """The published figures, each with `comparable` and, where it is not, `why_not`."""
    rows = []
    for each in read_published():
        why = ""
        if each.version != version.name:
            why = "another ground truth"
        elif not version.verified:
            why = "the version of these scores is not verified"
        elif not each.protocol:
            why = "no protocol here evaluates on its clips"
        elif each.protocol not in protocols:
            why = f"needs the protocol {each.protocol}"
        rows.append(vars(each) | {"comparable": not why, "why_not": why})
    return rows
