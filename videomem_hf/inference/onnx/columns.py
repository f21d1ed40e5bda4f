"""Exported models of features and of views; extracting these needs what it needs without an export."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from videomem_hf.inference.feature_predictor import FeaturePredictor
from videomem_hf.inference.onnx.network import OnnxNetwork
from videomem_hf.inference.view_predictor import ViewPredictor
from videomem_hf.models.export_names import MODEL_PART


class _Columns:
    """What both share: the network takes a column by its name."""

    device: Any
    model: OnnxNetwork

    def _place(self, model: Any, device: str | None) -> None:
        self.device, self.model = "cpu", model

    def _run(self, values: dict[str, np.ndarray]) -> Any:
        inputs = {}
        for name, (_, size) in self.model.facts.parts[MODEL_PART]["inputs"].items():
            column = np.full((1, size), np.nan, np.float32) if name not in values else values[name].reshape(1, -1)
            if column.shape[1] != size:
                raise ValueError(f"{name!r} must have {size} numbers per clip, got {column.shape[1]}")
            inputs[name] = column.astype(np.float32)
        found = {name: each.astype(np.float64) for name, each in self.model.run(MODEL_PART, inputs).items()}
        return SimpleNamespace(**({"intervals": None, "explained": None} | found))


class OnnxFeaturePredictor(_Columns, FeaturePredictor):
    """An exported model of features."""


class OnnxViewPredictor(_Columns, ViewPredictor):
    """An exported multi-view model; a view that a clip lacks is NaN."""
