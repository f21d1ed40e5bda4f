"""Files to keep of several clips: a table as CSV, and a page as HTML that needs nothing else."""

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cards import text
from charts import horizons_of
from ranking import Row, ranking

from videomem_hf.inference.score_journal import ClipScores, ModelFacts
from videomem_hf.inference.score_table import score_columns, score_row

if TYPE_CHECKING:
    from scoring import Scored

HERE = Path(__file__).resolve().parent
LONGEST_STEM = 60


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
    """Write one row per clip, as `videomem predict --csv` does."""
    done = [row.scored for row in rows if row.scored]
    model = _facts(done) if done else ModelFacts("", ())
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(score_columns(model))
        for row in rows:
            scores = ClipScores.of(row.scored.prediction) if row.scored else None
            note = " ".join(scores.notes) if scores else row.error
            writer.writerow(score_row(row.name, scores, note, model))


def _facts(done: "Sequence[Scored]") -> ModelFacts:
    """What stands beside the scores of clips; none was there before the first was scored."""
    first = done[0].prediction
    among = first.reference.among if first.reference and first.percentiles else ""
    horizons = tuple(horizons_of([scored.prediction for scored in done]))
    about = first.model_version, first.caveats, among
    return ModelFacts(done[0].model, horizons, *about, interval_level=first.interval_level)
