"""The `videomem` command. One file here a command, or a few that belong together."""

import logging
import sys
from typing import Annotated

import typer

from videomem_hf import __version__
from videomem_hf.cli.analyse import analyse
from videomem_hf.cli.card import card
from videomem_hf.cli.convert import convert
from videomem_hf.cli.data import describe, prepare
from videomem_hf.cli.evaluate import evaluate
from videomem_hf.cli.extract import extract
from videomem_hf.cli.predict import predict
from videomem_hf.cli.push import push
from videomem_hf.cli.quickstart import quickstart
from videomem_hf.cli.sample import sample
from videomem_hf.cli.score import score
from videomem_hf.cli.study import study
from videomem_hf.cli.table1 import table1
from videomem_hf.cli.train_sorter import train_sorter
from videomem_hf.cli.tune import tune
from videomem_hf.schema import InputError

app = typer.Typer(
    name="videomem",
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(quickstart)
app.command()(predict)
app.command()(extract)
app.command()(sample)
app.command()(describe)
app.command()(prepare)
app.command()(evaluate)
app.command()(table1)
app.command()(tune)
app.command()(convert)
app.command()(train_sorter)
app.command()(card)
app.add_typer(push, name="push")

app.add_typer(study, name="study")
app.command()(score)
app.command()(analyse)


@app.callback(invoke_without_command=True)
def options(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.", is_eager=True)] = False,
) -> None:
    """How memorable is a video, and what in it is remembered?"""
    if version:
        typer.echo(f"videomem_hf {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main() -> None:
    """Run the command line; a user's mistake ends in one sentence and exit code 1, never in a stack trace."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    try:
        app()
    except InputError as error:
        sys.stderr.write(f"videomem: {error}\n")
        sys.exit(1)
