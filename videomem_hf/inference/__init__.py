"""From a path or frames to a prediction with what led to it."""

from videomem_hf.inference.feature_predictor import FeaturePredictor
from videomem_hf.inference.prediction import Prediction, Still
from videomem_hf.inference.predictor import Predictor, load_predictor

__all__ = ["FeaturePredictor", "Prediction", "Predictor", "Still", "load_predictor"]
