"""Some hundred damaged copies of a release: each gives the values that were written, or a sentence that names a file.

Damages that nobody could notice (a digit changed in a short-term score) are tried as well: they may change a value, but
never end in another error.
"""

import os
import random
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.data.feature_trees import write_features
from tests.data.release_trees import make_truth, write_course, write_mediaeval
from videomem_hf.data.feature_files.folders import feature_folders, find_feature_files
from videomem_hf.data.record_tables import record_tables
from videomem_hf.data.release.reader import find_video_files, open_release, read_records
from videomem_hf.schema import InputError

DEV = list(range(1, 8))
TEST = list(range(8, 11))

TRIALS = 10
"""Copies a kind of damage."""

Rows = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, Rows]]:
    roots = [write_mediaeval(tmp_path_factory.mktemp("mediaeval") / "release", DEV, TEST)]
    roots.append(write_course(tmp_path_factory.mktemp("course") / "release", DEV, TEST))
    write_features(roots[0] / "devset/dev-set/features", DEV)
    write_features(roots[0] / "testset/me19me-testset/test-set/features", TEST, "test", seed=1)
    write_features(roots[1] / "dev-set", DEV)
    return [(root, read(root)) for root in roots]


def read(root: Path) -> Rows:
    """Read everything that a copy has, as the `all` configuration does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        release = open_release(root)
        records = read_records(release)
        features = [
            files
            for name, folders in feature_folders(release.inventory).items()
            for files in find_feature_files(name, folders)
        ]
        (table,) = record_tables([records], features, find_video_files(release))
    rows = table.to_pylist()
    return {row["video_id"]: row for row in rows}


def read_or_sentence(root: Path) -> Rows | str:
    """Read a copy, or give the one sentence that it ends with, which names a file in it."""
    try:
        return read(root)
    except InputError as error:
        sentence = str(error)
    assert str(root) in sentence
    assert "\n" not in sentence
    return sentence


def test_originals_are_read_whole(originals: list[tuple[Path, Rows]]) -> None:
    for root, rows in originals:
        assert set(rows) == {f"video{number}" for number in DEV + TEST}
        for number in DEV:
            truth = make_truth(number)
            row = rows[f"video{number}"]
            assert (row["short_term"], row["long_term"]) == (truth.short_term, truth.long_term), root
            assert row["title"] == truth.title
            assert len(row["c3d"]) == 101


# Each damage changes one file, or where it is.


def cut_off(path: Path, rng: random.Random) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: rng.randrange(len(data))])


def emptied(path: Path, rng: random.Random) -> None:
    path.write_bytes(rng.choice([b"", b"\n", b"  \r\n "]))


def removed(path: Path, rng: random.Random) -> None:
    path.unlink()


def overwritten(path: Path, rng: random.Random) -> None:
    path.write_bytes(rng.randbytes(rng.randrange(1, 4000)))


def overwritten_with_text(path: Path, rng: random.Random) -> None:
    path.write_text(
        rng.choice(["<html>404 Not Found</html>", "version https://git-lfs", "#NAME?", "0.5", "video1.webm"])
    )


def zeros_at_the_end(path: Path, rng: random.Random) -> None:
    path.write_bytes(path.read_bytes() + b"\0" * 100)


def byte_inserted(path: Path, rng: random.Random) -> None:
    data = path.read_bytes()
    place = rng.randrange(len(data) + 1)
    path.write_bytes(data[:place] + bytes([rng.choice(b"x\xff\0#;-")]) + data[place:])


def line_of_rubbish(path: Path, rng: random.Random) -> None:
    path.write_bytes(path.read_bytes() + b"\r\n<<<<<<< HEAD\r\n")


def line_ends_changed(path: Path, rng: random.Random) -> None:
    data = path.read_bytes().replace(b"\r\n", b"\n")
    path.write_bytes(data.replace(b"\n", rng.choice([b"\r\n", b"\n\n", b"\r"])) if path.suffix != ".p" else data)


def marked(path: Path, rng: random.Random) -> None:
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())


def in_utf_16(path: Path, rng: random.Random) -> None:
    path.write_bytes(path.read_bytes().decode("latin1").encode("utf-16"))


def comma_for_point(path: Path, rng: random.Random) -> None:
    path.write_bytes(path.read_bytes().replace(b".", b","))


def semicolons(path: Path, rng: random.Random) -> None:
    path.write_bytes(path.read_bytes().replace(b",", b";"))


def upper_case_name(path: Path, rng: random.Random) -> None:
    path.rename(path.with_name(path.name.upper()))


def other_ending(path: Path, rng: random.Random) -> None:
    path.rename(path.with_name(path.name + rng.choice([".bak", ".gz", "~", ".part"])))


def moved_deeper(path: Path, rng: random.Random) -> None:
    folder = path.parent / "deeper" / path.parent.name
    folder.mkdir(parents=True)
    path.rename(folder / path.name)


def copied_beside(path: Path, rng: random.Random) -> None:
    folder = path.parent / "copy" / path.parent.name
    folder.mkdir(parents=True)
    shutil.copy(path, folder / path.name)


def became_a_folder(path: Path, rng: random.Random) -> None:
    path.unlink()
    path.mkdir()


def became_a_dangling_link(path: Path, rng: random.Random) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def became_a_link_out(path: Path, rng: random.Random) -> None:
    path.unlink()
    path.symlink_to("/etc/hostname")


def exchanged(path: Path, rng: random.Random) -> None:
    other = rng.choice([p for p in sorted(path.parents[1].rglob("*")) if p.is_file() and p.suffix == path.suffix])
    mine, theirs = path.read_bytes(), own(other).read_bytes()
    if path.parent != other.parent:
        path.write_bytes(theirs)
        other.write_bytes(mine)


def lines_shuffled(path: Path, rng: random.Random) -> None:
    lines = path.read_bytes().split(b"\r\n")
    rest = lines[1:]
    rng.shuffle(rest)
    path.write_bytes(b"\r\n".join(lines[:1] + rest))


def line_repeated(path: Path, rng: random.Random) -> None:
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([*lines, rng.choice(lines)]))


def column_removed(path: Path, rng: random.Random) -> None:
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join(line.rpartition(b",")[0] or line for line in lines))


DAMAGES: list[Callable[[Path, random.Random], None]] = [
    cut_off,
    emptied,
    removed,
    overwritten,
    overwritten_with_text,
    zeros_at_the_end,
    byte_inserted,
    line_of_rubbish,
    line_ends_changed,
    marked,
    in_utf_16,
    comma_for_point,
    semicolons,
    upper_case_name,
    other_ending,
    moved_deeper,
    copied_beside,
    became_a_folder,
    became_a_dangling_link,
    became_a_link_out,
    exchanged,
    lines_shuffled,
    line_repeated,
    column_removed,
]

UNNOTICED = {
    (cut_off, "HOG"),  # any number of numbers of any length
    (cut_off, "InceptionV3"),  # any of the thousand classes, sum not known
    (cut_off, "aesthetic"),  # within the last number
    (cut_off, "captions"),  # within the last title
    (cut_off, "ground-truth"),  # between two lines
    (cut_off, "list"),
    (byte_inserted, "captions"),  # in a title
    (byte_inserted, "HOG"),  # a minus
    (byte_inserted, "aesthetic"),
    (byte_inserted, "InceptionV3"),
    (byte_inserted, "ColorHistogram"),
    (byte_inserted, "ORB"),
    (overwritten_with_text, "HOG"),
    (exchanged, "HOG"),
    (exchanged, "aesthetic"),
}
"""Damages that leave a file of its kind."""


def copy(original: Path, root: Path) -> None:
    """Copy a tree by links, which is quick; what is damaged gets a copy of its own first."""
    shutil.copytree(original, root, copy_function=os.link)


def own(path: Path) -> Path:
    """Give a file a copy of its own, in place of the link."""
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data)
    return path


def pick(root: Path, rng: random.Random) -> Path:
    """Pick a file to damage: a table every other time, they are few among many features."""
    paths = [path for path in sorted(root.rglob("*")) if path.is_file()]
    tables = [path for path in paths if not path.stem.startswith("video")]
    return rng.choice(tables if rng.random() < 0.5 else paths)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_damaged_copies(damage: Callable[..., None], originals: list[tuple[Path, Rows]], tmp_path: Path) -> None:
    rng = random.Random(damage.__name__)
    outcomes = {"equal": 0, "refused": 0}
    for trial in range(TRIALS):
        original, expected = originals[trial % 2]
        root = tmp_path / str(trial) / "release"
        copy(original, root)
        path = own(pick(root, rng))
        damage(path, rng)
        found = read_or_sentence(root)
        if isinstance(found, str):
            outcomes["refused"] += 1
        else:
            kinds = {kind for other, kind in UNNOTICED if other is damage}
            if not any(kind in str(path.relative_to(root)) for kind in kinds):
                assert_equal_or_absent(found, expected)
            outcomes["equal"] += 1
        shutil.rmtree(root)
    assert sum(outcomes.values()) == TRIALS


def assert_equal_or_absent(found: Rows, expected: Rows) -> None:
    """Check that whatever is there is what was written: rows, values and entries may be missing, none may differ."""
    assert set(found) <= set(expected)
    for video_id, row in found.items():
        for column, value in row.items():
            if column in expected[video_id]:
                known = expected[video_id][column]
                if column == "video" and value is not None and known is not None:
                    value, known = (Path(video["path"]).name.lower() for video in (value, known))
                assert same_or_absent(value, known), (video_id, column)


def same_or_absent(value: Any, known: Any) -> bool:
    if value is None or value == known:
        return True
    return (
        isinstance(value, list)
        and isinstance(known, list)
        and len(value) == len(known) == 3
        and all(map(same_or_absent, value, known))
    )


def test_random_bytes_never_end_in_another_error(originals: list[tuple[Path, Rows]], tmp_path: Path) -> None:
    rng = random.Random(0)
    for trial in range(60):
        original, _ = originals[trial % 2]
        root = tmp_path / str(trial) / "release"
        copy(original, root)
        path = own(pick(root, rng))
        data = bytearray(path.read_bytes())
        for _ in range(rng.randrange(1, 6)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        path.write_bytes(data)
        assert read_or_sentence(root)
        shutil.rmtree(root)
