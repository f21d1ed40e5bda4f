"""Train a memorability predictor: `accelerate launch train.py --recipe NAME --data FOLDER --output FOLDER`."""

import argparse
import sys

from videomem_hf.schema import InputError
from videomem_hf.training import TrainingConfig
from videomem_hf.training.report import is_main_process, metrics_table


def parse_arguments() -> argparse.Namespace:
    """Read the command line; everything else stands in the recipe."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", required=True, help="name of a recipe in the package, or a YAML file")
    parser.add_argument(
        "--data", required=True, help="folder of the VideoMem release, or of a generated sample's release"
    )
    parser.add_argument("--output", required=True, help="new folder for the model and its results")
    parser.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="change values of the recipe: epochs=20",
    )
    parser.add_argument("--resume", action="store_true", help="go on with a run that was stopped")
    return parser.parse_args()


def main() -> int:
    """Train, and say how good the result is. A user's mistake ends in one sentence, an interruption in how to go on."""
    arguments = parse_arguments()
    try:
        config = TrainingConfig.from_recipe(
            arguments.recipe, data=arguments.data, output=arguments.output, overrides=arguments.set
        )
        # Not at the top: a slip in the arguments is told before torch is loaded.
        from videomem_hf.training import train

        result = train(config, resume=arguments.resume)
    except InputError as error:
        if is_main_process():
            sys.stderr.write(f"train.py: {error}\n")
        return 1
    except KeyboardInterrupt:
        if is_main_process():
            sys.stderr.write(f"\ntrain.py: stopped; --resume goes on from the last checkpoint in {arguments.output}\n")
        return 130
    if is_main_process():
        results = result.results
        judged = f"{results['split_clips']} clips of the split {results['split']!r}"
        sys.stdout.write(f"{judged}, after training on {results['train_clips']}:\n")
        sys.stdout.write(metrics_table(results["metrics"], config.evaluation.confidence))
        sys.stdout.write(f"Model, predictions.csv and results.json: {result.output}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
