"""One configuration a feature: values equal to what was written, in both parts and both forms of the release."""

from pathlib import Path
from typing import Any

import pytest
from datasets import load_dataset

import videomem_hf  # noqa: F401 - registers the dataset
from tests.data.feature_trees import FRAMES, write_features
from tests.data.release_trees import write, write_course, write_mediaeval
from videomem_hf.schema import InputError

DEV = list(range(1, 21))
TEST = list(range(21, 26))
COLUMNS = {
    "c3d": ["c3d"],
    "hmp": ["hmp"],
    "lbp": ["lbp"],
    "hog": ["hog"],
    "inceptionv3": ["inceptionv3"],
    "colorhistogram": ["colorhistogram"],
    "orb": ["orb"],
    "aesthetics": ["aesthetics_mean", "aesthetics_median"],
}


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, dict[str, Any]]]:
    root = write_mediaeval(tmp_path_factory.mktemp("release") / "videomem", DEV, TEST)
    values = write_features(root / "devset/dev-set/features", DEV)
    test = write_features(root / "testset/me19me-testset/test-set/features", TEST, "test", seed=1)
    return root, {column: by_id | test[column] for column, by_id in values.items()}


def rows_of(splits: Any) -> dict[str, Any]:
    return {row["video_id"]: row for split in splits.values() for row in split}


@pytest.mark.parametrize("config", COLUMNS)
def test_values_equal_what_the_files_hold(release: tuple[Path, dict[str, dict[str, Any]]], config: str) -> None:
    root, values = release
    splits = load_dataset("videomem", config, data_dir=str(root))
    rows = rows_of(splits)
    assert len(rows) == len(DEV) + len(TEST)
    for column in COLUMNS[config]:
        assert {video_id: row[column] for video_id, row in rows.items()} == values[column]
    assert set(splits["train"].column_names) >= {"video_id", "short_term", *COLUMNS[config]}


def test_fixed_shapes(release: tuple[Path, dict[str, dict[str, Any]]]) -> None:
    batch = load_dataset("videomem", "all", data_dir=str(release[0]), split="validation").with_format("numpy")[:3]
    shapes = {name: batch[name].shape for name in ("c3d", "hmp", "inceptionv3", "colorhistogram", "aesthetics_mean")}
    assert shapes == {
        "c3d": (3, 101),
        "hmp": (3, 6075),
        "inceptionv3": (3, 3, 1000),
        "colorhistogram": (3, 3, 3, 256),
        "aesthetics_mean": (3, 109),
    }


def test_all_has_every_column(release: tuple[Path, dict[str, dict[str, Any]]]) -> None:
    root, values = release
    splits = load_dataset("videomem", "all", data_dir=str(root), num_proc=2)
    rows = rows_of(splits.remove_columns("video"))
    assert set(rows) == {f"video{number}" for number in DEV + TEST}
    for column, by_id in values.items():
        assert {video_id: row[column] for video_id, row in rows.items()} == by_id
    assert "video" in splits["train"].column_names


def test_streaming_equals_loading(release: tuple[Path, dict[str, dict[str, Any]]]) -> None:
    options: dict[str, Any] = {"name": "aesthetics", "data_dir": str(release[0]), "split": "train"}
    assert list(load_dataset("videomem", streaming=True, **options)) == list(load_dataset("videomem", **options))


def test_course_form_with_features_straight_under_dev_set(tmp_path: Path) -> None:
    root = write_course(tmp_path, DEV, TEST)
    values = write_features(root / "dev-set", DEV)
    with pytest.warns(UserWarning, match="5 of 25 files for the column 'hmp'"):
        rows = rows_of(load_dataset("videomem", "hmp", data_dir=str(root)))
    assert {video_id: row["hmp"] for video_id, row in rows.items() if row["hmp"]} == values["hmp"]
    assert [rows[f"video{number}"]["hmp"] for number in TEST] == [None] * len(TEST)


def test_missing_videos_and_frames_are_null(tmp_path: Path) -> None:
    root = write_mediaeval(tmp_path, DEV, [], videos=False)
    features = root / "devset/dev-set/features"
    values = write_features(features, DEV)
    (features / "LBP/video3-0.txt").unlink()
    for frame in FRAMES:
        (features / f"LBP/video4-{frame}.txt").unlink()
    with pytest.warns(
        UserWarning,
        match=r"4 of 60 files for the column 'lbp' are not .* \(first: video3-0, video4-0, video4-56, ...\)",
    ):
        rows = rows_of(load_dataset("videomem", "lbp", data_dir=str(root)))
    expected: dict[str, Any] = dict(values["lbp"])
    expected["video3"] = [None, *values["lbp"]["video3"][1:]]
    expected["video4"] = None
    assert {video_id: row["lbp"] for video_id, row in rows.items()} == expected


def test_unknown_folders_become_features_of_their_name(tmp_path: Path) -> None:
    root = write_mediaeval(tmp_path, DEV, [], videos=False)
    for number in DEV:
        write(root / "devset/dev-set/features/MyDense" / f"video{number}.txt", f"{number} 0.5 1e-3\n-2.5")
        for frame in (0, 24):
            write(root / "devset/extra/Sparse.v2" / f"video{number}-{frame}.txt", f"3:{number / 8} {frame + 7}:2\n")
    dense = rows_of(load_dataset("videomem", "MyDense", data_dir=str(root)))
    assert {row["video_id"]: row["MyDense"] for row in dense.values()} == {
        f"video{number}": [float(number), 0.5, 0.001, -2.5] for number in DEV
    }
    sparse = rows_of(load_dataset("videomem", "Sparse_v2", data_dir=str(root)))
    assert sparse["video5"]["Sparse_v2"] == [
        {"index": [3, 7], "value": [0.625, 2.0]},
        {"index": [3, 31], "value": [0.625, 2.0]},
    ]
    with pytest.warns(UserWarning, match="20 of 20 files"):  # the videos
        everything = load_dataset("videomem", "all", data_dir=str(root))
    assert {"MyDense", "Sparse_v2"} <= set(everything["train"].column_names)


def test_a_feature_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    root = write_mediaeval(tmp_path, DEV, [], videos=False)
    write(root / "devset/HMP/video1.txt", "1:1.000000\n")
    with pytest.raises(InputError, match=r"No configuration 'c3d' .* the features hmp\."):
        load_dataset("videomem", "c3d", data_dir=str(root))


@pytest.mark.parametrize("num_proc", [None, 2])
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda data: data[: len(data) // 2],
            r"video7.txt:1: (\d+ values where this feature has 101|the file is cut off)",
        ),
        (lambda data: b"", "video7.txt is empty"),
        (lambda data: data.replace(b"0.", b"O.", 1), r"video7.txt:1: 'O\.\d+' is not a number"),
        (lambda data: b"0.5 " + data[data.index(b" ") + 1 :], r"video7.txt:1: the values sum to 1\.\d+ where"),
    ],
)
def test_a_damaged_file_is_one_sentence_with_its_name(
    tmp_path: Path, damage: Any, message: str, num_proc: int | None
) -> None:
    root = write_mediaeval(tmp_path, DEV, [], videos=False)
    write_features(root / "devset/dev-set/features", DEV)
    path = root / "devset/dev-set/features/C3D/video7.txt"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=message):
        load_dataset("videomem", "c3d", data_dir=str(root), num_proc=num_proc)


def test_the_cache_notices_an_edited_feature_file(tmp_path: Path) -> None:
    root = write_mediaeval(tmp_path, DEV, [], videos=False)
    path = root / "devset/dev-set/HOG/video1-0.txt"
    write(path, "0.25 0.5")
    with pytest.warns(UserWarning, match="59 of 60 files"):
        before = rows_of(load_dataset("videomem", "hog", data_dir=str(root)))
    write(path, "0.75 0.5")
    with pytest.warns(UserWarning, match="59 of 60 files"):
        after = rows_of(load_dataset("videomem", "hog", data_dir=str(root)))
    assert before["video1"]["hog"] == [[0.25, 0.5], None, None]
    assert after["video1"]["hog"] == [[0.75, 0.5], None, None]
