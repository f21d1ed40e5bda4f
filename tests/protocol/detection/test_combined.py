"""Combined hit rates: nearer to the truth than those of a step alone, and honest about their error."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from tests.protocol.studies import played_study
from videomem_hf.protocol.detection import combined
from videomem_hf.protocol.detection.measure import measure_study
from videomem_hf.protocol.scoring import score_study


def test_the_posterior_is_that_of_a_multivariate_normal() -> None:
    """Drawn effects of known covariance: the EM finds it, and the posterior means are those of the closed form."""
    generator = np.random.default_rng(0)
    covariance = np.array([[0.5, 0.3], [0.3, 0.4]])
    effects = generator.multivariate_normal([0, 0], covariance, 4000)
    noise = generator.uniform(0.2, 1.0, (4000, 2))
    seen = effects + np.sqrt(noise) * generator.standard_normal((4000, 2))
    evidence = np.zeros((4000, 2, 2))
    evidence[:, [0, 1], [0, 1]] = 1 / noise
    mean, posterior, found = combined._posterior(evidence, seen / noise, np.eye(2))
    assert found == pytest.approx(covariance, abs=0.05)
    one = found @ np.linalg.solve(found + np.diag(noise[7]), seen[7])
    assert mean[7] == pytest.approx(one, rel=1e-2)
    within = np.abs(effects - mean) < 1.645 * np.sqrt(np.einsum("nii->ni", posterior))
    assert within.mean() == pytest.approx(0.9, abs=0.02)


def test_combined_rates_are_nearer_to_the_truth() -> None:
    played = played_study()
    scored = score_study(played.annotations, played.design)
    measured = measure_study(played.annotations, scored.screening, played.design)
    found = combined.combine(measured, scored.annotations)
    for horizon, least in (("short_term", 0.0), ("long_term", 0.05)):
        truth = getattr(played.videos, horizon)
        alone = np.corrcoef(measured[horizon].values["hit_rate"], truth)[0, 1]
        assert np.corrcoef(found.values[horizon], truth)[0, 1] > alone + least
        errors = (found.values[horizon] - truth) / found.errors[horizon]
        assert (np.abs(errors) < 1.645).mean() == pytest.approx(0.9, abs=0.08)
    assert found.correlation[1, 4] > 0.3
    assert found.correlation[1, 2] < 0  # faster hits


def test_what_is_not_known_of_the_mean_is_in_the_errors() -> None:
    """Few participants leave the mean of all videos uncertain, which the errors of their effects do not say."""
    played = played_study()
    scored = score_study(played.annotations, played.design)
    part = measure_study(played.annotations, scored.screening, played.design)["short_term"]
    wide = replace(part.detection.tendencies, covariance=part.detection.videos.covariance + 0.5**2)
    vague = replace(part, detection=replace(part.detection, tendencies=wide))
    found, more = (combined.combine({"short_term": each}, scored.annotations) for each in (part, vague))
    added = more.errors["short_term"] ** 2 - found.errors["short_term"] ** 2
    slope = stats.norm.pdf(stats.norm.ppf(found.values["short_term"]))  # of a participant without a spread
    assert (added > 0.5 * (0.5 * slope) ** 2).all()


def test_one_step_is_enough() -> None:
    played = played_study()
    scored = score_study(played.annotations, played.design)
    measured = measure_study(played.annotations, scored.screening, played.design)
    found = combined.combine({"short_term": measured["short_term"]}, scored.annotations)
    assert set(found.values) == {"short_term"}
    assert found.correlation.shape == (3, 3)
