"""From a path or frames to a prediction with what led to it."""

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
