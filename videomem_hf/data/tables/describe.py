"""What a folder with a table of scores holds, and what its columns are taken for."""

import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from videomem_hf.data.release.splits import split_records
from videomem_hf.schema import ANNOTATION_COUNTS, HORIZON_NAMES

from .columns import ROLES
from .opening import OpenedTable, open_table


@dataclass(frozen=True)
class TableDescription:
    """What a folder holds.

    Attributes:
        opened: The folder, read.
        roles: What a column is, its name in the table, and its first value as it is read.
        extras: Columns that are kept under their own names.
        splits: Number of rows of each split.
        media: Number of videos, and of images, that the rows have.
        first_missing: Ids of the first three rows without a file.
        notes: What was odd while reading, a sentence each.
    """

    opened: OpenedTable
    roles: list[tuple[str, str, str]]
    extras: list[str]
    splits: dict[str, int]
    media: Counter[str]
    first_missing: list[str]
    notes: list[str]

    @property
    def statistics(self) -> dict[str, dict[str, float]]:
        """Number, mean, standard deviation, smallest and largest of the scores, for each horizon that has any."""
        found = {}
        for horizon in self.opened.horizons:
            values = [record.value(horizon) for record in self.opened.records]
            scores = np.array([value for value in values if value is not None], float)
            if scores.size:
                found[HORIZON_NAMES[horizon]] = {
                    "scores": float(scores.size),
                    "mean": float(scores.mean()),
                    "standard deviation": float(scores.std()),
                    "min": float(scores.min()),
                    "max": float(scores.max()),
                }
        return found


def describe_table(
    data_dir: str | Path, given: Mapping[str, Any] | None = None, *, allow_links: bool = False
) -> TableDescription:
    """Look through a folder with a table of scores; arguments and errors are those of `open_table`."""
    from .media import is_image

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        opened = open_table(data_dir, given, allow_links=allow_links)
        found = opened.find_media()
    first = opened.records[0]
    roles = []
    own = [name for horizon in opened.horizons for name in (horizon, ANNOTATION_COUNTS[horizon])]
    for role in dict.fromkeys([ROLES[0], *own, *ROLES]):
        if column := opened.columns.get(role):
            name = ", ".join(column) if isinstance(column, list) else column
            value = first.video_id if role == "video" else first.part if role == "split" else first.value(role)
            roles.append((role, name, "" if value is None else str(value)))
    missing = [record.video_id for record in opened.records if record.video_id not in found]
    return TableDescription(
        opened=opened,
        roles=roles,
        extras=list(opened.extra_types),
        splits={name: len(records) for name, records in split_records(opened.records).items()},
        media=Counter("images" if is_image(path) else "videos" for path in found.values()),
        first_missing=missing[:3],
        notes=[str(warning.message) for warning in caught],
    )
