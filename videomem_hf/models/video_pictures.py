"""Pictures that Pillow reads, still or animated, as the frames of a clip: upright, over black, in their own colours."""

import re
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from fractions import Fraction
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np
from PIL import ExifTags, Image, ImageOps, ImageSequence

from .video_display import MAX_PIXELS, Screen, over_black

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

MAX_ANIMATION_PIXELS: Final = MAX_PIXELS // 4
"""Of GIF, WebP and the like, whose black pictures compress a thousandfold, and whose decoders keep several."""
PILLOW_ERRORS: Final = (
    OSError, EOFError, ValueError, RuntimeError, SyntaxError, ArithmeticError, LookupError, AttributeError, TypeError,
    struct.error, Image.DecompressionBombError,
)  # fmt: skip
"""What Pillow raises of damaged files, and of files that are closed."""
_SIGNATURES: Final = re.compile(
    rb"RIFF....WEBP|....ftypavi[fs]|\xff\xd8\xff|\x89PNG|BM....\0\0\0\0|II\*\0|MM\0\*", re.S
)
_SEVERAL: Final = re.compile(rb"\xff\xd9\xff\xd8\xff[^\xe1\xe2]|IEND\xaeB`\x82\x89PNG|acTL")
"""Pictures joined to a stream, and animated PNG, which are FFmpeg's to read."""
_COLOURS: Final = re.compile(rb"colrnclx\0(.)\0(.)|cICP(.)(.)", re.S)
"""Primaries and transfer characteristics (ITU-T H.273) in AVIF (ISO 14496-12, 12.1.5) and in PNG."""
_HEAD_BYTES: Final = 1 << 16
_ANIMATED: Final = ("GIF", "PNG", "WEBP", "AVIF")
"""Formats whose pictures follow each other in time; those of others are pages, or one picture in several sizes."""
_DEFAULT_MS: Final = 100


def open_picture(file: BinaryIO) -> Image.Image | None:
    """Open a still picture, animated WebP or AVIF with Pillow; None for anything else, and what only FFmpeg reads.

    A file that is cut off gives the pictures before the cut, where its format allows that.
    """
    head = file.read(_HEAD_BYTES)
    file.seek(0)
    if not _SIGNATURES.match(head) or (head[:1] != b"R" and _SEVERAL.search(file.read(1 << 26))):
        file.seek(0)
        return None
    for complete in (False, True) if head[:4] == b"RIFF" else (False,):
        with suppress(*PILLOW_ERRORS):
            opened = BytesIO(_complete_chunks(file)) if complete else file
            opened.seek(0)
            return _open(opened)
    file.seek(0)
    return None


def _open(file: BinaryIO) -> Image.Image:
    """Return the picture, decoded if it is a still one; raises one of `PILLOW_ERRORS` for what FFmpeg should read.

    That includes large photos, for which FFmpeg takes less memory.
    """
    with without_pillow_warnings():
        picture = Image.open(file)
        if number_of_pictures(picture) == 1:
            if picture.width * picture.height > MAX_ANIMATION_PIXELS:
                raise ValueError("a large photo")
            picture.load()
        return picture


def _complete_chunks(file: BinaryIO) -> bytes:
    """What is whole of a WebP file that was cut off (RFC 9649, 2.3); Pillow refuses the rest."""
    file.seek(0)
    data = file.read()
    end = 12
    while end + 8 <= len(data):
        length = int.from_bytes(data[end + 4 : end + 8], "little")
        if end + 8 + length > len(data):
            break
        end += 8 + length + length % 2
    return data[:4] + struct.pack("<I", min(end, len(data)) - 8) + data[8:end]


@contextmanager
def without_pillow_warnings() -> Iterator[None]:
    """Keep Pillow's warnings of large and damaged images to ourselves: limits and errors of ours say the same."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


def number_of_pictures(picture: Image.Image) -> int:
    """How many pictures follow each other in time."""
    return getattr(picture, "n_frames", 1) if picture.format in _ANIMATED else 1


def picture_frames(picture: Image.Image, file: BinaryIO | None = None) -> Iterator["VideoFrame"]:
    """Yield the pictures of an animation, or a still one, as frames with their times; leaves `picture` as it was.

    Args:
        picture: As Pillow opened it, or made by the user.
        file: The file that it was opened from, where its beginning can be read.
    """
    colours = _colours(picture, file)
    if number_of_pictures(picture) == 1:
        yield _to_frame(picture, colours)
        return
    time_ms, position = 0, picture.tell()
    first = 1 if picture.info.get("default_image") else 0  # of APNG, for programs that do not know it
    try:
        for each in islice(ImageSequence.Iterator(picture), first, None):
            each.load()
            frame = _to_frame(each, colours)
            frame.pts, frame.time_base = time_ms, Fraction(1, 1000)
            frame.duration = round(each.info.get("duration", 0)) or _DEFAULT_MS
            time_ms += frame.duration
            yield frame
    finally:
        picture.seek(position)


def largest_level(picture: Image.Image) -> float:
    """The largest value of a picture in a mode whose range is not known, `I` or `F`; 0 of others."""
    return float(np.nan_to_num(np.asarray(picture, np.float64)).max()) if picture.mode in ("I", "F") else 0.0


def to_rgb(picture: Image.Image, brightest: float = 0.0) -> np.ndarray:
    """Convert a picture of any mode to `(height, width, 3)` uint8 RGB, as it is scored from a file.

    `brightest` is the `largest_level` of all frames of the clip, which says the range of modes `I` and `F`.
    """
    colours = _colours(picture)
    if colours is None:
        return _pixels(_upright(picture), brightest)
    frame = _to_frame(picture, colours)
    return Screen(frame).rgb(frame)


def _to_frame(picture: Image.Image, colours: tuple[int, int] | None) -> "VideoFrame":
    """Convert a picture to a frame, upright by its Exif, with the colours of its file; over black if it has none."""
    import av

    with without_pillow_warnings():
        turned = _upright(picture)
        if colours and turned.has_transparency_data:  # blended when the colours are converted
            frame = av.VideoFrame.from_ndarray(np.asarray(turned.convert("RGBA")), format="rgba")
        else:
            frame = av.VideoFrame.from_ndarray(_pixels(turned), format="rgb24")
    if colours:
        frame.color_primaries, frame.color_trc = colours
    return frame


def _upright(picture: Image.Image) -> Image.Image:
    try:
        turned = picture.getexif().get(ExifTags.Base.Orientation, 1) in range(2, 9)
    except PILLOW_ERRORS:  # damaged Exif
        return picture
    return ImageOps.exif_transpose(picture) if turned else picture


def _pixels(picture: Image.Image, brightest: float = 0.0) -> np.ndarray:
    """Levels of 16 bits keep their upper 8. `I` is of 8 bits up to 255, else 16; `F` is from 0 to 1, or to 255."""
    if picture.mode.startswith("I") or picture.mode == "F":
        levels = np.nan_to_num(np.asarray(picture, dtype=np.float64))
        largest = max(levels.max(), brightest)
        if picture.mode == "F":
            levels = levels * 255 if largest <= 1 else levels
        elif picture.mode != "I" or largest > 255:
            levels = levels / 257
        return np.repeat(np.clip(levels.round(), 0, 255).astype(np.uint8)[..., None], 3, axis=2)
    if picture.mode == "La":  # which converts to nothing else
        picture = picture.convert("LA")
    if picture.has_transparency_data:
        return over_black(np.asarray(picture if picture.mode == "RGBA" else picture.convert("RGBA")))
    return np.asarray(picture if picture.mode == "RGB" else picture.convert("RGB"))


def _colours(picture: Image.Image, file: Any = None) -> tuple[int, int] | None:
    """Primaries and transfer characteristics by the picture's file; None where it says nothing or is gone."""
    if picture.format not in ("AVIF", "PNG"):
        return None
    name = getattr(picture, "filename", "")
    opened: Any
    try:
        with Path(name).open("rb") if name else nullcontext(file or getattr(picture, "fp", None)) as opened:
            position = opened.tell()
            opened.seek(0)
            found = _COLOURS.search(opened.read(_HEAD_BYTES))
            opened.seek(position)
    except PILLOW_ERRORS:
        return None
    return ((found[1] or found[3])[0], (found[2] or found[4])[0]) if found else None
