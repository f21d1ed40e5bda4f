"""Training: `train(TrainingConfig.from_recipe(...))`; `fit_best(views, scores, counts)` from arrays."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from videomem_hf.training.config import TrainingConfig

if TYPE_CHECKING:
    from videomem_hf.features.title_views import title_views
    from videomem_hf.training.best import BestFit, FitOptions, fit_best
    from videomem_hf.training.run import TrainingError, TrainingResult, TrainingStopped, train

__all__ = [
    "BestFit",
    "FitOptions",
    "TrainingConfig",
    "TrainingError",
    "TrainingResult",
    "TrainingStopped",
    "fit_best",
    "title_views",
    "train",
]

_BEST: Final = "videomem_hf.training.best"
_HOMES: Final = {
    "BestFit": _BEST,
    "FitOptions": _BEST,
    "fit_best": _BEST,
    "title_views": "videomem_hf.features.title_views",
}


def __getattr__(name: str) -> Any:
    """Load torch with the first use of what needs it: a slip in a recipe is told at once."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES.get(name, "videomem_hf.training.run")), name)
