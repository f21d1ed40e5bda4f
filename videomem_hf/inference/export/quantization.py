"""An ONNX graph that computes in 8 bits, with the ranges of activations that sample clips give."""

import logging
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

_COMPUTED: Final = ["Conv", "Gemm", "MatMul"]
"""Operators whose products take the time; all others stay float32."""


def quantize(proto: Any, batches: Iterable[Mapping[str, np.ndarray]]) -> Any:
    """Give the weights and activations of an `onnx.ModelProto` 8 bits; the given one stays as it is.

    Weights have a scale for each output channel. The range of an activation is that of the batches.

    Args:
        batches: Inputs by their names.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Batches(CalibrationDataReader):  # type: ignore[misc]
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
            quantize_static(
                str(folded),
                str(found),
                Batches(),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=_COMPUTED,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                reduce_range=True,  # 7 bits: products of 8 saturate on CPUs without VNNI
                use_external_data_format=True,
            )
        finally:
            logging.getLogger().setLevel(level)
        return onnx.load(str(found))
