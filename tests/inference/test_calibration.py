"""Percentiles against facts of the release that the fit does not use; intervals against their promise."""

import json
from pathlib import Path

import numpy as np
import pytest

from videomem_hf.inference.calibration import Calibration, conformal_half_width, read_calibration
from videomem_hf.inference.score_distribution import approximate_percentile, score_distribution
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


def test_intervals_cover_what_they_promise() -> None:
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(4000):
        width = conformal_half_width(rng.standard_t(3, 29))
        covered.append(abs(rng.standard_t(3)) <= width)
    assert np.mean(covered) == pytest.approx(0.9, abs=0.015)  # 27 of 30 ranks
    assert conformal_half_width(np.zeros(8)) is None
    assert conformal_half_width(np.arange(9.0)) == 8


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
