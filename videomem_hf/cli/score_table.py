"""The table of scores that `videomem predict --csv` writes, whatever the engine."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from videomem_hf.schema import Horizon


def score_columns(horizons: Sequence[Horizon]) -> list[str]:
    """Head the table."""
    return ["clip", *horizons, "frames", "note"]


def score_row(
    clip: Path, horizons: Sequence[Horizon], scores: Mapping[Horizon, float] | None, frames: int, note: str
) -> list[object]:
    """Tell a clip's scores; without any, the note says why."""
    return [clip, *[f"{scores[h]:.6f}" if scores else "" for h in horizons], frames, note]
