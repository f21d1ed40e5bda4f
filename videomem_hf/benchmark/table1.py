"""Table 1 of the paper: every predictor that the data at hand allow, trained or loaded, beside the paper's figures."""

import json
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from videomem_hf.benchmark.published import COLUMNS, Triple, table1_figures
from videomem_hf.evaluation.tables import short_number
from videomem_hf.recipes import recipe_choices
from videomem_hf.run_files import CONFIG_FILE, changed_settings, is_run_folder, without_nan
from videomem_hf.schema import HORIZON_NAMES, HORIZONS, Horizon, InputError, sort_horizons
from videomem_hf.statistics import CONFIDENCE
from videomem_hf.training.config import TrainingConfig


@dataclass(frozen=True)
class TableRow:
    """One predictor.

    Attributes:
        recipe: Its recipe, and its folder.
        title: As the table calls it.
        published: Its name among the published figures; None where the paper has no such row.
        weights: What its weights come from, where training starts from published ones.
    """

    recipe: str
    title: str
    published: str | None
    weights: str | None = None

    @property
    def paper(self) -> tuple[Triple, Triple] | None:
        """The paper's figures, short-term then long-term."""
        return None if self.published is None else table1_figures(self.published)


ROWS: Final = (
    TableRow("memnet", "MemNet (Sec. 5.1)", "MemNet", "memnet"),
    TableRow("squalli", "Squalli et al. (Sec. 5.1)", "Squalli et al.", "vgg16"),
    TableRow("c3d", "C3D (Sec. 5.2)", "C3D"),
    TableRow("hmp", "HMP (Sec. 5.2)", "HMP"),
    TableRow("resnet3d", "ResNet3D (Sec. 5.2)", "ResNet3D", "resnet3d"),
    TableRow("semantic_embedding", "Semantic embedding model (Sec. 5.3)", "Semantic embedding model",
             "semantic-embedding"),
    TableRow("semantic_attention", "Semantic embedding with attention (Sec. 5.5)", None,
             "semantic-embedding --attention"),
    TableRow("frame_attention", "Frame network with attention (ours)", None),
    TableRow("spatiotemporal", "Attention over space and time (ours)", None),
)  # fmt: skip
"""Table 1 in its order, then what it has no figures for."""


@dataclass
class RowResult:
    """What came out for a predictor.

    Attributes:
        recipe, title, paper: See `TableRow`.
        confidence: Coverage of the intervals.
        spearman: Horizon to split to correlation, with `low` and `high` of its interval and `items`.
        notes: What differs from the paper's row, or why it is missing.
    """

    recipe: str
    title: str
    paper: tuple[Triple, Triple] | None
    confidence: float = CONFIDENCE
    spearman: dict[str, dict[str, dict[str, float | None]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Table1Options:
    """What a table is made with.

    Attributes:
        out: Gets a folder for each predictor, and the table.
        lamem: Folder of LaMem, if there is one.
        init: Recipe to the folder of the weights that its training starts from.
        models: Recipe to the folder of a model that is evaluated as it is.
        only: Recipes; empty for all.
        hold_out: So many of the most annotated videos are held out as test(500).
        overrides: `key=value` for all recipes, or `recipe/key=value` for one.
    """

    data: str
    out: Path
    lamem: str | None = None
    init: dict[str, str] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)
    only: tuple[str, ...] = ()
    hold_out: int = 0
    overrides: tuple[str, ...] = ()


def make_table(options: Table1Options, say: Callable[[str], None], progress: bool = True) -> list[RowResult]:
    """Train or load every predictor that the data allow and evaluate it; finished ones are taken as they are.

    `say` is called with the title of the predictor that comes next.

    Returns:
        A result for every row that was asked for. What cannot be had has a note that says why.

    Raises:
        InputError: A recipe that is none of the table's, or an option that a recipe does not have.
    """
    recipes = [row.recipe for row in ROWS]
    for name in (*options.only, *options.init, *options.models):
        if name not in recipes:
            raise InputError(f"{name!r} is no predictor of the table; there are {', '.join(recipes)}")
    chosen = [row for row in ROWS if not options.only or row.recipe in options.only]
    configs = {row.recipe: _config(row, options) for row in chosen}
    results = []
    for row in chosen:
        say(row.title)
        result = RowResult(row.recipe, row.title, row.paper, configs[row.recipe].evaluation.confidence)
        try:
            folder = options.models.get(row.recipe) or _train(row, configs[row.recipe], result, progress)
            if folder is not None:
                _evaluate(Path(folder), configs[row.recipe], options, result, progress)
        except InputError as error:
            result.notes.append(f"not possible with these data: {str(error).splitlines()[0]}")
        results.append(result)
    return results


def _config(row: TableRow, options: Table1Options) -> TrainingConfig:
    overrides = []
    for override in options.overrides:
        recipe, slash, rest = override.partition("/")
        if not slash or "=" in recipe:
            overrides.append(override)
        elif recipe == row.recipe:
            overrides.append(rest)
    config = TrainingConfig.from_recipe(
        row.recipe, data=options.data, output=options.out / row.recipe, overrides=overrides
    )
    splits = config.splits | ({"most_annotated": options.hold_out} if options.hold_out else {})
    lamem = options.lamem if config.train_on != "videomem" else None
    return replace(config, init=options.init.get(row.recipe, config.init), lamem=lamem, splits=splits)


def _train(row: TableRow, config: TrainingConfig, result: RowResult, progress: bool) -> Path | None:
    """Train a predictor, or go on, or take what is finished; None, with a note, where it cannot be had."""
    from videomem_hf.training.checkpoint import latest_checkpoint
    from videomem_hf.training.run import train

    convert = f"videomem convert {row.weights} CHECKPOINT FOLDER"
    if config.train_on == "lamem" and config.lamem is None:
        note = "needs --lamem: it is trained on LaMem"
        if row.recipe == "memnet":
            note = f"needs its weights (`{convert}`, then --model memnet=FOLDER), or --lamem to train it"
        result.notes.append(note)
        return None
    if config.train_on == "both" and config.lamem is None:
        result.notes.append("trained without LaMem, on which the paper trains it as well (--lamem)")
        config = replace(config, train_on="videomem")
    if row.weights and config.init is None:
        remedy = f"`{convert}`, then --init {row.recipe}=FOLDER"
        result.notes.append(f"trained from random weights; the paper starts from published ones ({remedy})")
    output = Path(config.output)
    if not is_run_folder(output):
        train(config, resume=latest_checkpoint(output) is not None, progress=progress)
    elif changed := changed_settings(asdict(TrainingConfig.from_file(output / CONFIG_FILE)), asdict(config)):
        raise InputError(f"{output} holds a run with another {', '.join(changed)}; remove it, or choose another --out")
    return output


def _evaluate(folder: Path, config: TrainingConfig, options: Table1Options, result: RowResult, progress: bool) -> None:
    """Evaluate a model on every split that has scores; why a split has no result becomes a note.

    Raises:
        InputError: There is no such model, or nothing is known of what it was trained on.
    """
    from videomem_hf.benchmark.evaluate import EvaluationTarget, run_of, score_target
    from videomem_hf.evaluation.evaluate import compute_metrics
    from videomem_hf.evaluation.training_clips import read_trained_on
    from videomem_hf.inference.loading import load_network

    model, processor = load_network(str(folder))
    horizons = tuple(model.config.horizons)
    run = run_of(str(folder))
    trained_on = None if run is None else read_trained_on(run, options.data)
    reasons: dict[str, str] = {}
    for column in COLUMNS:
        if column == "test500" and not options.hold_out:
            continue
        split = f"test{options.hold_out}" if column == "test500" else column
        try:
            target = EvaluationTarget(options.data, split, config.splits, trained_on)
            size, cache = config.evaluation.batch_size, config.frame_cache
            scores, clips = score_target(
                model, processor, target, batch_size=size, frame_cache=cache, progress=progress
            )
            metrics = compute_metrics({"model": scores}, clips, horizons, **config.evaluation.sampling)
        except (InputError, ValueError) as error:
            reasons[split] = str(error).splitlines()[0]
            continue
        for horizon in horizons:
            found = metrics[horizon]["model"]
            values = {"spearman": found["spearman"], "low": found["spearman_low"], "high": found["spearman_high"]}
            result.spearman.setdefault(horizon, {})[column] = without_nan(values) | {"items": found["items"]}
            if values["spearman"] != values["spearman"]:
                result.notes.append(f"{split}: its {HORIZON_NAMES[horizon]} predictions are the same for every clip")
    for reason in dict.fromkeys(reasons.values()):
        result.notes.append(f"{', '.join(name for name in reasons if reasons[name] == reason)}: {reason}")
    missing = (
        [] if set(horizons) - set(HORIZONS) else [HORIZON_NAMES[name] for name in HORIZONS if name not in horizons]
    )
    if missing:
        result.notes.append(f"predicts no {' and no '.join(missing)} memorability")


def _horizons(results: Sequence[RowResult]) -> Sequence[Horizon]:
    """The horizons of a table: VideoMem's, or those that the predictors learnt from data with others."""
    found = dict.fromkeys(horizon for result in results for horizon in result.spearman)
    return sort_horizons(found) if found.keys() - set(HORIZONS) else HORIZONS


def to_markdown(results: Sequence[RowResult], data: str, hold_out: int) -> str:
    """Write the table: ours, with its interval, over the paper's in brackets."""
    splits = ("validation", "test", f"test ({hold_out or 500})")
    heads = [f"{HORIZON_NAMES[horizon]} {split}" for horizon in _horizons(results) for split in splits]
    levels = dict.fromkeys(_percent(result.confidence) for result in results)
    lines = [
        "# Table 1: Spearman's rank correlation",
        "",
        f"Measured on `{data}`, with {' or '.join(levels)} intervals; in brackets the paper's figure for its own splits"
        " of VideoMem.",
        "",
        "| Models | " + " | ".join(heads) + " |",
        "|---" * (len(heads) + 1) + "|",
    ]
    for result in results:
        cells = [_cell(result, horizon, split) for horizon in _horizons(results) for split in COLUMNS]
        lines.append(f"| {result.title} | " + " | ".join(cells) + " |")
    notes = [f"- {note}" for note in _notes(results, hold_out)]
    return "\n".join([*lines, *(["", "What differs or is missing:", "", *notes] if notes else [])]) + "\n"


def to_text(results: Sequence[RowResult], hold_out: int) -> str:
    """The table for a terminal, in lines of 80 characters: for each horizon ours, and the paper's in brackets."""
    lines = []
    for horizon in _horizons(results):
        splits = ("validation", "test", f"test ({hold_out or 500})")
        lines.append(f"{HORIZON_NAMES[horizon]:45}" + "".join(f"{split:>11}" for split in splits).rstrip())
        for result in results:
            cells = [_short_cell(result, horizon, split) for split in COLUMNS]
            lines.append(f"{result.title:45}" + "".join(f"{cell:>11}" for cell in cells))
        lines.append("")
    for note in _notes(results, hold_out):
        lines += textwrap.wrap(note, 80, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False)
    return "\n".join(lines).rstrip() + "\n"


def _notes(results: Sequence[RowResult], hold_out: int) -> list[str]:
    """What differs from the paper or is missing, a sentence each."""
    notes = [f"{note}." for note in _general_notes(hold_out)]
    levels = {result.confidence for result in results}
    for result in results:
        level = [f"intervals of {_percent(result.confidence)}"] if len(levels) > 1 and result.spearman else []
        choices = recipe_choices(result.recipe).rstrip(".") if result.paper and result.spearman else ""
        ours = [f"our choice, as the paper does not give it: {choices}"] if choices else []
        notes += [f"{result.title}: {note}." for note in (*level, *result.notes, *ours)]
    return notes


def _general_notes(hold_out: int) -> list[str]:
    return [] if hold_out else ["test (500): give --hold-out 500, which keeps so many clips from training"]


def _percent(confidence: float) -> str:
    return f"{100 * confidence:g} %"


def _paper(result: RowResult, horizon: Horizon, split: str) -> float | None:
    if result.paper is None or horizon not in HORIZONS:
        return None
    return result.paper[HORIZONS.index(horizon)][COLUMNS.index(split)]


def _cell(result: RowResult, horizon: Horizon, split: str) -> str:
    found: dict[str, Any] = result.spearman.get(horizon, {}).get(split, {"spearman": None})
    ours = "-" if found["spearman"] is None else "{spearman:.3f} [{low:.3f}, {high:.3f}]".format(**found)
    paper = _paper(result, horizon, split)
    return ours if paper is None else f"{ours} ({paper:.3f})"


def _short_cell(result: RowResult, horizon: Horizon, split: str) -> str:
    found = result.spearman.get(horizon, {}).get(split, {})
    paper, ours = _paper(result, horizon, split), short_number(found.get("spearman"))
    return ours if paper is None else f"{ours} ({short_number(paper)})"


def to_json(results: Sequence[RowResult], options: Table1Options) -> str:
    rows: list[dict[str, Any]] = [asdict(result) for result in results]
    content = {"data": options.data, "hold_out": options.hold_out, "notes": _general_notes(options.hold_out)}
    return json.dumps(content | {"rows": rows}, indent=2) + "\n"
