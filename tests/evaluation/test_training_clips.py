"""Which clips count as trained on: by id, by content, and what is said of them."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset, DatasetDict

from videomem_hf.data.release.splits import SPLIT_DEFAULTS
from videomem_hf.data.scored_clips import Clips
from videomem_hf.evaluation import training_clips
from videomem_hf.evaluation.training_clips import (
    TrainedOn,
    check_own_predictions,
    clip_contents,
    feature_names,
    read_trained_on,
    refuse_training_clips,
    training_clips_among,
    training_contents,
)
from videomem_hf.run_files import write_predictions, write_results, write_training_clips
from videomem_hf.schema import HORIZONS, InputError


def _clips(names: list[str], features: np.ndarray | None = None, sources: list[Path] | None = None) -> Clips:
    scores = np.full((len(names), 2), 0.5)
    return Clips(names, list(sources or []), scores, scores, features)


def test_contents_are_hashes_of_files_or_of_vectors_or_unknown(tmp_path: Path) -> None:
    files = [tmp_path / "a.webm", tmp_path / "b.webm"]
    for number, file in enumerate(files):
        file.write_bytes(bytes([number]))
    found = clip_contents(_clips(["a", "b"], sources=files))
    assert found == [hashlib.sha256(bytes([number])).hexdigest()[:32] for number in (0, 1)]
    features = np.array([[1.0, np.nan], [np.nan, np.nan], [1.0, 2.0]], np.float32)
    expected = [hashlib.sha256(features[row].tobytes()).hexdigest()[:32] for row in (0, 2)]
    assert clip_contents(_clips(["a", "b", "c"], features)) == [expected[0], "", expected[1]]
    assert clip_contents(_clips(["a", "b", "c"])) == ["", "", ""]


def test_ids_and_contents_that_were_trained_on() -> None:
    trained = {"video1": "x", "video2": "", "video3": "z"}
    asked = {"video1": "q", "video2": "r", "video3": "", "video4": "x", "video5": "", "video6": "n"}
    same = training_clips_among(list(asked), list(asked.values()), trained)
    assert same == {"video1": "video1", "video2": "video2", "video3": "video3", "video4": "video1"}
    # In other data an id says something only where a content is unknown.
    other = training_clips_among(list(asked), list(asked.values()), trained, same_data=False)
    assert other == {"video2": "video2", "video3": "video3", "video4": "video1"}


@pytest.mark.parametrize(
    ("trained", "named"),
    [
        (
            ["a", "b", "c"],
            "was trained on 3 of the 4 clips of the split 'test': a, b, c; choose a split that it has not",
        ),
        (["a", "b", "c", "d"], "was trained on 4 of the 4 clips of the split 'test': a, b, c, ...; choose a split"),
    ],
)
def test_three_clips_are_named(monkeypatch: pytest.MonkeyPatch, trained: list[str], named: str) -> None:
    monkeypatch.setattr(training_clips, "run_fingerprint", lambda config, data: "f")
    run = TrainedOn(Path("run"), {"config": {}, "data": {"fingerprint": "f"}}, dict.fromkeys(trained, ""))
    with pytest.raises(InputError) as error:
        refuse_training_clips(run, _clips(["a", "b", "c", "d"]), "test", "data", [""] * 4)
    assert named in str(error.value)


def test_what_is_allowed_and_what_a_run_says_of_its_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_clips, "run_fingerprint", lambda config, data: "f")
    clips = _clips(["a", "b"])
    for fingerprint, same in {"f": True, "g": False, None: True}.items():
        run = TrainedOn(Path("run"), {"config": {"splits": None}, "data": {"fingerprint": fingerprint}}, {"a": "1"})
        assert run.same_data("f") == same
        assert run.splits == {}
        if same:
            with pytest.raises(
                InputError, match=r"was trained on 1 of the 2 clips of the split 'x': a \(there a\)|: a;"
            ):
                refuse_training_clips(run, clips, "x", "data", ["2", "3"])
        else:
            refuse_training_clips(run, clips, "x", "data", ["2", "3"])
    refuse_training_clips(TrainedOn(Path("run"), {"config": {}}, {}), clips, "x", "data", ["2", "3"])
    with pytest.raises(InputError, match=r"b \(there a\); or else"):
        refuse_training_clips(run, clips, "x", "data", ["2", "1"], "or else")


def test_training_clips_that_are_copies_are_left_out() -> None:
    train = _clips(["a", "b", "c"], np.array([[1.0], [2.0], [3.0]], np.float32))
    held_out = _clips(["d"], np.array([[2.0]], np.float32))
    with pytest.warns(UserWarning, match="1 training clips are copies of clips of the evaluation split .*: b of d"):
        kept = training_contents(train, held_out)
    assert list(kept) == ["a", "c"]
    assert kept["a"] == clip_contents(train)[0]
    assert list(training_contents(train, _clips(["d"], np.array([[4.0]], np.float32)))) == ["a", "b", "c"]


def test_predictions_of_training_clips_are_refused(tmp_path: Path) -> None:
    check_own_predictions(tmp_path)
    scores = np.full((2, 2), 0.5)
    write_predictions(tmp_path / "predictions.csv", {"model": scores}, ["a", "b"], scores, HORIZONS)
    check_own_predictions(tmp_path)
    write_training_clips(tmp_path, {"c": ""})
    check_own_predictions(tmp_path)
    write_training_clips(tmp_path, {"b": "", "c": ""})
    with pytest.raises(InputError, match=r"1 clips of its predictions.csv were trained on \(b, ...\)"):
        check_own_predictions(tmp_path)


def test_features_of_a_model() -> None:
    assert list(feature_names({"model": {"type": "feature_mlp"}}) or []) == ["c3d"]
    assert feature_names({"model": {"type": "feature_mlp", "feature_names": ["hmp"]}}) == ["hmp"]
    assert feature_names({"model": {"type": "mine", "feature_names": ["hmp"]}}) == ["hmp"]
    assert feature_names({"model": {"type": "memnet"}}) is None
    assert feature_names({}) is None


def test_a_record_of_training_clips_is_taken_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file; give the folder of a finished run"):
        read_trained_on(tmp_path, "gone")
    write_results(tmp_path, {"metrics": {}})
    with pytest.raises(InputError, match="holds no configuration"):
        read_trained_on(tmp_path, "gone")
    write_results(tmp_path, {"config": {"data": "gone", "splits": {"seed": 3}, "stages": []}})
    write_training_clips(tmp_path, {"a": "1", "b": ""})
    found = read_trained_on(tmp_path, "gone")
    assert (found.contents, found.splits) == ({"a": "1", "b": ""}, {"seed": 3})


def test_a_fingerprint_is_of_the_scored_clips_however_they_are_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    def table(*rows: tuple[str, float | None, float | None]) -> Dataset:
        return Dataset.from_dict(dict(zip(("video_id", *HORIZONS), zip(*rows, strict=True), strict=True)))

    opened = []

    def fingerprint(**splits: Dataset) -> str:
        def open_splits(data: str, config: str, options: dict[str, object]) -> DatasetDict:
            opened.append((data, config, options))
            return DatasetDict(splits)

        monkeypatch.setattr(training_clips, "open_splits", open_splits)
        return training_clips.data_fingerprint("data", "scores", {"seed": 3, "release": "2019"})

    a, b, c = ("a", 0.5, None), ("b", None, 0.25), ("c", None, None)
    expected = hashlib.sha256(b"a 0.5000 nan\nb nan 0.2500").hexdigest()[:32]
    assert fingerprint(train=table(b, a), test=table(c)) == expected
    assert fingerprint(train=table(a), validation=table(c, b)) == expected
    assert fingerprint(train=table(a, ("b", None, 0.26))) != expected
    assert opened[0] == ("data", "scores", {"release": "2019"})


def test_defaults_of_splits_are_those_of_the_data_set() -> None:
    defaults = {"seed": 0, "group_titles": False, "most_annotated": 0, "most_annotated_by": "long_term"}
    assert defaults | {"split_files": None} == SPLIT_DEFAULTS
