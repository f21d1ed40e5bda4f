"""The weights of an ONNX graph in fewer bits; they become float32 again when the graph is loaded."""

from collections.abc import Collection, Iterable
from typing import Any, Final

import numpy as np

LEAST_NUMBERS: Final = 1_024
"""Of a weight that is worth it: biases and normalisations stay float32."""
_LEVELS: Final = 127
_HIGHEST_HALF: Final = float(np.finfo(np.float16).max)


def reduce_weights(proto: Any, dtype: str, in_half: Collection[str] = ()) -> None:
    """Store the weights of an `onnx.ModelProto` as "float16", or as "int8" with a scale for each output channel.

    The arithmetic stays float32: engines turn the weights back when they load the graph, or as they need them.

    Args:
        in_half: Names of weights that are stored as float16 in "int8" all the same.
    """
    graph = proto.graph
    axes = _channel_axes(graph)
    added = []
    for tensor, weight in _weights(graph):
        name = tensor.name
        if dtype == "float16" or name in in_half:
            added.append(_to_half(tensor, weight, name))
        else:
            node, scale, zero = _to_int8(tensor, weight, name, axes.get(name, 0) % weight.ndim)
            added.append(node)
            graph.initializer.extend([scale, zero])
    for node in reversed(added):
        graph.node.insert(0, node)


def weight_groups(protos: Iterable[Any], count: int) -> list[list[str]]:
    """Names of the weights that `reduce_weights` changes, in at most so many groups of neighbours of similar size."""
    sizes = {tensor.name: weight.size for proto in protos for tensor, weight in _weights(proto.graph)}
    groups: list[list[str]] = [[] for _ in range(count)]
    before = 0
    for name, size in sizes.items():
        groups[int(count * (before + size / 2) / sum(sizes.values()))].append(name)
        before += size
    return [group for group in groups if group]


def _weights(graph: Any) -> list[tuple[Any, np.ndarray]]:
    """The tensors that are worth fewer bits, each with its numbers."""
    from onnx import numpy_helper

    found = [(tensor, numpy_helper.to_array(tensor)) for tensor in graph.initializer]
    return [(t, w) for t, w in found if w.dtype == np.float32 and w.ndim > 1 and w.size >= LEAST_NUMBERS]


def _to_half(tensor: Any, weight: np.ndarray, name: str) -> Any:
    from onnx import TensorProto, helper, numpy_helper

    stored = f"{name}.float16"
    tensor.CopyFrom(numpy_helper.from_array(weight.clip(-_HIGHEST_HALF, _HIGHEST_HALF).astype(np.float16), stored))
    return helper.make_node("Cast", [stored], [name], to=TensorProto.FLOAT)


def _to_int8(tensor: Any, weight: np.ndarray, name: str, axis: int) -> tuple[Any, Any, Any]:
    """Symmetric, one scale for each index of the axis; gives the node, the scales and the zero points."""
    from onnx import helper, numpy_helper

    others = tuple(each for each in range(weight.ndim) if each != axis)
    scale = np.maximum(np.abs(weight).max(axis=others), np.finfo(np.float32).tiny) / np.float32(_LEVELS)
    levels = np.rint(weight / np.expand_dims(scale, others)).clip(-_LEVELS, _LEVELS).astype(np.int8)
    stored = [f"{name}.int8", f"{name}.scale", f"{name}.zero"]
    tensor.CopyFrom(numpy_helper.from_array(levels, stored[0]))
    node = helper.make_node("DequantizeLinear", stored, [name], axis=axis)
    scales = numpy_helper.from_array(scale.astype(np.float32), stored[1])
    return node, scales, numpy_helper.from_array(np.zeros(len(scale), np.int8), stored[2])


def _channel_axes(graph: Any) -> dict[str, int]:
    """Name of a weight to its axis of output channels, where that is not the first."""
    axes = {}
    for node in graph.node:
        transposed = any(each.name == "transB" and each.i for each in node.attribute)
        if node.op_type == "MatMul" or (node.op_type == "Gemm" and not transposed):
            axes[node.input[1]] = -1
    return axes
