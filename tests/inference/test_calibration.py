"""Percentiles against facts of the release that the fit does not use; intervals against their promise."""

import json
from pathlib import Path

import pytest
import torch

from tests.clips import grey_levels, write_clip
from videomem_hf.inference import ViewPredictor
from videomem_hf.inference.calibration import Calibration, read_calibration
from videomem_hf.inference.prediction import approximate_percentile, score_distribution
from videomem_hf.models import config_class, model_class
from videomem_hf.schema import RELEASED_SCORES

MEDIANS = {"short_term": 0.867, "long_term": 0.800}
"""Of the released scores."""


@pytest.mark.parametrize("horizon", ["short_term", "long_term"])
def test_the_distribution_has_the_released_moments_and_nearly_their_median(horizon) -> None:
    fitted, released = score_distribution(horizon), RELEASED_SCORES[horizon]
    assert fitted.mean() == pytest.approx(released.mean)
    assert fitted.std() == pytest.approx(released.std)
    assert approximate_percentile(MEDIANS[horizon], horizon) == pytest.approx(50, abs=5)
    assert approximate_percentile(released.low, horizon) == 0
    assert approximate_percentile(released.high, horizon) == 100


def write_run(folder: Path, split: str, clips: int) -> None:
    (folder / "results.json").write_text(json.dumps({"split": split}))
    lines = ["video_id,short_term,short_term_model,long_term,long_term_model"]
    lines += [f"video{i},0.8,{0.8 - i / 100},{'' if i % 2 else 0.5},0.4" for i in range(clips)]
    (folder / "predictions.csv").write_text("\n".join(lines) + "\n")


def test_intervals_come_from_the_errors_on_held_out_clips(tmp_path: Path) -> None:
    both = ("short_term", "long_term")
    assert read_calibration(tmp_path, both).half_widths == {}
    write_run(tmp_path, "train", 19)
    assert read_calibration(tmp_path, both).half_widths == {}
    write_run(tmp_path, "validation", 19)
    found = read_calibration(tmp_path, both)
    assert found.half_widths == pytest.approx({"short_term": 0.17, "long_term": 0.1})  # the 18th of 19; 9th of 10
    assert found.intervals({"short_term": 0.9}) == {"short_term": pytest.approx((0.73, 1.0))}
    write_run(tmp_path, "validation", 9)
    assert read_calibration(tmp_path, both).intervals({"short_term": 0.9, "long_term": 0.9}) is None


def test_without_errors_there_are_no_intervals() -> None:
    assert Calibration({}).intervals({"short_term": 0.5}) is None


@pytest.mark.parametrize("level", [0.5, 0.8])
def test_a_prediction_carries_the_level_of_its_intervals(level: float, tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = config_class("multiview")(view_names=["title_words"], view_sizes=[64], interval_level=level)
    predictor = ViewPredictor(model_class("multiview")(config), "words", "cpu", title="red-car")
    prediction = predictor.predict(write_clip(tmp_path / "a.webm", grey_levels(24)))
    assert prediction.interval_level == level
    assert prediction.to_dict()["interval_level"] == level
    assert set(prediction.to_dict()["intervals"]) == {"short_term", "long_term"}
