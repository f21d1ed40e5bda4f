"""Model folders, saved and loaded without a progress bar beside the caller's own."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any


def save_model(model: Any, folder: Path) -> None:
    """Save a model without a progress bar of its own."""
    with _without_bars():
        model.save_pretrained(folder)


def load_model(name: str | Path, **options: Any) -> Any:
    """Load a saved model by `AutoModel.from_pretrained`; only downloads from the Hub have a progress bar.

    Its outputs have names, whatever `return_dict` in its configuration says.
    """
    from transformers import AutoModel

    with _without_bars() if Path(name).is_dir() else nullcontext():
        return AutoModel.from_pretrained(name, **({"return_dict": True} | options))


@contextmanager
def _without_bars() -> Iterator[None]:
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
