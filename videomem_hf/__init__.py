"""Video memorability the Hugging Face way."""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0.dev0"

from videomem_hf import registration

if TYPE_CHECKING:
    from videomem_hf.inference import load_predictor, predict

__all__ = ["__version__", "load_predictor", "predict"]

registration.register()


def __getattr__(name: str) -> Any:
    """Import what predicts when it is first used: torch and what it needs take seconds."""
    if name not in ("load_predictor", "predict"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module("videomem_hf.inference"), name)
