"""Clips of random frames with random labels: what the training benchmarks train on."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from videomem_hf.data.scored_clips import Clips
from videomem_hf.models import model_class
from videomem_hf.training.config import TrainingConfig
from videomem_hf.training.examples import Collator, TrainingClips
from videomem_hf.training.loop import StopRequest, TrainingLoop
from videomem_hf.training.setup import make_accelerator, make_model_config, make_processor
from videomem_hf.video.frame_cache import FrameCache

SECONDS = 7
"""Length of VideoMem's clips, whose frames are taken once per second."""


def random_batch(config: TrainingConfig, device: str) -> dict[str, torch.Tensor]:
    """Clips of random frames with random labels, as large as the recipe's."""
    processor = make_processor(config)
    assert processor is not None
    height, width = input_shape(processor)
    frames = (config.frames_per_clip or SECONDS) * processor.segment_length
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randn(config.batch_size, frames, 3, height, width, generator=generator)
    return {"pixel_values_videos": pixels.to(device), "labels": torch.rand(config.batch_size, 2).to(device)}


def input_shape(processor: Any) -> tuple[int, int]:
    """Height and width of the frames that a processor gives."""
    size = processor.crop_size if processor.do_center_crop else processor.size
    return size["height"], size["width"]


class RandomFrames(FrameCache):
    """Frames that are drawn at random, `(7 segments of frames, 3, height, width)` uint8 per clip."""

    def __init__(self, folder: Path, processor: Any) -> None:
        super().__init__(folder, processor)
        self._shape = (SECONDS * processor.segment_length, 3, *input_shape(processor))

    def pieces(self, source: Any) -> Iterator[np.ndarray]:
        """Draw the frames of a clip; its file holds the seed."""
        seed = int(Path(source).read_text())
        yield np.random.default_rng(seed).integers(0, 256, self._shape, dtype=np.uint8)


def make_loop(
    config: TrainingConfig, folder: Path, steps: int, validate: Callable[[Any], dict[str, float]] = lambda _: {}
) -> TrainingLoop:
    """The package's training loop on random frames with random labels, as many clips as `steps` batches need."""
    clips = steps * config.batch_size
    processor = make_processor(config)
    cache = RandomFrames(folder / "frames", processor)
    sources = [folder / f"{index}.seed" for index in range(clips)]
    for index, source in enumerate(sources):
        source.write_text(str(index))
    cache.fill(sources, progress=False)
    generator = np.random.default_rng(0)
    scored = Clips(
        [source.stem for source in sources], list(sources), generator.random((clips, 2)), np.full((clips, 2), 38.0)
    )
    accelerator = make_accelerator(config)
    torch.manual_seed(config.seed)
    model = model_class(config.model["type"])(make_model_config(config))
    assert processor is not None
    examples = TrainingClips(
        scored, cache, config.seed, config.frames_per_clip, config.augmentation, processor.segment_length
    )
    return TrainingLoop(
        config, accelerator, model.to(accelerator.device), examples, clips, Collator(processor),
        validate, StopRequest(), progress=False,
    )  # fmt: skip
