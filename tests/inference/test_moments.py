"""A moment is said where there is one, and seldom where there is none."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from videomem_hf.inference import Prediction
from videomem_hf.inference.moments import standout_moment


def prediction(curve: np.ndarray, noise: float | None = None) -> Prediction:
    reference: Any = None if noise is None else SimpleNamespace(frame_sd={"short_term": noise})
    made = Prediction("c.mp4", "m", {"short_term": 0.7}, np.arange(len(curve)) * 0.5, curve[:, None])
    return replace(made, reference=reference)


@pytest.mark.parametrize(("frames", "noise"), [(3, 0.02), (7, 0.02), (60, 0.02), (2000, 0.02), (20, None)])
def test_clips_of_noise_alone_have_a_moment_in_one_of_twenty(frames: int, noise: float | None) -> None:
    rng = np.random.default_rng(1)
    found = [standout_moment(prediction(0.8 + 0.02 * rng.normal(size=frames), noise), "short_term") for _ in range(400)]
    share = np.mean([moment is not None for moment in found])
    assert 0.01 < share < 0.09  # 4 standard errors about .05


@pytest.mark.parametrize("noise", [0.02, None])
def test_a_part_that_is_clearly_higher_is_found(noise: float | None) -> None:
    rng = np.random.default_rng(2)
    curve = 0.7 + 0.02 * rng.normal(size=40)
    curve[20:26] += 0.15
    moment = standout_moment(prediction(curve, noise), "short_term")
    assert moment is not None
    assert 20 <= moment.index < 26
    assert moment.time_s == moment.index / 2
    assert moment.score == curve[moment.index]
    assert moment.rise == pytest.approx(0.15 * 34 / 40, abs=0.03)


def test_what_is_within_the_noise_of_the_model_is_no_moment() -> None:
    curve = np.full(12, 0.7)
    curve[5] += 0.1
    assert standout_moment(prediction(curve, 0.02), "short_term") is not None
    assert standout_moment(prediction(curve, 0.08), "short_term") is None


@pytest.mark.parametrize("noise", [0.02, 0.0, None])
def test_few_or_equal_frames_have_no_moment(noise: float | None) -> None:
    for curve in (np.zeros(0), np.array([0.8]), np.array([0.5, 0.9]), np.full(30, 0.8)):
        assert standout_moment(prediction(curve, noise), "short_term") is None
