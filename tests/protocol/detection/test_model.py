"""The detection model against a Gibbs sampler, a probit regression of statsmodels, and its own truth."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from tests.protocol.detection.draws import MEAN, PEOPLE, SLOPE, VIDEOS, draw_responses
from videomem_hf.protocol.detection import linear
from videomem_hf.protocol.detection.model import Responses, fit_detection
from videomem_hf.schema import InputError


def sample_posterior(responses: Responses, draws: int, seed: int) -> np.ndarray:
    """The Gibbs sampler of Albert and Chib (1993): latent normals given effects, effects given latent normals.

    Gives draws of means and slope, effects of videos and effects of participants, side by side.
    """
    generator = np.random.default_rng(seed)
    kind = responses.repeat.astype(int)
    columns = [(kind == 0), (kind == 1), responses.log_lag]
    columns += [(responses.video == v) & (kind == k) for v in range(responses.videos) for k in (0, 1)]
    columns += [(responses.participant == u) & (kind == k) for u in range(responses.participants) for k in (0, 1)]
    x = np.stack(columns, axis=1).astype(float)
    prior = np.zeros((x.shape[1],) * 2)
    prior[:3, :3] = np.eye(3) / 3**2
    prior[3:, 3:] = np.kron(np.eye(responses.videos + responses.participants), np.eye(2))
    videos = slice(3, 3 + 2 * responses.videos)
    prior[videos, videos] = np.kron(np.eye(responses.videos), np.linalg.inv(VIDEOS))
    people = slice(videos.stop, None)
    prior[people, people] = np.kron(np.eye(responses.participants), np.linalg.inv(PEOPLE))
    precision = x.T @ x + prior
    root, covariance = np.linalg.cholesky(np.linalg.inv(precision)), np.linalg.inv(precision)
    effects, kept = np.zeros(x.shape[1]), []
    for number in range(draws + 200):
        eta = x @ effects
        below = stats.norm.cdf(-eta)
        uniform = generator.random(len(eta))
        level = np.where(responses.pressed, below + uniform * (1 - below), uniform * below)
        latent = eta + stats.norm.ppf(np.clip(level, 1e-12, 1 - 1e-12))
        effects = covariance @ (x.T @ latent) + root @ generator.standard_normal(len(effects))
        if number >= 200:
            kept.append(effects)
    return np.array(kept)


def test_moments_are_those_of_a_gibbs_sampler() -> None:
    drawn = draw_responses(1, videos=16, people=12, repeated=8, once=8)
    draws = sample_posterior(drawn.responses, 6000, 2)
    fit = fit_detection(drawn.responses, covariances=(VIDEOS, PEOPLE))
    tendencies = draws[:, 3:35].reshape(len(draws), 16, 2) + draws[:, None, :2]
    people = draws[:, 35:].reshape(len(draws), 12, 2)
    assert fit.converged
    assert fit.tendencies.mean == pytest.approx(tendencies.mean(axis=0), abs=0.06)
    sd = np.sqrt(np.einsum("nii->ni", fit.tendencies.covariance))
    assert sd == pytest.approx(tendencies.std(axis=0), rel=0.12)
    shared = [np.cov(tendencies[:, video].T)[0, 1] for video in range(16)]
    assert fit.tendencies.covariance[:, 0, 1] == pytest.approx(shared, abs=0.02)
    assert fit.participants.mean == pytest.approx(people.mean(axis=0), abs=0.06)
    assert np.sqrt(np.einsum("nii->ni", fit.participants.covariance)) == pytest.approx(people.std(axis=0), rel=0.12)
    assert fit.slope == pytest.approx(draws[:, 2].mean(), abs=0.1)
    assert fit.slope_error == pytest.approx(draws[:, 2].std(), rel=0.15)


def test_many_responses_give_the_estimates_of_a_probit_regression() -> None:
    api = pytest.importorskip("statsmodels.api")
    drawn = draw_responses(3, videos=8, people=300, repeated=8, once=0)
    fit = fit_detection(drawn.responses, covariances=(100 * np.eye(2), 1e-6 * np.eye(2)))
    rows = drawn.responses.repeat
    x = np.eye(8)[drawn.responses.video[rows]]
    x = np.column_stack([x, drawn.responses.log_lag[rows]])
    family = api.families.Binomial(api.families.links.Probit())
    found = api.GLM(drawn.responses.pressed[rows].astype(float), x, family).fit()
    assert fit.tendencies.mean[:, 1] == pytest.approx(found.params[:8], abs=0.015)
    errors = np.sqrt(fit.tendencies.covariance[:, 1, 1])
    assert errors == pytest.approx(found.bse[:8], rel=0.05)
    assert fit.slope == pytest.approx(found.params[8], abs=0.015)
    assert fit.slope_error == pytest.approx(found.bse[8], rel=0.05)


def test_parameters_are_recovered() -> None:
    fits = [fit_detection(draw_responses(seed, 150, 150, 30, 30).responses) for seed in range(8)]
    assert all(fit.converged for fit in fits)
    assert np.mean([fit.video_covariance for fit in fits], axis=0) == pytest.approx(VIDEOS, abs=0.04)
    assert np.mean([fit.participant_covariance for fit in fits], axis=0) == pytest.approx(PEOPLE, abs=0.06)
    assert np.mean([fit.mean for fit in fits], axis=0) == pytest.approx(MEAN, abs=0.1)
    error = fits[0].slope_error / np.sqrt(len(fits))
    assert np.mean([fit.slope for fit in fits]) == pytest.approx(SLOPE, abs=3 * error)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Simulation-based calibration in small; `benchmarks/measurement.py` does it with more studies."""
    inside = []
    for seed in range(40):
        drawn = draw_responses(100 + seed, videos=40, people=40)
        fit = fit_detection(drawn.responses)
        for weights in ([0.0, 1.0], [1.0, 0.0], [-1.0, 1.0]):
            error = np.sqrt(np.einsum("i,nij,j->n", weights, fit.tendencies.covariance, weights))
            inside.append(np.abs((fit.tendencies.mean - drawn.tendencies) @ weights) < 1.645 * error)
    assert 0.88 < np.mean(inside) < 0.92


def test_large_systems_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = draw_responses(5, videos=200, people=150, repeated=30, once=40)
    exact = fit_detection(drawn.responses)
    monkeypatch.setattr(linear, "_EXACT_OPERATIONS", 0)
    monkeypatch.setattr(linear, "_EXACT_AT_THE_END", 0)
    fast = fit_detection(drawn.responses)
    assert fast.tendencies.mean == pytest.approx(exact.tendencies.mean, abs=0.02)
    ratio = np.sqrt(
        np.einsum("nii->ni", fast.tendencies.covariance) / np.einsum("nii->ni", exact.tendencies.covariance)
    )
    assert ratio == pytest.approx(np.ones((200, 2)), abs=0.06)
    assert fast.video_covariance == pytest.approx(exact.video_covariance, abs=0.02)
    assert fast.slope == pytest.approx(exact.slope, abs=0.02)


def test_more_participants_than_videos_and_the_other_way_round() -> None:
    """Which side is eliminated makes no difference: exchanging videos and participants exchanges the effects."""
    responses = draw_responses(6, videos=30, people=50).responses
    exchanged = Responses(responses.participant, responses.video, responses.repeat, responses.pressed,
                          responses.log_lag, responses.participants, responses.videos)  # fmt: skip
    one, other = fit_detection(responses), fit_detection(exchanged)
    assert one.videos.mean == pytest.approx(other.participants.mean, abs=1e-6)
    assert one.videos.covariance == pytest.approx(other.participants.covariance, abs=1e-6)
    assert one.mean == pytest.approx(other.mean, abs=1e-6)


def test_without_lags_there_is_no_slope() -> None:
    responses = draw_responses(7).responses
    still = Responses(responses.video, responses.participant, responses.repeat, responses.pressed,
                      np.zeros(len(responses)), responses.videos, responses.participants)  # fmt: skip
    fit = fit_detection(still)
    assert (fit.slope, np.isnan(fit.slope_error)) == (0.0, True)
    with pytest.raises(InputError, match="Responses of one kind only"):
        fit_detection(still.select(still.repeat))


@pytest.mark.parametrize("pressed", [False, True])
def test_responses_that_are_all_alike_give_finite_values(pressed: bool) -> None:
    responses = draw_responses(11, videos=20, people=10, repeated=8, once=4).responses
    alike = replace(responses, pressed=responses.repeat if pressed else np.zeros(len(responses), dtype=bool))
    fit = fit_detection(alike)
    assert fit.converged
    assert np.isfinite(fit.tendencies.mean).all()
    assert (np.einsum("nii->ni", fit.tendencies.covariance) > 0).all()
    assert np.abs(fit.tendencies.mean).max() < 6
    assert (fit.tendencies.mean[:, 1] > 1).all() if pressed else (fit.tendencies.mean < -1).all()
