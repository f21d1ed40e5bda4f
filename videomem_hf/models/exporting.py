"""What a predictor is exported as: networks with named inputs and outputs, for engines other than PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from .export_names import ATTENTIONS, CLIP_PART, FEATURES, MODEL_PART, OUTPUTS, PIXELS

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class ExportPart:
    """A network that is written to a file of its own.

    Attributes:
        name: "model", which has all outputs; or "clip", which continues from the features of a whole clip.
        network: Takes tensors in the order of `inputs`, and returns a tuple in the order of `outputs`.
        inputs: Name to an example.
        axes: Name of an input to its axes; those with a name may have any size.
        outputs: Names, keys of `OUTPUTS` unless an exporter adds others.
    """

    name: str
    network: nn.Module
    inputs: Mapping[str, torch.Tensor]
    axes: Mapping[str, tuple[str | int, ...]]
    outputs: tuple[str, ...]


class ClipNetwork(nn.Module):
    """A model of frames, from pixels to all its outputs at once.

    Args:
        model: The predictor, in evaluation mode.
        pixels: `(batch, frames, 3, height, width)`, an example of its input.
    """

    def __init__(self, model: Any, pixels: torch.Tensor) -> None:
        super().__init__()
        self.model = model
        self.keeps_features = bool(model.weighs_frames or getattr(model, "gives_intervals", False))
        fixed = hasattr(model.config, "image_size") or _has_fixed_backbone(model)
        sides = pixels.shape[-2:] if fixed else ("height", "width")
        found = self._found(pixels)
        self.names = tuple(name for name in OUTPUTS if found.get(name) is not None)
        axes = {PIXELS: ("batch", "frames", 3, *sides)}
        self.part = ExportPart(MODEL_PART, self, {PIXELS: pixels}, axes, self.names)

    def forward(self, pixel_values_videos: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Give the outputs that the model has, in the order of `OUTPUTS`."""
        found = self._found(pixel_values_videos)
        return tuple(found[name] for name in self.names)

    def _found(self, pixels: torch.Tensor) -> dict[str, Any]:
        asked = {"output_attentions": True} if self.model.has_attention else {}
        if not self.keeps_features:
            return dict(self.model(pixel_values_videos=pixels, **asked))
        length = getattr(self.model.config, "segment_length", 0)
        frames = pixels.unflatten(1, (-1, length)).transpose(2, 3) if length else pixels
        kept, maps = self.model.embed_frames(frames.flatten(0, 1).to(self.model.dtype), self.model.has_attention)
        features = kept.unflatten(0, frames.shape[:2])
        attentions = None if maps is None else maps.unflatten(0, frames.shape[:2])
        return dict(self.model(features=features)) | {FEATURES: features, ATTENTIONS: attentions}


class ClipPart(nn.Module):
    """A model from the features of all frames of a clip to its scores."""

    def __init__(self, model: Any, names: tuple[str, ...]) -> None:
        super().__init__()
        self.model, self.names = model, names

    @classmethod
    def of(cls, model: Any, network: ClipNetwork) -> tuple[ExportPart, ...]:
        """The part, of a model that keeps features."""
        if not network.keeps_features:
            return ()
        with torch.no_grad():
            features = network._found(network.part.inputs[PIXELS])[FEATURES].float()
        names = tuple(name for name in network.names if name not in (FEATURES, ATTENTIONS))
        axes = {FEATURES: ("batch", "frames", features.shape[2])}
        return (ExportPart(CLIP_PART, cls(model, names), {FEATURES: features}, axes, names),)

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Give the outputs that do not need the frames."""
        output = self.model(features=features)
        return tuple(output[name] for name in self.names)


class ColumnNetwork(nn.Module):
    """A model of features or views, which are its inputs by their names.

    Args:
        model: The predictor.
        argument: Of its `forward`, that takes the columns.
        sizes: Name of a column to its numbers per clip.
    """

    def __init__(self, model: PreTrainedModel, argument: str, sizes: Mapping[str, int]) -> None:
        super().__init__()
        self.model, self.argument, self.columns = model, argument, tuple(sizes)
        examples = {
            name: torch.rand(3, size, generator=torch.Generator().manual_seed(0)) for name, size in sizes.items()
        }
        with torch.no_grad():
            found = dict(self._output(examples.values()))
        self.names = tuple(name for name in OUTPUTS if found.get(name) is not None)
        axes: dict[str, tuple[str | int, ...]] = {name: ("batch", size) for name, size in sizes.items()}
        self.part = ExportPart(MODEL_PART, self, examples, axes, self.names)

    def forward(self, *columns: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Give the outputs that the model has, in the order of `OUTPUTS`, for columns `(batch, size)`."""
        output = self._output(columns)
        return tuple(output[name] for name in self.names)

    def _output(self, columns: Any) -> Any:
        return self.model(**{self.argument: dict(zip(self.columns, columns, strict=True))})


def _has_fixed_backbone(model: Any) -> bool:
    """Whether a backbone inside takes frames of one size: its configuration names it, or the module says so."""
    config = model.config
    if any(getattr(module, "fixed_size", False) for module in model.modules()):
        return True
    if getattr(config, "backbone", None) and hasattr(config, "frame_config"):
        return hasattr(config.frame_config(), "image_size")
    return "image_size" in (getattr(config, "base_config", None) or {})
