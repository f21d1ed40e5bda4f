"""An ONNX graph that computes in 8 bits, with the ranges of activations that sample clips give."""

import logging
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

_COMPUTED: Final = ["Conv", "Gemm", "MatMul"]
"""Operators whose products take the time; all others stay float32."""


LEFT_OUT: Final = ((0, 0), (1, 1), (1, 3))
"""How many of the first and of the last such operators stay float32, in the order in which it is tried."""


def quantize(proto: Any, batches: Iterable[Mapping[str, np.ndarray]], first: int = 0, last: int = 0) -> Any:
    """Give the weights and activations of an `onnx.ModelProto` 8 bits; the given one stays as it is.

    Weights have a scale for each output channel. The range of an activation is that of the batches.

    Args:
        batches: Inputs by their names.
        first, last: How many of the first and last of these operators stay float32: those at the ends of a network are
            few and change its output most.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Batches(CalibrationDataReader):
        def __init__(self) -> None:
            self._left = iter(batches)

        def get_next(self) -> Any:
            return next(self._left, None)

    with tempfile.TemporaryDirectory(prefix="videomem-int8-") as folder:
        plain, folded, found = (Path(folder) / f"{name}.onnx" for name in ("plain", "folded", "int8"))
        onnx.save_model(proto, plain, save_as_external_data=True, location="plain.data")
        onnx.load_external_data_for_model(proto, folder)
        level = logging.getLogger().level
        logging.getLogger().setLevel(logging.ERROR)  # it advises on the preparation of graphs
        try:
            # What is computed of weights alone becomes a weight.
            quant_pre_process(str(plain), str(folded), skip_symbolic_shape=True, save_as_external_data=True)
            named = [node.name for node in onnx.load(str(folded)).graph.node if node.op_type in _COMPUTED]
            quantize_static(
                str(folded),
                str(found),
                Batches(),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=_COMPUTED,
                nodes_to_exclude=[*named[:first], *named[len(named) - last :]],
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                reduce_range=True,  # 7 bits: products of 8 saturate on CPUs without VNNI
                use_external_data_format=True,
            )
        finally:
            logging.getLogger().setLevel(level)
        return onnx.load(str(found))
