"""`videomem train-sorter`: the network behind the ranking loss."""

from pathlib import Path
from typing import Annotated, Any

import typer

from videomem_hf.schema import InputError


def train_sorter(
    out: Annotated[Path, typer.Argument(help="Folder for the sorter; made, and must be empty if it exists.")],
    architecture: Annotated[
        str, typer.Option(help="comparison (any length; learns in minutes on a CPU), lstm, lstm_large, gru, mlp, cnn.")
    ] = "comparison",
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option", "-o", help="name=value of the architecture: hidden_size, layers; stages, max_sharpness."
        ),
    ] = None,
    length: Annotated[int, typer.Option(help="Items in a sequence.")] = 100,
    shortest: Annotated[
        int | None,
        typer.Option(
            help="Each batch's length is drawn between this and --length (comparison only); --length if not given.",
            show_default=False,
        ),
    ] = None,
    epochs: Annotated[int, typer.Option(help="Epochs.")] = 400,
    steps: Annotated[int, typer.Option(help="Steps in an epoch.")] = 100,
    batch_size: Annotated[int, typer.Option(help="Sequences in a step.")] = 256,
    learning_rate: Annotated[float, typer.Option(help="Of Adam.")] = 1e-3,
    halve_every: Annotated[int, typer.Option(help="Epochs after which the learning rate is halved.")] = 70,
    seed: Annotated[int, typer.Option(help="Of the first weights and the sequences.")] = 0,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, ...; cuda if there is one and none is given.")] = None,
    max_minutes: Annotated[
        float | None, typer.Option(help="Stop after this time; --resume goes on.", min=0.0, show_default=False)
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the unfinished run in OUT.")] = False,
) -> None:
    """Train a sorter, which makes ranks differentiable, and measure its rank error.

    The recipe is SoDeep's (Engilberge et al., 2019): random sequences of simple families, batches of 256, Adam, 400
    epochs, absolute error on the ranks. Stopped with Ctrl-C, it goes on with --resume.

    Examples: [bold]videomem train-sorter sorter/ --shortest 2[/bold],
    [bold]videomem train-sorter lstm/ --architecture lstm_large --device cuda[/bold]
    """
    options = _options(option or [])
    import torch

    from videomem_hf.losses.sequences import HELD_OUT_FAMILIES
    from videomem_hf.losses.sorter_training import SorterTraining
    from videomem_hf.losses.sorter_training import train_sorter as run

    training = SorterTraining(
        architecture=architecture,
        options=options,
        length=length,
        shortest=length if shortest is None else shortest,
        epochs=epochs,
        steps=steps,
        batch_size=batch_size,
        learning_rate=learning_rate,
        halve_every=halve_every,
        seed=seed,
    )
    chosen = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        results = run(training, out, resume=resume, max_minutes=max_minutes, device=_device(chosen))
    except KeyboardInterrupt:
        typer.echo(f"stopped; the last finished epoch is kept: give --resume to go on in {out}", err=True)
        raise typer.Exit(130) from None
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({(error.strerror or str(error)).lower()})") from None
    if results is None:
        typer.echo(f"time is up; give --resume to go on in {out}")
        return
    typer.echo(f"{out}: {architecture}, {results['parameters']:,} parameters")
    typer.echo("mean absolute rank error, ranks being in (0, 1], on families that were not trained on:")
    for n, errors in results["rank_error"].items():
        ours, exact = (
            sum(each[name] for name in HELD_OUT_FAMILIES) / len(HELD_OUT_FAMILIES)
            for each in (errors, results["rank_error_exact"][n])
        )
        typer.echo(f"  {n:>4} items: {ours:.4f} (exact sorter {exact:.4f})")


def _options(given: list[str]) -> dict[str, Any]:
    """Read `name=value`; values are numbers."""
    options: dict[str, Any] = {}
    for each in given:
        name, equals, text = each.partition("=")
        if not (name and equals):
            raise InputError(f"--option {each!r} is not of the form name=value")
        try:
            options[name] = int(text) if text.lstrip("-").isdigit() else float(text)
        except ValueError:
            raise InputError(f"--option {each!r}: the value must be a number") from None
    return options


def _device(name: str) -> str:
    import torch

    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"--device {name}: not usable here ({str(error).splitlines()[0]})") from None
    return name
