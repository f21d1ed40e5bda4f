"""Folds of the cross-validation."""

import numpy as np


def fold_indices(clips: int, folds: int, seed: int, groups: np.ndarray | None = None) -> list[np.ndarray]:
    """Divide clips at random into folds of nearly equal size; clips of one group stay together."""
    order = np.random.default_rng(seed).permutation(clips)
    if groups is None:
        return [np.sort(part) for part in np.array_split(order, min(folds, clips))]
    _, labels = np.unique(groups, return_inverse=True)
    parts: list[list[int]] = [[] for _ in range(min(folds, labels.max() + 1))]
    members: dict[int, list[int]] = {}
    for clip in order:
        members.setdefault(int(labels[clip]), []).append(int(clip))
    for group in sorted(members.values(), key=len, reverse=True):
        min(parts, key=len).extend(group)
    return [np.sort(np.array(part)) for part in parts]
