"""Makes the cards in this folder: trains every predictor on a generated sample and writes what came out.

    videomem quickstart --out q
    python benchmarks/attention_pointing.py q --out pointing.json
    python model_cards/make_cards.py WORK --quickstart q --pointing pointing.json

Networks are smaller than the published ones, and trained shortly and from nothing, so that all of it takes minutes on 2
cores; each card tells its run's own numbers and everything that the run did otherwise than its recipe. Stopped and
started again it goes on with what is not there yet.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from videomem_hf.hub.attention_example import draw_example
from videomem_hf.hub.model_card import render_model_card
from videomem_hf.hub.run_facts import read_run
from videomem_hf.run_files import PREDICTIONS_FILE, is_run_folder, read_predictions
from videomem_hf.sample import generate_sample, read_truth
from videomem_hf.sample.layout import video_path
from videomem_hf.training import TrainingConfig, train
from videomem_hf.training.checkpoint import latest_checkpoint

HERE = Path(__file__).parent
SMALL = ("train_on=videomem", "batch_size=16", "frames_per_clip=1", "evaluation.every=4")
EMBEDDING = (
    *SMALL, "model.trunk=resnet18", "model.map_size=128", "model.embedding_size=128", "model.mlp_size=64",
    "processor.size={height: 72, width: 128}", "stages.0.epochs=2", "stages.1.epochs=6",
    "stages.*.learning_rate=0.0003",
)  # fmt: skip
RECIPES: dict[str, tuple[str, ...]] = {
    "c3d": (),
    "hmp": (),
    "c3d_hmp": (),
    "memnet": (
        *SMALL, "model.horizons=[short_term, long_term]", "model.hidden_size=256", "model.crops=1",
        "stages.0.epochs=4", "stages.0.learning_rate=0.01",
    ),
    "squalli": (
        *SMALL, "model.horizons=[short_term, long_term]", "model.image_size=128",
        "processor.size={height: 128, width: 128}", "model.vgg_channels=[8, 16, 32, 64, 64]",
        "model.vgg_fc_size=256", "model.vgg_classes=100",
        "model.caption_size=128", "model.mlp_sizes=[64]", "stages.0.train=all",
    ),
    "resnet3d": (
        "model.depth=10", "model.hidden_sizes=[8, 16, 32, 64]", "batch_size=16", "evaluation.every=2",
        "processor.size={shortest_edge: 64}", "processor.crop_size={height: 64, width: 64}",
        "stages.0.epochs=1", "stages.1.epochs=5", "stages.*.learning_rate=0.001",
    ),
    "semantic_embedding": EMBEDDING,
    "semantic_attention": EMBEDDING,
    "spatiotemporal": ("stages.0.epochs=12", "evaluation.every=0",),
    "amnet": (),
    "vitmem": (),
}  # fmt: skip
"""What each run changes of its recipe; those of the last two stand in full in recipes/."""


def recipe_of(name: str) -> str:
    """The package's recipe, or the one beside this script."""
    own = HERE / "recipes" / f"{name}.yaml"
    return str(own) if own.is_file() else name


def trained(name: str, work: Path, data: Path) -> Path:
    """A finished run: of this call or an earlier one."""
    output = work / "runs" / name
    if not is_run_folder(output):
        overrides = (f"frame_cache={work / 'frames'}", *RECIPES[name])
        config = TrainingConfig.from_recipe(recipe_of(name), data=data, output=output, overrides=overrides)
        train(config, resume=latest_checkpoint(output) is not None)
    return output


def shown_clip(sample: Path, run: Path) -> Path:
    """The first held-out clip of a run in which one thing stands out in every second."""
    held_out = set(read_predictions(run / PREDICTIONS_FILE)[0])
    truths = (truth for truth in read_truth(sample) if f"video{truth.video_id}" in held_out)
    truth = next(truth for truth in truths if truth.stands_out and all(truth.boxes))
    return sample / "release" / video_path(truth.part, truth.video_id)


def write_card(name: str, run: Path, sample: Path, pointing: dict[str, Any] | None = None) -> None:
    """Write NAME.md, and beside it the picture of a model that sees frames."""
    facts = read_run(run)
    picture = HERE / f"{name}-attention.png"
    example = draw_example(run, shown_clip(sample, run), picture) if facts.processor is not None else None
    render_model_card(facts, example=example, pointing=pointing).save(HERE / f"{name}.md")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, help="folder for the sample and the runs")
    parser.add_argument("--quickstart", type=Path, help="folder of `videomem quickstart`: gives frame_attention's card")
    parser.add_argument("--pointing", type=Path, help="what benchmarks/attention_pointing.py wrote about it")
    parser.add_argument("--only", action="append", choices=RECIPES, help="a predictor; may be given several times")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # so small networks are no faster on more
    if arguments.quickstart:
        measured = json.loads(arguments.pointing.read_text()) if arguments.pointing else None
        write_card("frame_attention", arguments.quickstart / "model", arguments.quickstart / "sample", measured)
    sample = generate_sample(arguments.work / "sample", videos=240, test_videos=0, seed=0, size=(160, 90))
    for name in arguments.only or RECIPES:
        write_card(name, trained(name, arguments.work, sample.release), sample.out)


if __name__ == "__main__":
    main()
