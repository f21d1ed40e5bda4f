"""A moment is said where there is one, and seldom where there is none."""

import numpy as np
import pytest

from videomem_hf.inference import Prediction
from videomem_hf.inference.drawing import moment_text
from videomem_hf.inference.frame_noise import FrameNoise, measure_frame_noise
from videomem_hf.inference.moments import NO_MOMENT, NOT_KNOWN, standout_moment


def prediction(curve: np.ndarray, noise: float | None = None, correlation: float = 0.0) -> Prediction:
    known = {} if noise is None else {"short_term": FrameNoise(noise, correlation)}
    times, rows = np.arange(len(curve)) * 0.5, curve[:, None]
    return Prediction("c.mp4", "m", {"short_term": 0.7}, times, rows, frame_noise=known)


def curves_of(clips: int, frames: int, correlation: float) -> np.ndarray:
    """Normal curves of variance 1, each frame that of before times the correlation plus something new."""
    rng = np.random.default_rng(5)
    curves = rng.normal(size=(clips, frames))
    for i in range(1, frames):
        curves[:, i] = correlation * curves[:, i - 1] + np.sqrt(1 - correlation**2) * curves[:, i]
    return curves


@pytest.mark.parametrize(("frames", "correlation"), [(30, 0.6), (60, 0.3), (1200, 0.6)])
def test_correlated_frames_have_a_moment_in_one_of_twenty_as_well(frames: int, correlation: float) -> None:
    curves = 0.8 + 0.02 * curves_of(400, frames, correlation)
    noise = measure_frame_noise(list(curves))
    assert noise is not None
    found = [standout_moment(prediction(curve, noise.sd, noise.correlation), "short_term") for curve in curves]
    assert 0.01 < np.mean([moment is not None for moment in found]) < 0.09


@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.8])
@pytest.mark.parametrize("frames", [5, 40])
def test_the_noise_of_short_curves_is_measured_without_bias(frames: int, correlation: float) -> None:
    curves = [level + curve for level, curve in enumerate(curves_of(4000, frames, correlation))]
    noise = measure_frame_noise([*curves, np.ones(1)])
    assert noise is not None
    assert noise.correlation == pytest.approx(correlation, abs=0.05)
    assert noise.sd == pytest.approx(1, rel=0.1)
    assert measure_frame_noise([np.ones(1)]) is None


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


@pytest.mark.parametrize(("rise", "found"), [(0.003, False), (0.009, False), (0.012, True)])
def test_a_rise_that_cannot_be_seen_is_no_moment_however_certain(rise: float, found: bool) -> None:
    curve = np.full(40, 0.7)
    curve[20:24] += rise * 40 / 36  # the curve's mean rises as well
    for noise in (0.0005, None):
        assert (standout_moment(prediction(curve, noise), "short_term") is not None) == found
        if not found:
            assert moment_text(prediction(curve, noise), "short_term") == NO_MOMENT


def test_what_is_within_the_noise_of_the_model_is_no_moment() -> None:
    curve = np.full(12, 0.7)
    curve[5] += 0.1
    assert standout_moment(prediction(curve, 0.02), "short_term") is not None
    assert standout_moment(prediction(curve, 0.08), "short_term") is None


@pytest.mark.parametrize("noise", [0.02, 0.0, None])
def test_few_or_equal_frames_have_no_moment(noise: float | None) -> None:
    for curve in (np.zeros(0), np.array([0.8]), np.array([0.5, 0.9]), np.full(30, 0.8)):
        assert standout_moment(prediction(curve, noise), "short_term") is None


PLATEAU = np.repeat([0.5, 0.9], 20)


@pytest.mark.parametrize(
    ("curve", "noise", "words"),
    [
        (PLATEAU, 0.02, "most memorable at "),
        (PLATEAU, 0.5, NO_MOMENT),
        (PLATEAU, None, NOT_KNOWN),  # random orders of so many high frames have such a peak as well
        (np.repeat([0.5, 0.9, 0.5], [18, 4, 18]), None, "most memorable at "),
        (np.array([0.5, 0.9, 0.5]), None, NOT_KNOWN),
        (np.array([0.5, 0.9]), 0.02, NOT_KNOWN),
        (np.full(9, 0.5), None, NO_MOMENT),
    ],
)
def test_what_cannot_be_told_is_not_said_to_be_absent(curve: np.ndarray, noise: float | None, words: str) -> None:
    assert moment_text(prediction(curve, noise), "short_term").startswith(words)
