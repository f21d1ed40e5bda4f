"""Train a memorability predictor: `accelerate launch train.py --recipe NAME --data FOLDER --output FOLDER`."""

import argparse
import re
import sys

from videomem_hf.evaluation.tables import metrics_text
from videomem_hf.multiview.config import BestConfig, is_multiview_recipe
from videomem_hf.recipes import recipe_names
from videomem_hf.registration import import_code
from videomem_hf.schema import InputError
from videomem_hf.system import is_main_process
from videomem_hf.training import TrainingConfig

STOPPED = 3
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_arguments() -> argparse.Namespace:
    """Read the command line; everything else stands in the recipe."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=f"Recipes: {', '.join(recipe_names())}. Exit codes: 0 finished, 1 a mistake, {STOPPED} stopped by "
        "--max-train-time or SIGTERM with a checkpoint to --resume from, 130 interrupted.",
    )
    parser.add_argument("--recipe", required=True, help="name of a recipe in the package, or a YAML file")
    parser.add_argument(
        "--data",
        required=True,
        help="folder of the VideoMem release, a prepared folder or Hub id, or a sample's release",
    )
    parser.add_argument("--output", required=True, help="new folder for the model and its results")
    parser.add_argument("--init", help="folder or Hub id of the weights to start from; see `videomem convert`")
    parser.add_argument("--lamem", help="folder of LaMem, for recipes that train on it as well")
    parser.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="change values of the recipe: batch_size=16 stages.0.epochs=20",
    )
    parser.add_argument(
        "--import",
        dest="imports",
        action="append",
        metavar="FILE",
        help="Python file or module that registers a predictor of your own; may be given several times",
    )
    parser.add_argument("--resume", action="store_true", help="go on with a run that was stopped")
    parser.add_argument("--max-train-time", type=seconds, metavar="TIME", help="stop with a checkpoint: 90s, 30m, 8h")
    return parser.parse_args()


def seconds(text: str) -> float:
    """A time such as 90s, 30m, 8h or 2d."""
    match = re.fullmatch(r"([0-9]*\.?[0-9]+)([smhd])", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 90s, 30m, 8h or 2d")
    return float(match[1]) * _UNITS_S[match[2]]


def main() -> int:
    """Train and evaluate. A user's mistake ends in one sentence, an interruption in how to go on."""
    arguments = parse_arguments()
    try:
        if is_multiview_recipe(arguments.recipe):
            return fit_views(arguments)
    except InputError as error:
        return _fail(f"train.py: {error}", 1)
    named = [f"{key}={value}" for key in ("init", "lamem") if (value := getattr(arguments, key)) is not None]
    go_on = f"--resume goes on from the last checkpoint in {arguments.output}"
    try:
        config = TrainingConfig.from_recipe(
            arguments.recipe, data=arguments.data, output=arguments.output, overrides=[*named, *arguments.set]
        )
        # Not at the top: a mistake in the arguments is reported before torch is loaded.
        from videomem_hf.training import TrainingStopped, train

        import_code(arguments.imports)
    except InputError as error:
        return _fail(f"train.py: {error}", 1)
    try:
        result = train(config, resume=arguments.resume, max_seconds=arguments.max_train_time)
    except InputError as error:
        return _fail(f"train.py: {error}", 1)
    except TrainingStopped as stopped:
        return _fail(f"\ntrain.py: stopped {stopped}; {go_on}", STOPPED)
    except KeyboardInterrupt:
        return _fail(f"\ntrain.py: stopped; {go_on}", 130)
    if is_main_process():
        from videomem_hf.analysis.training_figure import training_figure

        results = result.results
        training_figure(results).savefig(result.output / "training.png", dpi=150)
        evaluated = f"{results['split_clips']} clips of the split {results['split']!r}"
        kept = "" if results["kept_by"] == "last" else f", epoch {results['kept_epoch']} kept by that split"
        sys.stdout.write(f"{evaluated}, after training on {results['train_clips']}{kept}:\n")
        sys.stdout.write(metrics_text(results["metrics"], config.evaluation.confidence))
        sys.stdout.write(f"Model, predictions.csv, results.json and training.png: {result.output}\n")
    return 0


def fit_views(arguments: argparse.Namespace) -> int:
    """Run the recipe `best`, and print its table."""
    refused = {
        "imports": "--import",
        "init": "--init",
        "lamem": "--lamem",
        "resume": "--resume",
        "max_train_time": "--max-train-time",
    }
    if given := [flag for name, flag in refused.items() if getattr(arguments, name)]:
        return _fail(f"train.py: {given[0]} has no meaning for recipe {arguments.recipe}, which takes minutes", 1)
    if not is_main_process():
        return 0  # one process does all
    config = BestConfig.from_recipe(
        arguments.recipe, data=arguments.data, output=arguments.output, overrides=arguments.set
    )
    from videomem_hf.multiview.ablation_table import rows_from_dicts, table_text
    from videomem_hf.multiview.run import train_best

    try:
        result = train_best(config)
    except KeyboardInterrupt:
        return _fail("\ntrain.py: stopped; the same command starts again, with the frames that were encoded", 130)
    results = result.results
    sys.stdout.write(
        table_text(rows_from_dicts(results["table"]), config.fit.level, config.evaluation.confidence) + "\n"
    )
    from_videos = f" Frames were encoded by {results['frame_encoder']}." if results["frame_encoder"] else ""
    sys.stdout.write(f"Head: {results['head']}. Views: {', '.join(results['views'])}.{from_videos}\n")
    sys.stdout.write(f"Model, predictions.csv and results.json: {result.output}; `videomem report {result.output}`\n")
    return 0


def _fail(message: str, code: int) -> int:
    """Print a message once, whatever the number of processes, and return the exit code."""
    if is_main_process():
        sys.stderr.write(f"{message}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
