"""How often measured scores lie in their prediction intervals: in all, and where predictions or counts are extreme."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from videomem_hf.data.scored_clips import Clips
from videomem_hf.schema import HORIZON_NAMES, Horizon

Coverage = dict[str, dict[str, float]]
"""Horizon to group of clips to the share of measured scores in their intervals."""

ALL: Final = "all"
_FEWEST: Final = 50
"""Clips below which a fifth is too few to say anything."""


def interval_coverage(ends: np.ndarray, scores: np.ndarray, clips: Clips, horizons: Sequence[Horizon]) -> Coverage:
    """Share of measured scores in their intervals.

    Args:
        ends: `(clips, horizons, 2)`.
        scores: `(clips, horizons)`, what is predicted.
        clips: With their measured scores and annotation counts.

    Returns:
        For each horizon that of all clips and, with 50 or more, of the fifths with the lowest and highest predictions
        and with the fewest and most annotations, where counts are known.
    """
    found: Coverage = {}
    for column, horizon in enumerate(horizons):
        measured = clips.labels[:, column]
        known = np.isfinite(measured)
        inside = ((ends[:, column, 0] <= measured) & (measured <= ends[:, column, 1]))[known]
        if not len(inside):
            continue
        found[horizon] = {ALL: float(inside.mean())}
        counts = clips.annotation_counts[known, column]
        groups = {("lowest predictions", "highest predictions"): scores[known, column]}
        groups |= {("fewest annotations", "most annotations"): counts} if np.isfinite(counts).all() else {}
        for (low, high), values in groups.items() if len(inside) >= _FEWEST else ():
            order, fifth = np.argsort(values, kind="stable"), len(inside) // 5
            found[horizon][low] = float(inside[order[:fifth]].mean())
            found[horizon][high] = float(inside[order[-fifth:]].mean())
    return found


def coverage_lines(coverage: Coverage, level: float, *, is_calibration_split: bool) -> str:
    """A line for each horizon; `is_calibration_split`: the intervals were calibrated on these clips."""
    lines = []
    for horizon, shares in coverage.items():
        fifths = ", ".join(f"{name} {share:.2f}" for name, share in shares.items() if name != ALL)
        name = HORIZON_NAMES[horizon]
        fifths = f" (fifth with {fifths})" if fifths else ""
        lines.append(f"{level:.0%} prediction intervals, {name}: {shares[ALL]:.2f} of the scores{fifths}")
    note = (
        "The intervals were calibrated on these clips, so that their overall share is no test of them."
        if is_calibration_split
        else ""
    )
    return "".join(f"{line}\n" for line in (*lines, *filter(None, [lines and note])))
