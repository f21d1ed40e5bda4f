"""Published sets in small copies of their layouts: values equal to the files', and no set is taken for another."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Video, load_dataset
from scipy.io import savemat

import videomem_hf  # noqa: F401 - registers the data sets
from tests.data.release_trees import write
from tests.data.tables.folders import write_media
from videomem_hf.data.identify import identify
from videomem_hf.data.scored_clips import load_clips
from videomem_hf.data.tables import presets
from videomem_hf.data.tables.opening import open_table
from videomem_hf.data.tables.presets import preset_names
from videomem_hf.registration import OTHER_NAMES
from videomem_hf.schema import HORIZONS, InputError


def trecvid2020(root: Path) -> None:
    header = "video_id,video_url,part_1_annotations,part_1_scores,part_2_annotations,part_2_scores"
    write(
        root / "training_set/train_scores.csv",
        f"{header}\n8,http://x/8,14,0.9,11,0.5454545454545454\n9,u,13,0.7,12,1\n",
    )
    texts = "video_id,video_url,description\n8,u,a man runs\n8,u,a dog\n9,u,snow\n"
    write(root / "training_set/train_text_descriptions.csv", texts)
    write(root / "dev_set/dev_scores.csv", f"{header}\n300,u,12,0.8,9,0.25\n")
    write(root / "test_set/test_video_urls.csv", "video_id,video_url\n1000,u\n")
    write(root / "test_set/test_text_descriptions.csv", "video_id,video_url,description\n1000,u,a car\n1000,u,a road\n")
    write_media(root, ["training_set/Videos/00008.mp4", "dev_set/Videos/00300.mp4", "test_set/Videos/01000.mp4"])
    write(root / "training_set/Features/C3D/00008.mp4.csv", "0.5,0.5")


def trecvid2021(root: Path) -> None:
    header = (
        "video_id,video_url,annotations_short_term,annotations_long_term,scores_raw_short_term,scores_raw_long_term,"
        "scores_normalized_short_term,decay_alpha"
    )
    write(
        root / "training_set/train_scores.csv", f"{header}\n8,http://x/8,14,11,0.9,0.5,0.85,-0.001\n110,u,9,8,1,1,1,0\n"
    )
    write(root / "training_set/train_short_term_annotations.csv", "video_id,video_url,video_position_first\n8,u,3\n")
    write(
        root / "training_set/train_text_descriptions.csv", "video_id,video_url,description\n8,u,a man runs\n8,u,a dog\n"
    )
    write(root / "dev_set/dev_scores.csv", f"{header}\n300,u,12,9,0.8,0.25,0.75,-0.002\n")
    write(root / "test_set/test_video_urls.csv", "video_id,video_url\n1000,u\n")
    write_media(root, ["training_set/Videos/00008.mp4"])


def memento10k(root: Path) -> None:
    entry = {
        "filename": "a-1.mp4",
        "url": "u",
        "mem_score": 0.8,
        "alpha": -0.001,
        "captions": ["x", "y"],
        "actions": ["z"],
    }
    write(root / "memento_train_data.json", json.dumps([entry, entry | {"filename": "b.mp4", "mem_score": 1.01}]))
    write(root / "memento_val_data.json", json.dumps([entry | {"filename": "c.mp4", "mem_score": float("nan")}]))
    write(root / "memento_test_data.json", json.dumps([{"filename": "d.mp4", "captions": ["x"]}]))
    write_media(root, ["videos/a-1.mp4"])


def memento10k_mediaeval(root: Path) -> None:
    header = "video_id,video_url,annotations_short_term,scores_raw_short_term,scores_normalized_short_term,decay_alpha"
    write(root / "training_set/train_scores.csv", f"{header}\n8,http://x/8,90,0.9,1.004,-0.001\n")
    texts = "video_id,video_url,description_0,description_1\n8,u,a man runs,a dog\n"
    write(root / "training_set/train_text_descriptions.csv", texts)
    write(root / "test_set/test_video_urls.csv", "video_id,video_url\n1000,u\n")
    write_media(root, ["training_set/Videos/00008.mp4"])


def memcat(root: Path) -> None:
    header = ",image_file,category,subcategory,n_hits,memorability_w_fa_correction,memorability_wo_fa_correction"
    rows = "1,n02_7.jpg,animal,bear,70,0.7,0.8\n2,COCO_1.jpg,food,pizza,3,-0.05,0.1\n"
    write(root / "MemCat_data/memcat_image_data.csv", f"{header}\n{rows}")
    write_media(root, ["MemCat_images/MemCat/animal/bear/n02_7.jpg"])


def figrim(root: Path, name: str = "within_category.csv") -> None:
    header = "scene category,filename,hits,misses,false_alarms,correct_rejections"
    write(root / name, f"{header}\nbedroom,sun_a.jpg,60,20,5,75\nkitchen,sun_b.jpg,30,30,0,60\n")
    write_media(root, ["images/SCENES_TARGETS/bedroom/sun_a.jpg", "images/SCENES_FILLERS/bedroom/sun_c.jpg"])


def sun_memorability(root: Path) -> None:
    names, counts = ("abbey/sun_a_crop.jpg", "sun_b_crop.jpg"), ((60.0, 20.0, 5.0, 75.0), (30.0, 30.0, 0.0, 60.0))
    records = np.empty(2, object)
    for index, (name, (hits, misses, alarms, rejections)) in enumerate(zip(names, counts, strict=True)):
        records[index] = {
            "filepath": name, "hits": hits, "misses": misses, "false_alarms": alarms, "correct_rejections": rejections,
            "subjects": np.arange(3),
        }  # fmt: skip
    (root / "Data/Experiment data").mkdir(parents=True)
    savemat(root / "Data/Experiment data/sorted_target_data.mat", {"sorted_target_data": records[:, None]})
    write_media(root, ["images/sun_b_crop.jpg"])


def things_memorability(root: Path) -> None:
    rows = (
        "images/aardvark/aardvark_01b.jpg,aardvark_01b.jpg,1,0.75\nimages/abacus/abacus_02s.jpg,abacus_02s.jpg,2,-0.1\n"
    )
    write(root / "THINGS_Memorability_Scores.csv", f"file_path,image_name,image_nr,cr\n{rows}")
    write_media(root, ["object_images/aardvark/aardvark_01b.jpg"])


def lambda_(root: Path) -> None:
    rows = {
        "video_id": [12, 13],
        "recall_score": [0.25, 0.5],
        "youtube_id": ["aB-_1", "xyz"],
        "ad_details": [{"Brand": "x"}] * 2,
    }
    (root / "data").mkdir(parents=True)
    pq.write_table(pa.table(rows), root / "data/train-00000-of-00001.parquet")
    other = {name: values[:1] for name, values in rows.items()} | {"video_id": [14], "youtube_id": ["q"]}
    pq.write_table(pa.table(other), root / "data/test-00000-of-00001.parquet")
    write_media(root, ["videos/aB-_1.mp4", "videos/13.mp4"])


def videm(root: Path) -> None:
    header = "id,video_id,channelName,title,description,nb_annotations,memorability_score,brand_memorability,url"
    rows = 'CbfC,1,Bank,"A title, long",text,17,0.6,0.4,u\nXyz,2,Fund,Other,text,12,0.25,0.5,u\n'
    write(root / "devset_videolist_GT.csv", f"{header}\n{rows}")
    write(root / "testset_videolist.csv", "id,video_id,channelName,title,description,url\nTttt,3,Third,T,text,u\n")
    write_media(root, ["videos/CbfC.mp4"])


MAKERS = {
    "trecvid2020": trecvid2020, "trecvid2021": trecvid2021, "memento10k": memento10k, "memcat": memcat,
    "memento10k_mediaeval": memento10k_mediaeval, "figrim": figrim,
    "figrim_across": lambda root: figrim(root, "across_category.csv"), "things_memorability": things_memorability,
    "sun_memorability": sun_memorability,
    "lambda": lambda_, "videm": videm,
}  # fmt: skip
EXPECTED: dict[str, dict[str, tuple[Any, ...]]] = {
    # id: split (None: seeded), short-term, long-term, their counts, title, file
    "trecvid2020": {
        "8": ("train", 0.9, 0.5454545454545454, 14, 11, "a man runs", "training_set/Videos/00008.mp4"),
        "9": ("train", 0.7, 1.0, 13, 12, "snow", None),
        "300": ("validation", 0.8, 0.25, 12, 9, None, "dev_set/Videos/00300.mp4"),
        "1000": ("test", None, None, None, None, "a car", "test_set/Videos/01000.mp4"),
    },
    "trecvid2021": {
        "8": ("train", 0.85, 0.5, 14, 11, "a man runs", "training_set/Videos/00008.mp4"),
        "110": ("train", 1.0, 1.0, 9, 8, None, None),
        "300": ("validation", 0.75, 0.25, 12, 9, None, None),
        "1000": ("test", None, None, None, None, None, None),
    },
    "memento10k": {
        "a-1": ("train", 0.8, None, None, None, "x", "videos/a-1.mp4"),
        "b": ("train", 1.0, None, None, None, "x", None),
        "c": ("validation", None, None, None, None, "x", None),
        "d": ("test", None, None, None, None, "x", None),
    },
    "memento10k_mediaeval": {
        "8": ("train", 1.0, None, 90, None, "a man runs", "training_set/Videos/00008.mp4"),
        "1000": ("test", None, None, None, None, None, None),
    },
    "memcat": {
        "n02_7": (None, 0.7, None, None, None, None, "MemCat_images/MemCat/animal/bear/n02_7.jpg"),
        "COCO_1": (None, 0.0, None, None, None, None, None),
    },
    "figrim": {
        "sun_a": (None, 0.75, None, 80, None, None, "images/SCENES_TARGETS/bedroom/sun_a.jpg"),
        "sun_b": (None, 0.5, None, 60, None, None, None),
    },
    "sun_memorability": {
        "abbey/sun_a_crop": (None, 0.75, None, 80, None, None, None),
        "sun_b_crop": (None, 0.5, None, 60, None, None, "images/sun_b_crop.jpg"),
    },
    "things_memorability": {
        "images/aardvark/aardvark_01b": (None, 0.75, None, None, None, None, "object_images/aardvark/aardvark_01b.jpg"),
        "images/abacus/abacus_02s": (None, 0.0, None, None, None, None, None),
    },
    "lambda": {
        "12": ("train", None, 0.25, None, None, None, "videos/aB-_1.mp4"),
        "13": ("train", None, 0.5, None, None, None, "videos/13.mp4"),
        "14": ("test", None, 0.25, None, None, None, None),
    },
    "videm": {
        "CbfC": (None, None, 0.6, None, 17, "A title, long", "videos/CbfC.mp4"),
        "Xyz": (None, None, 0.25, None, 12, "Other", None),
        "Tttt": ("test", None, None, None, None, "T", None),
    },
}
EXPECTED["figrim_across"] = EXPECTED["figrim"]
MEMENTO10K = {"memento10k", "memento10k_mediaeval"}
"""Whose name is one of load_dataset's own."""
COLUMNS = (*HORIZONS, "short_term_annotations", "long_term_annotations", "title")


def test_every_preset_has_a_copy_here_and_says_where_its_layout_is_documented() -> None:
    assert set(MAKERS) == set(EXPECTED) == set(preset_names())
    registered = {keywords["preset"] for _, keywords in OTHER_NAMES.values() if "preset" in keywords}
    assert registered == set(preset_names()) - MEMENTO10K
    folder = Path(presets.__file__).parent / "presets"
    assert all((folder / f"{name}.yaml").read_text().startswith("# ") for name in preset_names())


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", MAKERS)
def test_values_splits_and_media_are_those_of_the_files(tmp_path: Path, name: str) -> None:
    MAKERS[name](tmp_path)
    assert identify(tmp_path) == ("memorability", {"preset": name})
    if name in MEMENTO10K:
        splits = load_dataset("memorability", "videos", data_dir=str(tmp_path), preset=name)
    else:
        splits = load_dataset(name, "videos", data_dir=str(tmp_path))
    rows = {}
    for split, table in splits.items():
        images = [column for column in table.column_names if column == "image"]
        paths = table.remove_columns(images).cast_column("video", Video(decode=False))
        rows.update({row["video_id"]: (split, row) for row in paths})
    assert set(rows) == set(EXPECTED[name])
    for video_id, (split, *values, file) in EXPECTED[name].items():
        found_split, row = rows[video_id]
        assert found_split == split if split else found_split in {"train", "validation"}
        assert [row[column] for column in COLUMNS] == values, video_id
        assert (row["video"] and Path(row["video"]["path"]).relative_to(tmp_path).as_posix()) == file, video_id


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_presets_folder_can_be_trained_on(tmp_path: Path) -> None:
    trecvid2020(tmp_path)
    clips = load_clips(str(tmp_path), "train", HORIZONS)
    assert (clips.video_ids, clips.labels.tolist()) == (["8"], [[0.9, 0.5454545454545454]])


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_no_set_is_taken_for_another(tmp_path: Path) -> None:
    for made in MAKERS:
        MAKERS[made](tmp_path / made)
        for asked in (*(MAKERS.keys() - {"memento10k_mediaeval"}), "videomem", "mediaeval2022"):
            if asked != made and not {asked, made} <= MEMENTO10K:
                with pytest.raises(InputError):
                    load_dataset(asked, data_dir=str(tmp_path / made))
    with pytest.raises(InputError, match=r"_scores.csv is a table of TRECVid, MediaEval 2020; load it with"):
        load_dataset("trecvid2021", data_dir=str(tmp_path / "trecvid2020"))
    with pytest.raises(InputError, match=r"No MemCat under .*: none of memcat_image_data.csv is there"):
        load_dataset("memcat", data_dir=str(tmp_path / "figrim"))


def test_a_table_of_a_set_that_lacks_its_columns(tmp_path: Path) -> None:
    write(tmp_path / "memcat_image_data.csv", "image_file,score\na.jpg,0.5\n")
    with pytest.raises(InputError, match=r"No MemCat under"):
        load_dataset("memcat", data_dir=str(tmp_path))


def test_a_header_in_capitals_is_the_same(tmp_path: Path) -> None:
    trecvid2020(tmp_path)
    path = tmp_path / "dev_set/dev_scores.csv"
    header, rows = path.read_text(encoding="utf-8").split("\n", 1)
    path.write_text(f"{header.upper()}\n{rows}", encoding="utf-8")
    found = {each.video_id: each for each in open_table(tmp_path, {"preset": "trecvid2020"}).records}
    assert [found["300"].value(name) for name in COLUMNS[:4]] == [0.8, 0.25, 12, 9]
    path.write_text(f"video,{header[9:]}\n{rows}", encoding="utf-8")
    with pytest.raises(InputError, match=r"dev_scores.csv: not TRECVid, MediaEval 2020's, it has no column 'video_id'"):
        open_table(tmp_path, {"preset": "trecvid2020"})


def test_what_cannot_be_told_apart_needs_a_word(tmp_path: Path) -> None:
    figrim(tmp_path)
    figrim(tmp_path, "across_category.csv")
    with pytest.raises(InputError, match=r"this can be figrim or figrim_across; say which with load_dataset"):
        identify(tmp_path)
    splits = load_dataset("figrim_across", data_dir=str(tmp_path))
    assert sorted(video_id for split in splits.values() for video_id in split["video_id"]) == ["sun_a", "sun_b"]


def test_a_table_that_can_be_two_sets_is_loaded_under_the_name_that_is_said(tmp_path: Path) -> None:
    header = "video_id,annotations_short_term,annotations_long_term,scores_raw_short_term,scores_raw_long_term"
    row = "8,14,11,0.9,0.5,0.85"
    write(tmp_path / "training_set/train_scores.csv", f"{header},scores_normalized_short_term\n{row}\n")
    with pytest.raises(InputError, match=r"TRECVid, MediaEval 2021 or VideoMem, MediaEval 2022; say which with"):
        identify(tmp_path)
    assert identify(tmp_path, release="2022") == ("videomem", {})
    for name, options in (("trecvid2021", {}), ("videomem", {"release": "2022"}), ("mediaeval2022", {})):
        (found,) = load_dataset(name, data_dir=str(tmp_path), split="train", **options)
        assert (found["short_term"], found["long_term"]) == (0.85, 0.5)
