"""The section `evaluation`, tables, MediaEval's files, the record of a run, and the edges of baselines."""

from pathlib import Path

import numpy as np
import pytest

from videomem_hf.data.scored_clips import Clips
from videomem_hf.evaluation.evaluate import baselines, correlation, noise_ceilings
from videomem_hf.evaluation.options import EvaluationOptions, evaluation_of
from videomem_hf.evaluation.submission import submission_files, write_submission
from videomem_hf.evaluation.tables import chance_sentence, consistency_lines, metrics_text, short_number
from videomem_hf.recipes import build
from videomem_hf.schema import HORIZONS, InputError


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"confidence": 0.0}, "confidence must be between 0 and 1"),
        ({"confidence": 1.0}, "confidence must be between 0 and 1"),
        ({"resamples": 0}, "resamples must be at least 1"),
        ({"split": "train"}, "split must be the name of a split other than train"),
        ({"split": ""}, "split must be the name of a split other than train"),
    ],
)
def test_options_out_of_range_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        build(EvaluationOptions, values, "evaluation")


def test_options_of_a_run_are_read_from_its_configuration() -> None:
    assert build(EvaluationOptions, {"resamples": 1, "confidence": 0.5}, "e").sampling == {
        "resamples": 1,
        "confidence": 0.5,
    }
    new = {"evaluation": {"split": "held", "resamples": 7, "confidence": 0.8, "keep": "last"}, "split": "no"}
    assert evaluation_of(new) == EvaluationOptions("held", 7, 0.8)
    assert evaluation_of({"split": "held", "resamples": 7, "seed": 1}) == EvaluationOptions("held", 7, 0.95)
    assert evaluation_of({}) == EvaluationOptions("validation", 10_000, 0.95)


def test_metrics_as_text() -> None:
    values = {
        "spearman": 0.5,
        "spearman_low": -0.25,
        "spearman_high": None,
        "pearson": np.nan,
        "mse": 0.0123,
        "items": 9,
    }
    text = metrics_text({"short_term": {"mean_brightness": values, "difference": {"p_value": 1.0}}}, 0.8)
    assert text.splitlines() == [
        "                               Spearman  80% interval    Pearson      MSE  clips",
        "short-term mean brightness         .500  [-.250, -]            -  0.01230      9",
    ]
    assert [short_number(x) for x in (0.5, -0.5, 1.0, 0.0, 10.25)] == [".500", "-.500", "1.000", ".000", "10.250"]


def test_a_correlation_that_may_be_none_is_said_to_be_so() -> None:
    def values(low: float | None, high: float | None, items: int = 12) -> dict[str, dict[str, float | None]]:
        return {"model": {"spearman": 0.3, "spearman_low": low, "spearman_high": high, "items": items}}

    said = chance_sentence({"short_term": values(-0.1, 0.6), "long_term": values(0.1, 0.6)})
    assert said == "Not shown to be better than chance (short-term): 12 clips are too few.\n"
    assert "(short-term, long-term): 12 and 9 clips" in chance_sentence(
        {"short_term": values(0.0, 0.6), "long_term": values(-0.2, 0.1, 9)}
    )
    assert chance_sentence({"short_term": values(0.1, 0.6), "long_term": values(None, None)}) == ""


def test_consistencies_are_the_papers_with_the_datas_ceilings() -> None:
    text = consistency_lines({"short_term": 0.9, "long_term": float("nan")})
    assert (
        text.splitlines()[0]
        == "Noise ceiling of these scores, by their annotation counts: short-term .900, long-term -."
    )
    assert text.splitlines()[1].endswith("human consistency .481 / .192, annotation consistency .616 / .364.")


def test_mediaevals_files(tmp_path: Path) -> None:
    files = submission_files(tmp_path / "new" / "out", 2019, "my-team2", 3, HORIZONS)
    assert [path.name for path in files.values()] == [
        "2019mem_my-team2_shortterm_run3-required.csv",
        "2019mem_my-team2_longterm_run3-required.csv",
    ]
    write_submission(files, ["video10", "video9"], np.array([[0.5, 0.25], [0.1234567, 1.0]]))
    assert files["short_term"].read_bytes() == b"video9.webm,0.123457,1\r\nvideo10.webm,0.500000,1\r\n"
    assert files["long_term"].read_bytes() == b"video9.webm,1.000000,1\r\nvideo10.webm,0.250000,1\r\n"
    write_submission(submission_files(tmp_path / "new" / "out", 2020, "x", 1, HORIZONS), ["video1"], np.zeros((1, 2)))
    with pytest.raises(InputError, match="exists already"):
        submission_files(tmp_path / "new" / "out", 2019, "my-team2", 3, HORIZONS)
    for team in ("a/b", "", "a b"):
        with pytest.raises(InputError, match="letters, digits and hyphens"):
            submission_files(tmp_path / "new" / "out", 2019, team, 3, HORIZONS)


class Brightness:
    """Stands for the frame cache: a clip's source is the value of all its pixels."""

    def load(self, source: int) -> np.ndarray:
        return np.full((1, 3, 2, 2), source, np.uint8)


def _clips(pixels: list[int], labels: list[list[float]]) -> Clips:
    scores = np.array(labels)
    return Clips([f"video{n}" for n in range(len(pixels))], list(pixels), scores, np.full(scores.shape, 30.0))


def test_the_line_of_a_baseline_ends_at_0_and_1_and_needs_two_scores() -> None:
    new = _clips([0, 255, 51], [[0.5, 0.5]] * 3)
    train = _clips([51, 102], [[0.4, 0.7], [0.6, np.nan]])
    found = baselines(train, new, Brightness())  # type: ignore[arg-type]
    np.testing.assert_allclose(found["constant"], [[0.5, 0.7]] * 3)
    np.testing.assert_allclose(found["mean_brightness"][:, 0], [0.2, 1.0, 0.4])
    assert np.isnan(found["mean_brightness"][:, 1]).all()
    alike = baselines(_clips([51, 51], [[0.4, 0.7], [0.6, 0.9]]), new, Brightness())  # type: ignore[arg-type]
    np.testing.assert_allclose(alike["mean_brightness"], [[0.5, 0.8]] * 3)
    unknown = baselines(_clips([51], [[0.4, np.nan]]), new, None)
    assert list(unknown) == ["constant"]
    assert np.isnan(unknown["constant"][:, 1]).all()


def test_a_correlation_needs_two_scores() -> None:
    assert np.isnan(correlation(np.array([0.1, 0.2]), np.array([0.3, np.nan])))
    assert correlation(np.array([0.1, 0.2, 0.9]), np.array([0.3, 0.4, np.nan])) == pytest.approx(1.0)
    assert np.isnan(correlation(np.array([0.1, 0.1]), np.array([0.3, 0.4])))


def test_ceilings_are_of_each_horizon_and_unknown_without_counts() -> None:
    labels = np.array([[0.9, 0.5], [0.5, 0.6], [0.1, 0.7]])
    counts = np.array([[30.0, np.nan]] * 3)
    found = noise_ceilings(Clips(["a", "b", "c"], [], labels, counts), HORIZONS)
    noise = np.mean(labels[:, 0] * (1 - labels[:, 0]) / 29)
    assert found["short_term"] == pytest.approx(np.sqrt(1 - noise / labels[:, 0].var(ddof=1)))
    assert np.isnan(found["long_term"])
