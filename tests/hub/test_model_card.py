"""Cards beside the runs that they describe: every number from the run, nothing missing, nothing empty."""

import copy
import csv
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard, metadata_eval_result
from huggingface_hub.repocard_data import model_index_to_eval_results
from jinja2 import DictLoader, Environment
from typer.testing import CliRunner

from videomem_hf.benchmark.table1 import ROWS
from videomem_hf.cli import app
from videomem_hf.hub.model_card import Example, eval_results, refuse_empty_headings, render_model_card
from videomem_hf.hub.run_facts import RunFacts, changes_of_recipe, read_run
from videomem_hf.models import MODELS, config_class
from videomem_hf.sample import SamplePaths
from videomem_hf.sample.layout import video_path
from videomem_hf.schema import InputError

EXTRACTORS = {"c3d"}
"""Models that predict nothing."""


@pytest.fixture
def facts(run: Path) -> RunFacts:
    """Facts that a test may change."""
    return copy.deepcopy(read_run(run))


def changed(facts: RunFacts, **results: Any) -> RunFacts:
    return replace(facts, results=facts.results | results)


def with_config(facts: RunFacts, **config: Any) -> RunFacts:
    return changed(facts, config=facts.config | config)


def headings(card: ModelCard) -> list[str]:
    return re.findall(r"^## (.+)$", card.text, re.MULTILINE)


def test_metadata_hold_the_runs_results_and_no_others(run: Path, facts: RunFacts, tmp_path: Path) -> None:
    render_model_card(facts).save(tmp_path / "README.md")
    card = ModelCard.load(tmp_path / "README.md")
    results = json.loads((run / "results.json").read_text())["metrics"]
    expected = {
        f"{title}, {horizon.replace('_', '-')}": results[horizon]["model"][metric]
        for horizon in ("short_term", "long_term")
        for metric, title in (
            ("spearman", "Spearman's rank correlation"), ("pearson", "Pearson's correlation"), ("mse", "squared error")
        )
        if results[horizon]["model"][metric] is not None
    }  # fmt: skip
    found = {each.metric_name: each.metric_value for each in card.data.eval_results}
    assert found == expected
    assert len(found) >= 2
    assert {each.dataset_name for each in card.data.eval_results} == {"generated sample of 24 clips (seed 0)"}
    assert card.data.license == "apache-2.0"
    model = results["short_term"]["model"]
    assert f"{model['spearman']:.3f} [{model['spearman_low']:.3f}, {model['spearman_high']:.3f}]" in card.text
    assert f"{model['mse']:.5f} [{model['mse_low']:.5f}, {model['mse_high']:.5f}]" in card.text


def test_the_hub_reads_all_metadata(facts: RunFacts, features_run: Path, tmp_path: Path) -> None:
    """Library, task and widget by the Hub's names; results survive the way to YAML and back, each as it validates."""
    render_model_card(facts).save(tmp_path / "README.md")
    data = ModelCard.load(tmp_path / "README.md").data
    assert (data.library_name, data.pipeline_tag) == ("transformers", "video-classification")
    assert data.widget[0]["src"].startswith("https://")
    assert {"video-memorability", "synthetic-data"} <= set(data.tags)
    stored = data.to_dict()
    assert "model-index" in stored
    name, results = model_index_to_eval_results(stored["model-index"])
    assert name == data.model_name
    assert results == data.eval_results == eval_results(facts)
    for each in results:
        made = metadata_eval_result(
            model_pretty_name=name, task_pretty_name=each.task_name, task_id=each.task_type,
            metrics_pretty_name=each.metric_name, metrics_id=each.metric_type, metrics_value=each.metric_value,
            dataset_pretty_name=each.dataset_name, dataset_id=each.dataset_type, dataset_split=each.dataset_split,
        )  # fmt: skip
        entry = made["model-index"][0]["results"][0]
        own = next(r for r in stored["model-index"][0]["results"] if r["task"] == entry["task"])
        assert own["dataset"] == entry["dataset"]
        assert {"type", "value", "name"} <= own["metrics"][0].keys()
    of_features = render_model_card(read_run(features_run)).data
    assert (of_features.pipeline_tag, of_features.get("widget")) == ("tabular-regression", None)


@pytest.mark.parametrize("row", [row for row in ROWS if row.paper], ids=lambda row: row.recipe)
def test_the_papers_figures_stand_in_the_text_alone(facts: RunFacts, row: Any) -> None:
    card = render_model_card(with_config(facts, recipe=row.recipe))
    assert "the paper's own figures" in card.text
    for values in row.paper:
        cells = " | ".join(f"{value:.3f}" for value in values)
        assert f"| {cells} |" in card.text
    reported = {each.metric_value for each in card.data.eval_results}
    assert not reported & {value for values in row.paper for value in values}
    assert str(row.paper[0][0]) not in card.data.to_yaml()


def test_a_recipe_without_a_row_has_no_figures_of_the_paper(facts: RunFacts) -> None:
    assert "own figures" not in render_model_card(facts).text


@pytest.mark.parametrize("name", ["seconds", "parameters", "versions", "kept_by", "machine"])
def test_a_value_that_is_missing_is_an_error_that_names_it(facts: RunFacts, name: str) -> None:
    del facts.results[name]
    with pytest.raises(InputError, match=f"the card needs .*{name}"):
        render_model_card(facts)


def test_so_is_a_field_of_the_model(facts: RunFacts) -> None:
    del facts.model["output_stride"]
    with pytest.raises(InputError, match=r"the card needs a value that the run did not record: .*output_stride"):
        render_model_card(facts)


def test_a_run_of_an_older_version_is_named(run: Path, tmp_path: Path) -> None:
    results = json.loads((run / "results.json").read_text())
    del results["machine"]
    (tmp_path / "results.json").write_text(json.dumps(results))
    with pytest.raises(InputError, match=r"has no 'machine', .* the run is of an older version; train again"):
        read_run(tmp_path)
    with pytest.raises(InputError, match=r"nowhere: no such folder; give the folder of a finished run"):
        read_run(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("text", "heading"),
    [("# A\n\n## B\n\n## C\n\nc", "## B"), ("# A\n\na\n\n## B\n", "## B"), ("## A\n\n# B\n\nb", "## A")],
)
def test_empty_headings_are_refused(text: str, heading: str) -> None:
    with pytest.raises(InputError, match=f"nothing below the heading '{heading}'"):
        refuse_empty_headings(text)


def test_headings_with_content_pass() -> None:
    refuse_empty_headings("# A\n\n## B\n\nb\n\n## C\n\n```python\n# no heading\n## nor this\n```\n")


def test_the_section_of_maps_is_there_only_with_a_picture(facts: RunFacts) -> None:
    assert "Where it looks" not in headings(render_model_card(facts))
    card = render_model_card(facts, example=Example("maps.png", "maps", "What it shows."))
    assert "Where it looks" in headings(card)
    assert "![maps](maps.png)" in card.text


def test_what_the_run_changed_of_its_recipe_is_listed(facts: RunFacts) -> None:
    assert ("stages.0.epochs", "40", "1") in (changes_of_recipe(facts) or [])
    text = render_model_card(facts).text
    assert "| stages.0.epochs | 40 | 1 |" in text
    assert "| model.hidden_sizes | not set | [8, 8] |" in text
    assert not any(key in text for key in ("frame_cache", "| output |"))
    unknown = with_config(facts, recipe="gone.yaml")
    assert changes_of_recipe(unknown) is None
    assert "did otherwise" not in render_model_card(unknown).text


def test_licences_follow_from_what_was_used(facts: RunFacts) -> None:
    assert "Apache License 2.0: trained from nothing" in render_model_card(facts).text
    begun = render_model_card(with_config(facts, init="weights"))
    assert begun.data.license == "other"
    assert "started from pretrained weights, whose own licence binds these as well" in begun.text
    real = render_model_card(changed(facts, data={"name": "videomem", "generated": None}))
    assert real.data.license == "other"
    assert "generated sample" not in real.text
    assert "whether they may be passed on is for the licence of the copy to say" in real.text
    assert real.data.eval_results[0].dataset_name == "VideoMem"
    both = render_model_card(with_config(facts, train_on="both"))
    assert both.data.license == "other"
    assert "LaMem" in both.text


def test_what_flatters_and_what_is_not_known_is_said(facts: RunFacts) -> None:
    for found in facts.results["metrics"].values():
        found["model"]["spearman"] = found["model"]["spearman"] or 0.0
    plain = render_model_card(facts).text
    assert "was kept because" not in plain
    assert "interrupted" not in plain
    assert "Energy was not measured" in plain
    assert (
        "Epoch 7 was kept because it did best on these same clips"
        in render_model_card(changed(facts, kept_by="mean", kept_epoch=7)).text
    )
    assert "learnt nothing" not in plain
    metrics = copy.deepcopy(facts.results["metrics"])
    metrics["long_term"]["model"]["spearman"] = None
    card = render_model_card(changed(facts, metrics=metrics))
    assert "The long-term scores are the same for every clip: this run learnt nothing there" in card.text
    assert "Spearman's rank correlation, long-term" not in {each.metric_name for each in card.data.eval_results}
    assert "of its last part: the run had been interrupted" in render_model_card(changed(facts, resumed=True)).text


ADAPTED = {"adapted"}
"""Has a card of its own, which is written with the model."""


@pytest.mark.parametrize("name", sorted(set(MODELS) - EXTRACTORS - ADAPTED))
def test_every_predictor_has_a_card(facts: RunFacts, name: str) -> None:
    of_features = name in ("feature_mlp", "multiview")
    model = config_class(name)().to_dict() | {"model_type": name}
    card = render_model_card(replace(facts, model=model, processor=None if of_features else facts.processor))
    sections = ["Use", "Architecture", "Training", "Results", "What comes with a score", "Limits and biases"]
    assert headings(card) == [*sections, "Licences", "Time", "Citation"]
    (graph,) = re.findall(r"```mermaid\n(.*?)```", card.text, re.DOTALL)
    assert graph.startswith("flowchart LR\n")
    for line in graph.splitlines()[1:]:
        assert line.startswith("    ")
        assert line.count("[") == line.count("]")
        assert line.count('"') % 2 == 0
        assert "-" in line
    assert "{{" not in card.text
    assert "{%" not in card.text
    assert ("AutoVideoProcessor" in card.text) is not of_features


def test_a_predictor_of_several_views_says_how_it_was_fitted(views_run: Path) -> None:
    facts = copy.deepcopy(read_run(views_run))
    fixed = " ".join(render_model_card(facts).text.split())
    held_out = facts.results["held_out"]["kernel"]
    assert "everything was chosen by 3-fold cross-validation within the training clips" in fixed
    assert f"short-term / long-term: {held_out[0]:.3f} / {held_out[1]:.3f}." in fixed
    assert "What each view gives" in fixed
    assert "| all views |" in fixed


def test_a_run_with_the_processors_old_field_names_has_a_card(run: Path, tmp_path: Path) -> None:
    old = shutil.copytree(run, tmp_path / "old")
    path = old / "video_preprocessor_config.json"
    path.write_text(path.read_text().replace("segment_length", "clip_length").replace("max_segments", "max_clips"))
    assert render_model_card(read_run(old)).text == render_model_card(read_run(run)).text


def test_a_run_that_predicted_training_clips_has_no_card(run: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(run, tmp_path / "copied")
    clip = next(csv.DictReader((copied / "training_clips.csv").open()))["video_id"]
    with (copied / "predictions.csv").open("a") as file:
        file.write(f"{clip}{',0.5' * 8}\n")
    with pytest.raises(InputError, match=rf"1 clips of its predictions.csv were trained on \({clip}, "):
        read_run(copied)


def test_the_attention_benchmark_stands_in_its_models_card(facts: RunFacts) -> None:
    measured = json.loads((Path(__file__).parents[2] / "benchmarks/results/attention_pointing.json").read_text())
    example = Example("maps.png", "maps", "What it shows.")
    text = render_model_card(facts, example=example, pointing=measured).text
    assert f"{measured['attention']['clips_hit']:.0%} of the clips" in " ".join(text.split())
    assert measured["command"] in text


def test_card_writes_the_card_and_the_picture(run: Path, sample: SamplePaths, tmp_path: Path) -> None:
    clip = sample.release / video_path("dev", next(i for i in range(1, 40) if _is_there(sample, i)))
    arguments = ["card", str(run), "--out", str(tmp_path / "mine.md"), "--clip", str(clip), "--repo", "ann/tiny"]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert "mine.md: written, with mine-attention.png" in result.output
    text = (tmp_path / "mine.md").read_text()
    assert 'repo = "ann/tiny"' in text
    assert "(mine-attention.png)" in text
    assert (tmp_path / "mine-attention.png").read_bytes().startswith(b"\x89PNG")


def _is_there(sample: SamplePaths, number: int) -> bool:
    return (sample.release / video_path("dev", number)).is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "nowhere/card.md"], "its folder does not exist"),
        (["--pointing", "{tmp}/other.json"], "has no 'attention'; write it with benchmarks/attention_pointing.py"),
        (["--pointing", "{tmp}/none.json"], "none.json: cannot be read"),
    ],
)
def test_wrong_arguments_of_card(run: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    (tmp_path / "other.json").write_text('{"clips": 3}')
    with pytest.raises(InputError, match=message):
        CliRunner().invoke(
            app, ["card", str(run), *(each.format(tmp=tmp_path) for each in arguments)], catch_exceptions=False
        )


def test_a_model_of_features_has_no_maps_to_show(features_run: Path, sample: SamplePaths, tmp_path: Path) -> None:
    clip = sample.release / video_path("dev", next(i for i in range(1, 40) if _is_there(sample, i)))
    with pytest.raises(InputError, match="so there is nothing to show; leave --clip out"):
        CliRunner().invoke(
            app,
            ["card", str(features_run), "--out", str(tmp_path / "c.md"), "--clip", str(clip)],
            catch_exceptions=False,
        )


def test_a_card_with_an_empty_section_is_not_written(facts: RunFacts, monkeypatch: pytest.MonkeyPatch) -> None:
    templates = Environment(loader=DictLoader({"predictors/other.md.j2": "# A\n\nb\n\n## Licences\n\n## Time\n\nc\n"}))
    monkeypatch.setattr("videomem_hf.hub.model_card._TEMPLATES", templates)
    with pytest.raises(InputError, match="nothing below the heading '## Licences'"):
        render_model_card(facts)
