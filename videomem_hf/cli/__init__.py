"""The `videomem` command. One file here a command, or a few that belong together."""

import logging
import os
import sys
import warnings
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from videomem_hf import __version__
from videomem_hf.cli.adapt import adapt
from videomem_hf.cli.analyse import analyse
from videomem_hf.cli.benchmark import benchmark
from videomem_hf.cli.card import card
from videomem_hf.cli.compare import compare
from videomem_hf.cli.convert import convert
from videomem_hf.cli.data import describe, prepare
from videomem_hf.cli.doctor import doctor
from videomem_hf.cli.evaluate import evaluate
from videomem_hf.cli.exit_codes import EXIT_CODES, FAILED
from videomem_hf.cli.export import export
from videomem_hf.cli.extract import extract
from videomem_hf.cli.help import Command, lay_out
from videomem_hf.cli.improve import improve
from videomem_hf.cli.predict import predict
from videomem_hf.cli.push import push
from videomem_hf.cli.quickstart import quickstart
from videomem_hf.cli.recipes import recipes
from videomem_hf.cli.report import report
from videomem_hf.cli.sample import sample
from videomem_hf.cli.score import score
from videomem_hf.cli.study import study
from videomem_hf.cli.table1 import table1
from videomem_hf.cli.timeline import timeline
from videomem_hf.cli.train import TrainCommand, train
from videomem_hf.cli.train_sorter import train_sorter
from videomem_hf.cli.tune import tune
from videomem_hf.schema import InputError
from videomem_hf.system import is_main_process

FIRST, DATA, MODELS, STUDY, HUB = "First steps", "Data and features", "Models", "Annotations", "Hugging Face Hub"
EPILOG = (
    f"Exit codes: {'; '.join(f'{code} {meaning}' for code, meaning in EXIT_CODES.items())}. "
    "Completion in your shell: [bold]videomem --install-completion[/bold]."
)

STYLE: dict[str, Any] = {
    "pretty_exceptions_enable": False,
    "rich_markup_mode": "rich",
    "context_settings": {"help_option_names": ["-h", "--help"]},
}
app = typer.Typer(name="videomem", **STYLE)


def add(command: Callable[..., None], panel: str, short_help: str, kind: type[TyperCommand] = Command) -> None:
    """Put a command on the page of `videomem --help`: one line under a heading."""
    app.command(cls=kind, rich_help_panel=panel, short_help=short_help)(command)


add(quickstart, FIRST, "Run everything once on a generated sample; 5 minutes")
add(predict, FIRST, "Score your own clips; draw scores and saliency maps")
add(timeline, FIRST, "Score each shot of a film, lecture or advertisement")
add(improve, FIRST, "Find edits that would make a clip more memorable")
add(doctor, FIRST, "Check the installation, and say how to fix what is missing")

add(sample, DATA, "Generate a data set with known truth, in VideoMem's layout")
add(describe, DATA, "List what a copy of VideoMem contains, and what is missing")
add(prepare, DATA, "Write a copy as Parquet files that load anywhere")
add(extract, DATA, "Extract features of your own clips, in the release's formats")

add(train, MODELS, "Train a predictor with a recipe, and evaluate it", TrainCommand)
add(recipes, MODELS, "List recipes: what each needs, and how long it takes here")
add(adapt, MODELS, "Move a model to your own clips with a few scores of them")
add(evaluate, MODELS, "Measure a model on a split: Spearman with its interval")
add(compare, MODELS, "Compare models on the same clips: which is better?")
add(benchmark, MODELS, "Score any predictor the same way; find leaks; leaderboard")
add(report, MODELS, "Write a run's results, calibration and errors with figures")
add(table1, MODELS, "Train the paper's predictors; print its Table 1 with yours")
add(tune, MODELS, "Search for better values of a recipe")
add(convert, MODELS, "Convert a published checkpoint to a model folder")
add(export, MODELS, "Write a model as ONNX, which runs without PyTorch")
add(train_sorter, MODELS, "Train a sorter for the ranking loss SoDeep")

add(score, STUDY, "Turn the annotations of a study into a data set with scores")
add(analyse, STUDY, "Compute consistency and figures of a study, beside the paper's")
app.add_typer(study, name="study", rich_help_panel=STUDY, short_help="Run the memory game: init, serve, export, ...")

add(card, HUB, "Write a model card from the results of a run")
app.add_typer(push, name="push", rich_help_panel=HUB, short_help="Upload a model, data, the metric or a Space")


for each in (app, study, push):
    for registered in each.registered_commands:
        if registered.callback and registered.callback.__doc__:
            registered.help = lay_out(registered.callback.__doc__)
        if registered.cls is TyperCommand:
            registered.cls = Command


@app.callback(invoke_without_command=True, epilog=EPILOG)
def options(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    """How memorable is a video, and which parts of it make it memorable?

    Start with [bold]videomem quickstart[/bold], or with a clip: [bold]videomem predict clip.mp4 --plots plots[/bold].
    [bold]videomem COMMAND --help[/bold] explains a command and gives an example.
    """
    if version:
        typer.echo(f"videomem_hf {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main() -> None:
    """Run the command line."""
    run(app, "videomem")


def run_command(command: Callable[..., None], name: str, kind: type[TyperCommand]) -> None:
    """Run a command by itself, under another name."""
    alone = typer.Typer(add_completion=False, **STYLE)
    alone.command(cls=kind, help=lay_out(command.__doc__ or ""))(command)
    run(alone, name)


def run(commands: typer.Typer, name: str) -> None:
    """Run commands; a user's mistake ends in one sentence and exit code 1, never in a stack trace."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    # PyTorch's threads that wait for each other leave the CPU to those that decode.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    _show_notes()
    try:
        commands(prog_name=name)
    except ModuleNotFoundError as error:
        from videomem_hf.cli.examinations import requirements

        core = {each.name.replace("-", "_").lower() for each in requirements() if each.marker is None}
        if (error.name or "") not in core:
            raise
        sys.stderr.write(
            f"{name}: {error.name} is not installed; docs/onnx-requirements.txt is enough for `videomem predict "
            "--engine onnx` only, for all else: pip install videomem_hf\n"
        )
        sys.exit(FAILED)
    except InputError as error:
        if is_main_process():
            sys.stderr.write(f"{name}: {error}\n")
        sys.exit(FAILED)


def _show_notes() -> None:
    """Show each warning of ours once, as a sentence; those of other kinds as Python does."""
    shown: set[str] = set()
    as_python_does = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if category is not UserWarning:
            as_python_does(message, category, *place, **more)
        elif str(message) not in shown and is_main_process():
            shown.add(str(message))
            typer.echo(f"Note: {message}", err=True)

    warnings.showwarning = show
