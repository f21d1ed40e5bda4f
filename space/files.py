"""Files to keep of several clips: a table as CSV, and a page as HTML that needs nothing else."""

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cards import text
from charts import horizons_of
from ranking import Row, ranking

from videomem_hf.inference.intervals import LEVEL
from videomem_hf.inference.score_journal import ClipScores, Model
from videomem_hf.inference.score_table import score_columns, score_row

if TYPE_CHECKING:
    from scoring import Scored

HERE = Path(__file__).resolve().parent
LONGEST_STEM = 60
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def file_stem(rows: Sequence[Row]) -> str:
    """A name for files, after the clips: "memorability of a and b", "memorability of a and 5 more"."""
    stems = [re.sub(r"[^\w -]+", "-", Path(row.name).stem).strip(" -") or "clip" for row in rows]
    rest = f" and {len(stems) - 1} more" if len(stems) > 2 else "".join(f" and {stem}" for stem in stems[1:])
    return f"memorability of {stems[0]}{rest}"[:LONGEST_STEM].strip()


def write_page(path: Path, rows: Sequence[Row]) -> None:
    """Write the ranking with its pictures and curves as one HTML file."""
    style, script = ((HERE / name).read_text(encoding="utf-8") for name in ("style.css", "ranking.js"))
    title = text(file_stem(rows).capitalize())
    path.write_text(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{style}</style></head>'
        f'<body class="vm-file"><main class="vm-html"><h1>{title}</h1>{ranking(rows)}</main>'
        f'<script>const element = document.querySelector("main");\n{script}</script></body></html>',
        encoding="utf-8",
    )


def write_csv(path: Path, rows: Sequence[Row]) -> None:
    """Write one row per clip, as `videomem predict --csv` does.

    A text that a spreadsheet would take for a formula gets an apostrophe before it.
    """
    done = [row.scored for row in rows if row.scored]
    predictions = [scored.prediction for scored in done]
    horizons = horizons_of(predictions)
    level = predictions[0].interval_level if predictions else LEVEL
    model = _model(done[0]) if done else Model("")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(score_columns(horizons, level))
        for row in rows:
            scores = ClipScores.of(row.scored.prediction) if row.scored else None
            note = " ".join(scores.notes) if scores else row.error
            writer.writerow(map(_cell, score_row(row.name, horizons, scores, note, model)))


def _model(scored: "Scored") -> Model:
    prediction = scored.prediction
    among = prediction.reference.among if prediction.reference and prediction.percentiles else ""
    return Model(scored.model, prediction.model_version, prediction.caveats, among)


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value
