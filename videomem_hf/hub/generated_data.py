"""Proof that data are generated: every row again, from the generator."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq

from videomem_hf.data import provenance
from videomem_hf.sample.annotations import annotate
from videomem_hf.sample.generate import FORMAT, SAME_ROWS, Plan
from videomem_hf.sample.scene import draw_scene
from videomem_hf.sample.truth import truth_of
from videomem_hf.schema import ANNOTATION_COUNTS, HORIZONS, TITLE, VIDEO_ID

_COLUMNS: Final = (VIDEO_ID, TITLE, *HORIZONS, *ANNOTATION_COUNTS.values())


def differences_from_sample(plan: provenance.Plan, shards: Iterable[Path]) -> str | None:
    """Compare the rows of Parquet files with the sample that the arguments in the data's card give.

    Returns:
        The first difference, as the end of a sentence; None where there is none.
    """
    if plan.get("format") not in SAME_ROWS:
        return f"its format is {plan.get('format')} and this version generates {FORMAT}: generate the sample again"
    try:
        expected = _rows(plan)
    except TypeError as error:
        return f"the arguments that it names are not those of a sample ({error})"
    for shard in shards:
        for row in pq.read_table(shard, columns=list(_COLUMNS)).to_pylist():
            wanted = expected.get(row[VIDEO_ID])
            if wanted is None:
                return f"{row[VIDEO_ID]} in {shard.name} is not one of its videos"
            if different := [name for name in _COLUMNS if row[name] != wanted[name]]:
                return f"the {different[0]} of {row[VIDEO_ID]} in {shard.name} is not what the generator gives"
    return None


def _rows(plan: provenance.Plan) -> dict[str, dict[str, Any]]:
    """The columns of every video of the sample, by its name."""
    made = Plan(**plan)
    rows = {}
    for number, part in made.parts().items():
        truth = truth_of(draw_scene(made.seed, number), part, made.width / made.height)
        row: dict[str, Any] = dict.fromkeys(_COLUMNS) | {VIDEO_ID: f"video{number}", TITLE: truth.title}
        if part == "dev":
            scores = annotate(made.seed, number, truth.short_term, truth.long_term)
            for horizon, count in ANNOTATION_COUNTS.items():
                row[horizon] = float(f"{getattr(scores, horizon):.3f}")  # three decimals, as in the ground truth
                row[count] = getattr(scores, f"{horizon}_count")
        rows[f"video{number}"] = row
    return rows
