"""A part of a predictor as an ONNX graph."""

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

import torch
from torch import nn

from videomem_hf.inference.frame_statistics import FrameStatistics
from videomem_hf.inference.onnx.facts import DESCRIBED
from videomem_hf.models.export_names import OUTPUTS
from videomem_hf.models.exporting import ColumnNetwork, ExportPart

OPSET: Final = 20
_ANY_SIZE: Final = ("batch", "frames", "segments", "map_height", "map_width")
"""Axes of outputs that may have any size; maps do where frames may."""


class _Described(nn.Module):
    """A network of clips that also describes each of its segments, see `FrameStatistics`."""

    def __init__(self, part: ExportPart, model: Any) -> None:
        super().__init__()
        self.network, self.length = part.network, getattr(model.config, "segment_length", None) or 1
        self._statistics = FrameStatistics(model)
        (pixels,) = part.inputs.values()
        with torch.no_grad():
            self.network(pixels)
            self.names = tuple(f"{DESCRIBED}{name}" for name in self._statistics.describe(self._segments(pixels)))

    def forward(self, pixel_values_videos: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Append what describes the segments, `(batch, segments, size)` each."""
        outputs = self.network(pixel_values_videos)
        groups = self._statistics.describe(self._segments(pixel_values_videos))
        clips = pixel_values_videos.shape[0]
        return (*outputs, *(values.unflatten(0, (clips, -1)) for values in groups.values()))

    def _segments(self, pixels: torch.Tensor) -> torch.Tensor:
        return pixels.unflatten(1, (-1, self.length)).flatten(0, 1)

    def close(self) -> None:
        """Remove the hooks from the model."""
        self._statistics.close()


def with_descriptions(part: ExportPart, model: Any) -> ExportPart:
    """The part with outputs that describe each segment for the model's typicality; for frames of the example's size."""
    described = _Described(part, model)
    (name, pixels), *_ = part.inputs.items()
    axes = {name: (*part.axes[name][:3], *pixels.shape[3:])}
    return replace(part, network=described, axes=axes, outputs=(*part.outputs, *described.names))


def part_to_onnx(part: ExportPart) -> tuple[Any, dict[str, list[str | int]]]:
    """Trace a part.

    Returns:
        An `onnx.ModelProto`; and the axes of each output by its name.
    """
    dynamic = tuple(
        {axis: torch.export.Dim.AUTO for axis, size in enumerate(part.axes[name]) if isinstance(size, str)}
        for name in part.inputs
    )
    examples = tuple(part.inputs.values())
    with _quiet(), torch.no_grad():
        shapes = [tuple(each.shape) for each in part.network(*examples)]
        program = torch.onnx.export(
            part.network.eval(),
            examples,
            dynamo=True,
            dynamic_shapes=(dynamic,) if isinstance(part.network, ColumnNetwork) else dynamic,
            input_names=list(part.inputs),
            output_names=list(part.outputs),
            opset_version=OPSET,
            verbose=False,
        )
    assert program is not None
    proto = program.model_proto
    fixed = all(not isinstance(size, str) for axes in part.axes.values() for size in axes[3:])
    axes = {
        name: _axes(OUTPUTS.get(name, ("batch", "segments", "size")), shape, fixed)
        for name, shape in zip(part.outputs, shapes, strict=True)
    }
    _name_axes(proto.graph.input, part.axes)
    _name_axes(proto.graph.output, axes)
    return proto, axes


def _axes(names: tuple[str | int, ...], shape: tuple[int, ...], fixed_size: bool) -> list[str | int]:
    """An output's axes: the name of those that may have any size, the size of others."""
    any_size = _ANY_SIZE[:3] if fixed_size else _ANY_SIZE
    return [name if name in any_size else size for name, size in zip(names, shape, strict=True)]


def _name_axes(tensors: Any, axes: Mapping[str, Any]) -> None:
    """Give the axes of a graph's inputs or outputs their names, in place of the tracer's symbols."""
    for tensor in tensors:
        for dim, axis in zip(tensor.type.tensor_type.shape.dim, axes[tensor.name], strict=True):
            if isinstance(axis, str):
                dim.dim_param = axis
            else:
                dim.dim_value = axis


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the tracer's remarks on its own doings."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir", "torch.export")]
    levels = [each.level for each in loggers]
    try:
        for each in loggers:
            each.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for each, level in zip(loggers, levels, strict=True):
            each.setLevel(level)
