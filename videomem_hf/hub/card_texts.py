"""The tables and sentences of a model's card, each from the run's own record."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from videomem_hf.benchmark.table1 import COLUMNS, ROWS
from videomem_hf.conformal import RIGHT_ORDER
from videomem_hf.hub.run_facts import RunFacts
from videomem_hf.inference.prediction import ATYPICAL_PERCENT
from videomem_hf.inference.reference import Reference, reference_of_results
from videomem_hf.multiview.ablation_table import rows_from_dicts, table_markdown
from videomem_hf.run_files import PREDICTOR_TITLES, TYPICALITY_FILE
from videomem_hf.schema import HORIZON_NAMES

_PREDICTORS: Final = PREDICTOR_TITLES | {"model": "**this model**"}


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def claim_lines(facts: RunFacts, reference: Reference | None) -> list[str]:
    """What percentiles, intervals, shared ranks and flags of unlike clips are measured against, a line each."""
    if reference is None or not reference.quantiles:
        return []
    about = reference_of_results(facts.results)
    reference = replace(reference, data=about.data, generated=about.generated)
    lines = [f"Percentiles are shares {reference.among}: of the model's own predictions, not of measured scores."]
    coverage = facts.results.get("coverage") or {}
    shares = [f"{each['all']:.0%} ({HORIZON_NAMES[h]})" for h, each in coverage.items()]
    level = facts.model.get("interval_level", reference.interval_level)
    if shares:
        lines.append(f"Prediction intervals of {level:.0%}: of the held-out scores {' and '.join(shares)} lie in them.")
    elif reference.fits:
        lines.append(
            f"Prediction intervals of {level:.0%} are calibrated on these {reference.clips} clips (split conformal): "
            "they hold for clips like them and their annotation counts."
        )
    errors = [f"{e:.3f} ({HORIZON_NAMES[h]})" for h, e in reference.difference_error.items() if math.isfinite(e)]
    if errors:
        lines.append(
            f"The rank of a clip is 1 + the number of clips whose scores are more than {' and '.join(errors)} higher: "
            f"of held-out pairs so far apart, {RIGHT_ORDER:.0%} were measured in this order."
        )
    if any(math.isinf(error) for error in reference.difference_error.values()):
        names = [HORIZON_NAMES[h] for h, error in reference.difference_error.items() if math.isinf(error)]
        which = " or ".join(names)
        lines.append(f"No difference of {which} scores is large enough to order {RIGHT_ORDER:.0%} of held-out pairs.")
    if (facts.folder / TYPICALITY_FILE).is_file():
        lines.append(
            f"A clip that is as unlike the training clips as at most {ATYPICAL_PERCENT:g}% of the held-out ones has a "
            "note that says so."
        )
    return lines


def fitting_text(facts: RunFacts) -> str:
    """How a predictor of several views was chosen."""
    heads = facts.results["held_out"]  # of two heads, in older runs
    values = heads[facts.results.get("head", "kernel")]
    held_out = " / ".join("-" if value is None else f"{value:.3f}" for value in values)
    return (
        f"Fitted at once; everything was chosen by {facts.config['fit']['folds']}-fold cross-validation within the "
        f"training clips. Held-out Spearman correlations there, "
        f"{' / '.join(HORIZON_NAMES[h] for h in facts.model['horizons'])}: {held_out}."
    )


def views_table(facts: RunFacts) -> str:
    """What each view gives, with the share of scores in their intervals; empty for a model of another kind."""
    if "table" not in facts.results:
        return ""
    rows = rows_from_dicts(facts.results["table"])
    return table_markdown(rows, facts.config["fit"]["level"], facts.bootstrap["confidence"])


def metrics_table(facts: RunFacts) -> str:
    rows = []
    for horizon, predictors in facts.results["metrics"].items():
        for name, title in _PREDICTORS.items():
            if name in predictors:
                found = predictors[name]
                cells = (_with_interval(found, each) for each in ("spearman", "pearson", "mse"))
                rows.append((HORIZON_NAMES[horizon], title, *cells, str(found["items"])))
    return table(("", "", "Spearman", "Pearson", "mean squared error", "clips"), rows)


def _with_interval(found: Mapping[str, Any], metric: str) -> str:
    value, digits = found[metric], 5 if metric == "mse" else 3
    if value is None:
        return "undefined"
    low, high = found.get(f"{metric}_low"), found.get(f"{metric}_high")
    return f"{value:.{digits}f}" + ("" if low is None or high is None else f" [{low:.{digits}f}, {high:.{digits}f}]")


def paper_table(recipe: str) -> str:
    """The paper's figures for the row of Table 1 that the recipe reproduces; empty where it has none."""
    figures = next((row.paper for row in ROWS if row.recipe == recipe), None)
    if figures is None:
        return ""
    titles = {"validation": "validation", "test": "test", "test500": "test (500)"}
    rows = [
        (name, *(f"{value:.3f}" for value in values))
        for name, values in zip(HORIZON_NAMES.values(), figures, strict=True)
    ]
    return table(("the paper's", *(titles[name] for name in COLUMNS)), rows)


def duration(seconds: float) -> str:
    """A time in the unit that suits it: `90 s`, `12 min`, `2.5 h`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
