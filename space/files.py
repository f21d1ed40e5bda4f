"""Files to keep of several clips: a table as CSV, and a page as HTML that needs nothing else."""

import csv
import re
from collections.abc import Sequence
from pathlib import Path

from cards import text
from ranking import Row, ranking

from videomem_hf.schema import HORIZONS

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
    """Write one row per clip. A name that a spreadsheet would take for a formula gets an apostrophe before it."""
    horizon_columns = [name for h in HORIZONS for name in (str(h), f"{h}_low", f"{h}_high", f"{h}_percentile")]
    about = ["interval_level", "percentile_among", "typicality", "frames", "model", "model_version", "note", "caveats"]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["clip", *horizon_columns, *about])
        writer.writerows(_csv_row(row) for row in rows)


def _csv_row(row: Row) -> list[str | float]:
    name = f"'{row.name}" if row.name[0] in "=+-@" else row.name
    if row.scored is None:
        return [name, *[""] * (4 * len(HORIZONS)), "", "", "", 0, "", "", row.error, ""]
    prediction = row.scored.prediction
    numbers: list[str | float] = []
    for horizon in HORIZONS:
        low, high = (prediction.intervals or {}).get(horizon, (None, None))
        values = (prediction.scores.get(horizon), low, high)
        numbers += ["" if value is None else f"{value:.6f}" for value in values]
        percent = prediction.percentiles.get(horizon)
        numbers.append("" if percent is None else f"{percent:.1f}")
    reference = prediction.reference
    return [
        name,
        *numbers,
        prediction.interval_level if prediction.intervals else "",
        reference.among.removeprefix("of ") if reference and prediction.percentiles else "",
        "" if prediction.typicality is None else f"{prediction.typicality:.1f}",
        len(prediction.times_s),
        row.scored.model,
        prediction.model_version or "",
        " ".join(prediction.notes),
        " ".join(prediction.caveats),
    ]
