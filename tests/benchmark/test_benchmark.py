"""A benchmark from files to the page, on generated scores with known truth."""

import csv
import json
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import numpy as np
import pytest
from datasets import Dataset
from scipy.stats import pearsonr, spearmanr

from tests.benchmark.made_up_truth import honest, make_truth, predictor, write_run
from videomem_hf.benchmark import published
from videomem_hf.benchmark import truth as truth_of_data
from videomem_hf.benchmark.benchmark import (
    SCHEMA_FILE,
    BenchmarkOptions,
    read_result,
    run_benchmark,
    write_result,
)
from videomem_hf.benchmark.comparison import compare_predictors
from videomem_hf.benchmark.leaderboard import add_result, read_leaderboard, tables_of
from videomem_hf.benchmark.page import write_page
from videomem_hf.benchmark.predicted_scores import PredictedScores
from videomem_hf.benchmark.predictors import read_predictors
from videomem_hf.benchmark.protocols import available_protocols, make_protocol
from videomem_hf.benchmark.published import beside, read_published
from videomem_hf.benchmark.result_text import result_text
from videomem_hf.benchmark.scoring import Sampling
from videomem_hf.benchmark.table1 import RowResult, to_markdown
from videomem_hf.benchmark.truth import GroundTruth, Version, read_ground_truth, recognise
from videomem_hf.evaluation.evaluate import compute_metrics
from videomem_hf.recipes import recipe_choices
from videomem_hf.schema import InputError
from videomem_hf.statistics import noise_ceiling

QUICK = Sampling(resamples=200)
ENDS = {"value": "", "low": "_low", "high": "_high"}
pytestmark = pytest.mark.filterwarnings("ignore:.* rows have no score:UserWarning")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of one's own with 160 scored clips and two without a score."""
    truth, _ = make_truth(160)
    folder = tmp_path_factory.mktemp("table")
    with (folder / "scores.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["video", "title", "short_term", "short_term_annotations", "long_term", "long_term_annotations"]
        )
        for clip, title, scores, counts in zip(truth.ids, truth.titles, truth.scores, truth.counts, strict=True):
            writer.writerow([f"{clip}.mp4", title, scores[0], int(counts[0]), scores[1], int(counts[1])])
        writer.writerows([[f"more{n}.mp4", "", "", "", "", ""] for n in (1, 2)])
    return folder


def test_a_table_is_read_whole(table: Path) -> None:
    made, _ = make_truth(160)
    truth = read_ground_truth(str(table))
    assert [clip.removesuffix(".mp4") for clip in truth.ids] == made.ids
    assert truth.horizons == ("short_term", "long_term")
    np.testing.assert_allclose(truth.scores, made.scores)
    np.testing.assert_allclose(truth.counts, made.counts)
    assert len(truth.unscored) == 2
    assert not truth.divisions  # a seed divides them
    assert truth.version.name == "own table"
    assert truth.content_hash in truth.version.title
    assert available_protocols(truth) == ["random", "ten-random", "grouped", "ten-grouped", "most-annotated", "all"]


def test_runs_of_mediaeval_come_out_to_the_digit(table: Path, tmp_path: Path) -> None:
    made, true = make_truth(160)
    scores = honest(true)
    names = [
        write_run(tmp_path / f"19mem_me_{name}_run1.csv", made, scores, n)
        for n, name in enumerate(("shortterm", "longterm"))
    ]
    truth = read_ground_truth(str(table))
    found = read_predictors([str(each) for each in names], truth)
    result = run_benchmark(found, truth, BenchmarkOptions(sampling=QUICK))
    assert [each["name"] for each in result["protocols"]] == available_protocols(truth)
    everything = result["protocols"][-1]
    for column, horizon in enumerate(everything["horizons"]):
        expected = spearmanr(scores[:, column].round(6), made.scores[:, column]).statistic
        figure = horizon["predictors"][0]["spearman"]
        assert figure["value"] == pytest.approx(expected, abs=1e-12)
        assert figure["low"] < expected < figure["high"]
        assert horizon["ceiling"]["value"] == pytest.approx(
            noise_ceiling(made.scores[:, column], made.counts[:, column])
        )
        assert horizon["predictors"][0]["share"] == pytest.approx(expected / horizon["ceiling"]["value"])
    ten = result["protocols"][1]
    assert ten["folds"] == 10
    folds = make_protocol("ten-random", truth).folds
    assert len({tuple(fold.evaluation) for fold in folds}) == 10
    each = [spearmanr(scores[fold.evaluation, 0].round(6), made.scores[fold.evaluation, 0]).statistic for fold in folds]
    np.testing.assert_allclose(ten["horizons"][0]["predictors"][0]["folds"], each)
    assert result["leaks"] == []


def test_the_result_fits_its_schema_and_can_be_shown(table: Path, tmp_path: Path) -> None:
    truth, true = make_truth(200)
    scores = honest(true, 3, 0.8)
    low = {"short_term": dict.fromkeys(truth.ids, (0.0, 1.0))}
    partly = honest(true, 2, 0.2)
    partly[:5] = np.nan
    given = [predictor(truth, scores, "strong", intervals=low), predictor(truth, partly, "weak")]
    given += [predictor(truth, np.full_like(scores, 0.5), "constant")]
    result = run_benchmark(given, truth, BenchmarkOptions(sampling=QUICK))
    schema = json.loads(SCHEMA_FILE.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(result, schema)
    assert read_result(write_result(tmp_path, result)) == result
    covered = result["protocols"][-1]["coverage"]["weak"]
    assert (covered["covered"], covered["missing"], covered["missing_first"]) == (
        195,
        5,
        ["video1", "video2", "video3"],
    )
    both = result["protocols"][-1]["horizons"][0]
    assert both["clips"] == 195
    pairs = {(pair["first"], pair["second"]): pair["better"] for pair in both["pairs"]}
    assert pairs["strong", "weak"] == "strong"
    assert pairs["strong", "constant"] is None
    assert both["predictors"][0]["calibration"]["covered"] == 1
    assert {leak["kind"] for leak in result["leaks"]} == {"constant"}
    write_page(tmp_path / "index.html", result)
    page = (tmp_path / "index.html").read_text()
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "<script" not in page
    chance = (
        "strong: 100% of the measured scores lie in its 90% prediction intervals. Intervals that are right hold 86%"
    )
    for words in (
        "strong is better", "cannot be told apart", "195 of 200 clips", "no: another ground truth", chance, "too wide",
    ):  # fmt: skip
        assert words in page
    text = result_text(result)
    assert max(map(len, text.splitlines())) <= 80
    assert "Leaks:" in text
    assert "scores 195 of 200 clips; 5 missing (video1, video2, video3)." in text
    for protocol in result["protocols"]:
        for horizon in protocol["horizons"]:
            horizon["predictors"][0]["spearman"] = {"value": -0.5, "low": -0.9, "high": 0.3}
    write_page(tmp_path / "index.html", result)
    page = (tmp_path / "index.html").read_text()
    assert "-1 to 1; line: 0" in page
    at = [round(4 + 152 * share, 1) for share in (0.05, 0.65)]  # of -0.9 and 0.3 on a scale from -1 to 1
    assert f'<line x1="{at[0]}" x2="{at[1]}"' in page


FORMS = {
    "a run with confidences": ("me_{h}_run1.csv", None, "{id}.webm,{x},0.5"),
    "a run of 2018": ("{h}.txt", None, "{id}.mp4\t{x}"),
    "a header, decimal commas": ("r_{h}.csv", "video;score", "{id};{comma}"),
    "numbers of MediaEval 2022": ("run_{h}.csv", "video_id,predicted_score", "{number:05d},{x}"),
    "numbers alone": ("{h}_numbers.csv", "id,memorability", "{number},{x}"),
    "percent": ("{h}_percent.csv", "video,score", "{id}.webm,{percent}%"),
    "paths": ("{h}.csv", "path,pred,gt", "C:\\data\\{id}.MP4,{x},.5"),
    "both horizons in one file": ("both.csv", "video,short_term_pred,long_term_pred", "{id}.webm,{x},{other}"),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_scipys_figures(table: Path, tmp_path: Path, form: str) -> None:
    made, true = make_truth(160)
    scores = honest(true).round(4)
    name, header, row = FORMS[form]
    for h, horizon in enumerate(("shortterm", "long-term")):
        lines = [
            row.format(
                id=clip, number=n + 1, x=scores[n, h], other=scores[n, 1], comma=str(scores[n, h]).replace(".", ","),
                percent=round(100 * scores[n, h], 2),
            )
            for n, clip in enumerate(made.ids)
        ]  # fmt: skip
        path = tmp_path / name.format(h=horizon)
        if not path.exists():
            path.write_text("\n".join([*([header] if header else []), *lines]) + "\n", encoding="utf-8")
    truth = read_ground_truth(str(table))
    (found,) = read_predictors([str(each) for each in sorted(tmp_path.iterdir(), reverse=True)], truth)
    result = run_benchmark([found], truth, BenchmarkOptions(("all",), sampling=Sampling(resamples=100)))
    horizons = result["protocols"][0]["horizons"]
    assert [each["clips"] for each in horizons] == [160, 160]
    for h, each in enumerate(horizons):
        figures, measured = each["predictors"][0], made.scores[:, h]
        assert figures["spearman"]["value"] == pytest.approx(spearmanr(scores[:, h], measured).statistic, abs=1e-12)
        assert figures["pearson"]["value"] == pytest.approx(pearsonr(scores[:, h], measured).statistic, abs=1e-12)
        expected = np.sqrt(np.mean((scores[:, h] - measured) ** 2))
        assert figures["rmse"]["value"] == pytest.approx(expected, abs=1e-12)


def test_evaluate_compare_and_benchmark_give_the_same_figures() -> None:
    """To the digit, as all are views of the same function."""
    truth, true = make_truth(120)
    given = {"good": honest(true, 1, 0.8), "poor": honest(true, 2, 0.3)}
    alone = predictor(truth, given["good"], "good")
    both = [alone, predictor(truth, given["poor"], "poor")]
    options = BenchmarkOptions(("all",), sampling=Sampling(resamples=300))
    results = [run_benchmark(each, truth, options)["protocols"][0]["horizons"] for each in ([alone], both)]
    clips: Any = SimpleNamespace(labels=truth.scores)
    metrics = compute_metrics({"model": given["good"]}, clips, truth.horizons, resamples=300)
    scores = [PredictedScores(each.name, each.given.predicted) for each in both]
    measured = {h: dict(zip(truth.ids, truth.scores[:, n].tolist(), strict=True)) for n, h in enumerate(truth.horizons)}
    compared = compare_predictors(scores, measured, resamples=300)
    for one, pair in zip(*results, strict=True):
        values, figures = metrics[one["horizon"]]["model"], one["predictors"][0]
        for name in ("spearman", "pearson"):
            expected = {end: values[f"{name}{tail}"] for end, tail in ENDS.items()}
            assert figures[name] == pytest.approx(
                expected, abs=1e-12
            )  # matrix products of other shapes round otherwise
        assert figures["rmse"]["value"] == pytest.approx(values["mse"] ** 0.5)
        found = compared[one["horizon"]]
        assert [asdict(each) for each in found.pairs] == pair["pairs"]
        assert {name: asdict(each) for name, each in found.spearman.items()} == {
            each["name"]: each["spearman"] for each in pair["predictors"]
        }


def test_two_runs_of_one_seed_are_the_same() -> None:
    truth, true = make_truth(100)
    given = [predictor(truth, honest(true))]
    one, other = (run_benchmark(given, truth, BenchmarkOptions(("all",), sampling=QUICK)) for _ in range(2))
    assert one | {"created": ""} == other | {"created": ""}


def test_any_horizon_names() -> None:
    truth, true = make_truth(100, horizons=("after_a_week",))
    result = run_benchmark([predictor(truth, honest(true))], truth, BenchmarkOptions(("all",), sampling=QUICK))
    assert result["protocols"][0]["horizons"][0]["horizon"] == "after_a_week"
    assert "after a week" in result_text(result)


def test_data_without_annotation_counts_have_unknown_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = Dataset.from_dict({"video_id": ["a", "b", "c"], "short_term": [0.5, 0.7, 0.9]})
    monkeypatch.setattr(truth_of_data, "open_splits", lambda *of: {"test": scores})
    monkeypatch.setattr(truth_of_data, "is_divided", lambda data: True)
    truth = read_ground_truth("someone/scores")
    assert truth.scores[:, 0].tolist() == [0.5, 0.7, 0.9]
    assert np.isnan(truth.counts).all()
    assert "most-annotated" not in available_protocols(truth)


def test_protocols_that_few_clips_cover_are_left_out() -> None:
    truth, true = make_truth(200)
    scores = honest(true)
    scores[make_protocol("random", truth).folds[0].train] = np.nan
    result = run_benchmark([predictor(truth, scores)], truth, BenchmarkOptions(sampling=QUICK))
    assert [each["name"] for each in result["protocols"]] == ["random", "grouped", "all"]  # no two titles are alike
    assert "ten-random" in result["protocols_left_out"]


def test_protocols_that_few_clips_or_titles_do_not_allow_are_left_out() -> None:
    truth, true = make_truth(100)
    alike = replace(truth, titles=["a boat on a lake"] * 100)
    result = run_benchmark([predictor(alike, honest(true))], alike, BenchmarkOptions(sampling=QUICK))
    assert result["protocols_left_out"] == ["grouped", "ten-grouped"]
    with pytest.raises(InputError, match="100 clips are too few to divide"):
        make_protocol("grouped", alike)


@pytest.mark.parametrize(
    ("protocol", "message"),
    [
        ("mediaeval-test", "1 clip here without a score"),
        ("own", "makes no division of its own"),
        ("best", "there is no protocol 'best'.*there are random, ten-random"),
    ],
)
def test_protocols_that_data_do_not_allow(protocol: str, message: str) -> None:
    truth, true = make_truth(50)
    truth = replace(truth, unscored=["video99"])
    with pytest.raises(InputError, match=message):
        run_benchmark([predictor(truth, honest(true))], truth, BenchmarkOptions((protocol,)))


def published_scores() -> np.ndarray:
    """8,000 rows that have VideoMem's published mean, standard deviation and ends, and not its distinct values."""
    generator = np.random.default_rng(0)
    return np.column_stack([generator.normal(0.859, 0.0817, 8000), generator.normal(0.7789, 0.1452, 8000)]).clip(0, 1)


def test_a_version_is_named_only_where_its_statistics_agree() -> None:
    ids = [f"video{n}" for n in range(8000)]
    truth = GroundTruth(
        "d", ids, ("short_term", "long_term"), published_scores(), np.full((8000, 2), 30.0), [None] * 8000
    )
    assert recognise(truth).name == "own table"
    parts = {"own-validation": (ids[:7000], ids[7000:] + [f"more{n}" for n in range(500)])}
    known = recognise(replace(truth, divisions=parts))
    assert (known.name, known.verified) == ("videomem-2022", False)
    images = GroundTruth(
        "l", ids, ("short_term",), published_scores()[:, :1], np.full((8000, 1), np.nan), [None] * 8000
    )
    assert recognise(replace(images, divisions=parts)).name == "memento10k"


def test_splits_of_lamem(tmp_path: Path) -> None:
    (tmp_path / "splits").mkdir()
    for number in (1, 2):
        for part, first in (("train", 0), ("val", 10), ("test", 20)):
            rows = [f"{(first + n + number) % 30:08}.jpg {(n + 1) / 20:.6f}\n" for n in range(10)]
            (tmp_path / "splits" / f"{part}_{number}.txt").write_text("".join(rows))
    truth = read_ground_truth(str(tmp_path))
    assert (len(truth), truth.horizons, list(truth.divisions)) == (30, ("short_term",), ["lamem-1", "lamem-2"])
    assert len(make_protocol("lamem-2", truth).folds[0].evaluation) == 10


def test_published_figures_say_whether_they_can_be_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = read_published()
    assert {row.version for row in rows} == {"videomem-2018", "memento10k", "lamem"}
    assert all(row.source and row.split and row.spearman for row in rows)
    assert next(r for r in rows if r.name == "ResNet3D" and r.split.startswith("validation")).spearman == {
        "short_term": ".508", "long_term": ".230",
    }  # fmt: skip
    version = Version("videomem-2018", "", "", verified=True)
    assert all(row["why_not"] for row in beside(version, ["ten-random"]))  # nobody has published a split
    monkeypatch.setattr(published, "read_published", lambda: [replace(rows[0], protocol="ten-random")])
    assert [row["comparable"] for row in beside(version, ["ten-random"])] == [True]
    assert not any(row["comparable"] for row in beside(replace(version, verified=False), ["ten-random"]))
    assert all(row["why_not"] for row in beside(version, []))


def test_a_leaderboard_only_grows(tmp_path: Path) -> None:
    truth, true = make_truth(100)
    board = tmp_path / "board"
    results = []
    for name, strength in (("weak", 0.4), ("strong", 0.9)):
        given = [predictor(truth, honest(true, 1, strength), name)]
        results.append(run_benchmark(given, truth, BenchmarkOptions(("all",), sampling=QUICK)))
        add_result(board, results[-1])
    assert [each["predictors"][0]["name"] for each in read_leaderboard(board)] in (
        ["weak", "strong"],
        ["strong", "weak"],
    )
    assert [row["name"] for row in tables_of(board)[0]["rows"]] == ["strong", "weak"]
    with pytest.raises(InputError, match="is in the leaderboard already"):
        add_result(board, results[0])
    page = (board / "index.html").read_text()
    assert page.index("strong") < page.index("weak")
    (board / "results" / "x.json").write_text("{}")
    with pytest.raises(InputError, match="is no result of `videomem benchmark`"):
        read_leaderboard(board)


def test_recipes_declare_what_is_not_the_papers() -> None:
    for name in ("c3d", "memnet", "squalli", "resnet3d", "semantic_embedding", "hmp"):
        assert recipe_choices(name).endswith(".")
    assert "the L2 penalty" in recipe_choices("c3d")
    assert recipe_choices("gone.yaml") == ""


def test_table_1_says_it_below() -> None:
    values: dict[str, float | None] = {"spearman": 0.3, "low": 0.2, "high": 0.4, "items": 10}
    measured = RowResult("c3d", "C3D", ((0.3, 0.3, 0.3), (0.1, 0.1, 0.1)), spearman={"short_term": {"test": values}})
    absent = RowResult("hmp", "HMP", measured.paper)
    text = to_markdown([measured, absent], "data", 500)
    assert "C3D: our choice, as the paper does not give it: standardised features" in text
    assert "HMP: our choice" not in text
