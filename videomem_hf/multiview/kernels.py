"""Kernels among the training clips, view by view, and their weighted sums."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch

from videomem_hf.models.modeling_multiview import prepare_view, squared_distances
from videomem_hf.multiview.config import EXACT_UP_TO, LANDMARKS
from videomem_hf.multiview.kernel_ridge import ITERATIVE_ABOVE
from videomem_hf.multiview.training_arrays import has_view
from videomem_hf.schema import InputError

_MEDIAN_ROWS: Final = 2_000
_CACHE_FLOAT64_BYTES: Final = 1 << 31
_CACHE_BYTES: Final = 5 << 29
"""Of distances; beyond, those of the views with the fewest numbers are computed each time."""


@dataclass(frozen=True)
class ViewSpace:
    """The space in which the vectors of a view are compared; see `prepare_view`.

    Attributes:
        shift, factor: `(size,)` float64.
        root: Whether square roots are taken first.
        unit: Whether the vectors of each part are scaled to length 1.
        parts: Into how many vectors of equal size the view is divided.
    """

    shift: torch.Tensor
    factor: torch.Tensor
    root: bool
    unit: bool
    parts: int = 1

    def prepare(self, values: torch.Tensor) -> torch.Tensor:
        """Map vectors `(clips, size)` to this space, in float64."""
        return prepare_view(values.double(), self.shift, self.factor, self.root, self.unit, self.parts)


def view_space(values: np.ndarray, standardised: bool = False) -> ViewSpace:
    """Choose the space of a view by its training vectors.

    Vectors of several parts (hidden layers of a sentence encoder), and of length 1 (sentence embeddings), are centred
    and scaled to length 1, each part. Other non-negative numbers (histograms, concept scores) go through Hellinger's
    map, the square root. All others are standardised.

    Args:
        values: `(clips, size)` or `(clips, parts, size)`, of the clips that have the view.
        standardised: Whether square roots are standardised, too.
    """
    x = torch.from_numpy(np.asarray(values, np.float64)).flatten(1)
    parts = values.shape[1] if values.ndim == 3 else 1
    zeros, ones = torch.zeros(x.shape[1], dtype=torch.float64), torch.ones(x.shape[1], dtype=torch.float64)
    root = not bool((x < 0).any())
    if parts > 1 or ((x.norm(dim=1) - 1).abs().max() < 1e-3 and not root):
        return ViewSpace(x.mean(dim=0), ones, False, True, parts)
    if root and not standardised:
        return ViewSpace(zeros, ones, True, False)
    x = x.sqrt() if root else x
    std, mean = torch.std_mean(x, dim=0, correction=0)
    constant = std <= 1e-7 * x.abs().amax(dim=0)
    return ViewSpace(mean, 1 / std.masked_fill(constant, torch.inf), root, False)


@dataclass(frozen=True)
class Summand:
    """A term of a weighted sum of kernels.

    Attributes:
        weight: Its variance.
        widths: View to the width of its kernel, in units of 1 / median squared distance. With several views the
            kernels of their mean distances are multiplied.
    """

    weight: float
    widths: dict[int, float]


class KernelBank:
    """Kernels among the training clips; distances are cached, so that trying another width is cheap.

    Args:
        views: Name to `(clips, size)` or `(clips, parts, size)`; NaN in a row means that the clip lacks the view.
        seed: Of the landmarks and of the clips behind the median distance.
        exact_up_to: See `EXACT_UP_TO`.
        landmarks: See `LANDMARKS`.
        standardised: Views whose square roots are standardised.

    Attributes:
        names: The views, in their order.
        spaces: One per view.
        vectors: For each view `(clips, parts * size)` in its space; 0 where missing.
        present: `(clips, views)` bool.
        medians: Median squared distances of the parts of each view in its space.
        anchors: `(anchors,)` indices of the clips that all others are compared with: all, or the landmarks.
        dtype: Of kernels for the final models: float32 where conjugate gradients solve their systems.
        landmarks: `anchors` where they are not all clips; None where the kernel is exact.
    """

    def __init__(
        self,
        views: Mapping[str, np.ndarray],
        seed: int = 0,
        exact_up_to: int = EXACT_UP_TO,
        landmarks: int = LANDMARKS,
        standardised: Collection[str] = (),
    ) -> None:
        self.names = list(views)
        generator = np.random.default_rng(seed)
        clips = len(next(iter(views.values())))
        exact = clips <= exact_up_to
        chosen = np.arange(clips) if exact else np.sort(generator.choice(clips, min(landmarks, clips), False))
        self.anchors = torch.from_numpy(chosen)
        self.landmarks = None if exact else self.anchors
        self.present = torch.from_numpy(np.stack([has_view(x) for x in views.values()], axis=1))
        self.dtype = torch.float32 if exact and clips > ITERATIVE_ABOVE else torch.float64
        parts = sum(x.shape[1] if x.ndim == 3 else 1 for x in views.values())
        size = clips * len(chosen) * parts * 8
        self._cache_dtype = self.dtype if size <= _CACHE_FLOAT64_BYTES else torch.float32
        self._views, self._seed = views, seed
        prepared = [self._prepare(view, name in standardised) for view, name in enumerate(self.names)]
        self.spaces, self.vectors, self.medians = (list(each) for each in zip(*prepared, strict=True))
        self._cache: dict[int, list[torch.Tensor]] = {}
        self._kept = self._views_to_keep()

    def set_standardised(self, view: int, standardised: bool) -> None:
        """Standardise the square roots of a view, or not."""
        self.spaces[view], self.vectors[view], self.medians[view] = self._prepare(view, standardised)
        self._cache.pop(view, None)

    def _prepare(self, view: int, standardised: bool) -> tuple[ViewSpace, torch.Tensor, list[float]]:
        name, present = self.names[view], self.present[:, view].numpy()
        if present.sum() < 2:
            raise InputError(f"the view {name!r} has {present.sum()} training clips; at least 2 are needed")
        values = self._views[name]
        space = view_space(values[present], standardised)
        prepared = torch.zeros(len(values), space.shift.numel(), dtype=self._cache_dtype)
        prepared[present] = space.prepare(torch.from_numpy(values[present]).flatten(1)).to(self._cache_dtype)
        drawn = np.random.default_rng((self._seed, view)).permutation(present.sum())[:_MEDIAN_ROWS]
        sample = prepared[present][torch.from_numpy(drawn)].double()
        return space, prepared, [_median_distance(part) for part in sample.chunk(space.parts, dim=1)]

    def weighted_sum(
        self, summands: Collection[Summand], dtype: torch.dtype = torch.float64, rows: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """A weighted sum of kernels between all clips and the anchors.

        Args:
            summands: Its terms.
            dtype: Of the result; float32 takes half the time and is exact enough to compare choices.
            rows: Indices of clips, to which rows and columns are limited; None for all clips and anchors.

        Returns:
            `(clips, anchors)`, 0 wherever a view is missing; and `(clips,)`, the prior variance of the missing
            views, to be added to the diagonal.
        """
        own = self.present if rows is None else self.present[rows]
        others = self.present[self.anchors] if rows is None else own
        total = torch.zeros(len(own), len(others), dtype=dtype)
        missing = torch.zeros(len(own), dtype=dtype)
        for summand in summands:
            members = list(summand.widths)
            present, anchored = own[:, members].all(dim=1), others[:, members].all(dim=1)
            kernel = self._kernel(summand.widths, dtype, rows)
            if not (present.all() and anchored.all()):
                kernel *= present[:, None] & anchored
                missing += summand.weight * ~present
            total.add_(kernel, alpha=summand.weight)
        return total, missing

    def _kernel(self, widths: Mapping[int, float], dtype: torch.dtype, rows: torch.Tensor | None) -> torch.Tensor:
        """See `MultiViewModel.kernels`."""
        distances = {view: self._distances(view, rows) for view in widths}
        if len(widths) == 1:
            ((view, width),) = widths.items()
            total, *others = (each.to(dtype, copy=True).mul_(-width).exp_() for each in distances[view])
            for each in others:
                total.add_(each)
            return total.div_(len(distances[view])) if others else total
        exponent = torch.zeros_like(next(iter(distances.values()))[0], dtype=dtype)
        for view, width in widths.items():
            for each in distances[view]:
                exponent.add_(each, alpha=-width / len(distances[view]))
        return exponent.exp_()

    def _distances(self, view: int, rows: torch.Tensor | None) -> list[torch.Tensor]:
        """Squared distances over their median, `(clips, anchors)` for each part."""
        if rows is not None:
            return self._compare(view, self.vectors[view][rows], self.vectors[view][rows])
        if view in self._cache:
            return self._cache[view]
        distances = self._compare(view, self.vectors[view], self.vectors[view][self.anchors])
        if view in self._kept:
            self._cache[view] = distances
        return distances

    def _views_to_keep(self) -> set[int]:
        """The views whose distances are cached: those with the most numbers, as far as there is room."""
        kept: set[int] = set()
        room = _CACHE_BYTES
        for view in sorted(range(len(self.names)), key=lambda view: -self.vectors[view].shape[1]):
            size = len(self.present) * len(self.anchors) * self.spaces[view].parts * self.vectors[view].itemsize
            if size <= room:
                kept.add(view)
                room -= size
        return kept

    def _compare(self, view: int, first: torch.Tensor, second: torch.Tensor) -> list[torch.Tensor]:
        parts = self.spaces[view].parts
        pairs = zip(first.chunk(parts, dim=1), second.chunk(parts, dim=1), self.medians[view], strict=True)
        return [squared_distances(a, b).div_(median) for a, b, median in pairs]


def _median_distance(vectors: torch.Tensor) -> float:
    upper = torch.triu_indices(len(vectors), len(vectors), 1)
    median = float(squared_distances(vectors, vectors)[upper[0], upper[1]].median())
    return median if median > 0 else 1.0
