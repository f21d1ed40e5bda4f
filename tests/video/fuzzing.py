"""Makes small files of many formats, and damages them by recipes from which each can be made again."""

import random
from io import BytesIO
from pathlib import Path
from typing import Any

import av
from PIL import Image, features

from .encoding import encode, scene

FRAMES = 14
WIDTH, HEIGHT = 64, 36
ENCODED: dict[str, tuple[str, str, dict[str, Any]]] = {
    "h264.mp4": ("libx264", "yuv420p", {}),
    "hevc.mp4": ("libx265", "yuv420p", {"options": {"x265-params": "log-level=none:pools=none"}}),
    "fragments.mp4": ("libx264", "yuv420p", {"container_options": {"movflags": "frag_keyframe+empty_moov"}}),
    "prores.mov": ("prores_ks", "yuv422p10le", {}),
    "mjpeg.mov": ("mjpeg", "yuvj420p", {}),
    "png.mov": ("png", "rgb24", {}),
    "ffv1.mkv": ("ffv1", "yuv420p", {}),
    "sound.mkv": ("libx264", "yuv420p", {"silence_s": (0, 1)}),
    "vp8.webm": ("libvpx", "yuv420p", {}),
    "vp9.webm": ("libvpx-vp9", "yuv420p", {}),
    "mpeg4.avi": ("mpeg4", "yuv420p", {}),
    "mjpeg.avi": ("mjpeg", "yuvj420p", {}),
    "h264.ts": ("libx264", "yuv420p", {}),
    "mpeg2.ts": ("mpeg2video", "yuv420p", {}),
    "raw.h264": ("libx264", "yuv420p", {}),
    "encoded.gif": ("gif", "rgb8", {}),
}
"""Codec, pixel format and other arguments of `encode`."""
X264 = {"g": "6", "bf": "2"}
"""With longer groups of pictures its output differs from run to run."""
DRAWN = {
    "animated.gif": {"duration": 80},
    "animated.webp": {"duration": 80},
    "animated.avif": {"duration": 80, "speed": 10},
    "animated.png": {"duration": 80},
    "still.png": None,
    "still.jpg": None,
    "still.webp": None,
    "still.tiff": None,
}
"""Options of Pillow for animations."""

Operation = tuple[str, *tuple[int | str, ...]]
_NUMBERS = (0, 1, 2, 7, 255, 256, 65535, 100_000, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFE, 0xFFFF_FFFF)
_KINDS = ("flip", "byte", "number", "cut", "repeat", "splice", "end")
_WEIGHTS = (6, 4, 6, 2, 2, 2, 1)


def make_bases(folder: Path) -> dict[str, bytes]:
    """Make the undamaged files that this machine's encoders can make, by name; the same bytes each time."""
    pictures = [scene(i, WIDTH, HEIGHT) for i in range(FRAMES)]
    bases = {}
    for name, (codec, pix_fmt, others) in ENCODED.items():
        if codec in av.codecs_available:
            arguments = {**others, "container_options": {"fflags": "bitexact", **others.get("container_options", {})}}
            arguments["options"] = {"threads": "1", **(X264 if codec == "libx264" else {}), **others.get("options", {})}
            bases[name] = encode(folder / name, pictures, codec, pix_fmt, **arguments).read_bytes()
    for name, options in DRAWN.items():
        if name.endswith("avif") and not features.check("avif"):
            continue
        first, *others = map(Image.fromarray, pictures)
        content, form = BytesIO(), name.split(".")[1].replace("jpg", "jpeg")
        first.save(content, form, **({} if options is None else {"save_all": True, "append_images": others, **options}))
        bases[name] = content.getvalue()
    return bases


def draw_recipe(seed: int, number: int, bases: dict[str, bytes]) -> tuple[str, list[Operation]]:
    """Draw a base and one to six operations on it, which depend on nothing but the arguments."""
    draw = random.Random(f"{seed}/{number}")
    base = sorted(bases)[number % len(bases)]
    size, operations = len(bases[base]), []
    for _ in range(draw.choice((1, 1, 2, 3, 4, 6))):
        kind = draw.choices(_KINDS, _WEIGHTS)[0]
        position = draw.randrange(min(size, 1500)) if draw.random() < 0.4 else draw.randrange(size)
        if draw.random() < 0.2:
            position = max(0, size - 1 - draw.randrange(1500))  # indexes are at the beginning or at the end
        length = draw.choice((1, 4, 16, 64, draw.randrange(1, size + 1)))
        parameters: dict[str, tuple[int | str, ...]] = {
            "flip": (draw.randrange(8),),
            "byte": (draw.randrange(256),),
            "number": (draw.choice(_NUMBERS), draw.choice((2, 4, 8)), draw.choice(("big", "little"))),
            "cut": (length,),
            "repeat": (length, draw.choice((1, 2, 20))),
            "splice": (draw.choice(sorted(bases)), draw.randrange(size), length),
            "end": (),
        }
        operations.append((kind, position, *parameters[kind]))
    return base, operations


def damage(base: str, operations: list[Operation], bases: dict[str, bytes]) -> bytes:
    """Apply operations to a base: make the file of a recipe (again)."""
    data = bytearray(bases[base])
    for kind, at, *parameters in operations:
        at %= len(data) or 1
        match kind, parameters:
            case "flip", [bit] if data:
                data[at] ^= 1 << bit
            case "byte", [value]:
                data[at : at + 1] = bytes([value])
            case "number", [value, length, order]:
                data[at : at + length] = (value % (1 << 8 * length)).to_bytes(length, order)
            case "cut", [length]:
                del data[at : at + length]
            case "repeat", [length, times]:
                data[at:at] = data[at : at + length][:4096] * times
            case "splice", [other, start, length]:
                data[at : at + length] = bases[other][start : start + length]
            case "end", []:
                del data[at:]
    return bytes(data)
