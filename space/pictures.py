"""Images as addresses, and the colours of maps."""

import base64
import io
from functools import cache

import numpy as np
from PIL import Image

MIDDLE_GREY = 110


def picture_uri(image: np.ndarray, side: int) -> str:
    """An image as a JPEG in an address, no longer than `side` on either side."""
    picture = Image.fromarray(image)
    picture.thumbnail((side, side), Image.Resampling.BILINEAR)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=82)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


def _colours(levels: int, kind: str = "saliency") -> np.ndarray:
    """The colours of saliency maps from 0 to the peak, or of changes from low to high: `(levels, 3)`, 0 to 255."""
    from matplotlib import colormaps

    from videomem_hf.analysis import style

    name = style.SALIENCY_COLOURS if kind == "saliency" else style.CHANGE_COLOURS
    return colormaps[name](np.linspace(0, 1, levels))[:, :3] * 255


@cache
def palette() -> str:
    """The colours of 256 levels as bytes of red, green and blue."""
    return base64.b64encode(_colours(256).round().astype(np.uint8).tobytes()).decode()


def map_opacity(kind: str = "saliency") -> float:
    """How opaque a map is over its frame at its peak, or at the largest change."""
    from videomem_hf.analysis import style

    return style.SALIENCY_OPACITY if kind == "saliency" else style.CHANGE_OPACITY


@cache
def css_gradient(kind: str) -> str:
    """The colours of maps as they look over a grey of medium brightness, for CSS."""
    shares = np.linspace(0, 1, 9)[:, None]
    opacity = map_opacity(kind) * (shares if kind == "saliency" else np.abs(2 * shares - 1))
    colours = MIDDLE_GREY + (_colours(9, kind) - MIDDLE_GREY) * opacity
    stops = ", ".join(f"rgb({r:.0f} {g:.0f} {b:.0f})" for r, g, b in colours)
    return f"linear-gradient(to right, {stops})"
