"""Kernels of training clips, view by view, and ridge regression in them with every fold's held-out predictions."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import torch

from videomem_hf.features.title_views import WORDS
from videomem_hf.models.modeling_multiview import prepare_view, squared_distances
from videomem_hf.multiview.config import EXACT_UP_TO, LANDMARKS
from videomem_hf.schema import InputError

_MEDIAN_ROWS: Final = 2_000
_CACHE_FLOAT64_BYTES: Final = 1 << 31


@dataclass(frozen=True)
class ViewSpace:
    """The space in which a view's vectors are compared; see `prepare_view`.

    Attributes:
        name: Of the view.
        shift, factor: `(size,)` float64.
        root: Whether square roots are taken first.
        unit: Whether vectors are brought to length 1.
        kernel: "rbf" or "linear".
    """

    name: str
    shift: torch.Tensor
    factor: torch.Tensor
    root: bool
    unit: bool
    kernel: str

    def prepare(self, values: torch.Tensor) -> torch.Tensor:
        """Bring vectors `(clips, size)` to this space, in float64."""
        return prepare_view(values.double(), self.shift, self.factor, self.root, self.unit)


def view_space(name: str, values: np.ndarray, standardised: bool = False) -> ViewSpace:
    """Choose the space of a view by its training vectors.

    Vectors of one length (sentence embeddings) stay on the sphere. Counts of words are weighed by how rare the words
    are (inverse document frequency) and compared by the cosine. Other numbers that are never negative (histograms,
    concept scores) go through Hellinger's map, the square root. All others are standardised.

    Args:
        name: Of the view; `title_words` has counts.
        values: `(clips, size)` without missing ones.
        standardised: Whether square roots are standardised as well.
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
    """Kernels among the training clips; distances are kept, so that trying another width is cheap.

    Args:
        views: Name to `(clips, size)`; NaN in a row means that the clip lacks the view.
        seed: Of the landmarks and of the clips behind the median distance.
        exact_up_to: See `EXACT_UP_TO`.
        landmarks: See `LANDMARKS`.
        standardised: Views whose square roots are standardised.

    Attributes:
        names: The views, in their order.
        spaces: One a view.
        present: `(clips, views)` bool.
        medians: Median squared distance of each view in its space; 1 for a linear one.
        anchors: `(landmarks,)` indices of the clips that others are compared with; all of them where that is exact.
        exact: Whether every clip is an anchor.
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
        self.exact = clips <= exact_up_to
        chosen = np.arange(clips) if self.exact else np.sort(generator.choice(clips, min(landmarks, clips), False))
        self.anchors = torch.from_numpy(chosen)
        self.present = torch.from_numpy(np.stack([np.isfinite(x).all(axis=1) for x in views.values()], axis=1))
        self._views, self._seed = views, seed
        self.spaces: list[ViewSpace] = []
        self.medians: list[float] = []
        self.vectors: list[torch.Tensor] = []
        self._cache: dict[int, torch.Tensor] = {}
        for view, name in enumerate(self.names):
            if (there := int(self.present[:, view].sum())) < 2:
                raise InputError(f"the view {name!r} has {there} training clips; 2 or more are needed")
            space, vectors, median = self._placed(view, name in standardised)
            self.spaces.append(space)
            self.vectors.append(vectors)
            self.medians.append(median)
        size = clips * len(chosen) * len(self.names) * 8
        self._dtype = torch.float64 if size <= _CACHE_FLOAT64_BYTES else torch.float32

    def place(self, view: int, standardised: bool) -> None:
        """Bring a view to another space: square roots standardised or not."""
        self.spaces[view], self.vectors[view], self.medians[view] = self._placed(view, standardised)
        self._cache.pop(view, None)

    def _placed(self, view: int, standardised: bool) -> tuple[ViewSpace, torch.Tensor, float]:
        values, there = self._views[self.names[view]], self.present[:, view].numpy()
        space = view_space(self.names[view], values[there], standardised)
        prepared = torch.zeros(values.shape, dtype=torch.float64)
        prepared[there] = space.prepare(torch.from_numpy(values[there]))
        if space.kernel == "linear":
            return space, prepared, 1.0
        drawn = np.random.default_rng((self._seed, view)).permutation(there.sum())[:_MEDIAN_ROWS]
        return space, prepared, _median_distance(prepared[there][torch.from_numpy(drawn)])

    def __len__(self) -> int:
        return len(self.present)

    def gamma(self, view: int, width: float) -> float:
        """The factor of squared distances in a view's kernel: `width` over their median."""
        return width / self.medians[view]

    def combined(
        self,
        summands: Sequence[Sequence[int]],
        weights: Sequence[float],
        widths: Sequence[float],
        dtype: torch.dtype = torch.float64,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """A weighted sum of kernels between all clips and the anchors.

        Args:
            summands: Views whose kernels are multiplied, for each term.
            weights: One a summand.
            widths: One a view; see `gamma`.
            dtype: Of the result; float32 takes half the time and is exact enough to compare choices.

        Returns:
            `(clips, anchors)`, 0 wherever a view is missing; and `(clips,)`, the prior variance of what is
            missing, which belongs on the diagonal.
        """
        total: torch.Tensor | None = None
        missing = torch.zeros(len(self), dtype=dtype)
        for members, weight in zip(summands, weights, strict=True):
            if weight == 0:
                continue
            there = self.present[:, list(members)].all(dim=1)
            kernel = self._product(members, widths, dtype).mul_(weight)
            if not there.all():
                kernel *= there[:, None] & there[self.anchors]
                missing += weight * ~there
            total = kernel if total is None else total.add_(kernel)
        assert total is not None
        return total, missing

    def _product(self, members: Sequence[int], widths: Sequence[float], dtype: torch.dtype) -> torch.Tensor:
        if self.spaces[members[0]].kernel == "linear":
            return self._pairs(members[0]).to(dtype, copy=True)
        exponent = self._pairs(members[0]).to(dtype, copy=True).mul_(-widths[members[0]])
        for view in members[1:]:
            exponent.add_(self._pairs(view), alpha=-widths[view])
        return exponent.exp_()

    def _pairs(self, view: int) -> torch.Tensor:
        """Squared distances over their median, or products of a linear view; `(clips, anchors)`."""
        if view not in self._cache:
            x = self.vectors[view]
            if self.spaces[view].kernel == "linear":
                pairs = _products_of_sparse(x, x[self.anchors])
            else:
                pairs = squared_distances(x, x[self.anchors]) / self.medians[view]
            self._cache[view] = pairs.to(self._dtype)
        return self._cache[view]


def _median_distance(vectors: torch.Tensor) -> float:
    upper = torch.triu_indices(len(vectors), len(vectors), 1)
    median = float(squared_distances(vectors, vectors)[upper[0], upper[1]].median())
    return median if median > 0 else 1.0


def _products_of_sparse(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """The products of rows that are nearly all 0."""
    from scipy.sparse import csr_array

    return torch.from_numpy((csr_array(first.numpy()) @ csr_array(second.numpy()).T).toarray())


class Solution(NamedTuple):
    """A solved kernel machine.

    Attributes:
        coefficients: `(anchors, targets)`: a prediction is the kernels with the anchors times these.
        held_out: `(clips, targets)`: for each clip what the machine says that was solved without its fold.
    """

    coefficients: torch.Tensor
    held_out: torch.Tensor


def solve(
    bank: KernelBank,
    kernel: torch.Tensor,
    noise: torch.Tensor,
    targets: torch.Tensor,
    folds: Sequence[torch.Tensor],
) -> Solution:
    """Ridge regression in a kernel: the posterior mean of a Gaussian process.

    Args:
        bank: Says which clips are anchors.
        kernel: `(clips, anchors)` of `KernelBank.combined`; used up.
        noise: `(clips,)`, above 0, of the kernel's type: the noise's variance, the ridge.
        targets: `(clips, targets)` of the kernel's type; NaN where unknown, which excludes the clip for that target.
        folds: Indices of the clips of each fold.

    Raises:
        InputError: The system cannot be solved.
    """
    try:
        return (_solve_exactly if bank.exact else _solve_nystrom)(bank, kernel, noise, targets, folds)
    except torch.linalg.LinAlgError:
        raise InputError("the kernel's linear system cannot be solved; take a larger ridge") from None


def _solve_exactly(
    bank: KernelBank,
    kernel: torch.Tensor,
    noise: torch.Tensor,
    targets: torch.Tensor,
    folds: Sequence[torch.Tensor],
) -> Solution:
    """From the inverse of the whole system, every fold's predictions follow.

    With C the inverse and a = C y, a fold B that is left out is missed by C_BB^-1 a_B. An unknown target is set to what
    the others predict of it, which makes its coefficient 0: the clip is then as good as not there.
    """
    kernel.diagonal().add_(noise)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(kernel))
    filled, held_out = targets.nan_to_num(), torch.empty_like(targets)
    patterns: dict[bytes, list[int]] = {}
    for column in range(targets.shape[1]):
        patterns.setdefault(targets[:, column].isnan().numpy().tobytes(), []).append(column)
    coefficients = torch.empty_like(targets)
    for columns in patterns.values():
        unknown = targets[:, columns[0]].isnan()
        y = filled[:, columns]
        a = inverse @ y
        if unknown.any():
            y[unknown] -= torch.linalg.solve(inverse[unknown][:, unknown], a[unknown])
            a = inverse @ y
            a[unknown] = 0.0
        coefficients[:, columns] = a
        for fold in folds:
            out = torch.cat([fold, torch.nonzero(unknown).flatten()]).unique()
            missed = torch.linalg.solve(inverse[out][:, out], a[out])
            held_out[out[:, None], torch.tensor(columns)] = torch.where(
                torch.isin(out, fold)[:, None], y[out] - missed, held_out[out][:, columns]
            )
    return Solution(coefficients, held_out)


def _solve_nystrom(
    bank: KernelBank,
    kernel: torch.Tensor,
    noise: torch.Tensor,
    targets: torch.Tensor,
    folds: Sequence[torch.Tensor],
) -> Solution:
    """Subset of regressors: (K' N^-1 K + K_mm) a = K' N^-1 y, with N the noise; a fold leaves its rows out of it."""
    among = kernel[bank.anchors].clone()
    among = (among + among.T) / 2
    among.diagonal().add_((1e-8 if among.dtype == torch.float64 else 1e-4) * float(among.diagonal().mean()))
    coefficients = torch.empty(kernel.shape[1], targets.shape[1], dtype=kernel.dtype)
    held_out = torch.empty_like(targets)
    for column in range(targets.shape[1]):
        known = targets[:, column].isfinite()
        weights = torch.where(known, 1 / noise, 0.0)
        y = targets[:, column].nan_to_num()
        whole = kernel.T @ (weights[:, None] * kernel) + among
        right = kernel.T @ (weights * y)
        coefficients[:, column] = torch.cholesky_solve(right[:, None], torch.linalg.cholesky(whole))[:, 0]
        for fold in folds:
            rows = kernel[fold]
            weighted = weights[fold, None] * rows
            factor = torch.linalg.cholesky(whole - rows.T @ weighted)
            without = right - weighted.T @ y[fold]
            held_out[fold, column] = rows @ torch.cholesky_solve(without[:, None], factor)[:, 0]
    return Solution(coefficients, held_out)
