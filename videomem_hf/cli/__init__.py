"""The `videomem` command. One file here a command, or a few that belong together."""

import logging
import os
import sys
import warnings
from collections.abc import Callable
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand

from videomem_hf import __version__
from videomem_hf.cli.exit_codes import EXIT_CODES, FAILED
from videomem_hf.cli.lazy_group import STYLE, Entry, LazyGroup, command_of
from videomem_hf.schema import InputError
from videomem_hf.system import is_main_process

FIRST, DATA, MODELS, STUDY, HUB = "First steps", "Data and features", "Models", "Annotations", "Hugging Face Hub"
EPILOG = (
    f"Exit codes: {'; '.join(f'{code} {meaning}' for code, meaning in EXIT_CODES.items())}. "
    "Completion in your shell: [bold]videomem --install-completion[/bold]."
)

COMMANDS: Final = (
    Entry("quickstart", FIRST, "Run everything once on a generated sample; 5 minutes"),
    Entry("predict", FIRST, "Score your own clips; draw scores and saliency maps"),
    Entry("timeline", FIRST, "Score each shot of a film, lecture or advertisement"),
    Entry("improve", FIRST, "Find edits that would make a clip more memorable"),
    Entry("doctor", FIRST, "Check the installation, and say how to fix what is missing"),
    Entry("sample", DATA, "Generate a data set with known truth, in VideoMem's layout"),
    Entry("describe", DATA, "List what a copy of VideoMem contains, and what is missing", module="data"),
    Entry("prepare", DATA, "Write a copy as Parquet files that load anywhere", module="data"),
    Entry("extract", DATA, "Extract features of your own clips, in the release's formats"),
    Entry("train", MODELS, "Train a predictor with a recipe, and evaluate it", kind="TrainCommand"),
    Entry("recipes", MODELS, "List recipes: what each needs, and how long it takes here"),
    Entry("adapt", MODELS, "Move a model to your own clips with a few scores of them"),
    Entry("evaluate", MODELS, "Measure a model on a split: Spearman with its interval"),
    Entry("compare", MODELS, "Compare models on the same clips: which is better?"),
    Entry("benchmark", MODELS, "Score any predictor the same way; find leaks; leaderboard"),
    Entry("report", MODELS, "Write a run's results, calibration and errors with figures"),
    Entry("table1", MODELS, "Train the paper's predictors; print its Table 1 with yours"),
    Entry("tune", MODELS, "Search for better values of a recipe"),
    Entry("convert", MODELS, "Convert a published checkpoint to a model folder"),
    Entry("export", MODELS, "Write a model as ONNX, which runs without PyTorch"),
    Entry("train-sorter", MODELS, "Train a sorter for the ranking loss SoDeep"),
    Entry("score", STUDY, "Turn the annotations of a study into a data set with scores"),
    Entry("analyse", STUDY, "Compute consistency and figures of a study, beside the paper's"),
    Entry("study", STUDY, "Run the memory game: init, serve, export, ..."),
    Entry("card", HUB, "Write a model card from the results of a run"),
    Entry("push", HUB, "Upload a model, data, the metric or a Space"),
)


class Commands(LazyGroup):
    """The commands of `videomem`."""

    entries = COMMANDS


app = typer.Typer(name="videomem", cls=Commands, **STYLE)


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
    run(command_of(command, name, kind), name)


def run(commands: Callable[..., Any], name: str) -> None:
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
