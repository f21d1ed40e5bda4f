"""Numbers that describe frames as a network sees them: its input, and the maps or features that its head is given."""

from contextlib import suppress
from typing import Any, Final

import torch
from torch import nn

_STEPS: Final = (1, 2, 4, 8)
"""Pixels between those whose differences are measured: texture, edges, things."""
_LEAST_VARIANCE: Final = 1e-4
_QUANTILES: Final = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98)
_MOST_POSITIONS: Final = 10_000
"""Of a frame, whose quantiles would otherwise take longer than the network."""
INPUT: Final = "input"
LEVELS: Final = "levels"
LAST: Final = "last"


class FrameStatistics:
    """Describes the frames of each forward pass of a network, from what the pass computes anyway.

    Of the input: mean and deviation of each colour, the size of differences between pixels some steps apart, and how
    evenly that is spread (edges are few and large, noise is everywhere). Of its levels: how grey levels, sharpness and
    saturation are distributed. Of the last maps (the model's `attribution_layers`, or else what the first module of its
    head is given): mean and deviation of each channel.

    Args:
        model: A predictor of frames. It gets hooks, which `close` removes.
    """

    def __init__(self, model: Any) -> None:
        self._seen: dict[str, torch.Tensor] = {}
        self._handles = [self._listen(model, name) for name in getattr(model, "attribution_layers", ())]
        if not self._handles:
            for name in tuple(getattr(model, "head_modules", ()))[:1]:
                with suppress(AttributeError):
                    hook = model.get_submodule(name).register_forward_pre_hook(self._keep_input)
                    self._handles.append(hook)

    def _listen(self, model: nn.Module, name: str) -> Any:
        def keep(module: nn.Module, args: Any, output: Any) -> None:
            if isinstance(output, torch.Tensor):
                self._seen[name] = output.detach()

        return model.get_submodule(name).register_forward_hook(keep)

    def _keep_input(self, module: nn.Module, args: Any) -> None:
        if args and isinstance(args[0], torch.Tensor):
            self._seen["head"] = args[0].detach()

    def describe(self, segments: torch.Tensor) -> dict[str, torch.Tensor]:
        """Describe the frames, or segments, that were last passed through the network.

        Args:
            segments: `(n, frames, 3, height, width)`, what they were.

        Returns:
            For each group `(n, size)` float32, on the CPU.
        """
        pixels = segments.detach().float()
        groups = {INPUT: _describe_pixels(pixels), LEVELS: _describe_levels(pixels)}
        parts = [_describe_maps(seen.float(), segments.shape[0]) for seen in self._seen.values()]
        if parts and all(part is not None for part in parts):
            groups[LAST] = torch.cat(parts, dim=1)  # type: ignore[arg-type]
        self._seen.clear()
        return {name: values.cpu() for name, values in groups.items()}

    def close(self) -> None:
        """Remove the hooks."""
        for handle in self._handles:
            handle.remove()


def _describe_pixels(segments: torch.Tensor) -> torch.Tensor:
    """Statistics of `(n, frames, 3, height, width)`, means over the frames of each segment."""
    pixels = segments.flatten(0, 1)
    numbers = [*_moments(pixels.flatten(2))]
    grey = pixels.mean(dim=1)
    for step in _STEPS:
        for axis in (1, 2):
            if grey.shape[axis] > step:
                size = grey.shape[axis] - step
                difference = grey.narrow(axis, step, size) - grey.narrow(axis, 0, size)
                spread = _log_size(difference.flatten(1).square().mean(dim=1))[:, None]
                mean = (difference.flatten(1).abs().mean(dim=1) + _LEAST_VARIANCE**0.5).log()[:, None]
                numbers += [spread, mean - spread]
    return torch.cat(numbers, dim=1).unflatten(0, segments.shape[:2]).mean(dim=1)


def _describe_levels(segments: torch.Tensor) -> torch.Tensor:
    """Statistics of `(n, frames, 3, height, width)`, means over the frames of each segment."""
    pixels = segments.flatten(0, 1)
    side = max(1, round((pixels.shape[-2] * pixels.shape[-1] / _MOST_POSITIONS) ** 0.5))
    grey, sparse = pixels.mean(dim=1), pixels[..., ::side, ::side]
    neighbours = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:]
    sharpness = grey[:, 1:-1, 1:-1] - neighbours / 4
    shares = torch.tensor(_QUANTILES, device=pixels.device)
    levels = (
        sparse.mean(dim=1),
        (sharpness.abs() + _LEAST_VARIANCE**0.5).log()[:, ::side, ::side],
        sparse.amax(dim=1) - sparse.amin(dim=1),
    )
    numbers = [torch.quantile(values.flatten(1), shares, dim=1).T for values in levels]
    return torch.cat(numbers, dim=1).unflatten(0, segments.shape[:2]).mean(dim=1)


def _describe_maps(seen: torch.Tensor, n: int) -> torch.Tensor | None:
    """Statistics `(n, size)` of what a layer gave for n segments: maps, or features of each.

    Crops of a frame, one after the other for all frames, are averaged. None for another number of rows.
    """
    if seen.ndim < 2 or seen.shape[0] % n:
        return None
    numbers = torch.cat(_moments(seen.flatten(2)), dim=1) if seen.ndim > 2 else seen
    return numbers.unflatten(0, (-1, n)).mean(dim=0)


def _moments(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and logarithm of the deviation over the last axis of `(n, channels, positions)`."""
    variance, mean = torch.var_mean(values, dim=2, correction=0)
    return mean, _log_size(variance)


def _log_size(variance: torch.Tensor) -> torch.Tensor:
    return (variance + _LEAST_VARIANCE).log() / 2
