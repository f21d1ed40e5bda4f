"""The multi-view predictor: Gaussian processes over each view of a clip and their product."""

from typing import TYPE_CHECKING

from videomem_hf.system import lazy_names

if TYPE_CHECKING:
    from videomem_hf.features.title_views import title_views
    from videomem_hf.multiview.config import FitOptions
    from videomem_hf.multiview.fit import BestFit, fit_best

__all__ = ["BestFit", "FitOptions", "fit_best", "title_views"]


__getattr__ = lazy_names(
    __name__,
    {
        "BestFit": ".fit",
        "FitOptions": ".config",
        "fit_best": ".fit",
        "title_views": "videomem_hf.features.title_views",
    },
)
