"""The table of scores that `videomem predict --csv` writes, with or without Ray."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from videomem_hf.schema import Horizon
from videomem_hf.system import printable


def score_columns(horizons: Sequence[Horizon]) -> list[str]:
    """Give the names of the table's columns."""
    return ["clip", *horizons, "frames", "note"]


def score_row(
    clip: Path | str, horizons: Sequence[Horizon], scores: Mapping[Horizon, float] | None, frames: int, note: str
) -> list[object]:
    """Give a clip's row; without scores, the note says why. What is not UTF-8 in names is escaped."""
    return [printable(clip), *[f"{scores[h]:.6f}" if scores else "" for h in horizons], frames, printable(note)]
