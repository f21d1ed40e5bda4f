"""Training by gradients: `train(TrainingConfig.from_recipe(...))`."""

from typing import TYPE_CHECKING, Any

from videomem_hf.run_files import TrainingResult
from videomem_hf.training.config import TrainingConfig

if TYPE_CHECKING:
    from videomem_hf.training.run import TrainingError, TrainingStopped, train

__all__ = ["TrainingConfig", "TrainingError", "TrainingResult", "TrainingStopped", "train"]


def __getattr__(name: str) -> Any:
    """Load torch with the first use of what needs it: a mistake in a recipe is reported at once."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from videomem_hf.training import run

    return getattr(run, name)
