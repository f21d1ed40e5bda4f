"""The multi-view predictor: kernel models of each view and their products, stacked; a neural head beside them."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from videomem_hf.features.title_views import title_views
    from videomem_hf.multiview.config import FitOptions
    from videomem_hf.multiview.fit import BestFit, fit_best

_HOMES: Final = {
    "BestFit": "videomem_hf.multiview.fit",
    "FitOptions": "videomem_hf.multiview.config",
    "fit_best": "videomem_hf.multiview.fit",
    "title_views": "videomem_hf.features.title_views",
}

__all__ = ["BestFit", "FitOptions", "fit_best", "title_views"]


def __getattr__(name: str) -> Any:
    """Load torch with the first use of what needs it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
