"""Frames at the size that a network takes, by Pillow; without PyTorch, so that exported networks get the same."""

from collections.abc import Mapping
from typing import Final

import numpy as np
from PIL import Image

LONGEST_ASPECT: Final = 16
"""Of frames that are resized by their shortest edge: what lies beyond, at both ends of the long side, is cut off."""


def resize_frame(frame: np.ndarray, size: Mapping[str, int | None], resample: int) -> np.ndarray:
    """Resize one frame `(height, width, 3)`; with a shortest edge, the other is rounded down as torchvision does.

    Args:
        frame: uint8 RGB.
        size: "height" and "width", or "shortest_edge"; what is None or 0 is not given.
        resample: Pillow's number of a filter.

    Raises:
        ValueError: `size` gives something else.
    """
    given = {name: value for name, value in size.items() if value}
    if given.keys() == {"shortest_edge"}:
        frame = _middle(frame)
        height, width = frame.shape[:2]
        edge, short = given["shortest_edge"], min(height, width)
        target = (edge * width // short, edge * height // short)
    elif given.keys() == {"height", "width"}:
        target = (given["width"], given["height"])
    else:
        raise ValueError(f"size must give height and width, or shortest_edge, and nothing else; got {given}")
    return np.array(Image.fromarray(frame).resize(target, resample))


def _middle(frame: np.ndarray) -> np.ndarray:
    """Cut off what is longer than `LONGEST_ASPECT` times the short side, at both ends alike."""
    longest = LONGEST_ASPECT * min(frame.shape[:2])
    top, left = (max(0, (side - longest) // 2) for side in frame.shape[:2])
    return frame[top : top + longest, left : left + longest]
