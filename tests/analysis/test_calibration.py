"""What a report says of calibration and noise ceilings is what scipy computes."""

import numpy as np
import pytest
from scipy.stats import bootstrap, linregress

from videomem_hf.analysis.calibration import calibration_sentences, ceiling_sentence
from videomem_hf.analysis.errors import Predicted
from videomem_hf.analysis.topics import reason_for_no_topics, topics_of

RNG = np.random.default_rng(0)
COUNTS = RNG.integers(20, 40, 12)
TRUE = RNG.uniform(0.4, 0.95, 12)
MEASURED = RNG.binomial(COUNTS, TRUE) / COUNTS


def numbers(sentence: str) -> list[float]:
    return [
        float(word.strip("(),.;%")) for word in sentence.split() if word.strip("(),.;%-").replace(".", "").isdigit()
    ]


def test_calibration_of_few_clips_is_said_in_numbers() -> None:
    predicted = 0.4 + 0.5 * TRUE
    found = Predicted(
        np.arange(12), MEASURED, predicted, MEASURED - 0.1, np.r_[[MEASURED[0] - 0.01], MEASURED[1:] + 0.1]
    )
    mean, slope, coverage = calibration_sentences("short_term", found, 0.9)
    errors = predicted - MEASURED
    assert f"average {errors.mean():.3f} above" in mean
    ends = bootstrap((errors,), np.mean, random_state=0).confidence_interval
    assert numbers(mean)[-2:] == pytest.approx([ends.low, ends.high], abs=0.02)
    assert f"differ by {linregress(predicted, MEASURED).slope / 10:.3f} on average" in slope
    assert coverage.startswith("11 of 12 measured scores (92%) lie in their 90% intervals; 8 to 12 are expected")


def test_constant_predictions_without_intervals_have_no_slope() -> None:
    found = Predicted(np.arange(12), MEASURED, np.full(12, 0.5))
    assert len(calibration_sentences("long_term", found, 0.9)) == 1


def test_more_than_the_noise_ceiling_is_explained() -> None:
    perfect = Predicted(np.arange(12), MEASURED, MEASURED, counts=COUNTS)
    assert ". The model has 1.000, more than this ceiling, which is only an estimate." in ceiling_sentence(
        "short_term", perfect
    )
    swapped = MEASURED.copy()  # of 12 ranks the first and the last: Spearman is 1 - 6 * 2 * 11^2 / (12 * 143) = .154
    swapped[[MEASURED.argmin(), MEASURED.argmax()]] = MEASURED.max(), MEASURED.min()
    some = Predicted(np.arange(12), MEASURED, swapped, counts=COUNTS)
    assert ceiling_sentence("short_term", some).endswith("The model has 0.154, 17% of it.")
    wrong = Predicted(np.arange(12), MEASURED, -MEASURED, counts=COUNTS)
    assert ceiling_sentence("short_term", wrong).endswith("The model has -1.000.")
    assert ceiling_sentence("short_term", Predicted(np.arange(12), MEASURED, MEASURED)) == ""
    noise = Predicted(np.arange(4), np.array([0.4, 0.5, 0.6, 0.5]), np.arange(4) / 4, counts=np.full(4, 5))
    assert "vary no more than the noise" in ceiling_sentence("short_term", noise)


def test_why_there_are_no_topics() -> None:
    assert "no titles" in reason_for_no_topics([None, ""])
    assert "50 clips whose titles share words, and here are 12" in reason_for_no_topics(["red-car"] * 12)
    assert not topics_of(["red-car"] * 12)
