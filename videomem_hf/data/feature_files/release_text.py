"""Features as text, in the release's formats (see `videomem_hf.data.feature_files.text`, which reads them)."""

import numpy as np
from numpy.typing import NDArray

from videomem_hf.schema import InputError


def format_numbers(values: NDArray[np.float64]) -> bytes:
    """Write LBP or HOG: numbers with 8 decimals, a space between, a newline."""
    return format_c3d(values)[:-1] + b"\n"


def format_c3d(values: NDArray[np.float64]) -> bytes:
    """Write C3D: numbers with 8 decimals, a space after each, no newline."""
    return ("%.8f " * len(values) % tuple(values.tolist())).encode("ascii")


def format_lbp(values: NDArray[np.float64]) -> bytes:
    """Write LBP as released: a pattern that never occurs is left out, so that the line is shorter."""
    return format_numbers(values[values > 0])


def format_hmp(values: NDArray[np.float64]) -> bytes:
    """Write HMP: `bin:value` of the bins that are not 0, counted from 1, 6 decimals, a newline.

    All zeros raise an InputError: no file of the release looks so, and none can be read.
    """
    bins = np.flatnonzero(values)
    if not len(bins):
        raise InputError("every block of every frame is uniform and still, so that no motion pattern is counted")
    pairs = zip((bins + 1).tolist(), values[bins].tolist(), strict=True)
    return (" ".join(f"{index}:{value:.6f}" for index, value in pairs) + "\n").encode("ascii")


def format_inceptionv3(values: NDArray[np.float64]) -> bytes:
    """Write InceptionV3: `class:activation` of those above 0, counted from 0, `%e`, a space after each, a newline."""
    classes = np.flatnonzero(values > 0)
    pairs = zip(classes.tolist(), values[classes].tolist(), strict=True)
    return ("".join(f"{index}:{value:e} " for index, value in pairs) + "\n").encode("ascii")


def format_histogram(counts: NDArray[np.int64]) -> bytes:
    """Write ColorHistogram: one line per channel, `level:count ` from its smallest level to its largest."""
    lines = []
    for channel in counts:
        present = np.flatnonzero(channel)
        levels = range(int(present[0]), int(present[-1]) + 1)
        lines.append("".join(f"{level}:{channel[level]} " for level in levels) + "\n")
    return "".join(lines).encode("ascii")


def format_digits(values: NDArray[np.floating]) -> bytes:
    """Write features that are not the release's: numbers with 8 significant digits, a space between, a newline."""
    return (" ".join(f"{value:.8g}" for value in values.ravel().tolist()) + "\n").encode("ascii")
