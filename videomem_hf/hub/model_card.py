"""A model's card, written from what its training run recorded."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from huggingface_hub import EvalResult, ModelCard, ModelCardData
from jinja2 import UndefinedError
from transformers import PreTrainedConfig

from videomem_hf.features.catalogue import CLASSICAL, reads_titles
from videomem_hf.hub.card_texts import (
    claim_lines,
    duration,
    fitting_text,
    metrics_table,
    paper_table,
    table,
    views_table,
)
from videomem_hf.hub.run_facts import RunFacts, changes_of_recipe
from videomem_hf.inference.reference import read_reference
from videomem_hf.inference.saliency import HIGHEST_SANITY_CORRELATION
from videomem_hf.models.configuration_multiview import MultiViewConfig
from videomem_hf.sample.features import EXTRACTED
from videomem_hf.schema import HORIZON_NAMES, InputError
from videomem_hf.system import templates

PLACEHOLDER: Final = "USER/NAME"
"""Stands for the repository in a card that was written before it was known."""
FEATURE_TITLES: Final = {"c3d": "C3D", "hmp": "HMP", "lbp": "LBP", "hog": "HOG", "orb": "ORB"}
_OF_CLIPS: Final = "video-classification"
_WIDGET: Final = {
    "src": "https://huggingface.co/datasets/nielsr/video-demo/resolve/main/eating_spaghetti.mp4",
    "example_title": "A filmed clip",
}
"""The clip of the examples in transformers' documentation; the Hub's page offers it to try the model on."""
_MULTIVIEW: Final = MultiViewConfig.model_type
_METRICS: Final = {"spearman": "spearmanr", "pearson": "pearsonr", "mse": "mse"}
_LONGER: Final = {"spearman": "Spearman's rank correlation", "pearson": "Pearson's correlation", "mse": "squared error"}
_TEMPLATES: Final = templates("videomem_hf.hub")
_TEMPLATES.filters |= {
    "duration": duration,
    "percent": lambda share: f"{float(share):.0%}",
    "thousands": lambda number: f"{int(number):,}",
}


@dataclass(frozen=True)
class Example:
    """A picture of where the model looks: its file beside the card, and its description."""

    file: str
    alt: str
    text: str


def render_model_card(
    facts: RunFacts,
    *,
    repo: str = PLACEHOLDER,
    example: Example | None = None,
    pointing: Mapping[str, Any] | None = None,
) -> ModelCard:
    """Write the card of a trained model.

    Args:
        facts: The run.
        repo: Hub id (or folder) that the usage code loads.
        example: A picture of where the model looks; none, and the card has no such section.
        pointing: What `benchmarks/attention_pointing.py` measured on this very model.

    Raises:
        InputError: A value that the run did not record; names it.
    """
    kinds = (facts.model["model_type"], "other")
    template = _TEMPLATES.select_template([f"predictors/{kind}.md.j2" for kind in kinds])
    try:
        text = template.render(_values(facts, repo, example, pointing))
    except UndefinedError as error:
        raise InputError(f"{facts.folder}: the card needs a value that the run did not record: {error}") from None
    except KeyError as error:
        raise InputError(f"{facts.folder}: the card needs {error}, which the run did not record") from None
    text = re.sub(r"\n{3,}", "\n\n", text)
    refuse_empty_headings(text)
    return ModelCard(text.rstrip() + "\n")


def refuse_empty_headings(text: str) -> None:
    """Raise InputError for a heading with nothing below it."""
    # In code a number sign is no heading.
    without_code = re.sub(r"^```.*?^```", "code", text, flags=re.MULTILINE | re.DOTALL)
    lines = [line for line in without_code.splitlines() if line.strip()]
    for line, following in zip(lines, [*lines[1:], "# end"], strict=True):
        level, below = _level(line), _level(following)
        if level and below and below <= level:
            raise InputError(f"the card has nothing below the heading {line!r}")


def _level(line: str) -> int:
    marks = re.match(r"(#+) ", line)
    return len(marks[1]) if marks else 0


def _values(facts: RunFacts, repo: str, example: Example | None, pointing: Mapping[str, Any] | None) -> dict[str, Any]:
    changes = changes_of_recipe(facts)
    names: Sequence[str] = facts.model.get("feature_names", ())
    metrics = facts.results["metrics"]
    reference = read_reference(facts.folder, facts.model["horizons"])
    return {
        "card_data": _card_data(facts, repo).to_yaml(),
        "repo": repo,
        "facts": facts,
        "generated": facts.generated,
        "results": facts.results,
        "model": facts.model,
        "fields": table(("field", "value"), own_fields(facts.model)),
        "processor": facts.processor and facts.processor | {"fps": f"{facts.processor['fps']:g}"},
        "recipe": facts.recipe,
        "init": facts.init,
        "feature_titles": " and ".join(FEATURE_TITLES.get(name, name) for name in names),
        "feature_columns": list(zip(names, facts.model.get("feature_sizes", ()), strict=True)),
        "title": reads_titles(facts.model),
        "from_clips": set(names) <= set(CLASSICAL),
        "drawn": " and ".join(FEATURE_TITLES.get(name, name) for name in names if name not in EXTRACTED),
        "horizon_names": " and ".join(HORIZON_NAMES[each] for each in facts.model["horizons"]),
        "meaning": _meaning(facts.model["horizons"]),
        "fitting": "" if facts.stages else fitting_text(facts),
        "changes": table(("key", "recipe", "this run"), changes) if changes else "",
        "metrics": metrics_table(facts),
        "constant": [HORIZON_NAMES[name] for name, found in metrics.items() if found["model"]["spearman"] is None],
        "views": views_table(facts),
        "claims": claim_lines(facts, reference),
        "paper": paper_table(facts.recipe),
        "example": example,
        "maps": reference.maps if reference else {},
        "highest_sanity": HIGHEST_SANITY_CORRELATION,
        "pointing": pointing,
    }


def own_fields(model: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a model's configuration has beyond what every configuration of transformers has."""
    common = {*PreTrainedConfig().to_dict(), "auto_map", "architectures", "score_means", "score_stds"}
    return [(name, json.dumps(value)) for name, value in model.items() if name not in common or name == "model_type"]


def _meaning(horizons: Sequence[str]) -> str:
    when = {"short_term": "a few minutes", "long_term": "24 to 72 hours"}
    if set(horizons) - when.keys():
        return f"what the training data call {' and '.join(f'`{each}`' for each in horizons)}"
    return " and ".join(f"{when[each]} (`{each}`)" for each in horizons) + " after having seen it once"


def _card_data(facts: RunFacts, repo: str) -> ModelCardData:
    # Only weights that this project trained from random ones, on generated data, are free.
    free = facts.generated and facts.init is None and facts.train_on == "videomem"
    widget: dict[str, Any] = {"widget": [_WIDGET]} if _task(facts) == _OF_CLIPS else {}
    return ModelCardData(
        model_name=facts.recipe if repo == PLACEHOLDER else Path(repo).name,
        license="apache-2.0" if free else "other",
        license_name=None if free else "see-the-section-licences",
        library_name="transformers",
        pipeline_tag=_task(facts),
        tags=[
            "video-memorability",
            "memorability",
            *([] if facts.table else ["videomem"]),
            *(["synthetic-data"] if facts.generated else []),
        ],
        metrics=list(_METRICS.values()),
        eval_results=eval_results(facts),
        **widget,
    )


def _task(facts: RunFacts) -> str:
    """The Hub's task: models of features read tables; those of frames and of several views are given a clip."""
    from_clips = facts.processor is not None or facts.model["model_type"] == _MULTIVIEW
    return _OF_CLIPS if from_clips else "tabular-regression"


def eval_results(facts: RunFacts) -> list[EvalResult]:
    """The run's own results, one for each horizon and metric; what is undefined is left out."""
    plan, config = facts.generated, facts.bootstrap
    named = facts.data_title if plan is None else f"generated sample of {plan['videos']} clips (seed {plan['seed']})"
    return [
        EvalResult(
            task_type=_task(facts),
            task_name="video memorability",
            dataset_type="videomem-generated-sample" if plan else "other" if facts.table else "videomem",
            dataset_name=named,
            dataset_split=facts.results["split"],
            metric_type=_METRICS[metric],
            metric_name=f"{_LONGER[metric]}, {HORIZON_NAMES[horizon]}",
            metric_value=value,
            metric_args=config,
        )
        for horizon, predictors in facts.results["metrics"].items()
        for metric in _METRICS
        if (value := predictors["model"][metric]) is not None
    ]
