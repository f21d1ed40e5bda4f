"""Which videos are for training, which for validation and which for testing: a pure function of ids and a seed."""

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from videomem_hf.schema import ANNOTATION_COUNTS, HORIZONS, Horizon, InputError

from .captions import read_video_list
from .names import natural_key
from .records import VideoRecord

PAPER_TRAIN: Final = 6500
PAPER_DEV: Final = 8000
"""The paper trains on 6,500 of the 8,000 labelled videos and validates on 1,500 (Sec. 5); it does not say which."""

RankedBy = str
"""Annotation counts that say which videos are the most annotated: one horizon's, or the `sum` of all."""
_SUM: Final = "sum"

NEARLY_SAME: Final = 0.75
"""Titles are nearly the same when the words they share are at least this part of all their words (Jaccard)."""


def seeded_order(ids: Iterable[str], seed: int) -> list[str]:
    """Shuffle ids by a hash of seed and id: the same on every machine and version, whatever order they came in."""
    return sorted(ids, key=lambda video_id: hashlib.sha256(f"{seed}:{video_id}".encode()).digest())


def train_size(labelled: int) -> int:
    """Number of training videos among `labelled`, in the paper's proportion."""
    return round(labelled * PAPER_TRAIN / PAPER_DEV)


@dataclass
class SplitOptions:
    """How the labelled videos are divided.

    Attributes:
        seed: Of the division into train and validation in the paper's proportion.
        group_titles: Keep videos with the same or nearly the same title in one split (about one in seven shares its
            title with another: near duplicates, which would leak from training into validation).
        most_annotated: Put this many of the most annotated videos in a split of their own, `test500` for 500, as the
            paper did (Sec. 5).
        most_annotated_by: Which annotation counts rank them; see `most_annotated_indices`.
        split_files: A split's name and the path of a list of its videos, one per line, in place of all of the above.
    """

    seed: int = 0
    group_titles: bool = False
    most_annotated: int = 0
    most_annotated_by: RankedBy = "long_term"
    split_files: Mapping[str, str] | None = None


def check_split_options(options: SplitOptions, horizons: Sequence[Horizon] = ()) -> None:
    """Refuse values of a wrong type with an InputError: `seed="x"` would divide the videos, and not as meant.

    `horizons` are those of the data, where they are known.
    """
    by = options.most_annotated_by
    files = options.split_files
    texts = isinstance(files, Mapping) and all(isinstance(text, str | Path) for item in files.items() for text in item)
    wanted = {
        "seed": ("a whole number", type(options.seed) is int),
        "group_titles": ("True or False", isinstance(options.group_titles, bool)),
        "most_annotated": ("a whole number of 0 or more", type(options.most_annotated) is int),
        "most_annotated_by": (
            f"one of {', '.join((*horizons, _SUM))}" if horizons else "the name of a horizon, or sum",
            by in (*horizons, _SUM) if horizons else isinstance(by, str),
        ),
        "split_files": ("a dictionary of the splits' names and the paths of their lists", files is None or texts),
    }
    for name, (allowed, right) in wanted.items():
        if not right:
            raise InputError(f"{name} is {getattr(options, name)!r:.60}; it must be {allowed}.")


SPLIT_DEFAULTS: Final[dict[str, Any]] = asdict(SplitOptions())


def split_records(records: Sequence[VideoRecord], options: SplitOptions | None = None) -> dict[str, list[VideoRecord]]:
    """Split a release; each split is in natural order of ids (2 before 10), and a split without videos is left out.

    Videos that the release itself puts in a split stay there; `dev` ones are divided, by default with seed 0 into train
    and validation. Raises InputError for split files that name unknown videos or one twice, and for more
    `most_annotated` than labelled videos.
    """
    options = options or SplitOptions()
    check_split_options(options)
    by_id = {record.video_id: record for record in records}
    if options.split_files:
        splits = _read_split_files(options.split_files, by_id)
    else:
        splits = {"train": [], "validation": [], "test": []}
        for record in records:
            if record.part != "dev":
                splits.setdefault(record.part, []).append(record.video_id)
        dev = [record for record in records if record.part == "dev"]
        if options.most_annotated:
            horizons = dev[0].horizons if dev else HORIZONS
            counts = {each: [record.value(ANNOTATION_COUNTS[each]) for record in dev] for each in horizons}
            ids = [record.video_id for record in dev]
            chosen = set(most_annotated_indices(options.most_annotated, ids, counts, options.most_annotated_by))
            splits[f"test{options.most_annotated}"] = [ids[index] for index in chosen]
            dev = [record for index, record in enumerate(dev) if index not in chosen]
        train, validation = _divide(dev, options.seed, options.group_titles)
        splits["train"] += train
        splits["validation"] += validation
    return {name: [by_id[video_id] for video_id in sorted(ids, key=natural_key)] for name, ids in splits.items() if ids}


def most_annotated_indices(
    size: int,
    ids: Sequence[str],
    counts: Mapping[Horizon, Sequence[float | None]],
    by: RankedBy = "long_term",
) -> list[int]:
    """Return the indices of the most annotated videos, the first ones first: the paper's test(500) and Sec. 4.2.

    Args:
        size: How many.
        ids: Of the videos.
        counts: Annotation counts of the videos for each horizon; None, NaN or 0 where unknown. A horizon may be absent.
        by: Counts that rank them. Ties are broken by the other horizons' counts (by long-term ones after `sum`), then
            by the number in the id, the smallest first.

    Raises:
        InputError: There are fewer videos, `by` is unknown, or no video has the counts that it names.
    """
    allowed = [*dict.fromkeys([*counts, *(() if set(counts) - set(HORIZONS) else HORIZONS)]), _SUM]
    if by not in allowed:
        raise InputError(f"the most annotated are ranked by {', '.join(allowed)}, not by {by!r}")
    if not 0 < size <= len(ids):
        raise InputError(f"the {size} most annotated videos are asked for; 1 to {len(ids)} can be had")
    known = {name: [0 if not count or math.isnan(count) else count for count in counts[name]] for name in counts}
    needed = allowed[:-1] if by == _SUM else [by]
    absent = [name for name in needed if not any(known.get(name, ()))]
    if absent:
        raise InputError(
            f"the most annotated videos by {by} are asked for, but these data have no {absent[0]} annotation counts; "
            f"rank them by another of {', '.join(allowed)}"
        )

    def key(index: int) -> tuple[float, float, object]:
        every = {name: column[index] for name, column in known.items()}
        whole = sum(every.values())
        first, second = (whole, every.get("long_term", 0)) if by == _SUM else (every[by], whole - every[by])
        return -first, -second, natural_key(ids[index])

    return sorted(range(len(ids)), key=key)[:size]


def _divide(dev: Sequence[VideoRecord], seed: int, group_titles: bool) -> tuple[list[str], list[str]]:
    """Divide labelled videos into train and validation: groups in a seeded order, to validation as long as they fit."""
    groups = title_groups(dev) if group_titles else _own_groups(dev)
    by_first = {group[0]: group for group in groups}
    size = len(dev) - train_size(len(dev))
    train: list[str] = []
    validation: list[str] = []
    for first in seeded_order(by_first, seed):
        group = by_first[first]
        (validation if len(validation) + len(group) <= size else train).extend(group)
    return train, validation


def _own_groups(records: Sequence[VideoRecord]) -> list[list[str]]:
    """Group videos as their table does; one without a group is one of its own."""
    groups: dict[object, list[str]] = {}
    for record in records:
        group = getattr(record, "group", None)  # of records of a table
        groups.setdefault(record if group is None else group, []).append(record.video_id)
    return list(groups.values())


def title_groups(records: Sequence[VideoRecord]) -> list[list[str]]:
    """Group videos whose titles are the same or nearly the same, directly or through others; ids in numeric order.

    Titles are compared as sets of words without numbers. A video without a title is a group of its own.
    """
    return [list(group) for group in _groups_of_titles(tuple((record.video_id, record.title) for record in records))]


@lru_cache(maxsize=2)
def _groups_of_titles(pairs: tuple[tuple[str, str | None], ...]) -> list[list[str]]:
    """See `title_groups`; pairs of an id and a title. Kept, as ten splits of the same videos need them ten times."""
    titles = dict(pairs)
    ids = sorted(titles, key=natural_key)
    known = {video_id: title for video_id in ids if (title := titles[video_id])}
    words = {each: frozenset(re.findall(r"[a-z]+", title.lower()) or [title]) for each, title in known.items()}
    same: dict[frozenset[str], str] = {}
    parent = {video_id: video_id for video_id in ids}

    def root(video_id: str) -> str:
        while parent[video_id] != video_id:
            parent[video_id] = video_id = parent[parent[video_id]]
        return video_id

    for video_id, found in words.items():
        parent[video_id] = same.setdefault(found, video_id)
    for one, other in _similar_pairs({video_id: found for found, video_id in same.items()}):
        first, second = sorted((root(one), root(other)), key=natural_key)
        parent[second] = first
    groups: dict[str, list[str]] = {}
    for video_id in ids:
        groups.setdefault(root(video_id), []).append(video_id)
    return list(groups.values())


def _similar_pairs(words: Mapping[str, frozenset[str]]) -> Iterable[tuple[str, str]]:
    """Find the pairs of word sets with a Jaccard index of at least `NEARLY_SAME`.

    Two such sets share a word among the rarest few of each (prefix filtering), so only those few are looked up.
    """
    frequency = Counter(word for found in words.values() for word in found)
    seen: dict[str, list[str]] = {}
    for video_id, found in words.items():
        rarest = sorted(found, key=lambda word: (frequency[word], word))
        prefix = rarest[: len(rarest) - math.ceil(NEARLY_SAME * len(rarest)) + 1]
        for other in {other for word in prefix for other in seen.get(word, ())}:
            shared = len(found & words[other])
            if shared >= NEARLY_SAME * (len(found) + len(words[other]) - shared):
                yield other, video_id
        for word in prefix:
            seen.setdefault(word, []).append(video_id)


def _read_split_files(files: Mapping[str, str | Path], by_id: Mapping[str, VideoRecord]) -> dict[str, list[str]]:
    splits: dict[str, list[str]] = {}
    locations: dict[str, str] = {}
    for name, path in files.items():
        if not re.fullmatch(r"\w+(\.\w+)*", name) or name.lower() == "all":  # to `datasets`, all splits together
            raise InputError(f"'{name}' cannot name a split; use letters, digits and underscores, and not 'all'.")
        for video_id, line in read_video_list(Path(path), by_id):
            location = f"{path}:{line}"
            if video_id not in by_id:
                raise InputError(f"{location}: {video_id} is not in this copy of the release; remove it from the list.")
            if other := locations.get(video_id):
                raise InputError(f"{location}: {video_id} is in another split at {other} as well; keep one of them.")
            locations[video_id] = location
            splits.setdefault(name, []).append(video_id)
    return splits
