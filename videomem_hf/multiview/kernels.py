"""Kernels among the training clips, view by view, and their weighted sums."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from scipy.sparse import csr_array

from videomem_hf.features.title_views import WORDS
from videomem_hf.models.modeling_multiview import prepare_view, squared_distances
from videomem_hf.multiview.config import EXACT_UP_TO, LANDMARKS
from videomem_hf.multiview.kernel_ridge import ITERATIVE_ABOVE
from videomem_hf.schema import InputError

_MEDIAN_ROWS: Final = 2_000
_CACHE_FLOAT64_BYTES: Final = 1 << 31


@dataclass(frozen=True)
class ViewSpace:
    """The space in which the vectors of a view are compared; see `prepare_view`.

    Attributes:
        name: Of the view.
        shift, factor: `(size,)` float64.
        root: Whether square roots are taken first.
        unit: Whether vectors are scaled to length 1.
        kernel: "rbf" or "linear".
    """

    name: str
    shift: torch.Tensor
    factor: torch.Tensor
    root: bool
    unit: bool
    kernel: str

    def prepare(self, values: torch.Tensor) -> torch.Tensor:
        """Map vectors `(clips, size)` to this space, in float64."""
        return prepare_view(values.double(), self.shift, self.factor, self.root, self.unit)


def view_space(name: str, values: np.ndarray, standardised: bool = False) -> ViewSpace:
    """Choose the space of a view by its training vectors.

    Vectors of length 1 (sentence embeddings) stay on the sphere. Word counts are weighted by inverse document frequency
    and compared by the cosine. Other non-negative numbers (histograms, concept scores) go through Hellinger's map, the
    square root. All others are standardised.

    `values` are `(clips, size)`, of the clips that have the view; `standardised`: whether square roots are, too.
    """
    x = torch.from_numpy(np.asarray(values, np.float64))
    zeros, ones = torch.zeros(x.shape[1], dtype=torch.float64), torch.ones(x.shape[1], dtype=torch.float64)
    if name == WORDS:
        documents = (x > 0).sum(dim=0)
        rarity = torch.log((1 + len(x)) / (1 + documents.double())) + 1
        return ViewSpace(name, zeros, torch.where(documents > 1, rarity, 0.0), True, True, "linear")
    norms = x.norm(dim=1)
    if (norms - 1).abs().max() < 1e-3 and bool((x < 0).any()):
        return ViewSpace(name, zeros, ones, False, True, "rbf")
    root = not bool((x < 0).any())
    if root and not standardised:
        return ViewSpace(name, zeros, ones, True, False, "rbf")
    x = x.sqrt() if root else x
    std, mean = torch.std_mean(x, dim=0, correction=0)
    constant = std <= 1e-7 * x.abs().amax(dim=0)
    return ViewSpace(name, mean, 1 / std.masked_fill(constant, torch.inf), root, False, "rbf")


class KernelBank:
    """Kernels among the training clips; distances are cached, so that trying another width is cheap.

    Args:
        views: Name to `(clips, size)`; NaN in a row means that the clip lacks the view.
        seed: Of the landmarks and of the clips behind the median distance.
        exact_up_to: See `EXACT_UP_TO`.
        landmarks: See `LANDMARKS`.
        standardised: Views whose square roots are standardised.

    Attributes:
        names: The views, in their order.
        spaces: One per view.
        vectors: For each view `(clips, size)` in its space; 0 where missing.
        present: `(clips, views)` bool.
        medians: Median squared distance of each view in its space; 1 for a linear one.
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
        self.present = torch.from_numpy(np.stack([np.isfinite(x).all(axis=1) for x in views.values()], axis=1))
        self._views, self._seed = views, seed
        prepared = [self._prepare(view, name in standardised) for view, name in enumerate(self.names)]
        self.spaces, self.vectors, self.medians = (list(each) for each in zip(*prepared, strict=True))
        self._cache: dict[int, torch.Tensor] = {}
        self.dtype = torch.float32 if exact and clips > ITERATIVE_ABOVE else torch.float64
        size = clips * len(chosen) * len(self.names) * 8
        self._cache_dtype = self.dtype if size <= _CACHE_FLOAT64_BYTES else torch.float32

    def set_standardised(self, view: int, standardised: bool) -> None:
        """Standardise the square roots of a view, or not."""
        self.spaces[view], self.vectors[view], self.medians[view] = self._prepare(view, standardised)
        self._cache.pop(view, None)

    def _prepare(self, view: int, standardised: bool) -> tuple[ViewSpace, torch.Tensor, float]:
        name, present = self.names[view], self.present[:, view].numpy()
        if present.sum() < 2:
            raise InputError(f"the view {name!r} has {present.sum()} training clips; at least 2 are needed")
        values = self._views[name]
        space = view_space(name, values[present], standardised)
        prepared = torch.zeros(values.shape, dtype=torch.float64)
        prepared[present] = space.prepare(torch.from_numpy(values[present]))
        if space.kernel == "linear":
            return space, prepared, 1.0
        drawn = np.random.default_rng((self._seed, view)).permutation(present.sum())[:_MEDIAN_ROWS]
        return space, prepared, _median_distance(prepared[present][torch.from_numpy(drawn)])

    def gamma(self, view: int, width: float) -> float:
        """The factor of squared distances in the kernel of a view: `width` over their median."""
        return width / self.medians[view]

    def weighted_sum(
        self,
        summands: Sequence[Sequence[int]],
        weights: Sequence[float],
        widths: Sequence[float],
        dtype: torch.dtype = torch.float64,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """A weighted sum of kernels between all clips and the anchors.

        Args:
            summands: Views whose kernels are multiplied, for each term.
            weights: One per summand.
            widths: One per view; see `gamma`.
            dtype: Of the result; float32 takes half the time and is exact enough to compare choices.

        Returns:
            `(clips, anchors)`, 0 wherever a view is missing; and `(clips,)`, the prior variance of the missing
            views, to be added to the diagonal.
        """
        total: torch.Tensor | None = None
        missing = torch.zeros(len(self.present), dtype=dtype)
        for members, weight in zip(summands, weights, strict=True):
            if weight == 0:
                continue
            present = self.present[:, list(members)].all(dim=1)
            kernel = self._product(members, widths, dtype).mul_(weight)
            if not present.all():
                kernel *= present[:, None] & present[self.anchors]
                missing += weight * ~present
            total = kernel if total is None else total.add_(kernel)
        assert total is not None
        return total, missing

    def _product(self, members: Sequence[int], widths: Sequence[float], dtype: torch.dtype) -> torch.Tensor:
        if self.spaces[members[0]].kernel == "linear":
            return self._comparisons(members[0]).to(dtype, copy=True)
        exponent = self._comparisons(members[0]).to(dtype, copy=True).mul_(-widths[members[0]])
        for view in members[1:]:
            exponent.add_(self._comparisons(view), alpha=-widths[view])
        return exponent.exp_()

    def _comparisons(self, view: int) -> torch.Tensor:
        """Squared distances over their median, or the products of a linear view; `(clips, anchors)`."""
        if view not in self._cache:
            x = self.vectors[view]
            if self.spaces[view].kernel == "linear":
                rows, anchors = (csr_array(each.numpy()) for each in (x, x[self.anchors]))  # mostly 0
                comparisons = torch.from_numpy((rows @ anchors.T).toarray())
            else:
                comparisons = squared_distances(x, x[self.anchors]) / self.medians[view]
            self._cache[view] = comparisons.to(self._cache_dtype)
        return self._cache[view]


def _median_distance(vectors: torch.Tensor) -> float:
    upper = torch.triu_indices(len(vectors), len(vectors), 1)
    median = float(squared_distances(vectors, vectors)[upper[0], upper[1]].median())
    return median if median > 0 else 1.0
