"""Training: `train(TrainingConfig.from_recipe(...))`."""

from typing import TYPE_CHECKING, Any

from videomem_hf.training.config import TrainingConfig

if TYPE_CHECKING:
    from videomem_hf.training.run import TrainingError, TrainingResult, TrainingStopped, train

__all__ = ["TrainingConfig", "TrainingError", "TrainingResult", "TrainingStopped", "train"]


def __getattr__(name: str) -> Any:
    """Load torch with the first use of what needs it: a slip in a recipe is told at once."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from videomem_hf.training import run

    return getattr(run, name)
