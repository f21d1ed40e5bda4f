"""Searching a recipe's values: all of a grid, draws within a range, and going on after a stop."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from videomem_hf.cli import app
from videomem_hf.schema import InputError
from videomem_hf.training import TrainingConfig, run
from videomem_hf.training.tuning import Choice, Search, best_validation, parse_grid, parse_range, search

FAST = ("evaluation.resamples=10", "stages.0.epochs=2")
SIZES = Choice("model.hidden_sizes", ([4], [3, 3]))
PENALTIES = Choice("stages.0.weight_decay", (0.01, 1.0))


def _trials(out: Path) -> list[TrainingConfig]:
    return [TrainingConfig.from_file(folder / "training_config.yaml") for folder in sorted(out.glob("trial-*"))]


def test_a_grid_is_tried_whole_and_the_best_becomes_a_recipe(features: Path, tmp_path: Path) -> None:
    out = tmp_path / "search"
    values, best = search(Search("c3d", str(features), out, (SIZES, PENALTIES), overrides=FAST), progress=False)
    tried = {(tuple(config.model["hidden_sizes"]), config.stages[0].weight_decay) for config in _trials(out)}
    assert tried == {((4,), 0.01), ((4,), 1.0), ((3, 3), 0.01), ((3, 3), 1.0)}
    recipe = TrainingConfig.from_recipe(out / "best.yaml", data="data", output="out")
    assert list(recipe.model["hidden_sizes"]) == values["model.hidden_sizes"]
    assert recipe.stages[0].weight_decay == values["stages.0.weight_decay"]
    assert f"{best:.3f}" in (out / "best.yaml").read_text()
    again = search(Search("c3d", str(features), out, (SIZES, PENALTIES), overrides=FAST), progress=False)
    assert again == (values, best)
    assert len(_trials(out)) == 4


def test_a_stopped_search_goes_on(features: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = run.train
    calls: list[str] = []

    def stopping(config: TrainingConfig, **options: Any) -> Any:
        calls.append(config.output)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(config, **options)

    monkeypatch.setattr(run, "train", stopping)
    what = Search("c3d", str(features), tmp_path / "search", (PENALTIES,), overrides=FAST)
    with pytest.raises(KeyboardInterrupt):
        search(what, progress=False)
    search(what, progress=False)
    done = [path for path in (tmp_path / "search").glob("trial-*") if (path / "results.json").exists()]
    assert len(done) == 2


def test_a_range_is_drawn_from(features: Path, tmp_path: Path) -> None:
    arguments = ["tune", "c3d", "--data", str(features), "--out", str(tmp_path), "--trials", "3"]
    arguments += ["--range", "stages.0.weight_decay=1e-4:1:log", "--set", FAST[0], "--set", FAST[1]]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    drawn = [config.stages[0].weight_decay for config in _trials(tmp_path)]
    assert len(set(drawn)) == 3
    assert all(1e-4 <= value <= 1 for value in drawn)
    assert "on the validation split" in result.output
    assert "Next:\n  videomem train --recipe" in result.output


def test_the_best_look_counts() -> None:
    looked = [
        {"epoch": 1, "short_term": 0.5, "long_term": 0.1},
        {"epoch": 2, "short_term": 0.4, "long_term": 0.4},
        {"epoch": 3, "short_term": 0.9, "long_term": None},
    ]
    assert best_validation(looked, "mean") == pytest.approx(0.4)
    assert best_validation(looked, "short_term") == 0.9
    assert best_validation([{"epoch": 1, "short_term": None}], "last") == -1.0


def test_what_is_searched_is_read_or_refused(tmp_path: Path) -> None:
    assert parse_grid("a.b=[1, [2, 3]]") == Choice("a.b", (1, [2, 3]))
    assert parse_range("a=1e-3:1:log") == Choice("a", low=0.001, high=1.0, log=True)
    for text in ("a", "a=3", "a=[", "=[1]", "a=[]"):
        with pytest.raises(InputError, match="KEY="):
            parse_grid(text)
    for text in ("a", "a=1", "a=2:1", "a=0:1:log", "a=0:1:exp", "a=x:y"):
        with pytest.raises(InputError, match="KEY=LOW:HIGH"):
            parse_range(text)
    with pytest.raises(InputError, match="unknown key 'sed'"):
        search(Search("c3d", "data", tmp_path / "out", (Choice("sed", (1,)),)))
    assert not (tmp_path / "out").exists()
