"""The table on the terminal: a row per clip, and below it once what is true of several or of all of them."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from videomem_hf.cli.predict_here import Outcome
from videomem_hf.inference.claims import OFF_SCALE, caveats_of_one_clip
from videomem_hf.inference.prediction import Prediction
from videomem_hf.inference.ranking import equal_scores, shared_ranks
from videomem_hf.inference.score_journal import ModelFacts
from videomem_hf.schema import HORIZON_NAMES, HORIZONS, Horizon, sort_horizons
from videomem_hf.system import printable, quantity

WIDE: Final = 96
"""Characters of a terminal with room for the range of the frames beside the names of clips."""


def print_table(outcomes: list[Outcome], model: ModelFacts, to_stderr: bool) -> None:
    """Print clips in their order, with shared ranks where there are several, and notes by number below."""
    horizons = sort_horizons(model.horizons)
    scored = [o.prediction for o in outcomes if o.prediction]
    ranks = iter(shared_ranks(scored, horizons[0]) if len(scored) > 1 else [])
    notes: dict[str, int] = {}
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), collapse_padding=True)
    if len(scored) > 1:
        table.add_column("Rank", justify="right")
    table.add_column("Clip", overflow="fold", min_width=12)
    for horizon in horizons:
        table.add_column(HORIZON_NAMES[horizon].capitalize(), justify="right", no_wrap=True)
    console = Console(stderr=to_stderr)
    wide = console.width >= WIDE and model.scores_frames
    if wide:
        table.add_column(f"Lowest and\nhighest frame,\n{HORIZON_NAMES[horizons[0]]}", justify="right", no_wrap=True)
    table.add_column("Frames", justify="right")
    table.add_column("Note", justify="right")
    folder = _common_folder([o.name for o in outcomes if str(o.source) == o.name and isinstance(o.source, Path)])
    for outcome in outcomes:
        rank = [str(next(ranks)) if outcome.prediction else "-"] if len(scored) > 1 else []
        scored_frames = len(outcome.prediction.times_s) if outcome.prediction else 0
        frames = str(scored_frames) if model.scores_frames else "-"
        table.add_row(*rank, *_cells(outcome, horizons, folder, wide), frames, _numbers(outcome, notes))
    console.print(table)
    for note, number in notes.items():
        console.print(f"{number}  {escape(note)}", highlight=False)
    for line in _explanations(outcomes, scored, model, horizons):
        console.print(escape(line), highlight=False)


def _explanations(
    outcomes: list[Outcome], scored: Sequence[Prediction], model: ModelFacts, horizons: list[Horizon]
) -> list[str]:
    failed = len(outcomes) - len(scored)
    counts = f"{quantity(len(scored), 'clip')} scored by {model.name}" + (f", {failed} failed" if failed else "")
    if not scored:
        return [f"{counts}."]
    on_scale = not (any(OFF_SCALE in caveat for caveat in model.caveats) or set(horizons) - set(HORIZONS))
    scale = " 0: nobody recognises the clip when it is seen again; 1: everybody does." if on_scale else ""
    lines = [f"{counts}.{scale}"]
    if any(o.prediction and o.prediction.intervals for o in outcomes):
        lines.append(f"Below a score: its {model.interval_level:.0%} prediction interval.")
    if any(o.prediction and o.prediction.percentiles for o in outcomes):
        lines.append(f"Above: the share of the model's own predictions that are lower, {model.among}.")
    if len(scored) > 1 and model.is_tested:
        lines.append(f"Rank: 1 + the number of clips whose {HORIZON_NAMES[horizons[0]]} score is clearly higher.")
    caveats = model.caveats if len(scored) > 1 else caveats_of_one_clip(model.caveats)
    return [*lines, *filter(None, [equal_scores(scored, horizons)]), *caveats]


def _numbers(outcome: Outcome, notes: dict[str, int]) -> str:
    """The numbers of a clip's notes, which are given to new ones."""
    own = [*(outcome.prediction.notes if outcome.prediction else ()), *filter(None, [outcome.error])]
    numbers = [str(notes.setdefault(printable(note), len(notes) + 1)) for note in own]
    return f"[red]{', '.join(numbers)}[/red]" if outcome.error else ", ".join(numbers)


def _common_folder(paths: Sequence[str]) -> str:
    """What the names of clips can go without in the table."""
    parents = {str(Path(path).parent) for path in paths}
    common = os.path.commonpath(parents) if len({Path(parent).is_absolute() for parent in parents}) == 1 else ""
    return "" if common == os.sep else common


def _cells(outcome: Outcome, horizons: list[Horizon], folder: str, wide: bool) -> list[str]:
    p = outcome.prediction
    in_folder = Path(outcome.name).is_relative_to(folder) and isinstance(outcome.source, Path)
    name = escape(printable(Path(outcome.name).relative_to(folder) if in_folder else outcome.name))
    if p is None:
        return [name, *["-"] * len(horizons), *["-"] * wide]
    ends = {h: f"\n{low:.2f} to {high:.2f}" for h, (low, high) in (p.intervals or {}).items()}
    above = {h: f"\nabove {p.reference.share(each)}" for h, each in p.percentiles.items() if p.reference}
    scores = [f"{p.scores[h]:.3f}{ends.get(h, '')}{above.get(h, '')}" for h in horizons]
    frames = [f"{p.curves[horizons[0]].min():.3f}\n{p.curves[horizons[0]].max():.3f}"] if wide else []
    return [name, *scores, *frames]
