"""Training by gradients: `train(TrainingConfig.from_recipe(...))`."""

from typing import TYPE_CHECKING

from videomem_hf.run_files import TrainingResult
from videomem_hf.system import lazy_attributes
from videomem_hf.training.config import TrainingConfig

if TYPE_CHECKING:
    from videomem_hf.training.run import TrainingError, TrainingStopped, train

__all__ = ["TrainingConfig", "TrainingError", "TrainingResult", "TrainingStopped", "train"]

__getattr__ = lazy_attributes(
    __name__, dict.fromkeys(("TrainingError", "TrainingStopped", "train"), "videomem_hf.training.run")
)
