"""Video memorability the Hugging Face way."""

from typing import TYPE_CHECKING

__version__ = "0.1.0.dev0"

from videomem_hf import registration
from videomem_hf.system import lazy_names

if TYPE_CHECKING:
    from videomem_hf.films.timeline import timeline
    from videomem_hf.inference import load_predictor, predict
    from videomem_hf.multiview.adapt import adapt

__all__ = ["__version__", "adapt", "load_predictor", "predict", "timeline"]

registration.register()

_HOMES = dict.fromkeys(("load_predictor", "predict"), ".inference") | {
    "adapt": ".multiview.adapt",
    "timeline": ".films.timeline",
}
__getattr__ = lazy_names(__name__, _HOMES)
