"""`load_dataset("videomem", ...)` on small trees of both forms."""

from pathlib import Path

import datasets
import pytest
from datasets import load_dataset, load_dataset_builder

import videomem_hf  # noqa: F401 - registers the dataset
from tests.data.release_trees import make_truth, write, write_course, write_mediaeval
from videomem_hf.data.builder import VideoMem
from videomem_hf.schema import InputError

DEV = list(range(1, 61))
TEST = list(range(61, 76))


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return write_mediaeval(tmp_path / "videomem", DEV, TEST)


def expected(numbers: list[int]) -> dict[str, dict[str, object]]:
    rows = {}
    for number in numbers:
        truth = make_truth(number)
        rows[f"video{number}"] = {
            "video_id": f"video{number}",
            "title": truth.title,
            "short_term": truth.short_term,
            "long_term": truth.long_term,
            "short_term_annotations": truth.short_term_annotations,
            "long_term_annotations": truth.long_term_annotations,
        }
    return rows


@pytest.mark.parametrize("below", ["", "devset", "devset/dev-set"])
def test_scores_equal_the_release_to_the_digit_from_root_parent_or_dev_set(release: Path, below: str) -> None:
    data_dir = release.parent if below == "" else release / below
    splits = load_dataset("videomem", "scores", data_dir=str(data_dir))
    rows = [*splits["train"], *splits["validation"]]
    assert {row["video_id"]: row for row in rows} == expected(DEV)
    assert len(rows) == len(DEV)
    assert len(splits["train"]) == round(len(DEV) * 6500 / 8000)


def test_test_split_has_titles_and_no_scores(release: Path) -> None:
    test = load_dataset("videomem", "scores", data_dir=str(release), split="test")
    assert test["video_id"][:] == [f"video{number}" for number in TEST]
    assert test["title"][:] == [make_truth(number).title for number in TEST]
    for column in ("short_term", "long_term", "short_term_annotations", "long_term_annotations"):
        assert test[column][:] == [None] * len(TEST)


def test_course_form_gives_the_same_rows(tmp_path: Path) -> None:
    splits = load_dataset("videomem", data_dir=str(write_course(tmp_path / "course", DEV, TEST)))
    assert {row["video_id"]: row for row in [*splits["train"], *splits["validation"]]} == expected(DEV)
    assert splits["test"]["video_id"][:] == [f"video{number}" for number in TEST]
    assert splits["train"].features["short_term"] == datasets.Value("float64")


def test_videos_carry_paths_and_a_missing_file_is_null_with_one_warning(release: Path) -> None:
    (release / "devset/dev-set/sources/video7.webm").unlink()
    with pytest.warns(UserWarning, match="1 of 75 files for the column 'video'") as caught:
        splits = load_dataset("videomem", "videos", data_dir=str(release))
    assert sum("files for the column" in str(warning.message) for warning in caught) == 1
    found = {}
    for split in splits.values():
        rows = split.cast_column("video", datasets.Video(decode=False))
        found.update({row["video_id"]: row["video"] for row in rows})
    assert found.pop("video7") is None
    assert {video_id: Path(video["path"]).read_text() for video_id, video in found.items()} == {
        f"video{number}": f"clip {number}" for number in DEV + TEST if number != 7
    }


def test_builder_class_and_streaming_give_the_same_rows(release: Path, tmp_path: Path) -> None:
    loaded = load_dataset("videomem", "scores", data_dir=str(release))
    builder = VideoMem(config_name="scores", data_dir=str(release), cache_dir=str(tmp_path / "other"))
    builder.download_and_prepare()
    streamed = load_dataset("videomem", "scores", data_dir=str(release), streaming=True)
    for name, split in loaded.items():
        assert builder.as_dataset(name)[:] == split[:]
        assert list(streamed[name]) == list(split)


def test_the_cache_notices_an_edited_ground_truth(release: Path) -> None:
    load_dataset("videomem", "scores", data_dir=str(release))
    path = release / "devset/dev-set/ground-truth/ground-truth_dev-set.csv"
    path.write_bytes(path.read_bytes().replace(b"video1.webm,0.425,", b"video1.webm,0.999,"))
    splits = load_dataset("videomem", "scores", data_dir=str(release))
    scores = {row["video_id"]: row["short_term"] for row in [*splits["train"], *splits["validation"]]}
    assert scores["video1"] == 0.999


@pytest.mark.parametrize("name", [".DS_Store", "._video1.webm", "Thumbs.db", "desktop.ini"])
def test_a_file_of_the_operating_system_leaves_the_cache_as_it_is(release: Path, name: str) -> None:
    sources = release / "devset/dev-set/sources"
    before = load_dataset_builder("videomem", "videos", data_dir=str(release)).cache_dir
    write(sources / name, "of a file browser")
    assert load_dataset_builder("videomem", "videos", data_dir=str(release)).cache_dir == before
    write(sources / "video1.webm", "another clip")
    assert load_dataset_builder("videomem", "videos", data_dir=str(release)).cache_dir != before


def test_data_dir_from_the_environment(release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="VIDEOMEM_DATA_DIR"):
        load_dataset("videomem", "scores")
    monkeypatch.setenv("VIDEOMEM_DATA_DIR", str(release))
    assert len(load_dataset("videomem", "scores", split="test")) == len(TEST)


def test_rows_without_a_value_are_left_out_where_asked(release: Path) -> None:
    (release / "devset/dev-set/sources/video7.webm").unlink()
    with pytest.warns(UserWarning, match="files for the column|rows of the split") as caught:
        splits = load_dataset("videomem", "videos", data_dir=str(release), drop_missing=True)
    ids = [video_id for name in ("train", "validation") for video_id in splits[name]["video_id"]]
    assert sorted(ids) == sorted(f"video{number}" for number in DEV if number != 7)
    assert len(splits["test"]) == len(TEST)  # of which none has a score
    assert sum("rows of the split" in str(warning.message) for warning in caught) == 1
    rows = [
        row
        for name in ("train", "validation")
        for row in splits[name].cast_column("video", datasets.Video(decode=False))
    ]
    assert all(value is not None for row in rows for value in row.values())


@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [
        ("seed", "x", "a whole number"),
        ("seed", True, "a whole number"),
        ("seed", 1.0, "a whole number"),
        ("group_titles", "yes", "True or False"),
        ("most_annotated", "3", "a whole number of 0 or more"),
        ("most_annotated_by", "both", "one of short_term, long_term, sum"),
        ("split_files", "train.txt", "a dictionary"),
        ("split_files", {"train": 3}, "a dictionary"),
        ("allow_links", 1, "True or False"),
        ("drop_missing", "no", "True or False"),
        ("release", 2018, "one of 2018, 2022"),
    ],
)
def test_options_of_a_wrong_type_are_refused(release: Path, option: str, value: object, allowed: str) -> None:
    with pytest.raises(InputError, match=rf"{option} is .*{allowed}"):
        load_dataset("videomem", data_dir=str(release), **{option: value})
