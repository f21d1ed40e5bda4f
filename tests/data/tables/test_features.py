"""Features of one's own clips, extracted into the folder of the table: models of features learn from them."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from datasets import load_dataset

from tests.data.release_trees import write
from videomem_hf.data.check import list_contents
from videomem_hf.data.identify import configs_of, identify
from videomem_hf.data.prepare import PrepareOptions, prepare
from videomem_hf.data.release.reader import find_video_files, open_release, read_records
from videomem_hf.data.scored_clips import load_clips
from videomem_hf.extraction.outputs import FeatureFolder
from videomem_hf.multiview.config import BestConfig
from videomem_hf.multiview.run import train_best
from videomem_hf.schema import InputError
from videomem_hf.training import TrainingConfig, train


@pytest.fixture
def gallery(release: Path, tmp_path: Path) -> Path:
    """Clips of names of one's own with scores, and HMP features in the files that `videomem extract` makes."""
    root = tmp_path / "gallery"
    (root / "clips/hall").mkdir(parents=True)
    copy = open_release(release)
    videos = find_video_files(copy)
    lines = ["clip,day,n_day,duration"]
    for record in read_records(copy):
        if record.short_term is not None:
            name = f"hall/Scene {record.video_id[5:]}.webm"
            shutil.copy(videos[record.video_id], root / "clips" / name)
            lines.append(f"{name},{record.short_term},{record.short_term_annotations},7")
    write(root / "scores.csv", "\n".join(lines) + "\n")
    write(root / "memorability.yaml", "columns: {day: day}\n")
    folder = FeatureFolder(root / "features")
    for video_id, clip in folder.assign(sorted((root / "clips/hall").iterdir())).items():
        score = next(float(line.split(",")[1]) for line in lines if clip.name in line)
        write(root / f"features/HMP/{video_id}.txt", f"1:{score:.4f} 2:{1 - score:.4f}")
        folder.finish(video_id, clip)
    folder.write_list()
    return root


def test_each_clip_has_its_own_features(gallery: Path) -> None:
    assert configs_of(gallery) == ["hmp", "videos"]
    with (gallery / "scores.csv").open(newline="") as file:
        scores = {row["clip"].removesuffix(".webm"): float(row["day"]) for row in csv.DictReader(file)}
    clips = load_clips(str(gallery), "train", ("day",), features=["hmp"])
    assert clips.feature_sizes == (6075,)
    np.testing.assert_allclose(clips.features[:, 0], [scores[name] for name in clips.video_ids], atol=1e-4)
    holding = next(each for each in list_contents(gallery).holdings if each.config == "hmp")
    assert (holding.rows, holding.whole) == (32, 32)


def test_without_a_decision_the_table_is_ones_own_all_the_same(gallery: Path) -> None:
    (gallery / "memorability.yaml").unlink()
    write(gallery / "scores.csv", (gallery / "scores.csv").read_text().replace("clip,day,n_day", "clip,short_term,n"))
    assert (gallery / "features/test-set_list.txt").is_file()
    assert identify(gallery) == ("memorability", {})


def test_a_missing_feature_is_told_and_an_unknown_one_refused(gallery: Path) -> None:
    next((gallery / "features/HMP").iterdir()).unlink()
    with pytest.warns(UserWarning, match=r"1 of 32 files for the column 'hmp' are not in this copy"):
        rows = load_dataset("memorability", "hmp", data_dir=str(gallery))
    assert sum(row["hmp"] is None for split in rows.values() for row in split) == 1
    with pytest.raises(InputError, match=r"No configuration 'c3d' for .*; there are scores, videos, hmp"):
        load_dataset("memorability", "c3d", data_dir=str(gallery))


def test_a_model_of_features_and_best_learn_from_them(gallery: Path, tmp_path: Path) -> None:
    overrides = ["stages.*.epochs=5", "evaluation.resamples=50"]
    config = TrainingConfig.from_recipe("hmp", data=gallery, output=tmp_path / "run", overrides=overrides)
    assert train(config, progress=False).results["metrics"]["day"]["model"]["spearman"] > 0.9
    prepare(gallery, tmp_path / "parquet", PrepareOptions())
    overrides = ["title_encoder=null", "frame_encoder=null", "grouped=false", "evaluation.resamples=50"]
    for data in (gallery, tmp_path / "parquet"):
        config = BestConfig.from_recipe("best", data=data, output=tmp_path / f"best {data.name}", overrides=overrides)
        results = train_best(config, progress=False).results
        assert results["views"] == {"hmp": 6075}
        assert results["metrics"]["day"]["model"]["spearman"] > 0.5
