"""Predictors that were exported to ONNX: they score clips without PyTorch and transformers."""

from videomem_hf.inference.onnx.loading import load_onnx_predictor

__all__ = ["load_onnx_predictor"]
