"""`videomem train`, and `train.py` in the repository, which is the same."""

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from videomem_hf.cli.exit_codes import INTERRUPTED, STOPPED
from videomem_hf.cli.help import Command
from videomem_hf.cli.options import Data, Import, Recipe, named_folder, quote, say_next
from videomem_hf.registration import import_code
from videomem_hf.schema import InputError
from videomem_hf.system import is_main_process

_UNITS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class TrainCommand(Command):
    """Lets `--set` take several values, as in `--set batch_size=16 seed=1`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, list(repeat_option("--set", args)))


def repeat_option(option: str, arguments: Iterable[str]) -> Iterator[str]:
    """Put an option before each of the values that follow it, as click wants it."""
    values: int | None = None  # that the option has so far, after it
    for argument in (*arguments, "--"):
        if argument.startswith("-"):
            if values == 0:
                raise typer.BadParameter(f"{option} needs one or more KEY=VALUE")
            values = 0 if argument == option else None
        elif values is not None:
            values += 1
            yield option
        if values != 0 and argument != "--":
            yield argument


def _seconds(text: str) -> float:
    match = re.fullmatch(r"([0-9]*\.?[0-9]+)([smhd])", text)
    if not match or not float(match[1]):
        raise typer.BadParameter(f"{text!r} is not a time above 0 such as 90s, 30m, 8h or 2d")
    return float(match[1]) * _UNITS_S[match[2]]


def train(
    context: typer.Context,
    recipe: Annotated[str, Recipe],
    data: Data,
    output: Annotated[
        Path, typer.Option(metavar="FOLDER", parser=named_folder, help="New folder for the model and its results.")
    ],
    init: Annotated[
        str | None, typer.Option(help="Folder or Hub id of the weights to start from; see `videomem convert`.")
    ] = None,
    lamem: Annotated[str | None, typer.Option(help="Folder of LaMem, for recipes that train on it.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE...", help="Change values of the recipe: batch_size=16 stages.0.epochs=20."
        ),
    ] = None,
    import_: Import = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue a run that was stopped.")] = False,
    max_train_time: Annotated[
        float | None,
        typer.Option(parser=_seconds, metavar="TIME", help="Stop with a checkpoint after 90s, 30m, 8h or 2d."),
    ] = None,
) -> None:
    """Train a predictor with a recipe, and evaluate it on held-out clips.

    `videomem recipes` lists the recipes. On several GPUs or machines: [bold]accelerate launch -m videomem_hf
    train[/bold] with the same options.

    Exit codes: 0 finished; 1 something given cannot be used; 3 stopped by --max-train-time or SIGTERM, with a
    checkpoint that --resume continues from; 130 stopped with Ctrl-C.

    Example: [bold]videomem train --recipe frame_attention --data sample/release --output run[/bold]
    """
    from videomem_hf.multiview.config import is_multiview_recipe

    if is_multiview_recipe(recipe):
        refused: dict[str, Any] = {"--import": import_, "--init": init, "--lamem": lamem}
        refused["--max-train-time"] = max_train_time
        if given := [option for option, value in refused.items() if value]:
            raise InputError(f"{given[0]} has no meaning for recipe {recipe}, which takes minutes; leave it out")
        if is_main_process():  # one process does all
            _fit_views(context, recipe, data, output, set_ or [], resume)
        return
    named = [f"{key}={value}" for key, value in (("init", init), ("lamem", lamem)) if value is not None]
    _train_network(context, recipe, data, output, [*named, *(set_ or [])], import_, resume, max_train_time)


def _train_network(
    context: typer.Context,
    recipe: str,
    data: str,
    output: Path,
    overrides: list[str],
    imports: list[str] | None,
    resume: bool,
    max_seconds: float | None,
) -> None:
    from videomem_hf.training.config import TrainingConfig

    config = TrainingConfig.from_recipe(recipe, data=data, output=output, overrides=overrides)
    import_code(imports)
    from videomem_hf.training import TrainingStopped, train  # loads torch, after mistakes in the arguments are found

    if config.pretrained and config.init is None and is_main_process():
        typer.echo(
            f"recipe {recipe} starts from weights that `{config.pretrained}` makes; name their folder with "
            "--init, or it trains from nothing",
            err=True,
        )
    go_on = f"--resume goes on from the last checkpoint in {output}"
    try:
        result = train(config, resume=resume, max_seconds=max_seconds)
    except TrainingStopped as stopped:
        _end(context, f"stopped {stopped}; {go_on}", STOPPED)
    except KeyboardInterrupt:
        _end(context, f"stopped; {go_on}", INTERRUPTED)
    if is_main_process():
        from videomem_hf.analysis.training_figure import training_figure
        from videomem_hf.evaluation.tables import chance_sentence, metrics_text

        results = result.results
        training_figure(results).savefig(result.output / "training.png", dpi=150)
        evaluated = f"{results['split_clips']} clips of the split {results['split']!r}"
        kept = "" if results["kept_by"] == "last" else f", epoch {results['kept_epoch']} kept by that split"
        typer.echo(f"{evaluated}, after training on {results['train_clips']}{kept}:")
        table = metrics_text(results["metrics"], config.evaluation.confidence)
        typer.echo(table + chance_sentence(results["metrics"]), nl=False)
        _say_what_is_next(result.output, "training.png")


def _fit_views(
    context: typer.Context, recipe: str, data: str, output: Path, overrides: list[str], resume: bool
) -> None:
    from videomem_hf.evaluation.tables import chance_sentence
    from videomem_hf.multiview.ablation_table import rows_from_dicts, table_text
    from videomem_hf.multiview.config import BestConfig

    config = BestConfig.from_recipe(recipe, data=data, output=output, overrides=overrides)
    from videomem_hf.multiview.run import train_best

    try:
        result = train_best(config, resume=resume)
    except InputError as error:
        raise _offer_no_titles(error, config.title_encoder) from None
    except KeyboardInterrupt:
        _end(context, f"stopped; {_how_to_go_on(output)}", INTERRUPTED)
    results: dict[str, Any] = result.results
    typer.echo(table_text(rows_from_dicts(results["table"]), config.fit.level, config.evaluation.confidence))
    typer.echo(chance_sentence(results["metrics"]), nl=False)
    from_videos = f" Frames were encoded by {results['frame_encoder']}." if results["frame_encoder"] else ""
    left_out = "".join(f" {note}." for note in results["notes"])
    typer.echo(f"Views in the model: {_views_with_needs(results)}.{from_videos}{left_out}")
    _say_what_is_next(result.output)


def _views_with_needs(results: dict[str, Any]) -> str:
    """The views, with what a clip that is not of the data needs for each."""
    from videomem_hf.features.catalogue import feature_spec, needs_of_column
    from videomem_hf.features.title_views import EMBEDDING, WORDS

    needs = dict.fromkeys((EMBEDDING, WORDS), "a title")
    if results["frame_encoder"]:
        needs[feature_spec(results["frame_encoder"]).folder] = "nothing"
    named = (f"{view} ({needs.get(view) or needs_of_column(view)})" for view in results["views"])
    return f"{', '.join(named)}; in brackets what each needs for other clips than these"


def _offer_no_titles(error: InputError, title_encoder: str | None) -> InputError:
    """The error, with how to train without titles if their encoder is the cause."""
    if title_encoder is None or f"title:{title_encoder}" not in str(error):
        return error
    return InputError(f"{error}; with features or videos, --set title_encoder=null does without titles")


def _how_to_go_on(output: Path) -> str:
    from videomem_hf.multiview.checkpoint import checkpoint_folder

    if checkpoint_folder(output).is_dir():
        return f"--resume goes on with what was fitted in {output}"
    return "the same command starts again, with the titles and frames that were encoded"


def _say_what_is_next(output: Path, *pictures: str) -> None:
    written = ", ".join(("the model", "predictions.csv", "results.json", *pictures))
    typer.echo(f"{output}: {written}")
    say_next(f"videomem predict clip.mp4 --model {quote(output)} --plots plots", f"videomem report {quote(output)}")


def _end(context: typer.Context, message: str, code: int) -> None:
    """Print a message once, whatever the number of processes, and end with an exit code."""
    if is_main_process():
        sys.stderr.write(f"\n{context.command_path}: {message}\n")
    raise typer.Exit(code)
