"""From a path or frames to a prediction with what led to it."""

from typing import TYPE_CHECKING

from videomem_hf.system import lazy_names

if TYPE_CHECKING:
    from videomem_hf.inference.clip_predictor import ClipPredictor
    from videomem_hf.inference.feature_predictor import FeaturePredictor
    from videomem_hf.inference.loading import load_predictor
    from videomem_hf.inference.predicting import predict
    from videomem_hf.inference.prediction import Prediction, Saliency, Still
    from videomem_hf.inference.predictor import Predictor
    from videomem_hf.inference.sources import ClipSource
    from videomem_hf.inference.view_predictor import ViewPredictor

__all__ = [
    "ClipPredictor",
    "ClipSource",
    "FeaturePredictor",
    "Prediction",
    "Predictor",
    "Saliency",
    "Still",
    "ViewPredictor",
    "load_predictor",
    "predict",
]

_HOMES = {
    "ClipPredictor": ".clip_predictor",
    "ClipSource": ".sources",
    "FeaturePredictor": ".feature_predictor",
    "Prediction": ".prediction",
    "Predictor": ".predictor",
    "Saliency": ".prediction",
    "Still": ".prediction",
    "ViewPredictor": ".view_predictor",
    "load_predictor": ".loading",
    "predict": ".predicting",
}
__getattr__ = lazy_names(__name__, _HOMES)
