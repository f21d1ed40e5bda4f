"""Kernel ridge regression with the held-out predictions of every fold."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import torch

from videomem_hf.schema import InputError

ITERATIVE_ABOVE: Final = 2_000
"""Clips beyond which systems are solved by conjugate gradients, in float32: the work grows with their square."""
_MAX_FOLDS: Final = 20
_MAX_ITERATIONS: Final = 150


class Solution(NamedTuple):
    """A fitted kernel ridge model.

    Attributes:
        coefficients: `(anchors, targets)`: a prediction is the kernels with the anchors times these.
        held_out: `(clips, targets)`: for each clip the prediction of the model fitted without its fold.
    """

    coefficients: torch.Tensor
    held_out: torch.Tensor


def solve(
    kernel: torch.Tensor,
    noise: torch.Tensor,
    targets: torch.Tensor,
    folds: Sequence[torch.Tensor],
    landmarks: torch.Tensor | None = None,
    tolerance: float = 1e-5,
) -> Solution:
    """Ridge regression in a kernel: the posterior mean of a Gaussian process.

    Args:
        kernel: `(clips, anchors)` of `KernelBank.weighted_sum`; overwritten.
        noise: `(clips,)`, above 0, of the kernel's type: the noise variance, the ridge.
        targets: `(clips, targets)` of the kernel's type; NaN where unknown, which excludes the clip for that target.
        folds: Indices of the clips of each fold.
        landmarks: Indices of the anchors among the clips; None where every clip is one.
        tolerance: Of the residual relative to the targets, where the system is solved by conjugate gradients.

    Raises:
        InputError: The system cannot be solved.
    """
    try:
        if landmarks is None:
            if len(kernel) > ITERATIVE_ABOVE:
                if len(folds) <= _MAX_FOLDS and (found := _solve_iteratively(kernel, noise, targets, folds, tolerance)):
                    return found
                kernel, noise, targets = kernel.double(), noise.double(), targets.double()  # few digits of one inverse
            return _solve_exactly(kernel, noise, targets, folds)
        return _solve_nystrom(kernel, noise, targets, folds, landmarks)
    except torch.linalg.LinAlgError:
        raise InputError("the kernel's linear system cannot be solved; take a larger ridge") from None


def _solve_iteratively(
    kernel: torch.Tensor, noise: torch.Tensor, targets: torch.Tensor, folds: Sequence[torch.Tensor], tolerance: float
) -> Solution | None:
    """Conjugate gradients for all clips and for those outside each fold, all at once; None if they do not converge.

    The system of a part of the clips is the whole one with the other clips' rows and coefficients set to 0.
    """
    clips, columns = targets.shape
    used = torch.ones(clips, len(folds) + 1, columns, dtype=torch.bool)  # of each system: all clips, then each fold's
    for number, fold in enumerate(folds, start=1):
        used[fold, number] = False
    used = (used & targets.isfinite()[:, None]).flatten(1)
    residual = targets.nan_to_num()[:, None].expand(-1, len(folds) + 1, -1).flatten(1) * used
    coefficients = torch.zeros_like(residual)
    scaled = residual / noise[:, None]
    direction = scaled.clone()
    size = (residual * scaled).sum(dim=0)
    enough = tolerance**2 * size
    for _ in range(_MAX_ITERATIONS):
        product = torch.addcmul(kernel @ direction, noise[:, None], direction).mul_(used)
        step = size / (direction * product).sum(dim=0).clamp_min(torch.finfo(size.dtype).tiny)
        coefficients.addcmul_(step, direction)
        residual.addcmul_(step, product, value=-1)
        scaled = residual / noise[:, None]
        before, size = size, (residual * scaled).sum(dim=0)
        if bool((size <= enough).all()):
            break
        direction.mul_(size / before.clamp_min(torch.finfo(size.dtype).tiny)).add_(scaled)
    else:
        return None
    each = coefficients.unflatten(1, (-1, columns))
    held_out = torch.empty_like(targets)
    for number, fold in enumerate(folds, start=1):
        held_out[fold] = kernel[fold] @ each[:, number]
    return Solution(each[:, 0], held_out)


def _solve_exactly(
    kernel: torch.Tensor, noise: torch.Tensor, targets: torch.Tensor, folds: Sequence[torch.Tensor]
) -> Solution:
    """The predictions for every fold follow from one inverse of the whole system.

    With C the inverse and a = C y, the held-out error of a fold B is C_BB^-1 a_B. An unknown target is set to its
    prediction from the others, which makes its coefficient 0, as if the clip were absent.
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
            errors = torch.linalg.solve(inverse[out][:, out], a[out])
            held_out[out[:, None], torch.tensor(columns)] = torch.where(
                torch.isin(out, fold)[:, None], y[out] - errors, held_out[out][:, columns]
            )
    return Solution(coefficients, held_out)


def _solve_nystrom(
    kernel: torch.Tensor,
    noise: torch.Tensor,
    targets: torch.Tensor,
    folds: Sequence[torch.Tensor],
    landmarks: torch.Tensor,
) -> Solution:
    """Subset of regressors: (K' N^-1 K + K_mm) a = K' N^-1 y, with N the noise; without the rows of a held-out fold."""
    among = kernel[landmarks].clone()
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
