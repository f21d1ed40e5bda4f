"""ORB: oriented corner keypoints with binary descriptors, by OpenCV, in the release's container and in a safe one.

Ethan Rublee, Vincent Rabaud, Kurt Konolige and Gary Bradski, "ORB: an efficient alternative to SIFT or SURF", ICCV
2011.
In the released files every keypoint carries the first one's descriptor, a slip in the extraction.
"""

import io
import pickle
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from videomem_hf.data.feature_files.orb import DESCRIPTOR_BYTES, FLOAT_FIELDS, INTEGER_FIELDS, Keypoints

from .extras import library

Descriptors = Literal["first", "own"]

_PICKLE_PROTOCOL: Final = 2


def orb(grey: NDArray[np.uint8], descriptors: Descriptors = "first") -> Keypoints:
    """Find a frame's keypoints in its grey `(height, width)`: at most 500, with OpenCV's defaults.

    With "first" every keypoint has the first one's descriptor, as released; with "own" each its own.
    """
    detector: Any = library("cv2", "ORB").ORB_create()
    # Detected, then described, as released: the order of the keypoints is that of the second step.
    points, found = detector.compute(grey, detector.detect(grey, None))
    floats = [(*point.pt, point.size, point.angle, point.response) for point in points]
    integers = [(point.octave, point.class_id) for point in points]
    rows = np.empty((0, DESCRIPTOR_BYTES), np.uint8) if found is None else found
    return Keypoints(
        np.array(floats, np.float64).reshape(-1, len(FLOAT_FIELDS)),
        np.array(integers, np.int32).reshape(-1, len(INTEGER_FIELDS)),
        np.repeat(rows[:1], len(rows), axis=0) if descriptors == "first" else rows,
    )


def orb_pickle(keypoints: Keypoints) -> bytes:
    """Write keypoints as the release does: a pickled list of (pt, size, angle, response, octave, class_id, descriptor).

    It holds lists, tuples, numbers and arrays of bytes, nothing else; `data.feature_files.orb.parse_orb` reads it
    without running anything.
    """
    entries = [
        ((x, y), size, angle, response, octave, class_id, descriptor)
        for (x, y, size, angle, response), (octave, class_id), descriptor in zip(
            keypoints.floats.tolist(), keypoints.integers.tolist(), keypoints.descriptors, strict=True
        )
    ]
    return pickle.dumps(entries, protocol=_PICKLE_PROTOCOL)


def orb_npz(keypoints: Keypoints) -> bytes:
    """Write keypoints as three arrays (`floats`, `integers`, `descriptors`), for `np.load` without pickles."""
    file = io.BytesIO()
    np.savez(file, floats=keypoints.floats, integers=keypoints.integers, descriptors=keypoints.descriptors)
    return file.getvalue()
