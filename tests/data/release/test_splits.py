"""Splits: a pure function of ids and a seed, in the paper's proportion, with near duplicates kept together."""

import hashlib
import itertools
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data.release_trees import write
from videomem_hf.data.release.names import video_number
from videomem_hf.data.release.records import VideoRecord
from videomem_hf.data.release.splits import (
    SplitOptions,
    most_annotated_indices,
    split_records,
    title_groups,
    train_size,
)
from videomem_hf.schema import InputError


def dev(count: int) -> list[VideoRecord]:
    return [VideoRecord(f"video{number}", "dev") for number in range(1, count + 1)]


def ids(records: list[VideoRecord]) -> list[str]:
    return [record.video_id for record in records]


def test_the_papers_proportion() -> None:
    splits = split_records([*dev(8000), *(VideoRecord(f"video{n}", "test") for n in range(8001, 10001))])
    assert {name: len(records) for name, records in splits.items()} == {"train": 6500, "validation": 1500, "test": 2000}
    assert (train_size(6000), train_size(1), train_size(0)) == (4875, 1, 0)


def test_the_same_on_every_machine() -> None:
    splits = split_records(dev(8000))
    digest = hashlib.sha256("\n".join(ids(splits["validation"])).encode()).hexdigest()
    assert digest == "892687af141ff0e0576207097d717c4672503650a87bdd211bcf5303a712bb27"
    assert ids(splits["train"]) == sorted(ids(splits["train"]), key=video_number)


@given(st.lists(st.integers(1, 500), unique=True, min_size=1), st.integers(0, 5), st.randoms())
def test_file_order_does_not_matter_and_nothing_is_lost(numbers: list[int], seed: int, rng: random.Random) -> None:
    records = [VideoRecord(f"video{number}", "dev") for number in numbers]
    splits = split_records(records, SplitOptions(seed=seed))
    rng.shuffle(records)
    assert split_records(records, SplitOptions(seed=seed)) == splits
    found = list(itertools.chain.from_iterable(ids(split) for split in splits.values()))
    assert sorted(found) == sorted(ids(records))
    assert len(splits.get("train", [])) == round(len(numbers) * 6500 / 8000)


def test_seeds_differ_and_a_removed_video_moves_few_others() -> None:
    everything = split_records(dev(1000))["validation"]
    assert ids(everything) != ids(split_records(dev(1000), SplitOptions(seed=1))["validation"])
    without = split_records(dev(1000)[1:])["validation"]
    assert len(set(ids(everything)) ^ set(ids(without))) <= 2


def titled(*titles: str | None) -> list[VideoRecord]:
    return [VideoRecord(f"video{number}", "dev", title) for number, title in enumerate(titles, start=1)]


def test_same_and_nearly_same_titles_are_one_group() -> None:
    records = titled(
        "woman-runs-on-the-sandy-beach-at-sunset",
        "car",
        "woman-runs-on-the-sandy-beach-at-dusk",
        None,
        "car",
        "woman-runs-on-the-sandy-beach-at-sunset-2",
        None,
        "12-34",
        "12-34",
        "car-red",
    )
    expected = ["video1 video3 video6", "video2 video5", "video4", "video7", "video8 video9", "video10"]
    assert sorted(" ".join(group) for group in title_groups(records)) == sorted(expected)


WORDS = st.lists(st.sampled_from("abcdefghij"), min_size=1, max_size=7)


@given(st.lists(WORDS, min_size=1, max_size=25))
def test_groups_are_the_components_of_all_similar_pairs(titles: list[list[str]]) -> None:
    records = titled(*("-".join(title) for title in titles))
    parent = list(range(len(records)))

    def root(item: int) -> int:
        return item if parent[item] == item else root(parent[item])

    for one, other in itertools.combinations(range(len(records)), 2):
        a, b = set(titles[one]), set(titles[other])
        if len(a & b) / len(a | b) >= 0.75:
            parent[root(one)] = root(other)
    expected = {
        frozenset(f"video{j + 1}" for j in range(len(records)) if root(j) == root(i)) for i in range(len(records))
    }
    assert {frozenset(group) for group in title_groups(records)} == expected


def test_grouped_titles_never_straddle_splits() -> None:
    rng = random.Random(0)
    records = titled(*(f"scene-{'-'.join(rng.choices('abcdefgh', k=2))}" for _ in range(400)))
    splits = split_records(records, SplitOptions(group_titles=True))
    titles = [{record.title for record in splits[name]} for name in ("train", "validation")]
    assert not titles[0] & titles[1]
    largest = max(map(len, title_groups(records)))
    assert train_size(400) <= len(splits["train"]) < train_size(400) + largest
    ungrouped = split_records(records)
    assert {r.title for r in ungrouped["train"]} & {r.title for r in ungrouped["validation"]}


def test_most_annotated_are_held_out() -> None:
    records = [VideoRecord(f"video{n}", "dev", None, 0.5, 0.5, n % 7, n % 5) for n in range(1, 101)]
    splits = split_records(records, SplitOptions(most_annotated=30))
    assert len(splits["test30"]) == 30
    expected = sorted(records, key=lambda r: (-r.long_term_annotations, -r.short_term_annotations, int(r.video_id[5:])))
    assert set(ids(splits["test30"])) == set(ids(expected[:30]))
    assert (len(splits["train"]), len(splits["validation"])) == (train_size(70), 70 - train_size(70))
    assert not set(ids(splits["test30"])) & set(ids(splits["train"]) + ids(splits["validation"]))


def test_most_annotated_needs_enough_videos_and_counts() -> None:
    with pytest.raises(InputError, match="the 4 most annotated videos are asked for; 1 to 3 can be had"):
        split_records(dev(3), SplitOptions(most_annotated=4))
    with pytest.raises(
        InputError, match="no long_term annotation counts; rank them by another of short_term, long_term, sum"
    ):
        split_records(dev(3), SplitOptions(most_annotated=2))


ANNOTATED = [
    ("video1", 30, 20),
    ("video2", 9, 21),
    ("video3", 40, 5),
    ("video9", 40, 19),
    ("video10", 30, 20),
    ("video11", 29, 21),
]
"""Ids with short- and long-term annotation counts."""
RANKED = {
    # long-term counts, then short-term ones, then the number of the id
    "long_term": ["video11", "video2", "video1", "video10", "video9", "video3"],
    "short_term": ["video9", "video3", "video1", "video10", "video11", "video2"],
    "sum": ["video9", "video11", "video1", "video10", "video3", "video2"],
}


@pytest.mark.parametrize("by", RANKED)
@given(st.permutations(ANNOTATED))
def test_the_ranking_by_each_count(by: str, videos: list[tuple[str, int, int]]) -> None:
    names, short_term, long_term = zip(*videos, strict=True)
    counts = {"short_term": short_term, "long_term": long_term}
    for size in range(1, 7):
        chosen = most_annotated_indices(size, names, counts, by)
        assert [names[index] for index in chosen] == RANKED[by][:size]


def test_unknown_counts_rank_last_and_names_need_no_number() -> None:
    names = ["b", "a", "c12", "c2"]
    counts = {"long_term": [float("nan"), None, 3.0, 3.0]}
    assert most_annotated_indices(4, names, counts) == [3, 2, 1, 0]
    with pytest.raises(InputError, match="by sum are asked for, but these data have no short_term annotation counts"):
        most_annotated_indices(1, names, counts, "sum")
    with pytest.raises(InputError, match="ranked by long_term, short_term, sum, not by 'both'"):
        most_annotated_indices(1, names, counts, "both")
    with pytest.raises(InputError, match="the 0 most annotated"):
        most_annotated_indices(0, names, counts)


def test_split_files(tmp_path: Path) -> None:
    files = {
        "train": str(write(tmp_path / "a.txt", "video3\nvideo1.webm")),
        "fold_2": str(write(tmp_path / "b.txt", "2")),
    }
    splits = split_records(dev(4), SplitOptions(split_files=files))
    assert {name: ids(records) for name, records in splits.items()} == {
        "train": ["video1", "video3"],
        "fold_2": ["video2"],
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("video9", "b.txt:1: video9 is not in this copy"),
        ("\nvideo1", r"b.txt:2: video1 is in another split at .*a.txt:1 as well"),
        ("", "b.txt is empty"),
    ],
)
def test_damaged_split_files(tmp_path: Path, text: str, message: str) -> None:
    files = {"train": write(tmp_path / "a.txt", "video1"), "test": write(tmp_path / "b.txt", text)}
    with pytest.raises(InputError, match=message):
        split_records(dev(4), SplitOptions(split_files=files))
    for name in ("my split", "all"):
        with pytest.raises(InputError, match=f"'{name}' cannot name a split"):
            split_records(dev(4), SplitOptions(split_files={name: files["train"]}))
