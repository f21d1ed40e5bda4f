"""Random changes of training clips that leave their memorability alone."""

import numpy as np

from videomem_hf.training.config import AugmentationConfig


def augment(frames: np.ndarray, config: AugmentationConfig, generator: np.random.Generator) -> np.ndarray:
    """Change a clip `(frames, 3, height, width)` uint8 at random, all its frames alike; returns a new array.

    Every draw is made whatever the values are, so that one option does not shift the draws of another.
    """
    flip, reorder = generator.random(2)
    down, right = generator.integers(-config.shift_px, config.shift_px + 1, size=2)
    order = generator.permutation(3)
    gain = generator.uniform(1 - config.gain, 1 + config.gain, size=(3, 1, 1))
    offset = generator.uniform(-config.offset, config.offset) * 255
    if flip < config.flip:
        frames = frames[..., ::-1]
    if reorder < config.colour_order:
        frames = frames[:, order]
    frames = _shift(frames, int(down), int(right))
    if config.gain or config.offset:
        frames = np.clip(np.rint(frames * gain + offset), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(frames)


def _shift(frames: np.ndarray, down: int, right: int) -> np.ndarray:
    """Move the picture by whole pixels, repeating the edge."""
    height, width = frames.shape[-2:]
    rows = np.clip(np.arange(height) - down, 0, height - 1)
    columns = np.clip(np.arange(width) - right, 0, width - 1)
    return frames[..., rows[:, None], columns]
