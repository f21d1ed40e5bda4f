"""Coverage of prediction intervals, counted by hand."""

import numpy as np

from videomem_hf.data.scored_clips import Clips
from videomem_hf.evaluation.coverage import coverage_lines, interval_coverage


def clips(scores: np.ndarray, counts: np.ndarray) -> Clips:
    return Clips([f"v{i}" for i in range(len(scores))], [], scores[:, None], counts[:, None])


def test_it_is_counted_in_all_and_in_the_outer_fifths() -> None:
    """Of 100 clips those with the 20 lowest predictions are all missed, and one of the highest."""
    predicted = np.random.default_rng(0).permutation(100) / 100
    measured = np.full(100, 0.5)
    missed = (predicted < 0.2) | (predicted == 0.99)
    ends = np.stack([np.where(missed, 0.6, 0.4), np.full(100, 0.7)], axis=1)[:, None]
    counts = np.where(missed, 100.0, 10.0)
    found = interval_coverage(ends, predicted[:, None], clips(measured, counts), ("short_term",))
    assert found == {
        "short_term": {
            "all": 0.79, "lowest predictions": 0.0, "highest predictions": 0.95, "fewest annotations": 1.0,
            "most annotations": 0.0,
        }
    }  # fmt: skip
    line, note = coverage_lines(found, 0.9, is_calibration_split=True).splitlines()
    assert line.startswith(
        "90% prediction intervals, short-term: 0.79 of the scores (fifth with lowest predictions 0.00"
    )
    assert note.startswith("The intervals were calibrated on these clips")


def test_few_clips_and_unknown_counts_have_no_fifths() -> None:
    measured = np.append(np.full(20, 0.5), np.nan)
    ends = np.tile([0.4, 0.6], (21, 1, 1))
    found = interval_coverage(ends, np.zeros((21, 1)), clips(measured, np.full(21, np.nan)), ("short_term",))
    assert found == {"short_term": {"all": 1.0}}
    assert coverage_lines({}, 0.9, is_calibration_split=True) == ""
