"""Image and video networks of transformers as trunks: from frames, or segments of frames, to maps."""

import inspect
from math import isqrt
from typing import Any, Final

import torch
from torch import nn

from .trunk_configs import make_config, segment_length

_MOST_PREFIX_TOKENS: Final = 16
"""Class, distillation and register tokens before those of patches."""
_SPACE_FIRST: Final = ("timesformer",)
"""Networks whose tokens of one position come together, and not those of one time."""


class TransformersTrunk(nn.Module):
    """A network of transformers without its heads; `model` has its names.

    Args:
        values: As of `resolve_config`.

    Raises:
        ValueError: It takes no frames, or gives no map of them.

    Attributes:
        channels: Of the maps.
        stride: Pixels from one cell of the maps to the next.
    """

    fixed_size = True
    """Whether an exported graph takes frames of one size only."""

    def __init__(self, values: dict[str, Any]) -> None:
        super().__init__()
        self.config = make_config(values)
        self.segment_length = segment_length(values)
        side = getattr(self.config, "image_size", None) or getattr(self.config, "crop_size", None) or 224
        self.image_size = int(max(side) if isinstance(side, list | tuple) else side)
        with torch.device("meta"):
            probe = self._build()
            self._learn_shape(probe)
            unused = self._unused(probe)
        self.model = self._build()
        _remove(self.model, unused)

    def _build(self) -> Any:
        from transformers import AutoModel  # which imports this package's files

        try:
            model = AutoModel.from_config(self.config)
        except ValueError as error:
            raise ValueError(f"{self.config.model_type}: {str(error).splitlines()[0]}") from None
        if not getattr(model, "main_input_name", "").startswith("pixel_values"):
            raise ValueError(
                f"{self.config.model_type} takes {model.main_input_name}, no frames; name a network of images"
            )
        self._argument = model.main_input_name
        taken = inspect.signature(model.forward).parameters
        self._options = {"skip_predictor": True} if "skip_predictor" in taken else {}
        self._interpolates = "interpolate_pos_encoding" in taken
        return model.train(False)

    def _learn_shape(self, probe: Any) -> None:
        """What the output is: a map, or tokens of a grid behind some others."""
        found = self._output(probe, self._example())
        if found.ndim == 4 and self.segment_length is None:
            self.channels, self.stride, self.prefix = int(found.shape[1]), self.image_size // found.shape[3], None
            return
        if found.ndim != 3:
            raise ValueError(f"{self.config.model_type} gives {tuple(found.shape)}, which is no map of a frame")
        tubelet = getattr(self.config, "tubelet_size", 1)
        in_time = int(tubelet[0] if isinstance(tubelet, list | tuple) else tubelet)
        self.steps = 1 if self.segment_length is None else self.segment_length // in_time
        patch = int(max(size) if isinstance(size := getattr(self.config, "patch_size", 1), list | tuple) else size)
        while patch <= self.image_size:
            cells = self.steps * (self.image_size // patch) ** 2
            if 0 <= found.shape[1] - cells <= _MOST_PREFIX_TOKENS:
                self.channels, self.stride, self.prefix = int(found.shape[2]), patch, int(found.shape[1] - cells)
                return
            patch *= 2
        side = isqrt(found.shape[1])
        raise ValueError(
            f"{self.config.model_type} gives {found.shape[1]} tokens (about {side} x {side}), which are no grid"
        )

    def _example(self) -> torch.Tensor:
        side = self.image_size
        shape = (1, 3, side, side) if self.segment_length is None else (1, 3, self.segment_length, side, side)
        return torch.zeros(shape)

    def _unused(self, probe: Any) -> list[str]:
        """Names of the trainable parameters on which the maps do not depend, such as those of a pooler."""
        with torch.enable_grad():
            probe.requires_grad_(True)
            self._output(probe, self._example()).sum().backward()
        return [name for name, parameter in probe.named_parameters() if parameter.grad is None]

    def _output(self, model: Any, pixels: torch.Tensor) -> torch.Tensor:
        options = dict(self._options)
        if self._interpolates and pixels.shape[-2:] != (self.image_size, self.image_size):
            options["interpolate_pos_encoding"] = True
        if pixels.ndim == 5:
            pixels = pixels.transpose(1, 2)
        found: torch.Tensor = model(**{self._argument: pixels}, **options).last_hidden_state
        return found

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Map frames `(n, 3, height, width)`, or segments `(n, 3, frames, height, width)`, to maps.

        A segment has one map, the mean over its steps of time.
        """
        found = self._output(self.model, pixels)
        if self.prefix is None:
            return found
        height, width = (side // self.stride for side in pixels.shape[-2:])
        tokens = found[:, self.prefix :].transpose(1, 2)  # (n, channels, tokens)
        if self.segment_length is None:
            return tokens.unflatten(2, (height, width))
        if self.config.model_type in _SPACE_FIRST:
            return tokens.unflatten(2, (height, width, self.steps)).mean(dim=4)
        return tokens.unflatten(2, (self.steps, height, width)).mean(dim=2)


def _remove(model: nn.Module, unused: list[str]) -> None:
    """Take away parameters, and modules that have no others."""
    gone = set(unused)
    for name, module in list(model.named_modules()):
        own = [f"{name}.{each}" for each, _ in module.named_parameters()]
        if name and own and gone.issuperset(own) and model.get_submodule(name) is module:
            model.set_submodule(name, nn.Identity())
            gone.difference_update(own)
    for name in gone:
        path, _, last = name.rpartition(".")
        setattr(model.get_submodule(path), last, None)
