"""`videomem recipes`: what there is to train, what it needs, and how long it takes."""

import textwrap
from typing import TYPE_CHECKING, Annotated

import typer

from videomem_hf.cli.options import say_next
from videomem_hf.data.release.splits import PAPER_TRAIN
from videomem_hf.system import available_cpus

if TYPE_CHECKING:
    from videomem_hf.benchmark.recipe_costs import RecipeCosts

WIDTH = 80
MOST_CLIPS = 100_000_000
"""More than any data set has; the estimates are made for fewer."""


def recipes(
    clips: Annotated[
        int, typer.Option(min=1, max=MOST_CLIPS, help="Number of training clips for the estimated times.")
    ] = PAPER_TRAIN,
) -> None:
    """List the recipes of `videomem train`: the predictor, the data and weights that it needs, and an estimated time.

    The time of training is the number of operations divided by the speed: for this CPU half the measured speed of a
    matrix product, for a GPU an assumed one. Decoding is estimated for clips of the release's size; smaller ones take
    a fraction of it.

    Example: [bold]videomem recipes --clips 500[/bold]
    """
    from videomem_hf.benchmark.recipe_costs import GPU_FLOP_PER_S, flop_per_s_here, recipe_costs
    from videomem_hf.recipes import recipe_names

    speed = flop_per_s_here()
    for name in recipe_names():
        costs = recipe_costs(name, clips)
        here, gpu = (duration_text(costs.hours(each)) for each in (speed, GPU_FLOP_PER_S))
        training = f"{here} on this CPU" + ("" if here == gpu else f", {gpu} on a GPU")
        typer.echo(typer.style(name, bold=True))
        _echo(costs.summary)
        _echo(f"needs {'; '.join(costs.needs)}")
        if costs.missing:
            _echo(f"missing here: pip install 'videomem_hf[{','.join(costs.missing)}]'")
        _echo(training + decoding_text(costs, available_cpus()))
    typer.echo("")
    say_next("videomem train --recipe frame_attention --data sample/release --output run")


def _echo(text: str) -> None:
    typer.echo(textwrap.fill(text, WIDTH, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False))


def decoding_text(costs: "RecipeCosts", cpus: int) -> str:
    """How long the videos are decoded, after the time of training; empty for a recipe without videos."""
    return f"; decoding, once: {duration_text(costs.decoding_hours(cpus))}" if costs.videos else ""


def duration_text(hours: float | None) -> str:
    """About how long, in words."""
    if hours is None or hours < 1 / 6:
        return "minutes"
    if hours < 1.5:
        return f"about {round(hours * 6) * 10} min"
    return f"about {hours:.0f} h" if hours < 48 else f"about {hours / 24:.0f} days"
