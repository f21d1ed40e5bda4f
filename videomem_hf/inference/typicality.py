"""How unlike its training clips a clip is, in numbers that describe it as the model sees it.

Every group of numbers (the frames as the network gets them, its last maps, a feature, a view) has a Gaussian fitted to
the training clips, whose covariance is kept in a few directions and one variance for all others (Tipping and Bishop,
"Probabilistic Principal Component Analysis", 1999). The logarithm of a clip's distance is compared with its median and
interquartile range among held-out clips; the largest of the groups', ranked among those of the held-out clips, gives a
conformal p-value (Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005): at most 5 % of clips
like the held-out ones have one up to 5 %.

A Gaussian process has a variance of its own for each clip: a group of its own is the prior variance over the part of
it that the training clips remove, which is large for a clip unlike all of them.

Features and views have the size of their vectors as a group of its own: zeros lie near the mean of many numbers that
are mostly small, and rare numbers vary so much that larger ones everywhere are no farther than some held-out clips.
Another group is how the numbers of a vector are distributed: one and the same number everywhere lies near the mean, and
so near all training clips, while theirs consist of many small numbers and a few large ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from videomem_hf.schema import InputError
from videomem_hf.statistics import Floats

Described = Mapping[str, np.ndarray]
"""Name of a group to numbers `(clips, size)`; a row with NaN lacks the group."""

_MOST_CLIPS: Final = 1_000
_DIRECTIONS: Final = 128
_LEAST_VARIANCE: Final = 0.01
"""Of standardised numbers: rounding in bfloat16 must not count as a distance."""
_LEAST_SIZE_SD: Final = 0.05
"""Of the logarithm of a vector's length: vectors of equal length differ by rounding."""
_LEAST_SIZE: Final = 1e-9
_LEAST_SHAPE_SD: Final = 0.05
"""Of the numbers of a vector whose mean square is 1: a quantile that is 0 for all training clips counts as well."""
_QUANTILES: Final = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98)
_FEWEST_NUMBERS: Final = 8
"""Of a vector, for its quantiles to say more than the numbers themselves."""
_LEAST_SCALE: Final = 1e-30
_LEAST_SPREAD: Final = 1e-3
"""Of the logarithms of distances: those of equal clips differ by rounding."""
_FEWEST_TRAINING: Final = 10
_FEWEST_HELD_OUT: Final = 19
"""Held-out clips below which no p-value can be as low as 5 %."""
_FOLDS: Final = 10
"""Of cross-fitting."""


_SIZE_OF: Final = "size of "
_SHAPE_OF: Final = "shape of "
_COLUMN: Final = "/column"
_DISTANCE_BY: Final = "distance by "
"""Of groups whose squares are distances already."""


def with_summaries(described: Described) -> dict[str, np.ndarray]:
    """Add to each group of features two groups that summarise its vectors.

    One is the logarithm of their Euclidean length, `(clips, 1)`. The other is the distribution of their numbers, in
    units of their root mean square: the mean size and quantiles, `(clips, 8)`.
    """
    found = dict(described)
    for name, rows in described.items():
        values = np.asarray(rows, np.float64)
        lengths = np.maximum(np.linalg.norm(values, axis=1), _LEAST_SIZE)
        found[f"{_SIZE_OF}{name}"] = np.log(lengths)[:, None]
        if values.shape[1] >= _FEWEST_NUMBERS:
            units = values * (values.shape[1] ** 0.5 / lengths)[:, None]
            quantiles = np.quantile(units, _QUANTILES, axis=1)
            found[f"{_SHAPE_OF}{name}"] = np.column_stack([np.abs(units).mean(axis=1), *quantiles])
    return found


def with_distances(described: Described, explained: np.ndarray, config: Any) -> dict[str, np.ndarray]:
    """Add the groups of the Gaussian processes of a `MultiViewModel`: the root of 1 / explained, `(clips, 1)`.

    Args:
        described: Groups of the clips.
        explained: `(clips, processes)` of `MultiViewOutput`.
        config: The model's.
    """
    patterns = [config.patterns[number] for number in config.explained_patterns]
    names = [f"{_DISTANCE_BY}{' + '.join(config.view_names[view] for view in pattern)}" for pattern in patterns]
    roots = np.maximum(explained, _LEAST_SIZE) ** -0.5
    return dict(described) | {name: roots[:, [column]] for column, name in enumerate(names)}


def sample_clips(clips: int, most: int = _MOST_CLIPS) -> np.ndarray:
    """Draw the indices of the clips that are described, in rising order."""
    return np.sort(np.random.default_rng(0).permutation(clips)[:most])


@dataclass(frozen=True)
class GaussianFit:
    """A Gaussian of `size` numbers.

    Attributes:
        mean, scale: `(size,)`, by which numbers are standardised.
        directions: `(size, kept)` orthonormal, those in which the standardised numbers vary most.
        variances: `(kept,)` in these directions.
        rest: `(1,)`, the mean variance in all others.
    """

    mean: np.ndarray
    scale: np.ndarray
    directions: np.ndarray
    variances: np.ndarray
    rest: np.ndarray

    @classmethod
    def fit(cls, rows: np.ndarray, least_scale: float | None = None) -> "GaussianFit":
        """Fit to rows `(clips, size)`; at most a third as many directions are kept as there are clips.

        Columns that do not vary are ignored, or with `least_scale` have that standard deviation, as have others that
        vary less.
        """
        rows = rows.astype(np.float64)
        mean, scale = rows.mean(axis=0), rows.std(axis=0)
        if least_scale is None:
            scale = np.where(scale > 1e-6 * np.abs(rows).max(axis=0, initial=1e-12), scale, np.inf)
        else:
            scale = np.maximum(scale, least_scale)
        _, singular, directions = np.linalg.svd((rows - mean) / scale, full_matrices=False)
        variances = singular**2 / len(rows)
        size = int(np.isfinite(scale).sum())
        kept = max(1, min(_DIRECTIONS, len(rows) // 3, size))
        others = max(1, size - kept)
        rest = max(float(variances[kept:].sum()) / others, _LEAST_VARIANCE)
        largest = np.maximum(variances[:kept], rest)
        parts = (mean, scale, directions[:kept].T, largest, np.array([rest]))
        return cls(*(np.ascontiguousarray(each, dtype=np.float32) for each in parts))

    @classmethod
    def fit_size(cls, sizes: np.ndarray) -> "GaussianFit":
        """Fit to sizes `(clips, 1)` as `with_summaries` gives them."""
        mean, scale = sizes.mean(axis=0), np.maximum(sizes.std(axis=0), _LEAST_SIZE_SD)
        parts = (mean, scale, np.ones((1, 1)), np.ones(1), np.ones(1))
        return cls(*(np.ascontiguousarray(each, dtype=np.float32) for each in parts))

    @classmethod
    def of_tensors(cls, stored: Mapping[str, np.ndarray], name: str) -> "GaussianFit":
        """Read a group of a saved file. Raises KeyError or ValueError for what cannot be one."""
        mean = _tensor(stored, f"{name}/mean", (None,))
        directions = _tensor(stored, f"{name}/directions", (len(mean), None))
        if not np.isfinite(mean).all() or not np.isfinite(directions).all():
            raise ValueError(f"{name} has a mean or a direction that is not finite")
        return cls(
            mean,
            _tensor(stored, f"{name}/scale", mean.shape, _LEAST_SCALE),
            directions,
            _tensor(stored, f"{name}/variances", directions.shape[1:], _LEAST_SCALE),
            _tensor(stored, f"{name}/rest", (1,), _LEAST_SCALE),
        )

    @classmethod
    def of_distances(cls) -> "GaussianFit":
        """That of numbers `(clips, 1)` whose squares are distances."""
        one = np.ones(1, np.float32)
        return cls(np.zeros(1, np.float32), one, np.ones((1, 1), np.float32), one, one)

    def distances(self, rows: np.ndarray) -> Floats:
        """Squared Mahalanobis distances of rows `(clips, size)`; NaN for a row with NaN."""
        z = (rows.astype(np.float64) - self.mean) / self.scale
        along = z @ self.directions
        outside = np.maximum((z**2).sum(axis=1) - (along**2).sum(axis=1), 0)
        return np.asarray((along**2 / self.variances).sum(axis=1) + outside / float(self.rest[0]))


def _fit_group(name: str, rows: np.ndarray) -> GaussianFit:
    if name.startswith(_DISTANCE_BY):
        return GaussianFit.of_distances()
    if name.startswith(_SIZE_OF):
        return GaussianFit.fit_size(rows)
    return GaussianFit.fit(rows, _LEAST_SHAPE_SD if name.startswith(_SHAPE_OF) else None)


@dataclass(frozen=True)
class Typicality:
    """Gaussians of the training clips, and how far held-out clips are from them.

    Attributes:
        fits: One for each group.
        held_out: `(clips, groups)` distances of held-out clips, NaN where a clip lacks the group.
    """

    fits: dict[str, GaussianFit]
    held_out: np.ndarray

    @classmethod
    def fit(cls, training: Described, held_out: Described) -> "Typicality | None":
        """Fit to training clips and held-out clips that the model has not seen; None with too few of either."""
        fits, columns = {}, []
        for name, rows in training.items():
            known = rows[np.isfinite(rows).all(axis=1)]
            if len(known) >= _FEWEST_TRAINING and name in held_out:
                fits[name] = _fit_group(name, known)
                columns.append(fits[name].distances(held_out[name]))
        if not columns or len(columns[0]) < _FEWEST_HELD_OUT:
            return None
        return cls(fits, np.stack(columns, axis=1).astype(np.float32))

    @classmethod
    def cross_fit(cls, described: Described) -> "Typicality | None":
        """Fit to clips of which none is to spare: how far each is, is by Gaussians of the other folds' clips.

        None with too few clips.
        """
        clips = len(next(iter(described.values()), ()))
        fold_of = np.random.default_rng(0).permutation(clips) % _FOLDS
        fits, columns = {}, []
        for name, rows in described.items():
            known = np.isfinite(rows).all(axis=1)
            if min((known & (fold_of != fold)).sum() for fold in range(_FOLDS)) < _FEWEST_TRAINING:
                continue
            column = np.full(clips, np.nan)
            for fold in range(_FOLDS):
                here = fold_of == fold
                column[here] = _fit_group(name, rows[known & ~here]).distances(rows[here])
            fits[name] = _fit_group(name, rows[known])
            columns.append(column)
        if not columns or clips < _FEWEST_HELD_OUT:
            return None
        return cls(fits, np.stack(columns, axis=1).astype(np.float32))

    def percent(self, described: Described) -> float | None:
        """Share of held-out clips that are less typical of the training clips than one clip, in percent.

        Args:
            described: The clip's groups, `(1, size)` each.

        Returns:
            In (0, 100]; None if the clip has no group, or too few held-out clips have the same ones.
        """
        found = {
            column: fit.distances(described[name])[0]
            for column, (name, fit) in enumerate(self.fits.items())
            if name in described and described[name].shape[1] == len(fit.mean)  # else of another version
        }
        groups = [i for i, distance in found.items() if np.isfinite(distance)]
        others = self.held_out[:, groups]
        others = others[np.isfinite(others).all(axis=1)]
        if not groups or len(others) < _FEWEST_HELD_OUT:
            return None
        own = np.array([found[i] for i in groups], np.float32)
        # Of all clips together, so that the new one is treated as any of them.
        distances = np.log(np.vstack([others, own]) + _LEAST_SIZE)
        low, middle, high = np.quantile(distances, (0.25, 0.5, 0.75), axis=0)
        farthest = ((distances - middle) / np.maximum(high - low, _LEAST_SPREAD)).max(axis=1)
        return float(100 * np.mean(farthest >= farthest[-1]))

    def save(self, path: Path) -> None:
        """Write a safetensors file."""
        from safetensors.numpy import save_file

        tensors = {f"{name}/{part}": value for name, fit in self.fits.items() for part, value in vars(fit).items()}
        # The order of the columns of `held_out`; tensors have none.
        order = {f"{name}{_COLUMN}": np.array([column], np.int64) for column, name in enumerate(self.fits)}
        save_file(tensors | order | {"held_out": np.ascontiguousarray(self.held_out)}, path)

    @classmethod
    def load(cls, path: Path) -> "Typicality":
        """Read what `save` wrote. Raises InputError, with the tensor, for a file that cannot be used."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            return cls._of_tensors(load_file(path))
        except KeyError as error:
            cause = f"it holds no {error.args[0]}"
        except (OSError, TypeError, ValueError, SafetensorError) as error:
            cause = str(error)
        raise InputError(
            f"{path}: is damaged ({cause}); fetch it or train the model again, or remove it: clips that are unlike the "
            "training clips then go unnoticed"
        )

    @classmethod
    def _of_tensors(cls, stored: Mapping[str, np.ndarray]) -> "Typicality":
        """Raises KeyError or ValueError for tensors that `save` cannot have written."""
        order: dict[int, str] = {}
        for key in stored:
            if key.endswith(_COLUMN):
                order[int(_tensor(stored, key, (1,), kind="i")[0])] = key.removesuffix(_COLUMN)
        if not order or sorted(order) != list(range(len(order))):
            raise ValueError(f"its groups are columns {sorted(order)}; they must be 0, 1, ...")
        fits = {order[column]: GaussianFit.of_tensors(stored, order[column]) for column in range(len(order))}
        held_out = _tensor(stored, "held_out", (None, len(fits)))
        if np.isinf(held_out).any() or (held_out < 0).any():
            raise ValueError("held_out has a distance that is infinite or below 0")
        return cls(fits, held_out)


def _tensor(
    stored: Mapping[str, np.ndarray],
    name: str,
    shape: tuple[int | None, ...],
    least: float | None = None,
    kind: str = "f",
) -> np.ndarray:
    """A tensor of that shape, None for any length, and kind of number; with `least` none may be lower, or NaN."""
    found = stored[name]
    if len(found.shape) != len(shape) or any(w not in (None, n) for w, n in zip(shape, found.shape, strict=True)):
        wanted = ", ".join("n" if each is None else str(each) for each in shape)
        raise ValueError(f"{name} has the shape {found.shape}; it must be ({wanted})")
    if found.dtype.kind != kind:
        raise ValueError(f"{name} holds {found.dtype}; it must hold {'whole' if kind == 'i' else 'real'} numbers")
    if least is not None and not (found >= least).all():
        raise ValueError(f"{name} has a number that is not {least:g} or more")
    return found
