"""Training: `train(TrainingConfig.from_recipe(...))`."""

from videomem_hf.training.config import TrainingConfig
from videomem_hf.training.run import TrainingError, TrainingResult, train

__all__ = ["TrainingConfig", "TrainingError", "TrainingResult", "train"]
