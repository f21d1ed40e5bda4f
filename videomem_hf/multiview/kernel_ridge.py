"""Kernel ridge regression with the held-out predictions of every fold."""

from collections.abc import Sequence
from typing import NamedTuple

import torch

from videomem_hf.schema import InputError


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
) -> Solution:
    """Ridge regression in a kernel: the posterior mean of a Gaussian process.

    Args:
        kernel: `(clips, anchors)` of `KernelBank.weighted_sum`; overwritten.
        noise: `(clips,)`, above 0, of the kernel's type: the noise variance, the ridge.
        targets: `(clips, targets)` of the kernel's type; NaN where unknown, which excludes the clip for that target.
        folds: Indices of the clips of each fold.
        landmarks: Indices of the anchors among the clips; None where every clip is one.

    Raises:
        InputError: The system cannot be solved.
    """
    try:
        if landmarks is None:
            return _solve_exactly(kernel, noise, targets, folds)
        return _solve_nystrom(kernel, noise, targets, folds, landmarks)
    except torch.linalg.LinAlgError:
        raise InputError("the kernel's linear system cannot be solved; take a larger ridge") from None


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
