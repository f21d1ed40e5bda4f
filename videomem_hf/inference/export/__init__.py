"""Predictors written as ONNX, for `videomem_hf.inference.onnx` and any other engine that reads it."""

from videomem_hf.inference.export.run import DTYPES, export_onnx

__all__ = ["DTYPES", "export_onnx"]
