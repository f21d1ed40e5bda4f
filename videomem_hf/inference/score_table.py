"""The table of scores that `videomem predict --csv` writes, with or without Ray, and the Space."""

from collections.abc import Sequence
from pathlib import Path

from videomem_hf.inference.score_journal import ClipScores, Model
from videomem_hf.schema import Horizon
from videomem_hf.system import printable


def score_columns(horizons: Sequence[Horizon], level: float) -> list[str]:
    """Give the names of the table's columns; those of the interval's ends say its level, as `short_term_low_90`."""
    ends = [f"{horizon}_{end}_{100 * level:g}" for horizon in horizons for end in ("low", "high")]
    percentiles = [f"{horizon}_percentile" for horizon in horizons]
    about = ["percentile_among", "typicality", "model", "model_version", "note", "caveats"]
    return ["clip", *horizons, "frames", *ends, *percentiles, *about]


def score_row(
    clip: Path | str, horizons: Sequence[Horizon], scores: ClipScores | None, note: str, model: Model
) -> list[object]:
    """Give a clip's row; without scores, the note says why. What is not UTF-8 in names is escaped."""
    empty = [""] * len(horizons)
    about = [printable(model.name), model.version, printable(note), " ".join(model.caveats)]
    if scores is None:
        return [printable(clip), *empty, 0, *empty, *empty, *empty, "", "", *about]
    ends = [f"{end:.6f}" for h in horizons for end in (scores.intervals or {}).get(h, ())] or [*empty, *empty]
    percentiles = [f"{scores.percentiles[h]:.1f}" if h in scores.percentiles else "" for h in horizons]
    typicality = "" if scores.typicality is None else f"{scores.typicality:.1f}"
    among = model.among if scores.percentiles else ""
    values = [f"{scores.scores[h]:.6f}" for h in horizons]
    return [printable(clip), *values, scores.frames, *ends, *percentiles, among, typicality, *about]
