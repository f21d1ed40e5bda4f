"""The tables and sentences of a model's card, each from the run's own record."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from videomem_hf.benchmark.table1 import COLUMNS, ROWS
from videomem_hf.hub.run_facts import RunFacts
from videomem_hf.multiview.ablation_table import rows_from_dicts, table_markdown
from videomem_hf.run_files import PREDICTOR_TITLES
from videomem_hf.schema import HORIZON_NAMES

_PREDICTORS: Final = PREDICTOR_TITLES | {"model": "**this model**"}


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def sampling_text(processor: Mapping[str, Any]) -> str:
    """What of a clip the model sees."""
    size, length = processor["size"], processor["segment_length"]
    side = f"{size['width']} x {size['height']}" if size.get("height") else f"{size['shortest_edge']} on the short side"
    crop = processor["crop_size"]
    cropped = f", the middle {crop['width']} x {crop['height']} of them" if processor["do_center_crop"] else ""
    what = "One frame" if length == 1 else f"{length} consecutive frames"
    rate = "every second" if processor["fps"] == 1 else f"{processor['fps']:g} times a second"
    return f"{what} {rate}, scaled to {side} pixels{cropped}."


def training_data_text(facts: RunFacts) -> str:
    """On what the run was trained, and from what weights it started."""
    results = facts.results
    if facts.generated is None:
        source = f"`{results['data']['name']}`, taken for a copy of VideoMem (Cohendet et al., ICCV 2019)"
    else:
        features = ", ".join(facts.generated["features"]) or "no"
        size = f"{facts.generated['width']} x {facts.generated['height']}"
        source = (
            f"a generated sample (`videomem sample`, seed {facts.generated['seed']}, "
            f"{facts.generated['videos']} scored clips of {size} pixels, {features} features)"
        )
    mixed = {
        "videomem": "",
        "lamem": " LaMem's images alone were trained on.",
        "both": " LaMem's images were mixed in.",
    }
    start = " It started from random weights." if facts.init is None else " It started from pretrained weights."
    return f"{results['train_clips']:,} clips of {source}.{mixed[facts.train_on]}{start if facts.stages else ''}"


def fitting_text(facts: RunFacts) -> str:
    """How a predictor of several views was chosen."""
    held_out = ", ".join(
        f"{head} {' / '.join('-' if value is None else f'{value:.3f}' for value in values)}"
        for head, values in facts.results["held_out"].items()
    )
    chosen = facts.config["fit"]["head"] == "auto"
    head = "The better head was kept." if chosen else "The recipe fixes the head."
    return (
        f"Fitted at once; everything was chosen by {facts.config['fit']['folds']}-fold cross-validation within the "
        f"training clips. Held-out Spearman correlations there, "
        f"{' / '.join(HORIZON_NAMES[h] for h in facts.model['horizons'])}: {held_out}. {head}"
    )


def views_table(facts: RunFacts) -> str:
    """What each view gives, with the share of scores in their intervals; empty for a model of another kind."""
    if "table" not in facts.results:
        return ""
    rows = rows_from_dicts(facts.results["table"])
    return table_markdown(rows, facts.config["fit"]["level"], facts.config["confidence"])


def stages_table(stages: Sequence[Mapping[str, Any]]) -> str:
    """What was done one after the other."""
    rows = []
    for number, stage in enumerate(stages, 1):
        by_itself = stage["optimizer"] == "lbfgs"
        rows.append(
            (
                str(number),
                "everything" if stage["train"] == "all" else "the head alone",
                str(stage["epochs"]),
                ", ".join(str(value) for value in stage["loss"].values()),
                stage["optimizer"],
                "by line search" if by_itself else f"{stage['learning_rate']:g}, {stage['schedule']}",
                f"{stage['weight_decay']:g}",
            )
        )
    return table(("stage", "trains", "epochs", "loss", "optimiser", "learning rate", "weight decay"), rows)


def training_text(facts: RunFacts) -> str:
    """Recipe, batch, seed and versions; the loss `model` is explained where it is used."""
    config, versions = facts.config, facts.results["versions"]
    own = any(stage["loss"]["type"] == "model" for stage in facts.stages)
    loss = " The loss `model` is the squared error in units of the scores' variance." if own else ""
    batch = "" if facts.processor is None else f" in batches of {config['batch_size']}"
    built = ", ".join(f"{name} {number}" for name, number in versions.items())
    return (
        f"Recipe `{facts.recipe}`{batch}, seed {config['seed']}; videomem_hf {facts.results['package']}, "
        f"{built}.{loss} The whole configuration is in `results.json`."
    )


def evaluation_text(facts: RunFacts) -> str:
    """On what the results were measured, and what flatters them."""
    results, config = facts.results, facts.bootstrap
    text = (
        f"Measured on the {results['split_clips']:,} clips of the split `{results['split']}`, of which training saw "
        f"none. Brackets: {config['confidence']:.0%} bootstrap intervals ({config['resamples']:,} resamples of clips)."
    )
    if facts.stages and results["kept_by"] != "last":
        text += (
            f" Epoch {results['kept_epoch']} was kept because it did best on these same clips: on others the results "
            "would be a little lower."
        )
    constant = [HORIZON_NAMES[name] for name, found in results["metrics"].items() if found["model"]["spearman"] is None]
    if constant:
        text += f" **The {' and '.join(constant)} scores are the same for every clip: this run learnt nothing there.**"
    return text


def metrics_table(facts: RunFacts) -> str:
    """Model and baselines for each horizon."""
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


def licence_table(facts: RunFacts) -> str:
    """Code, weights and data, each with its licence."""
    weights = []
    if facts.init is not None:
        weights.append("started from pretrained weights, whose own licence binds these as well")
    if facts.generated is None:
        weights.append("trained on VideoMem: whether they may be passed on is for the licence of the copy to say")
    if facts.train_on != "videomem":
        weights.append("trained on LaMem's images, whose terms apply")
    data = (
        "VideoMem is licensed to each recipient for research, may not be passed on, and is not part of this repository"
        if facts.generated is None
        else "generated by videomem_hf: holds nothing of VideoMem, and nothing measured on people"
    )
    rows = [
        ("code", "Apache License 2.0 (the model files here and the package videomem_hf)"),
        ("weights", "; ".join(weights) or "Apache License 2.0: trained from nothing, on generated data alone"),
        ("data", data),
    ]
    return table(("", ""), rows)


def time_text(results: Mapping[str, Any]) -> str:
    """How long the run took and on what; its energy was not measured."""
    machine, seconds = results["machine"], results["seconds"]
    device = machine["gpu"] if results["device"] == "cuda" else f"{machine['cores']} cores ({machine['processor']})"
    times = ", ".join(f"{name} {_duration(value)}" for name, value in seconds.items())
    processes = "process" if results["processes"] == 1 else "processes"
    part = " These are the times of its last part: the run had been interrupted." if results["resumed"] else ""
    return (
        f"{times.capitalize()}: wall time of {results['processes']} {processes} on {device}, "
        f"finished on {results['finished']}.{part} Energy was not measured."
    )


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
