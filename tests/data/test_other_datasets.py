"""LaMem and Memento10k: values equal to the files', in every form, and damage is one sentence."""

import json
from pathlib import Path
from typing import Any

import pytest
from datasets import Image, Video, load_dataset
from PIL import Image as Pillow

import videomem_hf  # noqa: F401 - registers the datasets
from tests.data.release_trees import write
from videomem_hf.data.identify import identify
from videomem_hf.schema import InputError


@pytest.fixture
def lamem(tmp_path: Path) -> Path:
    root = tmp_path / "lamem"
    (root / "images").mkdir(parents=True)
    for number, mode in enumerate(("RGB", "L", "CMYK", "RGB", "RGB"), start=1):
        Pillow.new(mode, (4, 3), 10 * number if mode == "L" else None).save(root / "images" / f"{number:08d}.jpg")
    write(root / "splits/train_1.txt", "00000001.jpg 0.925926\n00000002.jpg 0.5\n00000003.jpg 1\n")
    write(root / "splits/val_1.txt", "00000004.jpg 0.25\n")
    write(root / "splits/test_1.txt", "00000005.jpg 0")
    write(root / "splits/train_2.txt", "00000005.jpg 0\r\n00000001.jpg 0.925926\r\n")
    return root


def test_lamem(lamem: Path) -> None:
    splits = load_dataset("lamem", data_dir=str(lamem))
    assert {name: len(split) for name, split in splits.items()} == {"train": 3, "validation": 1, "test": 1}
    assert splits["train"]["image_id"][:] == ["00000001", "00000002", "00000003"]
    assert splits["train"]["short_term"][:] == [0.925926, 0.5, 1.0]
    assert [image.mode for image in splits["train"]["image"]] == ["RGB", "RGB", "RGB"]
    second = load_dataset("lamem", "split_2", data_dir=str(lamem), split="train", streaming=True)
    assert [row["image_id"] for row in second] == ["00000005", "00000001"]


def test_lamem_with_csv_splits_and_other_endings(lamem: Path) -> None:
    write(lamem / "splits/lamem_test_3.csv", "image_name,memory_score\n00000004.jpg,0.25\n00000001.JPG,0.5\n")
    (lamem / "images/00000004.jpg").rename(lamem / "images/00000004.JPG")
    test = load_dataset("lamem", "split_3", data_dir=str(lamem), split="test")
    assert test["short_term"][:] == [0.25, 0.5]
    assert [image.size for image in test["image"]] == [(4, 3), (4, 3)]


def test_lamem_without_some_images(lamem: Path) -> None:
    (lamem / "images/00000002.jpg").unlink()
    with pytest.warns(UserWarning, match=r"1 of 5 files for the column 'image' are not in this copy .*00000002.jpg"):
        train = load_dataset("lamem", "split_1", data_dir=str(lamem), split="train")
    assert [row is None for row in train.cast_column("image", Image(decode=False))["image"]] == [False, True, False]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("train_1.txt", "../../secret.jpg 0.5", r"train_1.txt:1: '../../secret.jpg' is not the name of an image"),
        ("train_1.txt", "/etc/passwd.jpg 0.5", r"train_1.txt:1: "),
        ("train_1.txt", "a.jpg 0.5\nb.jpg 1.5", r"train_1.txt:2: '1.5' is not a score"),
        ("train_1.txt", "a.jpg 0.5\nb.jpg", r"train_1.txt:2: '' is not a score"),
        ("train_1.txt", "a.jpg 0.5\na.jpg 0.5", r"train_1.txt:2: a.jpg is in line 1 as well"),
        ("train_1.txt", "00000004.jpg 0.5", r"val_1.txt: 00000004.jpg is in .*train_1.txt as well"),
        ("train_1.txt", "", r"train_1.txt is empty"),
    ],
)
def test_damaged_lamem(lamem: Path, name: str, text: str, message: str) -> None:
    write(lamem / "splits" / name, text)
    with pytest.raises(InputError, match=message):
        load_dataset("lamem", "split_1", data_dir=str(lamem))


def test_where_there_is_no_lamem(lamem: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"No split_3 of LaMem .* found split_1, split_2"):
        load_dataset("lamem", "split_3", data_dir=str(lamem))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"No splits of LaMem under"):
        load_dataset("lamem", data_dir=str(tmp_path / "empty"))
    with pytest.raises(InputError, match=r"LAMEM_DATA_DIR"):
        load_dataset("lamem")


ENTRIES = [
    {
        "filename": "flickr-0-5.mp4",
        "url": "http://x/1",
        "mem_score": 0.8125,
        "alpha": -0.0012,
        "captions": ["a dog runs", "a brown dog"],
        "actions": ["running"],
    },
    {"filename": "two.mp4", "url": None, "mem_score": 1, "alpha": 0.5e-3, "captions": []},
]


@pytest.fixture
def memento(tmp_path: Path) -> Path:
    root = tmp_path / "memento"
    write(root / "memento_train_data.json", json.dumps(ENTRIES))
    write(root / "memento_val_data.json", json.dumps([{**ENTRIES[0], "filename": "three.mp4"}]))
    write(root / "memento_test_data.json", json.dumps([{"filename": "four.mp4", "captions": ["x"]}]))
    for name in ("flickr-0-5", "two", "four"):
        write(root / "videos" / f"{name}.mp4", name)
    return root


def test_memento10k(memento: Path) -> None:
    splits = load_dataset("memento10k", data_dir=str(memento))
    assert {name: len(split) for name, split in splits.items()} == {"train": 2, "validation": 1, "test": 1}
    assert splits["train"][0] == {
        "video_id": "flickr-0-5",
        "short_term": 0.8125,
        "short_term_raw": None,
        "short_term_annotations": None,
        "decay_alpha": -0.0012,
        "captions": ["a dog runs", "a brown dog"],
        "url": "http://x/1",
    }
    assert splits["test"][0]["short_term"] is None


def test_memento10k_videos(memento: Path) -> None:
    with pytest.warns(UserWarning, match=r"1 of 4 files for the column 'video' .*first: three"):
        splits = load_dataset("memento10k", "videos", data_dir=str(memento))
    rows = [row for split in splits.values() for row in split.cast_column("video", Video(decode=False))]
    assert [row["video"] and Path(row["video"]["path"]).read_text() for row in rows] == [
        "flickr-0-5",
        "two",
        None,
        "four",
    ]


def test_memento10k_in_mediaevals_form(tmp_path: Path) -> None:
    header = "video_id,video_url,annotations_short_term,scores_raw_short_term,scores_normalized_short_term,decay_alpha"
    write(tmp_path / "training_set/train_scores.csv", f"{header}\n7,http://x/a+b/7.mp4,88,0.75,0.8,-0.001\n")
    text = 'video_id,description_0,description_1\n7,"a man, running",someone runs\n'
    write(tmp_path / "training_set/train_text_descriptions.csv", text)
    write(tmp_path / "dev_set/dev_scores.csv", f"{header}\r\n12,http://x/12.mp4,90,0.5,0.55,0\r\n")
    write(tmp_path / "test_set/test_video_urls.csv", "video_id,video_url\n30,http://x/30.mp4\n")
    write(tmp_path / "training_set/Videos/00007.mp4", "seven")
    with pytest.warns(UserWarning, match="2 of 3 files"):
        splits = load_dataset("memento10k", "videos", data_dir=str(tmp_path))
    rows = {name: split.cast_column("video", Video(decode=False))[0] for name, split in splits.items()}
    video = rows["train"].pop("video")
    assert Path(video["path"]).read_text() == "seven"
    assert rows["train"] == {
        "video_id": "7",
        "short_term": 0.8,
        "short_term_raw": 0.75,
        "short_term_annotations": 88,
        "decay_alpha": -0.001,
        "captions": ["a man, running", "someone runs"],
        "url": "http://x/a+b/7.mp4",
    }
    assert (rows["validation"]["short_term"], rows["validation"]["decay_alpha"]) == (0.55, 0.0)
    assert (rows["test"]["video_id"], rows["test"]["short_term"]) == ("30", None)


def damaged(**changes: Any) -> str:
    return json.dumps([ENTRIES[1], {**ENTRIES[0], **changes}])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", r"memento_train_data.json:1: not JSON"),
        ('[\n{"filename": "a.mp4",}]', r"memento_train_data.json:2: not JSON"),
        ("{}", r"memento_train_data.json: not a list of videos"),
        ("[5]", r"memento_train_data.json: entry 1: not a video's data"),
        ("[" * 100_000, r"memento_train_data.json"),
        (damaged(filename="../../x.mp4"), r"entry 2: the file name '../../x.mp4' leads out of data_dir"),
        (damaged(filename="/etc/x.mp4"), r"entry 2: the file name '/etc/x.mp4' leads out of data_dir"),
        (damaged(filename=None), r"entry 2: 'filename' is 'None', not the name"),
        (damaged(filename="..\\x.mp4"), r"entry 2: 'filename' is"),
        (damaged(filename="two.mp4"), r"entry 2: two is in .*entry 1 as well"),
        (damaged(mem_score=1.2), r"entry 2: 'mem_score' is 1.2, not a number from 0 to 1.1"),
        (damaged(mem_score="0.5"), r"entry 2: 'mem_score' is 0.5, not a number"),
        (damaged(mem_score=float("inf")), r"entry 2: 'mem_score' is inf, not a number"),
        (damaged(alpha=True), r"entry 2: 'alpha' is True, not a number"),
        (damaged(captions=[1]), r"entry 2: 'captions' is not a list of texts"),
    ],
)
def test_damaged_memento10k(memento: Path, text: str, message: str) -> None:
    write(memento / "memento_train_data.json", text)
    with pytest.raises(InputError, match=message):
        load_dataset("memento10k", data_dir=str(memento))


def test_where_there_is_no_memento10k_or_two_forms(memento: Path, tmp_path: Path) -> None:
    write(memento / "train_scores.csv", "video_id,scores_raw_short_term\n1,0.5\n")
    with pytest.raises(InputError, match=r"Two forms of Memento10k"):
        load_dataset("memento10k", data_dir=str(memento))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"No Memento10k under"):
        load_dataset("memento10k", data_dir=str(tmp_path / "empty"))


def test_memento10k_with_unknown_scores_and_some_slightly_above_one(memento: Path) -> None:
    write(
        memento / "memento_train_data.json",
        damaged(mem_score=float("nan")).replace('"mem_score": 1,', '"mem_score": 1.02,'),
    )
    assert load_dataset("memento10k", data_dir=str(memento), split="train")["short_term"][:] == [1.0, None]


HEADERS = {
    "trecvid2021": "video_id,video_url,annotations_short_term,annotations_long_term,scores_raw_short_term,"
    "scores_raw_long_term,scores_normalized_short_term,decay_alpha",
    "trecvid2020": "video_id,video_url,part_1_annotations,part_1_scores,part_2_annotations,part_2_scores",
    "videomem": "video_id,video_url,annotations_short_term,annotations_long_term,scores_normalized_short_term,"
    "scores_raw_long_term",
}


@pytest.mark.parametrize("name", HEADERS)
def test_tables_of_other_sets_are_not_memento10ks(tmp_path: Path, name: str) -> None:
    row = ",".join(["3", "u", *["0.5"] * (HEADERS[name].count(",") - 1)]).replace("0.5", "9", 1)
    write(tmp_path / "training_set/train_scores.csv", f"{HEADERS[name]}\n{row}\n")
    write(tmp_path / "training_set/train_text_descriptions.csv", "video_id,video_url,description\n3,u,a\n3,u,b\n")
    with pytest.raises(InputError, match=rf'train_scores.csv is a table of .*load_dataset\("{name}"'):
        load_dataset("memento10k", data_dir=str(tmp_path))


def test_memento10k_is_found_beside_trecvid(tmp_path: Path) -> None:
    write(tmp_path / "TRECVid Data/training_set/train_scores.csv", f"{HEADERS['trecvid2021']}\n3,u,9,9,.5,.5,.5,0\n")
    write(tmp_path / "TRECVid Data/training_set/train_video_urls.csv", "video_id,video_url\n3,u\n")
    write(tmp_path / "Memento10k Data/training_set/train_scores.csv", "video_id,scores_raw_short_term\n7,0.25\n")
    texts = "video_id,video_url,description\n7,u,one\n7,u,two\n"
    write(tmp_path / "Memento10k Data/training_set/train_text_descriptions.csv", texts)
    (row,) = load_dataset("memento10k", data_dir=str(tmp_path), split="train")
    assert (row["video_id"], row["short_term_raw"], row["captions"]) == ("7", 0.25, ["one", "two"])


def test_memento10k_without_a_column_of_scores(tmp_path: Path) -> None:
    write(tmp_path / "training_set/train_scores.csv", "video_id,video_url,score\n3,u,0.5\n")
    with pytest.raises(InputError, match=r"train_scores.csv: no column of scores; Memento10k's are scores_normalized"):
        load_dataset("memento10k", data_dir=str(tmp_path))


def test_the_folder_of_lamem_is_told_from_others(lamem: Path) -> None:
    with pytest.raises(
        InputError, match=r'lamem is LaMem; load it with load_dataset\("lamem", .* train on it with --lamem'
    ):
        identify(lamem)
