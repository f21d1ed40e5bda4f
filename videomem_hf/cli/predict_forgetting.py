"""`videomem predict --forgetting`: the chance of being remembered after 5 minutes, 1 day and 3 days."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from videomem_hf.cli.predict_here import Outcome
from videomem_hf.schema import HORIZONS, InputError
from videomem_hf.system import atomic_write, printable

if TYPE_CHECKING:
    from videomem_hf.inference import ClipPredictor

TABLE: Final = "forgetting.csv"


def check_forgetting(predictor: "ClipPredictor") -> None:
    """Refuse a model that gives one horizon only."""
    if set(HORIZONS) - set(predictor.horizons):
        known = ", ".join(predictor.horizons)
        raise InputError(f"--forgetting: {predictor.name} gives {known} scores only; take a model that gives both")


def write_forgetting_table(outcomes: Sequence[Outcome], folder: Path, to_stderr: bool) -> None:
    """Write `forgetting.csv`, a row per clip, and print it."""
    rows = [(outcome.name, outcome.prediction.forgetting()) for outcome in outcomes if outcome.prediction]
    columns: list[str] = []
    with atomic_write(folder / TABLE) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        for name, curve in rows:
            table = curve.table()
            if not columns:
                columns = [f"{time.replace(' ', '_')}_{part}" for time in table for part in ("chance", "low", "high")]
                writer.writerow(["clip", *columns])
            values = [value for parts in table.values() for value in parts.values()]
            writer.writerow([printable(name), *("" if value is None else f"{value:.6f}" for value in values)])
            said = ", ".join(f"{time} {_said(parts)}" for time, parts in table.items())
            typer.echo(f"{printable(name)}: remembered after {said}", err=to_stderr)
    typer.echo("By a power law through both scores: no measurement at each of these times.", err=to_stderr)


def _said(parts: dict[str, float | None]) -> str:
    if parts["low"] is None or parts["high"] is None:
        return f"{parts['chance']:.0%}"
    return f"{parts['chance']:.0%} ({parts['low']:.0%} to {parts['high']:.0%})"
