"""Planned reliabilities against those of studies drawn from the same parameters."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.protocol.detection.draws import MEAN, PEOPLE, VIDEOS, draw_responses
from videomem_hf.cli import app
from videomem_hf.protocol.design import StudyDesign
from videomem_hf.protocol.detection.measure import REPORTED, measure
from videomem_hf.protocol.detection.planning import (
    Spread,
    assumed_spread,
    expected_reliability,
    participants_for,
    read_pilot,
)
from videomem_hf.schema import InputError

SPREAD = Spread(MEAN, VIDEOS, PEOPLE)


def test_studies_have_the_planned_reliability() -> None:
    found = [measure(draw_responses(seed, 100, 120, 20, 20, slope=0.0).responses) for seed in range(8)]
    planned = expected_reliability(SPREAD, 120, (40, 20), 100)
    for name in REPORTED:
        assert np.mean([each.model_reliability(name) for each in found]) == pytest.approx(planned[name], abs=0.06)


def test_twice_the_responses_follow_spearman_and_brown() -> None:
    uncorrelated = Spread(MEAN, np.diag(np.diag(VIDEOS)), PEOPLE)
    once, twice = (expected_reliability(uncorrelated, 50 * n, (40, 20), 100) for n in (1, 2))
    for name in ("hit_rate", "false_alarm_rate"):
        assert twice[name] == pytest.approx(2 * once[name] / (1 + once[name]))


def test_the_fewest_participants() -> None:
    design = StudyDesign()
    for name in REPORTED:
        people = participants_for(SPREAD, design, 1000, "short_term", name, 0.8)
        fewer, enough = (expected_reliability(SPREAD, count, (120, 40), 1000)[name] for count in (people - 1, people))
        assert fewer < 0.8 <= enough
    with pytest.raises(InputError, match="takes over 10,000,000 people"):
        participants_for(Spread(MEAN, 1e-9 * np.eye(2), PEOPLE), design, 1000, "short_term", "d_prime", 0.9)


def test_a_pilot_gives_its_own_spread(tmp_path: Path) -> None:
    path = tmp_path / "measurement.json"
    sd = np.sqrt(np.diag(VIDEOS))
    spread = {"hit_sd": sd[1], "false_alarm_sd": sd[0], "correlation": VIDEOS[0, 1] / sd.prod()}
    step = {"mean_d_prime": MEAN[1] - MEAN[0], "mean_criterion": -MEAN.mean(), "videos": spread,
            "participants_spread": {"hit_sd": 0.5, "false_alarm_sd": 0.4, "correlation": 0.0}}  # fmt: skip
    path.write_text(json.dumps({"short_term": step}))
    found = read_pilot(path, "short_term")
    assert found is not None
    assert found.mean == pytest.approx(MEAN)
    assert found.videos == pytest.approx(VIDEOS)
    assert read_pilot(path, "long_term") is None
    out = tmp_path / "design.yaml"
    words = ["study", "plan", "--videos", "40", "--reliability", ".4", "--out", str(out), "--return-rate", "1"]
    text = CliRunner().invoke(app, [*words, "--pilot", str(path)], catch_exceptions=False).output
    assert "short-term reliability by the detection model: hits 0." in text
    assert "participants for 0.4)" in text
    assert "long-term reliability by" not in text
    path.write_text("[]")
    with pytest.raises(InputError, match=r"not the measurement.json of a pilot study"):
        read_pilot(path, "short_term")


def test_without_a_pilot_hits_are_the_simulators() -> None:
    spread = assumed_spread("short_term")
    from scipy import stats

    draws = np.random.default_rng(0).standard_normal(100_000) * np.sqrt(spread.videos[1, 1]) + spread.mean[1]
    rates = stats.norm.cdf(draws)
    assert rates.mean() == pytest.approx(0.859, abs=0.015)
    assert rates.std() == pytest.approx(0.0615, abs=0.006)
