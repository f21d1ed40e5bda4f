"""The multi-view predictor: kernel models of each view and their products, stacked; a neural head beside them."""

from typing import TYPE_CHECKING, Final

from videomem_hf.system import lazy_attributes

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

__getattr__ = lazy_attributes(__name__, _HOMES)
