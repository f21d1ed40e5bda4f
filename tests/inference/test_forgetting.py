"""The forgetting curve passes through what is known, falls, and follows the study's simulator."""

import numpy as np
import pytest

from tests.inference.test_predictor import tiny  # noqa: F401 - a fixture
from videomem_hf.inference import Prediction
from videomem_hf.inference.drawing import write_forgetting
from videomem_hf.inference.forgetting import LAW_SD, LONG_S, SHORT_S, forgetting_curve
from videomem_hf.protocol.simulate import MemoryModel, draw_videos, strength_after, strength_at_lag
from videomem_hf.schema import InputError

SCORES = {"short_term": 0.86, "long_term": 0.78}
ENDS = {"short_term": (0.75, 0.95), "long_term": (0.6, 0.9)}


def test_it_passes_through_both_scores() -> None:
    curve = forgetting_curve(SCORES)
    assert (SHORT_S, LONG_S) == (800, 48 * 3600)
    assert curve.chance([SHORT_S, LONG_S]).tolist() == pytest.approx([0.86, 0.78])
    # a power law is a line over logarithms
    middle = np.sqrt(SHORT_S * LONG_S)
    assert float(curve.chance(middle)) == pytest.approx(np.sqrt(0.86 * 0.78))
    assert curve.interval(300) is None


def test_a_decay_stands_for_the_second_score() -> None:
    curve = forgetting_curve({"short_term": 0.86}, decay_per_lag=-0.0006)
    per_lag = SHORT_S / 100
    slope = (curve.chance(SHORT_S + per_lag) - curve.chance(SHORT_S - per_lag)) / 2
    assert float(slope) == pytest.approx(-0.0006, rel=1e-3)


def test_it_does_not_rise() -> None:
    flat = forgetting_curve({"short_term": 0.7, "long_term": 0.8})
    assert flat.chance([60, SHORT_S, LONG_S]).tolist() == pytest.approx([np.sqrt(0.56)] * 3)


def test_intervals_hold_those_of_the_scores() -> None:
    table = forgetting_curve(SCORES, ENDS).table()
    assert list(table) == ["5 minutes", "1 day", "3 days"]
    for parts in table.values():
        assert 0 <= parts["low"] < parts["chance"] < parts["high"] <= 1
    curve = forgetting_curve(SCORES, ENDS)
    low, high = curve.interval([SHORT_S, LONG_S])
    assert low.tolist() == pytest.approx([0.75, 0.6], abs=0.02)
    assert high.tolist() == pytest.approx([0.95, 0.9], abs=0.025)  # curves that would rise are flat


def test_it_follows_the_simulator_as_closely_as_it_says() -> None:
    videos, model = draw_videos([str(i) for i in range(400)], 3), MemoryModel()
    lags, hours = np.arange(45, 101), np.linspace(24, 72, 49)
    times = np.concatenate([8.0 * lags, 3600 * hours])
    errors = []
    for short, long in zip(videos.short_term, videos.long_term, strict=True):
        chances = forgetting_curve({"short_term": short, "long_term": long}).chance(times)
        simulated = [strength_at_lag(np.float64(short), lags, model), strength_after(np.float64(long), hours, model)]
        errors.append([np.mean((chances[:56] - simulated[0]) ** 2), np.mean((chances[56:] - simulated[1]) ** 2)])
    assert np.sqrt(np.mean(errors)) == pytest.approx(LAW_SD, abs=0.002)


@pytest.mark.parametrize("scores", [{"short_term": 0.8}, {"long_term": 0.8}, {}])
def test_one_horizon_is_refused(scores: dict) -> None:
    with pytest.raises(InputError, match="takes short-term and long-term ones, or a decay"):
        forgetting_curve(scores)


def test_values_out_of_range_are_refused() -> None:
    with pytest.raises(InputError, match="scores are above 0"):
        forgetting_curve({"short_term": 0.0, "long_term": 0.5})
    with pytest.raises(InputError, match="decays at most 0"):
        forgetting_curve(SCORES, decay_per_lag=0.1)


def test_a_prediction_has_one(tmp_path) -> None:
    prediction = Prediction("clip.mp4", "model", SCORES, np.zeros(1), np.zeros((1, 2)), intervals=ENDS)
    assert float(prediction.forgetting().chance(SHORT_S)) == pytest.approx(0.86)
    write_forgetting(tmp_path / "f.png", prediction)
    assert (tmp_path / "f.png").stat().st_size > 5000
    with pytest.raises(InputError, match="was not scored"):
        Prediction.failed("c.mp4", "model", ("short_term", "long_term"), "damaged").forgetting()
