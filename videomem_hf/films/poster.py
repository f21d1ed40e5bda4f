"""The frame of a clip that stands for it before it is played: memorable, sharp, and not at a cut."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from videomem_hf.films.cutting import frame_at
from videomem_hf.films.shots import Shot
from videomem_hf.films.span import Span
from videomem_hf.statistics import Floats
from videomem_hf.system import atomic_write
from videomem_hf.video.video import VideoSource

_CANDIDATES: Final = 8
_FROM_CUT_S: Final = 0.25
_LEAST_SPREAD: Final = 12.0
"""Standard deviation of grey levels below which a frame is all but empty, such as in a fade."""
_LEAST_SHARPNESS: Final = 0.4
"""As a share of the candidates' median."""
_QUALITY: Final = 92
_MEASURED_PX: Final = 480


def poster_times(times_s: Floats, scores: Floats, shots: Sequence[Shot], span: Span | None = None) -> Floats:
    """Times of the frames with the highest scores, best first.

    Args:
        times_s, scores: `(frames,)` of the sampled frames.
        shots: Of the clip; frames within 0.25 s of a cut come last, as cuts may be dissolves.
        span: The part of the clip to choose from; None: all of it.
    """
    inside = np.ones(len(times_s), bool) if span is None else (times_s >= span.start_s) & (times_s < span.end_s)
    cuts = np.array([shot.start_s for shot in shots[1:]])
    near = np.abs(np.subtract.outer(times_s, cuts)).min(axis=1) < _FROM_CUT_S if len(cuts) else np.zeros(len(times_s))
    order = np.lexsort([-scores, near])
    return times_s[order[inside[order]]]


def write_poster(source: VideoSource, path: Path, times_s: Floats) -> float:
    """Write the first of these frames that is sharp and not all but empty as a JPEG in full size; give its time.

    Args:
        source: The clip.
        path: File to write, ending in .jpg.
        times_s: In seconds, best first, at least one.

    Raises:
        VideoError: The clip cannot be decoded.
    """
    images = [frame_at(source, float(time_s)) for time_s in times_s[:_CANDIDATES]]
    qualities = np.array([_sharpness(image) for image in images])
    fits = (qualities[:, 1] >= _LEAST_SPREAD) & (qualities[:, 0] >= _LEAST_SHARPNESS * np.median(qualities[:, 0]))
    chosen = int(fits.argmax())  # the first, where none does
    with atomic_write(path) as partial:
        Image.fromarray(images[chosen]).save(partial, quality=_QUALITY)
    return float(times_s[chosen])


def _sharpness(image: np.ndarray) -> tuple[float, float]:
    """The mean square of second differences of grey levels, and the standard deviation of the levels."""
    picture = Image.fromarray(image).convert("L")
    picture.thumbnail((_MEASURED_PX, _MEASURED_PX))
    grey = np.asarray(picture, np.float64)
    across, down = np.diff(grey, 2, axis=1), np.diff(grey, 2, axis=0)
    return float((across**2).mean() + (down**2).mean()) if min(grey.shape) > 2 else 0.0, float(grey.std())
