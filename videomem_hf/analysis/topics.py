"""Topics of titles: clusters by the words that they share."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.cluster.vq import kmeans2
from scipy.sparse import csr_array
from scipy.sparse.linalg import svds

_DIRECTIONS: Final = 20
_LEAST_TITLES: Final = 3
"""Titles that must have a word for it to count."""
_CLIPS_PER_TOPIC: Final = 25
_STARTS: Final = 5
_STOP: Final = frozenset(
    {"a", "an", "and", "at", "by", "for", "from", "in", "into", "is", "its",
     "of", "on", "off", "or", "over", "the", "their", "to", "up", "with"}
)  # fmt: skip


@dataclass(frozen=True)
class Topic:
    """A cluster of titles.

    Attributes:
        words: Those that tell it from the others, the most telling first.
        rows: Indices of its titles.
    """

    words: tuple[str, ...]
    rows: np.ndarray


def topics_of(titles: Sequence[str | None], most: int = 10) -> list[Topic]:
    """Cluster titles by their words (k-means on the leading directions of TF-IDF); the largest topic first.

    Args:
        titles: Words joined by hyphens or spaces; those without a known word are in no topic.
        most: Topics at most; about one for each 25 titles.
    """
    words, known, rows = _shared_words(titles)
    count = min(most, len(rows) // _CLIPS_PER_TOPIC)
    if count < 2 or len(known) <= count:
        return []
    pairs = [(i, known[word]) for i, row in enumerate(rows) for word in words[row] if word in known]
    first, second = np.array(pairs).T
    rarity = np.log(len(rows) / np.bincount(second, minlength=len(known)))
    matrix = csr_array((rarity[second], (first, second)), shape=(len(rows), len(known)))
    generator = np.random.default_rng(0)
    left, sizes, _ = svds(
        matrix, k=min(_DIRECTIONS, min(matrix.shape) - 1), v0=generator.normal(size=min(matrix.shape))
    )
    points = left * sizes
    points /= np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-12)
    runs = [kmeans2(points, count, minit="++", rng=generator) for _ in range(_STARTS)]
    centres, labels = min(runs, key=lambda run: float(((points - run[0][run[1]]) ** 2).sum()))
    present = (matrix > 0).astype(float)
    names = list(known)
    topics = [
        Topic(_typical_words(present, labels == label, names), rows[labels == label])
        for label in range(len(centres))
        if (labels == label).any()
    ]
    return sorted(topics, key=lambda topic: -len(topic.rows))


def reason_for_no_topics(titles: Sequence[str | None]) -> str:
    """Say, as a sentence, why `topics_of` finds no topics, or too small ones."""
    if not any(titles):
        return "There are no topics: these clips have no titles here."
    clips, needed = len(_shared_words(titles)[2]), 2 * _CLIPS_PER_TOPIC
    if clips < needed:
        return f"There are no topics: they take {needed} clips whose titles share words, and here are {clips}."
    return "There are no topics: the words of these titles fall into no groups of several clips."


def _shared_words(titles: Sequence[str | None]) -> tuple[list[list[str]], dict[str, int], np.ndarray]:
    """The words of each title, those that several titles share by number, and the indices of titles with such words."""
    words = [sorted(set(re.findall(r"[a-z]+", (title or "").lower())) - _STOP) for title in titles]
    counts = Counter(word for found in words for word in found)
    known = {word: i for i, word in enumerate(sorted(w for w, n in counts.items() if n >= _LEAST_TITLES))}
    return words, known, np.array([row for row, found in enumerate(words) if any(w in known for w in found)], int)


def _typical_words(present: csr_array, inside: np.ndarray, names: Sequence[str]) -> tuple[str, ...]:
    """The four words that are frequent inside and rare outside: the share inside less that outside."""
    share = present[inside].mean(axis=0)
    outside = present[~inside].mean(axis=0) if (~inside).any() else 0.0 * share
    return tuple(names[i] for i in np.argsort(-(share - outside), kind="stable")[:4])
