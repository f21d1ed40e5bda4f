"""`videomem train-sorter`: train the network of the ranking loss."""

from pathlib import Path
from typing import Annotated, Any

import typer

from videomem_hf.cli.exit_codes import INTERRUPTED
from videomem_hf.cli.options import quote, say_next
from videomem_hf.schema import InputError
from videomem_hf.system import os_cause


def train_sorter(
    out: Annotated[Path, typer.Argument(help="Folder for the sorter; new or empty.")],
    architecture: Annotated[
        str, typer.Option(help="comparison (any length; learns in minutes on a CPU), lstm, lstm_large, gru, mlp, cnn.")
    ] = "comparison",
    option: Annotated[
        list[str] | None, typer.Option("--option", "-o", help="name=value: hidden_size, layers; stages, max_sharpness.")
    ] = None,
    length: Annotated[int, typer.Option(help="Number of items in a sequence.")] = 100,
    shortest: Annotated[
        int | None,
        typer.Option(help="Draw random lengths between this and --length (comparison only).", show_default="--length"),
    ] = None,
    epochs: Annotated[int, typer.Option(help="Number of epochs.")] = 400,
    steps: Annotated[int, typer.Option(help="Steps per epoch.")] = 100,
    batch_size: Annotated[int, typer.Option(help="Sequences per step.")] = 256,
    learning_rate: Annotated[float, typer.Option(help="Learning rate of Adam.")] = 1e-3,
    halve_every: Annotated[int, typer.Option(help="Epochs after which the learning rate is halved.")] = 70,
    seed: Annotated[int, typer.Option(help="Random seed of the initial weights and the sequences.")] = 0,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, ... (default: cuda if there is a GPU)")] = None,
    max_minutes: Annotated[
        float | None, typer.Option(help="Stop after this time; --resume continues.", min=0.0, show_default=False)
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the unfinished run in OUT.")] = False,
) -> None:
    """Train a sorter, a network that makes ranks differentiable, and measure its rank error.

    The training is SoDeep's (Engilberge et al., 2019): random sequences of simple families, batches of 256, Adam, 400
    epochs, absolute error on the ranks. After Ctrl-C, --resume continues.

    Examples: [bold]videomem train-sorter sorter/ --shortest 2[/bold],
    [bold]videomem train-sorter lstm/ --architecture lstm_large --device cuda[/bold]
    """
    from videomem_hf.devices import usable_device
    from videomem_hf.losses.sorter_training import SorterTraining
    from videomem_hf.losses.sorter_training import train_sorter as train
    from videomem_hf.recipes import apply_override

    options: dict[str, Any] = {}
    for each in option or []:
        apply_override(options, each)
    items = length if shortest is None else shortest
    training = SorterTraining(
        architecture, options, length, items, epochs, steps, batch_size, learning_rate, halve_every, seed
    )
    try:
        results = train(training, out, resume=resume, max_minutes=max_minutes, device=usable_device(device))
    except KeyboardInterrupt:
        typer.echo(f"stopped; the last finished epoch is saved: --resume continues in {out}", err=True)
        raise typer.Exit(INTERRUPTED) from None
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({os_cause(error)})") from None
    if results is None:
        typer.echo(f"the time is up; --resume continues in {out}")
        return
    typer.echo(f"{out}: {training.architecture}, {results['parameters']:,} parameters")
    _print_rank_errors(results)
    loss = f"{{type: sodeep, sorter: {out}}}"
    changed = quote(f"stages.1.loss={loss}")
    say_next(f"videomem train --recipe semantic_embedding --data release --output run --set {changed}")


def _print_rank_errors(results: dict[str, Any]) -> None:
    from videomem_hf.losses.sequences import HELD_OUT_FAMILIES

    typer.echo("mean absolute rank error, with ranks in (0, 1], on families that were not trained on:")
    for items, errors in results["rank_error"].items():
        own, exact = (
            sum(each[name] for name in HELD_OUT_FAMILIES) / len(HELD_OUT_FAMILIES)
            for each in (errors, results["rank_error_exact"][items])
        )
        typer.echo(f"  {items:>4} items: {own:.4f} (exact sorter {exact:.4f})")
    typer.echo(
        "The sorter stands in for exact ranks in the loss `sodeep`, which trains a predictor for rank correlation; the "
        "nearer its error is to 0, the nearer that loss is to Spearman's."
    )
