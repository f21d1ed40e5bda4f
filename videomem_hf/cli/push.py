"""`videomem push`: models, the dataset, the metric and Spaces to the Hub, after a look at what would go."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from videomem_hf.system import quantity

if TYPE_CHECKING:
    from videomem_hf.hub.shipments import Shipment

push = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")

ModelFolder = Annotated[Path, typer.Argument(help="Folder of a trained or converted model.")]
SpaceFolder = Annotated[Path, typer.Argument(help="Folder with app.py, requirements.txt and README.md.")]
Repo = Annotated[str, typer.Argument(metavar="USER/NAME", help="Repository on the Hub; made if it is not there.")]
Public = Annotated[bool, typer.Option("--public", help="Let everybody see it. (default: private)")]
Yes = Annotated[bool, typer.Option("--yes", help="Send it. Without this it is only shown what would go.")]


@push.callback()
def options() -> None:
    """Put a model, the dataset, the metric or a Space on the Hugging Face Hub.

    Without --yes nothing is sent: every file that would go is listed. Repositories are private without --public. An
    interrupted push goes on when the same command is given again. Log in before with [bold]hf auth login[/bold];
    HF_ENDPOINT names another Hub.
    """


@push.command()
def model(folder: ModelFolder, repo: Repo, public: Public = False, yes: Yes = False) -> None:
    """A trained model with its code and card; it then loads with trust_remote_code and without this package.

    Example: [bold]videomem push model run/ USER/NAME[/bold], then the same with [bold]--yes[/bold]
    """
    from videomem_hf.hub.shipments import model_shipment

    _show_or_send(model_shipment(folder, repo, public), yes)


@push.command()
def dataset(
    folder: Annotated[Path, typer.Argument(help="Folder that `videomem prepare` wrote.")],
    repo: Repo,
    public: Annotated[
        bool, typer.Option("--public", help="Let everybody see it: refused for anything but a generated sample.")
    ] = False,
    yes: Yes = False,
) -> None:
    """A prepared dataset. VideoMem itself may not be passed on: it goes to a private repository or not at all.

    Example: [bold]videomem push dataset parquet/ USER/NAME[/bold], then the same with [bold]--yes[/bold]
    """
    from videomem_hf.hub.shipments import dataset_shipment

    _show_or_send(dataset_shipment(folder, repo, public), yes)


@push.command()
def metric(repo: Repo, public: Public = False, yes: Yes = False) -> None:
    """The metric, for `evaluate.load("USER/NAME")`; as all of `evaluate`'s it is a Space.

    Example: [bold]videomem push metric USER/memorability --public[/bold], then the same with [bold]--yes[/bold]
    """
    from videomem_hf.hub.shipments import metric_shipment

    _show_or_send(metric_shipment(repo, public), yes)


@push.command()
def space(folder: SpaceFolder, repo: Repo, public: Public = False, yes: Yes = False) -> None:
    """A Space: the demonstration in space/ of this project, or one that you made of it.

    Example: [bold]videomem push space space/ USER/NAME[/bold], then the same with [bold]--yes[/bold]
    """
    from videomem_hf.hub.shipments import space_shipment

    _show_or_send(space_shipment(folder, repo, public), yes)


def _show_or_send(shipment: "Shipment", yes: bool) -> None:
    from huggingface_hub import constants

    visibility = "public" if shipment.public else "private"
    typer.echo(f"{constants.ENDPOINT}: {shipment.repo_type} {shipment.repo}, {visibility}")
    typer.echo("\n".join(_lines(shipment.sizes)))
    for note in shipment.notes:
        typer.echo(f"Note: {note}.")
    if not yes:
        typer.echo("Nothing was sent. The same command with --yes sends it.")
        return
    from videomem_hf.hub.push import send

    try:
        address = send(shipment)
    except KeyboardInterrupt:
        typer.echo("\nStopped. The same command goes on where it was.", err=True)
        raise typer.Exit(130) from None
    typer.echo(f"Everything is there: {address}")


def _lines(sizes: "dict[str, int]") -> Sequence[str]:
    """One line per file, with its size, and their sum."""
    width = max(len(f"{size:,}") for size in (*sizes.values(), sum(sizes.values())))
    files = [f"  {size:{width},}  {name}" for name, size in sorted(sizes.items())]
    return [*files, f"  {sum(sizes.values()):{width},}  bytes in {quantity(len(sizes), 'file')}"]
