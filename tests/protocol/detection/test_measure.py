"""Measures from tendencies, who is left out, reliabilities, and the files."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from tests.protocol.detection.draws import PEOPLE, draw_responses
from tests.protocol.studies import played_study
from videomem_hf.protocol.detection.attention import find_attention, review_attention
from videomem_hf.protocol.detection.curves import lag_curve, reliability_curve, step_agreement
from videomem_hf.protocol.detection.measure import MEASURES, measure, measure_study, measure_values
from videomem_hf.protocol.detection.model import Responses, fit_detection
from videomem_hf.protocol.detection.reliability import reliabilities
from videomem_hf.protocol.detection.tables import write_measurement
from videomem_hf.protocol.screening import screen


def test_rates_are_those_of_the_population() -> None:
    generator = np.random.default_rng(0)
    tendencies = np.array([[-1.0, 0.8], [-2.0, 1.5]])
    people = generator.multivariate_normal([0, 0], PEOPLE, 200_000)
    rates = stats.norm.cdf(tendencies[:, None] + people).mean(axis=1)
    assert measure_values("hit_rate", tendencies, PEOPLE) == pytest.approx(rates[:, 1], abs=0.003)
    assert measure_values("false_alarm_rate", tendencies, PEOPLE) == pytest.approx(rates[:, 0], abs=0.003)
    assert measure_values("corrected", tendencies, PEOPLE) == pytest.approx(rates[:, 1] - rates[:, 0], abs=0.005)
    strength = generator.standard_normal((2, 40_000)) + tendencies[0][:, None]
    chance = roc_auc_score(np.repeat([0, 1], 40_000), strength.ravel())
    assert measure_values("discrimination", tendencies, PEOPLE)[0] == pytest.approx(chance, abs=0.005)


def test_errors_are_those_of_the_measures() -> None:
    """Half of a small step of each error away, by differences of the measure's own values."""
    found = measure(draw_responses(1).responses)
    fit = found.detection
    for name in MEASURES:
        slopes = [
            (measure_values(name, fit.tendencies.mean + step, fit.participant_covariance)
             - measure_values(name, fit.tendencies.mean - step, fit.participant_covariance)) / 2e-4
            for step in (np.array([1e-4, 0]), np.array([0, 1e-4]))
        ]  # fmt: skip
        weights = np.stack(slopes, axis=1)
        expected = np.sqrt(np.einsum("ni,nij,nj->n", weights, fit.tendencies.covariance, weights))
        assert found.errors[name] == pytest.approx(expected, rel=1e-5)


def spoilt(who: int, kind: str) -> tuple[Responses, np.ndarray]:
    """Responses of 30 participants of whom one guesses, always presses, or falls asleep half-way."""
    drawn = draw_responses(2, people=30, repeated=30, once=10)
    own = drawn.responses.participant == who
    pressed = drawn.responses.pressed.copy()
    coin = np.random.default_rng(4).random(len(pressed)) < 0.5
    pressed[own] = {"guesses": coin[own], "always": True, "asleep": pressed[own] & (drawn.position[own] < 50)}[kind]
    names = ("video", "participant", "repeat")
    columns = [getattr(drawn.responses, name) for name in names]
    return Responses(*columns, pressed, drawn.responses.log_lag, 40, 30), drawn.position


@pytest.mark.parametrize("kind", ["guesses", "always", "asleep"])
def test_participants_without_attention_are_left_out(kind: str) -> None:
    responses, position = spoilt(3, kind)
    found = find_attention(responses, position)
    own = responses.participant == 3
    left_out = found.asleep if kind == "asleep" else found.guessing
    assert left_out[3]
    assert left_out.sum() == 1
    assert found.kept[~own].all()
    if kind == "asleep":
        last = position[own & responses.pressed].max()
        assert (found.kept[own] == (position[own] <= last)).all()
    else:
        assert not found.kept[own].any()


@pytest.mark.parametrize("seed", [9, 10, 11, 13])
def test_a_fifth_without_attention_does_no_harm(seed: int) -> None:
    """Of 100 people 20 guess, always press, fall asleep half-way, or leave after a third."""
    drawn = draw_responses(seed, videos=60, people=100, repeated=25, once=15)
    responses, position = drawn.responses, drawn.position
    kind = np.where(responses.participant < 20, responses.participant % 4, -1)
    pressed = np.where(kind == 0, np.random.default_rng(1).random(len(responses)) < 0.4, responses.pressed)
    pressed = (pressed | (kind == 1)) & ~((kind == 2) & (position > 32))
    columns = responses.video, responses.participant, responses.repeat, pressed, responses.log_lag
    there = (kind != 3) | (position <= 22)
    found = measure(Responses(*columns, 60, 100).select(there), position[there], 100)
    clean = measure(responses.select(responses.participant >= 20))
    left_out = found.attention.guessing | found.attention.asleep
    assert left_out[:20].reshape(5, 4)[:, :3].all()
    assert not left_out[3:20:4].any()  # who left early says what there is
    assert left_out[20:].mean() <= 0.05
    assert found.values["d_prime"] == pytest.approx(clean.values["d_prime"], abs=0.25)
    assert found.values["d_prime"].mean() == pytest.approx(clean.values["d_prime"].mean(), abs=0.1)


@pytest.mark.parametrize("kind", ["guesses", "always", "asleep"])
def test_the_fitted_model_finds_them_too(kind: str) -> None:
    responses, position = spoilt(3, kind)
    fit = fit_detection(responses.select(responses.participant != 3))
    found = review_attention(fit, responses, position)
    own = responses.participant == 3
    assert (found.guessing | found.asleep)[3]
    assert found.kept[~own].mean() > 0.95
    if kind == "asleep":
        assert found.kept[own & (position <= 30)].all()
        assert not found.kept[own & (position > 55)].any()


def test_who_leaves_early_is_measured_by_what_there_is() -> None:
    drawn = draw_responses(8)
    stayed = (drawn.responses.participant % 2 == 0) | (drawn.position <= 20)
    found = measure(drawn.responses.select(stayed), drawn.position[stayed], 100)
    assert not found.attention.guessing.any()
    assert np.corrcoef(found.values["d_prime"], drawn.tendencies @ [-1, 1])[0, 1] > 0.5


def test_reliability_is_the_squared_correlation_with_the_truth() -> None:
    squared, model, halves = [], [], []
    for seed in range(6):
        drawn = draw_responses(20 + seed, videos=80, people=60, repeated=30, once=20)
        found = measure(drawn.responses)
        truth = drawn.tendencies @ [-1, 1]
        squared.append(np.corrcoef(found.values["d_prime"], truth)[0, 1] ** 2)
        each = reliabilities(found, splits=4)["d_prime"]
        model.append(each.model)
        halves.append(each.spearman_brown)
    assert np.mean(model) == pytest.approx(np.mean(squared), abs=0.06)
    assert np.mean(halves) == pytest.approx(np.mean(squared), abs=0.08)


@pytest.fixture(scope="module")
def measured():
    played = played_study()
    screening = screen(played.annotations, played.design)
    return played, measure_study(played.annotations, screening, played.design)


def test_the_variance_over_one_video_is_not_known() -> None:
    drawn = draw_responses(3)
    alone = measure(drawn.responses.select(drawn.responses.video == 5))
    assert np.isnan(alone.model_reliability("d_prime"))
    assert np.isfinite(alone.values["d_prime"][5])


def test_a_simulated_study_is_measured_in_both_steps(measured) -> None:
    played, found = measured
    short, long = found["short_term"], found["long_term"]
    assert (short.reference_lag, long.reference_lag) == (100, None)
    assert np.corrcoef(short.values["hit_rate"], played.videos.short_term)[0, 1] > 0.6
    assert np.nanmean(short.values["hit_rate"]) == pytest.approx(played.videos.short_term.mean(), abs=0.03)
    assert np.nanmean(long.values["hit_rate"]) == pytest.approx(played.videos.long_term.mean(), abs=0.04)
    # Videos of the simulator have no false alarms of their own.
    assert np.sqrt(short.detection.video_covariance[0, 0]) < 0.1
    assert short.model_reliability("false_alarm_rate") < 0.3 < short.model_reliability("hit_rate")


def test_hit_rates_are_not_extrapolated_to_lags_that_nobody_had(measured) -> None:
    played, found = measured
    longer = replace(played.design, step1=replace(played.design.step1, target_lag_max=170))
    short = measure_study(played.annotations, screen(played.annotations, played.design), longer)["short_term"]
    assert short.reference_lag == 100
    np.testing.assert_allclose(short.values["hit_rate"], found["short_term"].values["hit_rate"], atol=1e-3)


def test_three_participants_are_too_few_for_a_curve() -> None:
    curve = reliability_curve(measure(draw_responses(3, people=3).responses), draws=2)
    assert len(curve.annotations) == len(curve.mean["hit_rate"]) == len(curve.low["d_prime"]) == 0


def test_curves(measured) -> None:
    _, found = measured
    curve = reliability_curve(found["short_term"], draws=3, seed=1)
    assert curve.annotations == pytest.approx(curve.annotations[-1] * np.array([0.125, 0.25, 0.5, 0.75, 1]), rel=0.02)
    assert curve.mean["hit_rate"][-1] > curve.mean["hit_rate"][0]
    line = lag_curve(found["short_term"])
    assert line is not None
    assert ((line.low < line.rate) & (line.rate < line.high)).all()
    inside = np.interp(line.bin_lag, line.lag, line.rate)
    assert line.bin_rate == pytest.approx(inside, abs=0.03)
    assert lag_curve(found["long_term"]) is None


def test_a_lag_curve_of_few_responses_has_no_empty_bins() -> None:
    video, repeat = np.tile(np.arange(3), 4), np.repeat([False, True, False, True], 3)
    lags = np.where(repeat, np.tile([-0.8, -0.1, 0.0], 4), 0.0)
    pressed = np.array([0, 0, 1, 1, 1, 0, 0, 0, 0, 1, 0, 1], dtype=bool)
    line = lag_curve(measure(Responses(video, np.repeat([0, 1], 6), repeat, pressed, lags, 3, 2), reference_lag=100))
    assert line is not None
    assert line.bin_lag == pytest.approx(100 * np.exp([-0.8, -0.1, 0.0]))
    assert line.bin_rate == pytest.approx([1, 0.5, 0.5])


def test_agreement_without_noise_is_that_of_the_truth(measured) -> None:
    played, found = measured
    agreement = step_agreement([found["short_term"], found["long_term"]], "hit_rate", draws=10)
    truth = np.corrcoef(played.videos.short_term, played.videos.long_term)[0, 1]
    assert agreement.observed < truth
    assert agreement.disattenuated == pytest.approx(truth, abs=0.12)
    assert agreement.interval.low < truth < agreement.interval.high


def test_the_files_load_as_a_data_set(measured, tmp_path: Path) -> None:
    from datasets import load_dataset

    played, found = measured
    names = played.videos.names
    reliability = {horizon: reliabilities(part, splits=1) for horizon, part in found.items()}
    path = write_measurement(found, reliability, names, played.annotations.participants, tmp_path)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["video"] for row in rows] == sorted(names, key=lambda name: int(name.removeprefix("video")))
    row = rows[0]
    first = names.index(row["video"])
    assert float(row["short_term_d_prime"]) == pytest.approx(found["short_term"].values["d_prime"][first], abs=1e-6)
    assert int(row["short_term_annotations"]) == found["short_term"].counts[first, 1]
    content = json.loads((path.parent / "measurement.json").read_text())
    assert content["short_term"]["reliability"]["hit_rate"]["model"] == pytest.approx(
        found["short_term"].model_reliability("hit_rate")
    )
    data = load_dataset("memorability", "scores", data_dir=str(path.parent), cache_dir=str(tmp_path / "cache"))
    loaded = {row["video_id"]: row for split in data.values() for row in split}
    assert len(loaded) == len(names)
    assert loaded["video1"]["short_term"] == pytest.approx(float(rows[0]["short_term_hit_rate"]), abs=1e-6)
    assert "short_term_d_prime" in loaded["video1"]
