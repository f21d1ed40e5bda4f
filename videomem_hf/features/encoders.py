"""Features of any encoder of transformers or timm, `hf:MODEL` or `timm:NAME`: one vector per clip or three frames.

An image encoder sees one frame per second (at most 64, evenly spread), prepared by its own processor. A frame's vector
is the encoder's pooled output where it has one (CLIP's and SigLIP's: the image embedding), else the mean over its last
layer's tokens or positions; timm's is the input of the network's classifier. A clip's is the mean over its frames.
`hf-frames:` and `timm-frames:` give the vectors of the three frames that the release describes, one file each.

A video encoder sees as many frames as it was trained on, evenly spread over the clip.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Literal

import numpy as np
from PIL import Image

from videomem_hf.schema import InputError, short_message

from .clips import Clip, Picture
from .extras import library
from .spec import Collector, FrameTransform, Network, NetworkSpec, compute_rows, evenly_spaced, split_by_clip

Library = Literal["hf", "timm"]

_FRAMES_AT_ONCE = 64
_MOST_LINES = 1080


@dataclass(frozen=True)
class EncoderSpec(NetworkSpec):
    """Features of a pretrained encoder.

    Attributes:
        library: Which holds it: transformers ("hf") or timm.
        model: A name on the hub or a folder; for timm a name, `hf-hub:NAME` or `local-dir:FOLDER`.
        single_frames: Whether three frames are described rather than the clip.
    """

    library: Library = "hf"
    model: str = ""
    single_frames: bool = False

    def check(self) -> None:
        if self.single_frames and self._segment_length:
            raise InputError(f"{self.name}: this model sees whole clips, not frames; write hf:{self.model}")
        self.collector(Clip("", 1))  # loads what prepares the frames

    @property
    def _segment_length(self) -> int | None:
        return _segment_length(self.model) if self.library == "hf" else None

    def frames(self, clip: Clip) -> Sequence[int]:
        return evenly_spaced(clip, self._segment_length) if self._segment_length else super().frames(clip)

    def collector(self, clip: Clip) -> Collector:
        return _WholeClip(self.model) if self._segment_length else super().collector(clip)

    def frame_transform(self) -> FrameTransform:
        return _hf_transform(self.model) if self.library == "hf" else timm_transform(self.model)

    def load(self, device: str) -> Network:
        if self.library == "timm":
            return partial(frame_vectors, _timm_model(self.model).to(device), device, self.single_frames)
        model = _hf_load(self.model, "AutoModel").to(device).eval().requires_grad_(False)
        if self._segment_length:
            return partial(_clip_vectors, model)
        return partial(frame_vectors, partial(_hf_vectors, model), device, self.single_frames)


class _WholeClip:
    """Keeps a video encoder's frames, shrunk to 1080 lines where they have more, and prepares them together."""

    def __init__(self, model: str) -> None:
        self.processor = _video_processor(model)
        self.kept: list[np.ndarray] = []

    def add(self, picture: Picture) -> None:
        image = Image.fromarray(picture.rgb)
        image.thumbnail((image.width, _MOST_LINES), Image.Resampling.BILINEAR)
        self.kept.append(np.array(image))

    def values(self) -> list[Any]:
        prepared = self.processor(self.kept, return_tensors="pt")
        name = next(name for name in ("pixel_values_videos", "pixel_values") if name in prepared)
        return [prepared[name][0].numpy()]


def _hf_load(model: str, auto: str) -> Any:
    """Load something by a class of transformers named `auto`."""
    import transformers
    from safetensors import SafetensorError

    try:
        return getattr(transformers, auto).from_pretrained(model)
    except (OSError, ValueError, RuntimeError, ImportError, SafetensorError) as error:
        raise InputError(
            f"hf:{model}: no model can be loaded from it ({short_message(error)}); give a name on the hub or a folder"
        ) from None


@cache
def _segment_length(model: str) -> int | None:
    """Tell how many frames a video encoder sees; None for an image encoder."""
    config = _hf_load(model, "AutoConfig")
    config = getattr(config, "vision_config", None) or config
    return getattr(config, "num_frames", None) or getattr(config, "frames_per_clip", None)


@cache
def _video_processor(model: str) -> Any:
    """Return a video encoder's processor; that of some is one of images that takes a list of them."""
    try:
        return _hf_load(model, "AutoVideoProcessor")
    except InputError:
        return _hf_load(model, "AutoImageProcessor")


@cache
def _hf_transform(model: str) -> FrameTransform:
    processor = _hf_load(model, "AutoImageProcessor")
    return lambda rgb: processor(images=Image.fromarray(rgb), return_tensors="np")["pixel_values"][0]


def _hf_vectors(model: Any, pixels: Any) -> Any:
    """Encode frames `(frames, 3, height, width)` as `(frames, size)`."""
    if hasattr(model, "get_image_features"):
        output = model.get_image_features(pixel_values=pixels)
        return output if not hasattr(output, "pooler_output") else output.pooler_output.flatten(1)
    return _pool(model(pixel_values=pixels))


def _pool(output: Any) -> Any:
    """Return the pooled output, else the mean of tokens `(n, tokens, size)` or positions `(n, size, rows, columns)`."""
    if getattr(output, "pooler_output", None) is not None:
        return output.pooler_output.flatten(1)
    last = output.last_hidden_state
    return last.mean(dim=1) if last.ndim == 3 else last.flatten(2).mean(dim=2)


def _clip_vectors(model: Any, clips: list[list[Any]]) -> list[list[np.ndarray]]:
    def encode(pixels: Any) -> Any:
        return _pool(model(**{model.main_input_name: pixels}))

    return [[row] for row in compute_rows(encode, [clip[0] for clip in clips], model.device)]


def frame_vectors(
    encode: Callable[[Any], Any], device: str, single_frames: bool, clips: list[list[Any]]
) -> list[list[np.ndarray]]:
    """Encode the frames of all clips together, a limited number at a time; gives each clip's mean, or its frames."""
    frames = [frame for clip in clips for frame in clip]
    starts = range(0, len(frames), _FRAMES_AT_ONCE)
    parts = [compute_rows(encode, frames[start : start + _FRAMES_AT_ONCE], device) for start in starts]
    vectors = split_by_clip(np.concatenate(parts), clips)
    return [list(rows) if single_frames else [rows.mean(axis=0)] for rows in vectors]


def _timm_model(name: str, weights: bool = True) -> Any:
    timm = library("timm", f"timm:{name}")
    try:
        return timm.create_model(name, pretrained=weights, num_classes=0).eval().requires_grad_(False)
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(
            f"timm:{name}: cannot be loaded ({short_message(error)}); give a name of timm's with pretrained weights, "
            "hf-hub:NAME or local-dir:FOLDER"
        ) from None


@cache
def timm_transform(name: str) -> FrameTransform:
    """Return the transform of frames for a network of timm."""
    model = _timm_model(name, weights=False)
    data = library("timm.data", f"timm:{name}")
    transform = data.create_transform(**data.resolve_data_config({}, model=model))
    return lambda rgb: transform(Image.fromarray(rgb)).numpy()
