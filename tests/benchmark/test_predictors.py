"""Predictors from files, runs and models, brought to the clips of a ground truth."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.benchmark.made_up_truth import honest, make_truth, predictor
from videomem_hf.benchmark import predictors
from videomem_hf.benchmark.benchmark import BenchmarkOptions, run_benchmark
from videomem_hf.benchmark.predicted_scores import PredictedScores
from videomem_hf.benchmark.prediction_files import Predictions
from videomem_hf.benchmark.predictors import align, read_predictors
from videomem_hf.benchmark.scoring import Sampling
from videomem_hf.benchmark.truth import GroundTruth
from videomem_hf.run_files import write_predictions, write_results, write_training_clips
from videomem_hf.schema import InputError

QUICK = Sampling(resamples=200)


def test_ids_are_found_whatever_their_form() -> None:
    truth, _ = make_truth(50)
    bare = align(Predictions("bare", {"short_term": {str(n): n / 100 for n in range(1, 60)}}), truth)
    assert bare.scores[4, 0] == 0.05
    assert bare.extra == tuple(sorted(map(str, range(51, 60))))
    assert bare.notes[-1] == "Its ids are matched by their numbers: 1 is taken as video1."
    for form in ("{:05d}", "{}.0", "VIDEO{}", "video{:04d}"):
        other = align(Predictions(form, {"short_term": {form.format(n): n / 100 for n in range(1, 51)}}), truth)
        np.testing.assert_array_equal(other.scores[:, 0], bare.scores[:, 0])
        assert not other.extra
    forms = {"short_term": dict.fromkeys(truth.ids, 0.5), "long_term": {str(n): n / 100 for n in range(1, 51)}}
    both = align(Predictions("two files", forms), truth)
    assert (both.scores[4].tolist(), both.extra) == ([0.5, 0.05], ())
    with pytest.raises(InputError, match="none of its 2 clips"):  # two ids would be one clip
        align(Predictions("twice", {"short_term": {"7": 0.1, "07": 0.2}}), truth)
    percent = align(Predictions("p", {"short_term": dict.fromkeys(truth.ids, 50.0)}), truth)
    assert percent.notes[-1].startswith("Its short-term scores are between 50 and 50, and measured ones in [0, 1]")
    with pytest.raises(InputError, match="p: has no score of any clip"):
        align(Predictions("p", {"short_term": {}}), truth)
    with pytest.raises(InputError, match=r"none of its 1 clip \(other\) has a measured score in made-up"):
        align(Predictions("p", {"short_term": {"other": 0.5}}), truth)


def write_finished_run(folder: Path, truth: GroundTruth, scores: np.ndarray, train: range, held_out: range) -> str:
    """A run that recorded its training clips and predicted those that it held out."""
    folder.mkdir()
    write_results(folder, {"config": {}})
    write_training_clips(folder, {truth.ids[row]: "" for row in train})
    rows = list(held_out)
    ids = [truth.ids[row] for row in rows]
    write_predictions(folder / "predictions.csv", {"model": scores[rows]}, ids, truth.scores[rows], truth.horizons)
    return str(folder)


def test_runs_of_different_splits_share_the_clips_that_none_was_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth, true = make_truth(100)
    scores = honest(true)
    parts = (("a", range(40), range(40, 60)), ("b", range(20, 60), range(10)))  # 60 to 99 are new to both
    runs = [write_finished_run(tmp_path / name, truth, scores, *rows) for name, *rows in parts]
    splits = {"train": truth.ids[:60], "test": truth.ids[60:]}
    asked = []

    def predict_now(run: str, data: str, split: str, **loading: Any) -> PredictedScores:
        asked.append((run, split))
        values = {clip: scores[truth.index[clip]] for clip in splits[split]}
        return PredictedScores(run, {h: {c: x[n] for c, x in values.items()} for n, h in enumerate(truth.horizons)})

    monkeypatch.setattr(predictors, "predict_scores", predict_now)
    monkeypatch.setattr(predictors, "evaluation_target", lambda run, data: SimpleNamespace(options={"seed": 0}))
    monkeypatch.setattr(
        predictors, "open_splits", lambda *of: {name: {"video_id": ids} for name, ids in splits.items()}
    )
    alone = read_predictors(runs[:1], truth)
    assert np.isfinite(alone[0].scores[:, 0]).nonzero()[0].tolist() == list(range(40, 60))
    both = read_predictors(runs, truth)
    assert asked == [(run, "test") for run in runs]
    for each, own in zip(both, (range(40, 60), range(10)), strict=True):
        rows = [*own, *range(60, 100)]
        assert np.isfinite(each.scores[:, 0]).nonzero()[0].tolist() == rows
        np.testing.assert_allclose(each.scores[rows], scores[rows])
        assert each.notes[-1] == "It predicted 40 clips more, which no run here was trained on."
    assert run_benchmark(both, truth, BenchmarkOptions(sampling=QUICK))["protocols"][0]["horizons"][0]["clips"] == 40


def test_runs_whose_split_files_are_gone_keep_their_held_out_predictions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth, true = make_truth(40)
    parts = (("a", range(20), range(20, 40)), ("b", range(15), range(20, 35)))
    runs = [write_finished_run(tmp_path / name, truth, honest(true), *rows) for name, *rows in parts]

    def gone(*of: Any) -> None:
        raise InputError("held_out.txt: no such file\ngive another")

    monkeypatch.setattr(predictors, "evaluation_target", lambda run, data: SimpleNamespace(options={}))
    monkeypatch.setattr(predictors, "open_splits", gone)
    first, second = read_predictors(runs, truth)
    assert np.isfinite(first.scores[:, 0]).nonzero()[0].tolist() == list(range(20, 40))
    assert np.isfinite(second.scores[:, 0]).nonzero()[0].tolist() == list(range(20, 35))
    assert second.notes[-1] == (
        "It predicts no other clips, as its split cannot be made again (held_out.txt: no such file)."
    )


def test_a_run_of_other_data_predicts_all_clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    truth, true = make_truth(40)
    other = replace(truth, ids=[f"clip-{clip}-x" for clip in truth.ids])
    run = write_finished_run(tmp_path / "run", other, honest(true), range(20), range(20, 40))
    values = {h: dict.fromkeys(truth.ids, 0.5 + n / 10) for n, h in enumerate(truth.horizons)}
    monkeypatch.setattr(predictors, "predict_scores", lambda *of, **how: PredictedScores(run, values))
    monkeypatch.setattr(predictors, "open_splits", lambda *of: {"train": {"video_id": truth.ids}})
    (found,) = read_predictors([run], truth)
    assert found.scores.tolist() == [[0.5, 0.6]] * 40
    assert found.notes == ("It was trained on other data, and predicts all scored clips.",)


def test_ids_with_endings_are_found_in_files_and_models() -> None:
    truth, _ = make_truth(12)
    named = replace(truth, ids=[f"{clip}.mp4" for clip in truth.ids])
    for form in ("{}", "{}.mp4"):
        given = Predictions("p", {"short_term": {form.format(clip): 0.5 for clip in truth.ids}})
        assert np.isfinite(align(given, named).scores[:, 0]).all()


def test_scores_that_fall_where_measured_ones_rise_are_named() -> None:
    truth, true = make_truth(100)
    ranks = (-honest(true)).argsort(axis=0).argsort(axis=0) + 1.0
    notes = predictor(truth, ranks).notes
    assert [note.split(" (")[0] for note in notes[2:]] == [
        f"Its {name} scores fall where measured ones rise" for name in ("short-term", "long-term")
    ]
    assert not predictor(truth, honest(true)).notes


def test_predictors_of_different_clips_are_counted() -> None:
    truth, true = make_truth(40)
    scores = honest(true, 0, 0.5)
    halves = [np.where(np.arange(40)[:, None] < 20, *each) for each in ((scores, np.nan), (np.nan, scores))]
    given = [predictor(truth, half, name) for half, name in zip(halves, ("first", "second"), strict=True)]
    with pytest.raises(InputError, match=r"by all predictors \(of 40 clips, first 20, second 20\); give"):
        run_benchmark(given, truth, BenchmarkOptions(sampling=QUICK))
