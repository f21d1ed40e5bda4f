"""The recipe `best` on a generated release, with the commands that use its run."""

import csv
import json
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from scipy.stats import spearmanr
from typer.testing import CliRunner

from videomem_hf.cli import app
from videomem_hf.evaluation.options import evaluation_of
from videomem_hf.features import title_store
from videomem_hf.features import title_views as titles_module
from videomem_hf.hub.model_card import render_model_card
from videomem_hf.hub.run_facts import changes_of_recipe, read_run
from videomem_hf.inference.claims import read_claims
from videomem_hf.inference.view_predictor import ViewPredictor
from videomem_hf.models.folders import load_model
from videomem_hf.multiview.ablation_table import AblationRow, rows_from_dicts, table_text
from videomem_hf.multiview.config import BestConfig, is_multiview_recipe
from videomem_hf.multiview.kernel_search import KernelSearch
from videomem_hf.multiview.predict import model_outputs
from videomem_hf.multiview.run import train_best
from videomem_hf.multiview.views import load_view_data
from videomem_hf.recipes import recipe_names
from videomem_hf.run_files import TrainingResult
from videomem_hf.schema import HORIZONS, InputError

ROOT = Path(__file__).parents[2]
SMALL = ("title_encoder=letters", "fit.folds=4", "evaluation.resamples=50")


class Words:
    """A stub sentence encoder: directions by the letters of the words."""

    def encode(self, titles: list[str], **_: Any) -> np.ndarray:
        return np.stack([np.bincount([ord(c) % 23 for c in title], minlength=23) - 1.0 for title in titles])


@pytest.fixture(scope="module")
def encoder() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(titles_module, "load_encoder", lambda *_: Words())
        yield


@pytest.fixture(scope="module")
def finished(features: Path, encoder: None, tmp_path_factory: pytest.TempPathFactory) -> TrainingResult:
    output = tmp_path_factory.mktemp("best") / "run"
    config = BestConfig.from_recipe("best", data=features, output=output, overrides=SMALL)
    return train_best(config, progress=False)


def _rows(finished: TrainingResult) -> list[dict[str, str]]:
    with (finished.output / "predictions.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_it_takes_titles_and_every_feature(finished: TrainingResult) -> None:
    assert finished.results["views"] == {"title": 23, "c3d": 101, "hmp": 6075}
    saved = json.loads((finished.output / "results.json").read_text())
    assert saved == finished.results
    assert (finished.output / "training_config.yaml").is_file()


def test_the_table_has_every_view_pair_and_all_on_both_splits(finished: TrainingResult) -> None:
    rows = rows_from_dicts(finished.results["table"])
    assert len(rows) == 7 * 2 * 2
    for division in ("random", "grouped"):
        for horizon in HORIZONS:
            block = [row for row in rows if (row.division, row.horizon) == (division, horizon)]
            assert {len(row.views) for row in block} == {1, 2, 3}
            assert all(row.low <= row.spearman <= row.high for row in block)
    text = table_text(rows, 0.9, 0.95)
    for name in ("title ", "c3d ", "hmp ", "all but title ", "all but c3d ", "all but hmp ", "all views "):
        assert sum(line.startswith(name) for line in text.splitlines()) == 4
    assert text.replace("\n", " ").count("noise ceiling") == 4


def test_the_table_fits_a_terminal_whatever_the_views_are_called() -> None:
    names = "title", "efficientnet-lite0", "hf-frames-facebook--dinov2-base"
    patterns = [(names[0],), (names[1],), (names[2],), names[:2], names[1:], (names[0], names[2]), names]
    rows = [
        AblationRow("grouped", views, "long_term", -0.123, -0.456, 0.123, 0.912, 0.521, 0.1, 1500, 0.05, 0.15)
        for views in patterns
    ]
    text = table_text(rows, 0.9, 0.95)
    assert max(map(len, text.splitlines())) <= 80
    assert "hf-frames-facebook-- " in text
    assert "\nall but efficientnet-  " in text
    assert "\nlite0\n" in text


def test_its_figures_are_those_of_its_predictions(finished: TrainingResult) -> None:
    rows = _rows(finished)
    last = [
        row for row in rows_from_dicts(finished.results["table"]) if row.division == "random" and len(row.views) == 3
    ]
    for row in last:
        y, x, low, high = (
            np.array([float(each[f"{row.horizon}{end}"]) for each in rows]) for end in ("", "_model", "_low", "_high")
        )
        assert row.spearman == pytest.approx(spearmanr(x, y)[0])
        assert row.coverage == pytest.approx(((low <= y) & (y <= high)).mean())
        assert finished.results["metrics"][row.horizon]["model"]["spearman"] == pytest.approx(row.spearman)


def test_grouped_splits_share_no_title(features: Path, encoder: None) -> None:
    data = load_view_data(str(features), ["title"], "words", progress=False)
    labels, grouped = data.title_group_labels(), data.split_by_title("validation", 0)
    train, validation = grouped.splits["train"], grouped.splits["validation"]
    assert not set(labels[train]) & set(labels[validation])
    assert len(train) + len(validation) == len(data.splits["train"]) + len(data.splits["validation"])


@pytest.mark.parametrize(
    ("asked", "views"),
    [(["title", "c3d"], ["title", "c3d"]), (["c3d", "title_words"], ["title_words", "c3d"])],
)
def test_views_of_titles_by_name(features: Path, encoder: None, asked: list[str], views: list[str]) -> None:
    assert list(load_view_data(str(features), asked, "letters", progress=False).views) == views


def test_users_splits_and_views_are_taken(features: Path, tmp_path: Path) -> None:
    data = load_view_data(str(features), ["c3d"], None, progress=False)
    for name, ids in (("train", data.video_ids[:100]), ("held_out", data.video_ids[100:140])):
        (tmp_path / f"{name}.txt").write_text("\n".join(ids))
    files = f"{{train: {tmp_path / 'train.txt'}, held_out: {tmp_path / 'held_out.txt'}}}"
    given = ("views=[c3d]", "title_encoder=null", "grouped=false", "split=held_out", f"splits.split_files={files}")
    config = BestConfig.from_recipe("best", data=features, output=tmp_path / "run", overrides=(*SMALL, *given))
    result = train_best(config, progress=False)
    assert result.results["views"] == {"c3d": 101}
    assert (result.results["train_clips"], result.results["split_clips"]) == (100, 40)
    assert sorted(row["video_id"] for row in _rows(result)) == sorted(data.video_ids[100:140])


def test_its_card_has_the_ablation_table(finished: TrainingResult) -> None:
    card = str(render_model_card(read_run(finished.output)))
    row = next(row for row in rows_from_dicts(finished.results["table"]) if row.views == ("title",))
    assert f"| title | {row.spearman:.3f} |".replace("0.", ".") in card
    assert f"{finished.results['held_out']['kernel'][0]:.3f}" in card
    assert "started from" not in card


def test_its_card_shows_how_to_predict_a_clip_and_has_one_task(finished: TrainingResult) -> None:
    card = render_model_card(read_run(finished.output), repo="ann/best")
    assert 'videomem predict clip.mp4 --model ann/best --title "' in card.text
    assert 'videomem_hf.predict("clip.mp4", model="ann/best", title="' in card.text
    tasks = {card.data.pipeline_tag, *(each.task_type for each in card.data.eval_results)}
    assert tasks == {"video-classification"}


def check_evaluate_repeats(run: TrainingResult, data: Path, out: Path) -> None:
    """`videomem evaluate` gives the figures that the run itself gave."""
    result = CliRunner().invoke(app, ["evaluate", str(run.output), "--data", str(data), "--json", str(out)])
    assert result.exit_code == 0, result.output
    metrics = json.loads(out.read_text())["metrics"]
    for horizon in HORIZONS:
        expected = run.results["metrics"][horizon]["model"]["spearman"]
        assert metrics[horizon]["model"]["spearman"] == pytest.approx(expected)


def test_evaluate_gives_the_runs_figures(finished: TrainingResult, features: Path, tmp_path: Path) -> None:
    check_evaluate_repeats(finished, features, tmp_path / "out.json")


def test_report_writes_table_and_figures(finished: TrainingResult, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["report", str(finished.output), "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    text = (tmp_path / "report.md").read_text()
    assert "| all views |" in text
    assert (tmp_path / "scatter.png").stat().st_size > 10_000
    assert "Groups by predicted score take 36 clips; here are 30" in text
    worst = max(_rows(finished), key=lambda row: float(row["short_term_model"]) - float(row["short_term"]))
    assert text.index("predicted too high") < text.index(f"| {worst['video_id']} |") < text.index("predicted too low")


def test_a_clip_is_predicted_from_what_can_be_had_of_it(finished: TrainingResult, release: Path) -> None:
    clip = next(release.rglob("*.webm"))
    model = load_model(finished.output)
    with_title = ViewPredictor(model, "best", "cpu", title="red-car-on-street").predict(clip)
    without = ViewPredictor(model, "best", "cpu").predict(clip)
    assert with_title.scores != without.scores
    assert any("title" in note for note in without.notes)
    assert any("c3d" in note for note in with_title.notes)  # its weights are not here; hmp needs none
    for prediction in (with_title, without):
        assert prediction.intervals is not None
        for horizon, (low, high) in prediction.intervals.items():
            assert low < prediction.scores[horizon] < high


def test_a_model_of_titles_alone_says_what_it_needs(finished: TrainingResult) -> None:
    model = load_model(finished.output)
    model.config.view_names = ["title", "title_words", "mine1", "mine2"]
    predictor = ViewPredictor(model, "best", "cpu")
    with pytest.raises(InputError, match=r"^clip.webm: .*Without its title: none is given"):
        predictor.extract("clip.webm")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["fit.head=neural"], "unknown key 'head'"),
        (["title_layers=[0]"], "title_layers must be auto or a list of numbers from 1"),
        (["fit.folds=1"], "folds must be at least 2"),
        (["views=all"], "views must be auto or a list of names"),
        (["fit.fold=3"], "unknown key 'fold'"),
        (["views=[nothing]", "title_encoder=null"], "nothing"),
        (["views=[title]", "title_encoder=null"], "title needs a title_encoder"),
        (["split=dev", "views=[c3d]"], "no split 'dev'; there are train, validation"),
    ],
)
def test_what_cannot_be_done_is_refused(features: Path, tmp_path: Path, overrides: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        train_best(
            BestConfig.from_recipe("best", data=features, output=tmp_path / "run", overrides=overrides), progress=False
        )
    assert not (tmp_path / "run").exists()


def test_an_interrupted_run_goes_on_and_gives_equal_results(
    finished: TrainingResult, features: Path, encoder: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = BestConfig.from_recipe("best", data=features, output=tmp_path / "run", overrides=SMALL)
    solved: list[int] = []
    solve = KernelSearch.solve

    def interrupted(self: KernelSearch, *args: Any) -> Any:
        solved.append(1)
        if len(solved) == total // 2:
            raise KeyboardInterrupt
        return solve(self, *args)

    total = 2 * (len(finished.results["choices"]["trials"]) + 7)
    monkeypatch.setattr(KernelSearch, "solve", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train_best(config, progress=False)
    with pytest.raises(InputError, match="holds an unfinished run; give --resume to go on"):
        train_best(config, progress=False)
    changed = BestConfig.from_recipe("best", data=features, output=tmp_path / "run", overrides=(*SMALL, "seed=1"))
    with pytest.raises(InputError, match="seed was 0, is 1"):
        train_best(changed, progress=False, resume=True)
    with monkeypatch.context() as patch, pytest.raises(InputError, match="the data have changed since the run was"):
        patch.setattr(Words, "encode", lambda self, titles, **_: np.eye(len(titles), 23) - 1)
        patch.setattr(title_store, "TITLE_CACHE", tmp_path / "other titles")
        train_best(config, progress=False, resume=True)
    before = len(solved)
    results = train_best(config, progress=False, resume=True).results
    assert len(solved) - before < total  # what was fitted is not fitted again
    for key in ("metrics", "table", "choices", "held_out", "coverage"):
        assert results[key] == finished.results[key]
    assert results["resumed"]
    weights, expected = (load_model(run).state_dict() for run in (tmp_path / "run", finished.output))
    assert all(torch.equal(value, weights[name]) for name, value in expected.items())
    assert {path.name for path in (tmp_path / "run").iterdir()} == {path.name for path in finished.output.iterdir()}


def test_a_run_keeps_the_distances_by_its_gaussian_processes(
    finished: TrainingResult, features: Path, encoder: None
) -> None:
    """Those of its held-out clips, as the saved model gives them; `test_fit` tests which clips they flag."""
    model = load_model(finished.output)
    typicality = read_claims(str(finished.output), model).typicality
    assert typicality is not None
    names = [name for name in typicality.fits if name.startswith("distance by ")]
    assert names == [f"distance by {views}" for views in ("title + c3d + hmp", "title", "c3d", "hmp")]
    data = load_view_data(str(features), ["title", "c3d", "hmp"], "letters", progress=False)
    rows = data.scored_rows("validation")
    explained = model_outputs(model, {name: x[rows] for name, x in data.views.items()})["explained"]
    kept = typicality.held_out[:, [list(typicality.fits).index(name) for name in names]]
    np.testing.assert_allclose(kept, 1 / explained, rtol=1e-4)


def test_a_finished_run_is_not_written_over(finished: TrainingResult, features: Path) -> None:
    config = BestConfig.from_recipe("best", data=features, output=finished.output, overrides=SMALL)
    with pytest.raises(InputError, match="holds a finished run"):
        train_best(config, progress=False)


def test_only_one_recipe_is_multiview() -> None:
    assert [name for name in recipe_names() if is_multiview_recipe(name)] == ["best"]


def test_the_script_prints_the_table(features: Path, tmp_path: Path) -> None:
    command = [
        sys.executable, "train.py", "--recipe", "best", "--data", str(features), "--output", str(tmp_path / "run"),
        "--set", *SMALL, "views=[c3d]", "title_encoder=null", "grouped=false",
    ]  # fmt: skip
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "90% cover" in result.stdout
    assert "Views in the model: c3d (C3D's weights); " in result.stdout
    assert "short-term, random split; 30 clips" in result.stdout
    refused = subprocess.run([*command, "--init", "x"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "--init has no meaning for recipe best" in refused.stderr


def test_files_and_options_with_the_evaluation_at_the_top_level_are_read(tmp_path: Path) -> None:
    config = BestConfig.from_recipe("best", data="d", output="o", overrides=("split=mine", "evaluation.confidence=0.8"))
    assert (config.evaluation.split, config.evaluation.confidence, config.evaluation.resamples) == ("mine", 0.8, 2000)
    values = yaml.safe_load(yaml.safe_dump(asdict(config)))
    values["fit"] |= {"head": "kernel", "members": 3, "epochs": 30, "hidden_size": 64, "loss": {"type": "model"}}
    section = values.pop("evaluation")
    (tmp_path / "old.yaml").write_text(yaml.safe_dump(values | section))
    assert asdict(BestConfig.from_file(tmp_path / "old.yaml")) == asdict(config)
    config.save(tmp_path / "new.yaml")
    assert asdict(BestConfig.from_file(tmp_path / "new.yaml")) == asdict(config)
    assert evaluation_of(values | section).sampling == {"resamples": 2000, "confidence": 0.8}


def test_a_run_with_the_evaluation_at_the_top_level_is_evaluated_and_has_a_card(
    finished: TrainingResult, features: Path, tmp_path: Path
) -> None:
    old = shutil.copytree(finished.output, tmp_path / "old")
    results = json.loads((old / "results.json").read_text())
    results["config"] |= results["config"].pop("evaluation") | {"confidence": 0.5}
    (old / "results.json").write_text(json.dumps(results))
    result = CliRunner().invoke(app, ["evaluate", str(old), "--data", str(features)])
    assert result.exit_code == 0, result.output
    assert "50% interval" in result.output
    card = str(render_model_card(read_run(old)))
    assert "Brackets: 50% bootstrap intervals (50 resamples of clips)" in card
    changes = {key: (recipe, run) for key, recipe, run in changes_of_recipe(read_run(old)) or []}
    assert changes["evaluation.confidence"] == ("0.95", "0.5")
    assert not {"split", "resamples", "confidence"} & changes.keys()
