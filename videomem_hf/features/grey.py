"""Grey of a frame, as the release's texture features saw it and as it should be.

The release's frames were written to image files with red and blue exchanged, and read again as if they had not been:
all its features of single frames (LBP, HOG, ORB, colour histograms, InceptionV3) are of frames with exchanged colours.
The public code of 2018 that extracts them (video_image_features) shows how: OpenCV's reader gives blue, green, red,
Pillow saves that as red, green, blue, and OpenCV's whole-number conversion makes it grey.
"""

from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

Order = Literal["exchanged", "true"]
Bits = Literal[14, 15]

_WEIGHTS: Final[dict[int, tuple[int, int, int]]] = {15: (9798, 19235, 3735), 14: (4899, 9617, 1868)}
"""0.299, 0.587 and 0.114 (BT.601) times 2^bits, as OpenCV rounds them."""


def grey(rgb: NDArray[np.uint8], order: Order = "exchanged", bits: Bits = 14) -> NDArray[np.uint8]:
    """Convert a frame to grey with OpenCV's whole-number arithmetic.

    Args:
        rgb: `(height, width, 3)` uint8: red, green, blue.
        order: "exchanged" takes red for blue and blue for red, as released; "true" does not.
        bits: Precision of the weights: 14 as in OpenCV 3, with which the release was made (15 of 15 released LBP files
            come out equal in every printed digit; with 15 bits 3 of 15), 15 as in OpenCV 4 and 5 (equal for every
            colour), whose grey differs by 1 for three colours in a thousand.

    Returns:
        `(height, width)` uint8.
    """
    weights = _WEIGHTS[bits]
    first, green, last = weights if order == "true" else weights[::-1]
    total = rgb[..., 0] * np.uint32(first)
    total += rgb[..., 1] * np.uint32(green)
    total += rgb[..., 2] * np.uint32(last)
    total += np.uint32(1 << (bits - 1))
    total >>= np.uint32(bits)
    return total.astype(np.uint8)
