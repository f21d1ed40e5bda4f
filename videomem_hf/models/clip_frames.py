"""From clips to their frames and back: the input of a `forward`, its mask, its segments, and what frames gave."""

from typing import Final

import torch

_PIXELS: Final[tuple[str | int, ...]] = ("batch", "frames", 3, "height", "width")
_FEATURES: Final[tuple[str | int, ...]] = ("batch", "frames", "size")


def only_input(frame_mask: torch.Tensor | None, map_channels: int = 0, **inputs: torch.Tensor | None) -> torch.Tensor:
    """The one given input of a `forward`: `pixel_values_videos`, `features`, or `frame_maps` of so many channels.

    Raises a ValueError if none or several are given, or it or its mask has a wrong shape.
    """
    given = {name: values for name, values in inputs.items() if values is not None}
    if len(given) != 1:
        raise ValueError(f"give either {' or '.join(inputs)}")
    ((name, values),) = given.items()
    maps = (*_PIXELS[:2], map_channels, *_PIXELS[3:])
    axes = {"pixel_values_videos": _PIXELS, "features": _FEATURES, "frame_maps": maps}[name]
    sizes = zip(axes, values.shape, strict=False)
    if values.ndim != len(axes) or values.shape[1] == 0 or any(isinstance(a, int) and a != size for a, size in sizes):
        raise ValueError(f"expected {name} ({', '.join(map(str, axes))}), got {tuple(values.shape)}")
    frames = values.shape[:2]
    if frame_mask is not None and (frame_mask.shape != frames or frame_mask.dtype != torch.bool):
        raise ValueError(f"frame_mask must be bool {tuple(frames)}, got {frame_mask.dtype} {tuple(frame_mask.shape)}")
    return values


def check_side(pixels: torch.Tensor, side: int) -> None:
    """Refuse frames `(..., height, width)` that are not squares of this side."""
    if pixels.shape[-2:] != (side, side):
        raise ValueError(f"this model needs frames of {side} x {side} pixels, got {tuple(pixels.shape[-2:])}")


def kept_frames(source: torch.Tensor, frame_mask: torch.Tensor | None) -> torch.Tensor:
    """The frames `(n, ...)` of `(batch, frames, ...)` that a mask keeps; without one all."""
    return source.flatten(0, 1) if frame_mask is None else source[frame_mask]


def frames_at(values: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """The frames of `(batch, frames, size)` at places `(batch, n)`; unlike `take_along_dim` exported for any sizes."""
    return values.gather(1, places[..., None].expand(-1, -1, values.shape[2]))


def scatter_to_clips(values: torch.Tensor, shape: torch.Size, frame_mask: torch.Tensor | None) -> torch.Tensor:
    """Put values `(frames, ...)`, of all or of those kept, back to `shape` `(batch, frames)`, 0 for those left out."""
    if frame_mask is None:
        return values.unflatten(0, shape)
    if values.shape[0] == shape[0] * shape[1]:
        left_out = ~frame_mask.reshape(*shape, *[1] * (values.ndim - 1))
        return values.unflatten(0, shape).masked_fill(left_out, 0.0)
    return values.new_zeros(*shape, *values.shape[1:]).index_put((frame_mask,), values)


def by_frame(state: torch.Tensor, frames: int) -> torch.Tensor:
    """A hidden state with frames as its first axis; that of crops, one crop of all frames after the other, has two."""
    return state if state.shape[0] == frames else state.unflatten(0, (-1, frames)).transpose(0, 1)


def split_segments(
    pixels: torch.Tensor, length: int, frame_mask: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Cut `(batch, frames, 3, height, width)` into segments `(batch, segments, 3, length, height, width)`.

    The mask becomes `(batch, segments)`: a segment is kept if all its frames are.
    """
    if pixels.shape[1] % length:
        raise ValueError(f"the number of frames must be a multiple of {length}, got {pixels.shape[1]}")
    segments = pixels.unflatten(1, (-1, length)).transpose(2, 3)
    return segments, None if frame_mask is None else frame_mask.unflatten(1, (-1, length)).all(dim=2)
