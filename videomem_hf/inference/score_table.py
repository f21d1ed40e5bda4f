"""The table of scores that `videomem predict --csv` writes, with or without Ray, and the Space."""

from pathlib import Path
from typing import Final

from videomem_hf.inference.score_journal import ClipScores, ModelFacts
from videomem_hf.system import printable

_FORMULA_STARTS: Final = ("=", "+", "-", "@")


def score_columns(model: ModelFacts) -> list[str]:
    """Give the names of the table's columns; those of the interval's ends say its level, as `short_term_low_90`."""
    horizons = model.horizons
    ends = [f"{horizon}_{end}_{100 * model.interval_level:g}" for horizon in horizons for end in ("low", "high")]
    percentiles = [f"{horizon}_percentile" for horizon in horizons]
    about = ["percentile_among", "typicality", "model", "model_version", "note", "caveats"]
    return ["clip", *horizons, "frames", *ends, *percentiles, *about]


def score_row(clip: Path | str, scores: ClipScores | None, note: str, model: ModelFacts) -> list[object]:
    """Give a clip's row; without scores, the note says why. What is not UTF-8 in names is escaped."""
    horizons = model.horizons
    empty = [""] * len(horizons)
    about = [_text_cell(model.name), model.version, _text_cell(note), " ".join(model.caveats)]
    if scores is None:
        return [_text_cell(clip), *empty, 0, *empty, *empty, *empty, "", "", *about]
    ends = [f"{end:.6f}" for h in horizons for end in (scores.intervals or {}).get(h, ())] or [*empty, *empty]
    percentiles = [f"{scores.percentiles[h]:.1f}" if h in scores.percentiles else "" for h in horizons]
    typicality = "" if scores.typicality is None else f"{scores.typicality:.1f}"
    among = _text_cell(model.among) if scores.percentiles else ""
    values = [f"{scores.scores[h]:.6f}" for h in horizons]
    return [_text_cell(clip), *values, scores.frames, *ends, *percentiles, among, typicality, *about]


def _text_cell(text: object) -> str:
    """A text with an apostrophe before what a spreadsheet would take for a formula, such as a clip named "=1+1.mp4"."""
    cell = printable(text)
    return f"'{cell}" if cell.lstrip().startswith(_FORMULA_STARTS) else cell


def clip_of_cell(cell: str) -> str:
    """The clip of a row: the inverse of what `score_row` writes, except for escaped characters."""
    return cell[1:] if cell.startswith("'") and cell[1:].lstrip().startswith(_FORMULA_STARTS) else cell
