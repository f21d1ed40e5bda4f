"""Pool, then score: predictions come together with their clips, and the metrics are those of other libraries."""

import csv
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_squared_error

from tests.data.release_trees import HEADER, write
from videomem_hf.data.scored_clips import Clips, load_clips
from videomem_hf.evaluation.evaluate import baselines, compute_metrics, evaluate_predictions
from videomem_hf.models.video_processing_memorability import MemorabilityVideoProcessor
from videomem_hf.run_files import write_predictions
from videomem_hf.schema import HORIZONS, InputError
from videomem_hf.video.frame_cache import FrameCache


def _clips(count: int = 60) -> Clips:
    generator = np.random.default_rng(0)
    labels = generator.uniform(0.4, 1.0, (count, 2)).round(2)
    labels[3, 1] = labels[7, 1] = np.nan
    names = [f"video{i}" for i in range(count)]
    return Clips(names, [f"{name}.webm" for name in names], labels, np.full((count, 2), 30.0))


def _predicted(clips: Clips) -> np.ndarray:
    noise = np.random.default_rng(1).normal(0, 0.1, clips.labels.shape)
    return np.nan_to_num(clips.labels, nan=0.5) + noise


def test_metrics_are_those_of_other_libraries_over_the_whole_split() -> None:
    clips = _clips()
    predictions = {"model": _predicted(clips)}
    results = compute_metrics(predictions, clips, HORIZONS, resamples=200)
    for column, horizon in enumerate(HORIZONS):
        known = np.isfinite(clips.labels[:, column])
        x, y = predictions["model"][known, column], clips.labels[known, column]
        metrics = results[horizon]["model"]
        assert metrics["items"] == known.sum() == (60 if horizon == "short_term" else 58)
        assert metrics["spearman"] == pytest.approx(stats.spearmanr(x, y)[0])
        assert metrics["pearson"] == pytest.approx(stats.pearsonr(x, y)[0])
        assert metrics["mse"] == pytest.approx(mean_squared_error(y, x))
        assert metrics["spearman_low"] < metrics["spearman"] < metrics["spearman_high"]


def test_options_of_the_evaluation_are_wired() -> None:
    clips = _clips()
    predictions = {"model": _predicted(clips)}
    wide, narrow, coarse = (
        compute_metrics(predictions, clips, HORIZONS, **options)["short_term"]["model"]
        for options in ({"resamples": 200}, {"resamples": 200, "confidence": 0.5}, {"resamples": 2})
    )
    assert narrow["spearman_low"] > wide["spearman_low"]
    assert coarse["spearman_low"] != wide["spearman_low"]


def test_the_model_is_compared_with_mean_brightness() -> None:
    clips = _clips()
    predictions = {"model": _predicted(clips), "mean_brightness": np.random.default_rng(2).random((60, 2))}
    results = compute_metrics(predictions, clips, HORIZONS, resamples=500)["short_term"]
    against = results["model_minus_mean_brightness"]
    difference = results["model"]["spearman"] - results["mean_brightness"]["spearman"]
    assert against["difference"] == pytest.approx(difference)
    assert against["difference_low"] < difference < against["difference_high"]
    assert against["p_value"] < 0.05


@pytest.mark.filterwarnings("error")
def test_a_constant_has_no_correlation_and_says_so_quietly() -> None:
    clips = _clips()
    results = compute_metrics({"constant": np.full((60, 2), 0.8)}, clips, HORIZONS, resamples=10)
    assert np.isnan(results["short_term"]["constant"]["spearman"])
    assert results["short_term"]["constant"]["mse"] > 0


@pytest.mark.parametrize("horizons", [HORIZONS, ("short_term",)])
@pytest.mark.parametrize("by", ["long_term", "short_term", "sum"])
def test_the_most_annotated_are_those_that_the_data_set_holds_out(tmp_path: Path, horizons: tuple, by: str) -> None:
    rows = {
        f"video{n}": (0.5 + n * 17 % 41 / 200, 30 + n * 29 % 41, n % 11 / 11, 11 if n % 3 else 22) for n in range(1, 41)
    }
    lines = [HEADER, *(f"{name}.webm,{s:.3f},{cs},{r:.3f},{cl}" for name, (s, cs, r, cl) in rows.items())]
    write(tmp_path / "release" / "ground-truth.csv", "\n".join(lines))
    for name in rows:
        write(tmp_path / "release" / "sources" / f"{name}.webm", name)
    data, options = str(tmp_path / "release"), {"most_annotated": 9, "most_annotated_by": by}
    held_out = load_clips(data, "test9", horizons, options=options)
    whole = {"split_files": {"whole": str(write(tmp_path / "all.txt", "\n".join(rows)))}}
    every = load_clips(data, "whole", horizons, options=whole)
    scores = _predicted(every)
    found = evaluate_predictions(scores, every, horizons, 9, most_annotated_by=by, resamples=10)
    chosen = [every.video_ids.index(name) for name in held_out.video_ids]
    for column, horizon in enumerate(horizons):
        expected = stats.spearmanr(scores[chosen, column], held_out.labels[:, column])[0]
        assert found[horizon]["9 most annotated"]["items"] == len(held_out) == 9
        assert found[horizon]["9 most annotated"]["spearman"] == pytest.approx(expected)


def test_too_few_scores_are_named() -> None:
    clips = _clips()
    labels = np.array([[0.5, np.nan], [0.6, 0.7]])
    few = Clips(clips.video_ids[:2], clips.sources[:2], labels, clips.annotation_counts[:2])
    with pytest.raises(InputError, match="1 clips with a long_term score are too few"):
        compute_metrics({"model": np.zeros((2, 2))}, few, HORIZONS, resamples=10)


def test_baselines_are_a_mean_and_a_fitted_line(release: Path, frames: Path) -> None:
    cache = FrameCache(frames, MemorabilityVideoProcessor(size={"height": 18, "width": 32}))
    train, validation = (load_clips(str(release), split, HORIZONS) for split in ("train", "validation"))
    cache.fill([*train.sources, *validation.sources], progress=False)
    train.labels[2, 1] = np.nan
    predicted = baselines(train, validation, cache)
    seen, new = (
        np.array([cache.load(source).astype(float).mean() / 255 for source in clips.sources])[:, None]
        for clips in (train, validation)
    )
    for column in range(2):
        known = np.isfinite(train.labels[:, column])
        np.testing.assert_allclose(predicted["constant"][:, column], train.labels[known, column].mean())
        line = LinearRegression().fit(seen[known], train.labels[known, column])
        np.testing.assert_allclose(predicted["mean_brightness"][:, column], line.predict(new).clip(0, 1))


def test_predictions_are_written_in_full(tmp_path: Path) -> None:
    clips = _clips()
    predictions = {"model": _predicted(clips), "constant": np.full((60, 2), 0.8)}
    write_predictions(tmp_path / "predictions.csv", predictions, clips.video_ids, clips.labels, HORIZONS)
    with (tmp_path / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["video_id"] for row in rows] == clips.video_ids
    assert list(rows[0])[:4] == ["video_id", "short_term", "short_term_model", "short_term_constant"]
    np.testing.assert_array_equal([float(row["long_term_model"]) for row in rows], predictions["model"][:, 1])
    assert [row["long_term"] for row in rows[:4]] == [*(repr(float(each)) for each in clips.labels[:3, 1]), ""]
