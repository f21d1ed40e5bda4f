"""`videomem push`: models, the dataset, the metric and Spaces to the Hub, after a look at what would go."""

from pathlib import Path
from typing import Annotated, Final

import typer

from videomem_hf.cli.exit_codes import INTERRUPTED
from videomem_hf.cli.options import python_line, quote, say_next
from videomem_hf.schema import InputError
from videomem_hf.system import quantity

_LOADING: Final = {
    "model": 'import videomem_hf; print(videomem_hf.predict("clip.mp4", model="{repo}").scores)',
    "dataset": python_line('load_dataset("{repo}", "scores")'),
    "metric": 'import evaluate; metric = evaluate.load("{repo}")',
}
"""How what was sent is loaded."""

push = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")

ModelFolder = Annotated[Path, typer.Argument(help="Folder of a trained or converted model.")]
SpaceFolder = Annotated[Path, typer.Argument(help="Folder with app.py, requirements.txt and README.md.")]
Repo = Annotated[str, typer.Argument(metavar="USER/NAME", help="Repository on the Hub; created if it does not exist.")]
Public = Annotated[bool, typer.Option("--public", help="Make it public. (default: private)")]
Yes = Annotated[bool, typer.Option("--yes", help="Upload. Without this the files are only listed.")]


@push.callback()
def options() -> None:
    """Upload a model, a data set, the metric or a Space to the Hugging Face Hub.

    Without --yes nothing is uploaded; the files are listed. Repositories are private without --public. The same command
    continues an interrupted upload. Log in first with [bold]hf auth login[/bold];
    HF_ENDPOINT names another Hub.
    """


@push.command()
def model(folder: ModelFolder, repo: Repo, public: Public = False, yes: Yes = False) -> None:
    """Upload a trained model with its code and card; it then loads with trust_remote_code, without this package.

    Example: [bold]videomem push model run/ USER/NAME[/bold], then the same with [bold]--yes[/bold]
    """
    _show_or_send("model", yes, folder, repo, public)


@push.command()
def dataset(
    folder: Annotated[Path, typer.Argument(help="Folder that `videomem prepare` wrote.")],
    repo: Repo,
    public: Annotated[
        bool, typer.Option("--public", help="Make it public; for a generated sample, or a table with a licence.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Upload a prepared data set. VideoMem may not be redistributed, so its repository is always private.

    A table of your own can be public where `license:` in its memorability.yaml says under which licence.

    Example: [bold]videomem push dataset parquet/ USER/NAME[/bold], then the same with [bold]--yes[/bold]
    """
    _show_or_send("dataset", yes, folder, repo, public)


@push.command()
def metric(repo: Repo, public: Public = False, yes: Yes = False) -> None:
    """Upload the metric, for `evaluate.load("USER/NAME")`; like all metrics of `evaluate` it is a Space.

    Example: [bold]videomem push metric USER/memorability --public[/bold], then the same with [bold]--yes[/bold]
    """
    _show_or_send("metric", yes, repo, public)


@push.command()
def space(folder: SpaceFolder, repo: Repo, public: Public = False, yes: Yes = False) -> None:
    """Upload a Space: the folder space/ of this repository, or your own version of it.

    Example: [bold]videomem push space space/ USER/NAME[/bold], then the same with [bold]--yes[/bold]
    """
    _show_or_send("space", yes, folder, repo, public)


def _show_or_send(what: str, yes: bool, *arguments: Path | str | bool) -> None:
    """List what a push of a model, dataset, metric or Space would send; with `yes`, send it."""
    from huggingface_hub import constants

    from videomem_hf.hub.shipments import SHIPMENTS

    if missing := next((each for each in arguments if isinstance(each, Path) and not each.is_dir()), None):
        raise InputError(
            f"{missing}: {'is a file' if missing.exists() else 'no such folder'}; give the {what}'s folder"
        )
    shipment = SHIPMENTS[what](*arguments)
    visibility = "public" if shipment.public else "private"
    typer.echo(f"{constants.ENDPOINT}: {shipment.repo_type} {shipment.repo}, {visibility}")
    total = sum(shipment.sizes.values())
    width = len(f"{total:,}")
    for name, size in sorted(shipment.sizes.items()):
        typer.echo(f"  {size:{width},}  {name}")
    typer.echo(f"  {total:{width},}  bytes in {quantity(len(shipment.sizes), 'file')}")
    for note in shipment.notes:
        typer.echo(f"Note: {note}.")
    if not yes:
        typer.echo("Nothing was sent. The same command with --yes sends it.")
        given = [quote(each) for each in arguments if not isinstance(each, bool)]
        say_next(f"videomem push {what} {' '.join(given)}{' --public' if arguments[-1] is True else ''} --yes")
        return
    from videomem_hf.hub.push import send

    try:
        address = send(shipment)
    except KeyboardInterrupt:
        typer.echo("\nStopped. The same command goes on where it was.", err=True)
        raise typer.Exit(INTERRUPTED) from None
    typer.echo(f"Everything is there: {address}")
    say_next(python=_LOADING[what].format(repo=shipment.repo) if what in _LOADING else None)
