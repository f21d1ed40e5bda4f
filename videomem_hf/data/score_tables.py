"""Which data set a table of scores belongs to, by its columns and its ids.

MediaEval released four sets as tables of the same names with nearly the same columns. What tells them apart is listed
here once. The columns are those that public readers of the releases use (MeMAD-project/media-memorability for 2020 and
2021; R. Kleinlein's classes `Trecvid` and `VideoMem`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from videomem_hf.schema import InputError

LAST_VIDEOMEM: Final = 10009
NOT_IN_VIDEOMEM: Final = frozenset({110, 2821, 3613, 4710, 5650, 5975, 6175, 8524, 10009})
"""VideoMem numbers its videos from 1 to 10009; no video has one of these numbers."""


@dataclass(frozen=True)
class KnownTable:
    """A published table of scores.

    Attributes:
        title: Its data set, as people call it.
        columns: Columns that it has, beside `video_id`.
        one_of: Columns of which it has at least one.
        others: Columns of other tables, which it never has.
        load: How to load it, for errors.
        of_videomem: Whether its ids are VideoMem's.
    """

    title: str
    columns: frozenset[str]
    one_of: frozenset[str]
    others: frozenset[str]
    load: str
    of_videomem: bool = False

    def has_columns(self, header: Iterable[str]) -> bool:
        """Whether a table of such columns (lower case) can be this one."""
        cells = set(header)
        return {"video_id", *self.columns} <= cells and bool(self.one_of & cells) and not self.others & cells

    def has_ids(self, ids: Iterable[int]) -> bool:
        """Whether a table of such ids can be this one."""
        return not self.of_videomem or not any(number > LAST_VIDEOMEM or number in NOT_IN_VIDEOMEM for number in ids)


_LONG_TERM: Final = frozenset({"scores_raw_long_term", "annotations_long_term"})
_PARTS: Final = frozenset({"part_1_scores", "part_2_scores", "part_1_annotations", "part_2_annotations"})

KNOWN_TABLES: Final[Mapping[str, KnownTable]] = {
    "trecvid2020": KnownTable(
        title="TRECVid, MediaEval 2020",
        columns=frozenset(),
        one_of=frozenset({"part_1_scores", "part_2_scores"}),
        others=frozenset(),
        load='load_dataset("trecvid2020", data_dir=...)',
    ),
    "trecvid2021": KnownTable(
        title="TRECVid, MediaEval 2021",
        columns=frozenset({"scores_raw_long_term"}),
        one_of=frozenset({"scores_raw_short_term", "decay_alpha"}),
        others=_PARTS,
        load='load_dataset("trecvid2021", data_dir=...)',
    ),
    "memento10k": KnownTable(
        title="Memento10k, MediaEval 2021",
        columns=frozenset(),
        one_of=frozenset({"scores_raw_short_term", "scores_normalized_short_term", "decay_alpha"}),
        others=_LONG_TERM | _PARTS,
        load='load_dataset("memento10k", data_dir=...)',
    ),
    "videomem2022": KnownTable(
        title="VideoMem, MediaEval 2022",
        columns=frozenset({"scores_raw_long_term"}),
        one_of=frozenset({"scores_normalized_short_term"}),
        others=_PARTS | {"decay_alpha"},
        load='load_dataset("videomem", release="2022", data_dir=...)',
        of_videomem=True,
    ),
}
"""By name. TRECVid's tables of 2021 have the decay and VideoMem's of 2022 do not; a table without it that has the raw
short-term scores can be either, unless its ids say that it is not VideoMem's."""


def possible_tables(header: Sequence[str], ids: Iterable[int] = ()) -> list[str]:
    """Names of the tables that have such columns (lower case); of several, those that can have such ids."""
    names = [name for name, table in KNOWN_TABLES.items() if table.has_columns(header)]
    numbers = list(ids) if len(names) > 1 else []
    return [name for name in names if KNOWN_TABLES[name].has_ids(numbers)] or names


def refuse_ambiguous(location: object, names: Sequence[str]) -> None:
    """Refuse a table that can be one of several, naming them and how to load each."""
    if len(names) > 1:
        titles = " or ".join(KNOWN_TABLES[name].title for name in names)
        loads = " or ".join(KNOWN_TABLES[name].load for name in names)
        raise InputError(f"{location}: its columns and ids are those of {titles}; say which with {loads}.")


def another_set(location: object, names: Sequence[str]) -> str:
    """Say that a table belongs to another data set, and how to load that."""
    tables = [KNOWN_TABLES[name] for name in names]
    titles, loads = (" or ".join(texts) for texts in zip(*((each.title, each.load) for each in tables), strict=True))
    return f"{location} is a table of {titles}; load it with {loads}."
