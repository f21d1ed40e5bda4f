"""Combined hit rates: nearer to the truth than those of a step alone, and honest about their error."""

import numpy as np
import pytest

from tests.protocol.studies import played_study
from videomem_hf.protocol.design import StudyDesign
from videomem_hf.protocol.detection import combined
from videomem_hf.protocol.detection.measure import Measurement, measure_study
from videomem_hf.protocol.scoring import StudyScores, score_study
from videomem_hf.protocol.simulate import draw_videos
from videomem_hf.protocol.simulate_study import SimulatedStudy, simulate_study
from videomem_hf.schema import Horizon

Measured = tuple[SimulatedStudy, StudyScores, dict[Horizon, Measurement]]


@pytest.fixture(scope="module")
def measured() -> Measured:
    """A study, its scores and its measures."""
    played = played_study()
    scored = score_study(played.annotations, played.design)
    return played, scored, measure_study(played.annotations, scored.screening, played.design)


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


def test_combined_rates_are_nearer_to_the_truth(measured: Measured) -> None:
    played, scored, parts = measured
    found = combined.combine(parts, scored.annotations)
    for horizon, least in (("short_term", 0.0), ("long_term", 0.05)):
        truth = getattr(played.videos, horizon)
        alone = np.corrcoef(parts[horizon].values["hit_rate"], truth)[0, 1]
        assert np.corrcoef(found.values[horizon], truth)[0, 1] > alone + least
        errors = (found.values[horizon] - truth) / found.errors[horizon]
        assert (np.abs(errors) < 1.645).mean() == pytest.approx(0.9, abs=0.08)
    assert found.correlation[1, 4] > 0.3
    assert found.correlation[1, 2] < 0  # faster hits


def test_few_participants_leave_the_mean_unknown() -> None:
    """The mean of all videos is as uncertain as that of the participants, which every video's error has to include."""
    videos, within = draw_videos([f"video{number}" for number in range(1, 301)], 7), []
    for seed in range(10):
        played = simulate_study(videos, StudyDesign().for_collection(300), participants=8, returning=0, seed=seed)
        scored = score_study(played.annotations, played.design)
        parts = measure_study(played.annotations, scored.screening, played.design)
        found = combined.combine(parts, scored.annotations)
        errors = (found.values["short_term"] - videos.short_term) / found.errors["short_term"]
        within.append((np.abs(errors[np.isfinite(errors)]) < 1.645).mean())
    assert np.mean(within) > 0.8


def test_one_step_is_enough(measured: Measured) -> None:
    _, scored, parts = measured
    found = combined.combine({"short_term": parts["short_term"]}, scored.annotations)
    assert set(found.values) == {"short_term"}
    assert found.correlation.shape == (3, 3)
