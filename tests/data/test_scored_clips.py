"""The clips of a split: which are loaded, with what scores, and what is left out."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.data.release_trees import HEADER, write
from videomem_hf.data.scored_clips import is_divided, load_clips
from videomem_hf.schema import HORIZONS, InputError


def test_scored_clips_with_videos_are_loaded_in_their_split(release: Path) -> None:
    train, validation = (load_clips(str(release), split, HORIZONS) for split in ("train", "validation"))
    assert len(train) + len(validation) == 32
    assert not set(train.video_ids) & set(validation.video_ids)
    lines = next(release.rglob("ground-truth*.csv")).read_text(encoding="utf-8-sig").splitlines()[1:]
    table = {line.split(",")[0].removesuffix(".webm"): [float(cell) for cell in line.split(",")[1:]] for line in lines}
    for clips in (train, validation):
        for video_id, source, labels, counts in zip(
            clips.video_ids, clips.sources, clips.labels, clips.annotation_counts, strict=True
        ):
            assert Path(str(source)).stem == video_id
            assert Path(str(source)).exists()
            assert [labels[0], counts[0], labels[1], counts[1]] == table[video_id]


def test_one_horizon_is_one_column(release: Path) -> None:
    both, one = load_clips(str(release), "train", HORIZONS), load_clips(str(release), "train", ("long_term",))
    assert one.labels.shape == (26, 1)
    np.testing.assert_array_equal(one.labels[:, 0], both.labels[:, 1])


def test_a_split_without_scores_or_a_wrong_folder_is_named(release: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no clip of the split 'test' has both a score and a video"):
        load_clips(str(release), "test", HORIZONS)
    with pytest.raises(InputError, match="nowhere"):
        load_clips(str(tmp_path / "nowhere"), "train", HORIZONS)


def test_scored_clips_without_a_video_are_counted_in_a_warning(release: Path, tmp_path: Path) -> None:
    copy = tmp_path / "partial"
    shutil.copytree(release, copy)
    train = load_clips(str(release), "train", HORIZONS)
    next(copy.rglob(Path(str(train.sources[0])).name)).unlink()
    with pytest.warns(UserWarning, match="1 scored clips of the split 'train' have no video"):
        partial = load_clips(str(copy), "train", HORIZONS)
    assert partial.video_ids == train.video_ids[1:]
    assert partial.labels.shape == (25, 2)


def test_all_counts_are_kept_for_the_ranking_and_follow_the_clips(tmp_path: Path) -> None:
    rows = ["video1.webm,0.7,30,0.5,10", "video2.webm,0.8,31,0.5,12", "video3.webm,0.9,32,0.5,14"]
    write(tmp_path / "release" / "ground-truth.csv", "\n".join([HEADER, *rows]))
    for name in ("video1", "video3"):
        write(tmp_path / "release" / "sources" / f"{name}.webm", name)
    options = {"split_files": {"whole": str(write(tmp_path / "all.txt", "1\n2\n3"))}}
    with pytest.warns(UserWarning, match="1 scored clips of the split 'whole' have no video"):
        clips = load_clips(str(tmp_path / "release"), "whole", ("short_term",), options=options)
    assert clips.annotation_counts.tolist() == [[30], [32]]
    assert {name: counts.tolist() for name, counts in clips.all_counts.items()} == {
        "short_term": [30, 32],
        "long_term": [10, 14],
    }
    last = clips.take([1])
    assert (last.video_ids, [Path(str(source)).stem for source in last.sources]) == (["video3"], ["video3"])
    assert [counts.tolist() for counts in last.all_counts.values()] == [[32], [14]]


def test_what_has_fixed_splits(tmp_path: Path) -> None:
    assert not is_divided(str(tmp_path))
    write(tmp_path / "README.md", "a release with notes")
    assert not is_divided(str(tmp_path))
    write(tmp_path / "scores" / "train-00000-of-00001.parquet", "rows")
    assert is_divided(str(tmp_path))
    assert is_divided("somebody/videomem")
    assert not is_divided("nowhere")


def test_a_copy_with_both_releases_needs_the_word_of_the_splits(release: Path, tmp_path: Path) -> None:
    copy = tmp_path / "both"
    shutil.copytree(release, copy)
    header = "video_id,annotations_short_term,annotations_long_term,scores_normalized_short_term,scores_raw_long_term"
    write(copy / "training_set/train_scores.csv", f"{header}\n1,30,10,0.5,0.5\n")
    with pytest.raises(InputError, match=r"Two releases .*say which with release="):
        load_clips(str(copy), "train", HORIZONS)
    assert len(load_clips(str(copy), "train", HORIZONS, options={"release": "2018"})) == 26
