"""`videomem recipes`: what there is to train, what it needs, and how long it takes."""

from typing import Annotated

import typer

PAPERS_CLIPS = 6500


def recipes(
    clips: Annotated[int, typer.Option(min=1, help="Number of training clips for the estimated times.")] = PAPERS_CLIPS,
) -> None:
    """List the recipes of `videomem train`: the predictor, the data and weights that it needs, and an estimated time.

    The time is the number of operations divided by the speed: for this CPU half the measured speed of a matrix product,
    for a GPU 100 TFLOP/s. Decoding the videos comes on top, once: minutes for a thousand.

    Example: [bold]videomem recipes --clips 500[/bold]
    """
    from videomem_hf.benchmark.recipe_costs import GPU_FLOP_PER_S, flop_per_s_here, recipe_costs
    from videomem_hf.recipes import recipe_names

    speed = flop_per_s_here()
    for name in recipe_names():
        costs = recipe_costs(name, clips)
        typer.echo(f"{typer.style(name, bold=True)}: {costs.summary}")
        typer.echo(f"    needs {'; '.join(costs.needs)}")
        if costs.missing:
            typer.echo(f"    missing here: pip install {' '.join(costs.missing)}")
        here, gpu = (duration_text(costs.hours(each)) for each in (speed, GPU_FLOP_PER_S))
        typer.echo(f"    {here} on this CPU" + ("" if here == gpu else f", {gpu} on a GPU"))
    typer.echo("\nTrain one with:\n  videomem train --recipe frame_attention --data sample/release --output run")


def duration_text(hours: float | None) -> str:
    """About how long, in words."""
    if hours is None or hours < 1 / 6:
        return "minutes"
    if hours < 1.5:
        return f"about {round(hours * 6) * 10} min"
    return f"about {hours:.0f} h" if hours < 48 else f"about {hours / 24:.0f} days"
