"""The data of a run are looked for where they may be, and data that are nowhere are said to be missing at once."""

import pytest

from videomem_hf.data.scored_clips import open_splits
from videomem_hf.evaluation.training_clips import data_fingerprint, locate_data
from videomem_hf.model_names import check_on_hub
from videomem_hf.sample import generate_sample
from videomem_hf.schema import InputError


def test_a_recorded_folder_is_seen_from_here_and_from_the_run(tmp_path, monkeypatch):
    results = {"config": {"data": "sample/release", "splits": {"seed": 3}}}
    run = tmp_path / "work" / "run"
    run.mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert locate_data(run, results) is None  # and, being divided by the run, it is not looked for on the Hub
    (tmp_path / "work" / "sample" / "release").mkdir(parents=True)
    assert locate_data(run, results) == str(tmp_path / "work" / "sample" / "release")
    (tmp_path / "elsewhere" / "sample" / "release").mkdir(parents=True)
    assert locate_data(run, results) == "sample/release"


def test_data_of_the_same_name_with_other_scores_are_passed_over(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder, seed in (("here/sample", 0), ("work/sample", 1)):
        generate_sample(
            tmp_path / folder, videos=8, test_videos=0, seed=seed, features=(), write_videos=False, progress=False
        )
    config = {"data": "sample/release", "splits": {}, "stages": []}
    fingerprint = data_fingerprint("work/sample/release", "scores")
    results = {"config": config, "data": {"fingerprint": fingerprint}}
    (tmp_path / "work" / "run").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    found = str(tmp_path / "work" / "sample" / "release")
    assert locate_data(tmp_path / "work" / "run", results) == found
    assert locate_data(tmp_path / "work" / "run", {"config": config}) == "sample/release"
    results["data"]["fingerprint"] = "0" * len(fingerprint)
    assert locate_data(tmp_path / "work" / "run", results) is None


def test_what_is_nowhere_is_missing_at_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    (tmp_path / "file").write_text("")
    (tmp_path / "sample").mkdir()
    for data, message in {
        "release": "release: no such folder; give the folder of the data",
        "sample/release": "sample/release: no such folder",
        "a/b/c": "a/b/c: no such folder",
        "file": "file: is a file",
        "nobody/nothing": "nobody/nothing: no such folder here, and ",
    }.items():
        with pytest.raises(InputError, match=message):
            open_splits(data, "scores")
    with pytest.raises(InputError, match=r"nobody/model: no such folder here, and "):
        check_on_hub("nobody/model", "model")
