"""The table of scores that `videomem predict --csv` writes, with or without Ray."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from videomem_hf.schema import Horizon


def score_columns(horizons: Sequence[Horizon]) -> list[str]:
    """The header of the table."""
    return ["clip", *horizons, "frames", "note"]


def score_row(
    clip: Path, horizons: Sequence[Horizon], scores: Mapping[Horizon, float] | None, frames: int, note: str
) -> list[object]:
    """The row of one clip; without scores, the note says why."""
    return [clip, *[f"{scores[h]:.6f}" if scores else "" for h in horizons], frames, note]
