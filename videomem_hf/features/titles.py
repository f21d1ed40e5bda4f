"""Embeddings of clips' titles through sentence-transformers: `title:MODEL`, a vector a clip."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from videomem_hf.schema import InputError

from .clips import Clip
from .extras import library
from .release_text import format_digits
from .spec import Collector, Network, NetworkSpec
from .title_views import load_encoder, plain_title


@dataclass(frozen=True)
class TitleSpec(NetworkSpec):
    """A sentence embedding of the title.

    Attributes:
        model: A name on the hub or a folder.
    """

    model: str = ""

    def check(self) -> None:
        """See the base class."""
        library("sentence_transformers", self.name)

    def frames(self, clip: Clip) -> Sequence[int]:
        """A title needs no frame."""
        return []

    def collector(self, clip: Clip) -> Collector:
        """See the base class."""
        return _Title(clip)

    def encode(self, value: Any) -> bytes:
        """See the base class."""
        return format_digits(value)

    def load(self, device: str) -> Network:
        """See the base class."""
        return partial(_embeddings, load_encoder(self.model, device))


class _Title:
    def __init__(self, clip: Clip) -> None:
        self.clip = clip

    def add(self, place: int, picture: Any) -> None:
        """See `Collector`; never called."""

    def values(self) -> list[Any]:
        """Give the title as words."""
        if not self.clip.title:
            raise InputError("it has no title; give a file of titles with --titles")
        return [plain_title(self.clip.title)]


def _embeddings(model: Any, clips: list[list[Any]]) -> list[list[np.ndarray]]:
    rows = model.encode([titles[0] for titles in clips], convert_to_numpy=True, show_progress_bar=False)
    return [[row.astype(np.float64)] for row in rows]
