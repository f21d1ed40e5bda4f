"""Predictors compared on the clips that all have, against scipy."""

import csv
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from videomem_hf.benchmark.comparison import compare_predictors
from videomem_hf.benchmark.comparison_tables import (
    COLUMNS,
    NOT_APART,
    comparison_json,
    comparison_rows,
    comparison_text,
)
from videomem_hf.benchmark.predicted_scores import PredictedScores, merge_measured, read_table
from videomem_hf.inference.score_journal import ModelFacts
from videomem_hf.inference.score_table import score_row
from videomem_hf.schema import InputError

IDS = [f"video{number}" for number in range(1, 151)]


def table(values: np.ndarray, ids: list[str] = IDS) -> dict[str, float]:
    return dict(zip(ids, values.tolist(), strict=True))


@pytest.fixture(scope="module")
def predictors() -> list[PredictedScores]:
    rng = np.random.default_rng(0)
    y = rng.uniform(size=150)
    measured = {"short_term": table(y)}
    good, close, poor = (y + noise * rng.normal(size=150) for noise in (0.2, 0.21, 2.0))
    return [
        PredictedScores("good", {"short_term": table(good), "long_term": table(good)}, measured, "data", "validation"),
        PredictedScores("close", {"short_term": table(close[:120], IDS[:120])}),
        PredictedScores("poor", {"short_term": table(poor[20:], IDS[20:])}, measured),
    ]


def test_the_clips_that_all_have_as_scipy_sees_them(predictors: list[PredictedScores]) -> None:
    measured = merge_measured(predictors, {})
    compared = compare_predictors(predictors, measured)
    assert list(compared) == ["short_term"]  # one alone predicts the long term
    found = compared["short_term"]
    assert found.clips == 100
    y = [measured["short_term"][clip] for clip in IDS[20:120]]
    for each, estimate in zip(predictors, found.spearman.values(), strict=True):
        x = [each.predicted["short_term"][clip] for clip in IDS[20:120]]
        assert estimate.value == pytest.approx(stats.spearmanr(x, y)[0])
        assert estimate.low < estimate.value < estimate.high
    assert [(pair.first, pair.second, pair.better) for pair in found.pairs] == [
        ("good", "close", None), ("good", "poor", "good"), ("close", "poor", "close"),
    ]  # fmt: skip
    p_values = [pair.p_value for pair in found.pairs]
    assert found.pairs[0].p_value_holm == pytest.approx(p_values[0])
    assert found.pairs[1].p_value_holm == pytest.approx(3 * p_values[1])


def test_texts_and_rows(predictors: list[PredictedScores]) -> None:
    compared = compare_predictors(predictors, merge_measured(predictors, {}))
    text = comparison_text(predictors, compared, 0.95)
    assert max(map(len, text.splitlines())) <= 80
    assert "1  good\n   150 clips of the split 'validation' of data" in text
    assert "short-term, on 100 clips that all have" in text
    assert NOT_APART in text
    assert "1 is better" in text
    assert "Holm's correction for 3 pairs" in text
    rows = list(comparison_rows(compared))
    assert all(len(row) == len(COLUMNS) for row in rows)
    assert len(rows) == 6
    content = comparison_json(predictors, compared, 0.95)
    assert content["horizons"]["short_term"]["pairs"][1]["better"] == "good"


def test_a_constant_predictor_has_no_correlation_and_no_verdict(predictors: list[PredictedScores]) -> None:
    constant = PredictedScores("constant", {"short_term": dict.fromkeys(IDS, 0.8)})
    both = [predictors[0], constant]
    compared = compare_predictors(both, merge_measured(both, {}))
    assert compared["short_term"].pairs[0].better is None
    assert comparison_json(both, compared, 0.95)["horizons"]["short_term"]["predictors"]["constant"]["spearman"] is None
    assert "2  constant                                            -  [-, -]" in comparison_text(both, compared, 0.95)


def test_tables_of_each_command(tmp_path: Path) -> None:
    run, predicted, bare = (tmp_path / name for name in ("run.csv", "predicted.csv", "bare.csv"))
    run.write_text("video_id,short_term,short_term_model\nvideo1,.9,.8\nvideo2,,.7\n")
    predicted.write_text("clip,short_term,frames,note\nclips/video1.webm,.8,7,\nclips/video2.webm,,0,damaged\n")
    bare.write_text("video_id,short_term,long_term\nvideo1,.8,.6\n")
    found = read_table(run)
    assert found.predicted == {"short_term": {"video1": 0.8, "video2": 0.7}}
    assert found.measured == {"short_term": {"video1": 0.9}}
    assert read_table(predicted).predicted == {"short_term": {"video1": 0.8}}
    assert read_table(predicted).measured == {}
    assert read_table(bare).predicted == {"short_term": {"video1": 0.8}, "long_term": {"video1": 0.6}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,score\na,1\n", "has the columns name, score; give a run's predictions.csv"),
        ("", r"has the columns \(none\)"),
        ("video_id,short_term\na,high\n", "'high' is no number"),
        ("video_id,short_term\na,1\na,2\n", "has 'a' twice"),
    ],
)
def test_other_tables_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_table(tmp_path / "t.csv")


def test_other_data_and_other_clips_are_refused(predictors: list[PredictedScores]) -> None:
    other = PredictedScores("other", {"short_term": {"video1": 0.5}}, {"short_term": {"video1": 2.0}})
    with pytest.raises(InputError, match="other: the measured short-term score of video1 is 2, and in good"):
        merge_measured([*predictors, other], {})
    elsewhere = [predictors[0], PredictedScores("elsewhere", {"short_term": {"clip": 0.5}})]
    with pytest.raises(InputError, match=r"0 clips with a measured short-term score .* elsewhere \(1\)"):
        compare_predictors(elsewhere, merge_measured(elsewhere, {}))


def test_a_horizon_without_any_measured_score_is_left_out(predictors: list[PredictedScores]) -> None:
    """As in data of a study whose second step nobody played."""
    second = PredictedScores("second", predictors[0].predicted)
    measured = merge_measured(predictors[:1], {})
    assert list(compare_predictors([predictors[0], second], measured)) == ["short_term"]
    assert list(compare_predictors([predictors[0], second], {"short_term": measured["short_term"]})) == ["short_term"]


def test_clips_of_predict_are_named_as_in_the_data(tmp_path: Path) -> None:
    """Whatever `predict --csv` writes for a clip: an address with a query, or a name that looks like a formula."""
    clips = ["https://host/video1.webm?size=1.5", score_row("-video2.webm", None, "", ModelFacts("m", ()))[0]]
    with (tmp_path / "t.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("clip", "short_term"), *((clip, 0.5) for clip in clips)])
    assert read_table(tmp_path / "t.csv").predicted == {"short_term": {"video1": 0.5, "-video2": 0.5}}


def test_digits_of_a_table_do_not_make_other_data(tmp_path: Path, predictors: list[PredictedScores]) -> None:
    measured = predictors[0].measured["short_term"]
    with (tmp_path / "t.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [
                ("video_id", "short_term", "short_term_model"),
                *((clip, f"{value:.5f}", 0.5) for clip, value in measured.items()),
            ]
        )
    merged = merge_measured([predictors[0], read_table(tmp_path / "t.csv")], {})
    assert merged["short_term"] == measured
