"""What a recipe needs, and about how long it trains."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Final

import torch
from torch.utils.flop_counter import FlopCounterMode

from videomem_hf.models import model_class
from videomem_hf.multiview.config import is_multiview_recipe
from videomem_hf.recipes import read_yaml, recipe_path, recipe_summary
from videomem_hf.training.config import TrainingConfig
from videomem_hf.training.setup import make_model_config, make_processor

CLIP_SECONDS: Final = 7
"""Frames, or segments of frames, of a VideoMem clip."""
LAMEM_IMAGES: Final = 45_000
"""Training images of one of LaMem's official splits (Khosla et al., ICCV 2015)."""
SHARE_OF_PEAK: Final = 0.5
"""Of its matrix product's speed that a CPU reaches in training: .3 to .8 by predictor (benchmarks/models_speed.py)."""
GPU_FLOP_PER_S: Final = 1e14
"""Taken for a GPU: a tenth of what the data sheet of an H100 says for bfloat16."""
CPU_FLOP_PER_S: Final = 5e10
"""Taken for a CPU that is not measured."""
DECODE_S: Final = 0.83
"""Of one core for a clip of the release, 1080p and 7 s (benchmarks/results/features_speed.json)."""


@dataclass(frozen=True)
class RecipeCosts:
    """A recipe, as a user chooses one.

    Attributes:
        name: Of the recipe.
        summary: What it trains, a sentence without its full stop.
        needs: What it is trained on and starts from, one phrase each.
        missing: Extras of the package to install.
        flops: Of the whole training; None where a closed form or L-BFGS on features takes minutes at most.
        videos: Clips that are decoded, once; of `best` only where the data have no features.
    """

    name: str
    summary: str
    needs: tuple[str, ...]
    missing: tuple[str, ...]
    flops: float | None
    videos: int = 0

    def decoding_hours(self, cpus: int) -> float:
        """Hours until all clips are decoded, one per core at a time."""
        return self.videos * DECODE_S / cpus / 3600

    def hours(self, flop_per_s: float) -> float | None:
        """Hours at this number of operations per second; None: minutes."""
        return None if self.flops is None else self.flops / flop_per_s / 3600


def recipe_costs(name: str, clips: int) -> RecipeCosts:
    """Read what a recipe needs, and count the operations of training on `clips` clips, and on LaMem if it uses it.

    A forward pass is counted on one clip; a backward pass is taken for two of them.
    """
    if is_multiview_recipe(name):
        encoder = read_yaml(recipe_path(name))["title_encoder"]
        missing = () if find_spec("sentence_transformers") else ("titles",)
        needs = ("titles, features or videos", f"for titles {encoder}")
        return RecipeCosts(name, recipe_summary(name), needs, missing, None, clips)
    config = TrainingConfig.from_recipe(name, data="", output="")
    flops = None if config.uses_features else _flops(config, clips)
    videos = 0 if config.uses_features or config.train_on == "lamem" else clips
    return RecipeCosts(name, recipe_summary(name), tuple(_needs(config)), (), flops, videos)


def flop_per_s_here() -> float:
    """Operations per second that training may reach on this CPU: `SHARE_OF_PEAK` of the fastest of five products."""
    side = 1024
    a, b = torch.rand(side, side), torch.rand(side, side)
    seconds = []
    for _ in range(6):
        started = time.perf_counter()
        torch.mm(a, b)
        seconds.append(time.perf_counter() - started)
    return SHARE_OF_PEAK * 2 * side**3 / min(seconds[1:])


def _needs(config: TrainingConfig) -> Iterator[str]:
    if config.uses_features:
        yield f"features {', '.join(config.model['feature_names'])}"
    elif config.train_on != "lamem":
        yield "videos"
    if config.train_on != "videomem":
        yield "LaMem: --lamem FOLDER"
    if config.pretrained:
        yield f"weights: `{config.pretrained}`, then --init FOLDER"


def _flops(config: TrainingConfig, clips: int) -> float:
    processor = make_processor(config)
    assert processor is not None
    size = processor.crop_size if processor.do_center_crop else processor.size
    of_images = config.train_on == "lamem"
    frames = (1 if of_images else config.frames_per_clip or CLIP_SECONDS) * processor.segment_length
    with torch.device("meta"):
        model: Any = model_class(config.model["type"])(make_model_config(config))
        pixels = torch.empty(1, frames, 3, size["height"], size["width"])
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(pixel_values_videos=pixels)
    items = (0 if of_images else clips) + (0 if config.train_on == "videomem" else LAMEM_IMAGES)
    passes = sum(stage.epochs * (1 if stage.train == "head" else 3) for stage in config.stages)
    if config.cache_maps:
        passes = 1
    return float(counter.get_total_flops()) * items * passes
