"""A comparison of predictors as text, as JSON and as rows of a table."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from videomem_hf.benchmark.comparison import HorizonComparison
from videomem_hf.benchmark.predicted_scores import PredictedScores
from videomem_hf.benchmark.scoring import Figure, PairScore
from videomem_hf.evaluation.tables import short_number
from videomem_hf.run_files import without_nan
from videomem_hf.schema import HORIZON_NAMES, Horizon

NOT_APART: Final = "cannot be told apart"
COLUMNS: Final = (
    "horizon",
    "clips",
    "first",
    "second",
    "spearman",
    "low",
    "high",
    "p_value",
    "p_value_holm",
    "verdict",
)
"""Of the table: a row per predictor, with `second` empty, then a row per pair with its difference of `spearman`."""
_NAME_WIDTH: Final = 40
_FEW: Final = 100
"""Clips below which a correlation is uncertain by about .2 or more."""

Compared = Mapping[Horizon, HorizonComparison]


def comparison_text(predictors: Sequence[PredictedScores], compared: Compared, confidence: float) -> str:
    """The predictors, and for each horizon the correlations and differences; tables have at most 80 columns."""
    numbers = {each.name: str(number) for number, each in enumerate(predictors, 1)}
    lines = [f"{numbers[each.name]}  {_short(each.name)}\n   {each.origin}" for each in predictors]
    for horizon, found in compared.items():
        interval = f"{confidence:.0%} interval"
        head = f"{HORIZON_NAMES[horizon]}, on {found.clips} clips that all have"
        lines += ["", f"{head:46}{'Spearman':>10}  {interval}"]
        for name, figure in found.spearman.items():
            row = f"{numbers[name]}  {_short(name)}"
            lines.append(f"{row:46}{short_number(figure.value):>10}  {_ends(figure)}")
        lines += ["", f"{'pair':8}{'difference':>12}  {interval:16}{'p (Holm)':>9}  verdict"]
        for pair in found.pairs:
            better = pair.better
            verdict = NOT_APART if better is None else f"{numbers[better]} is better"
            row = f"{numbers[pair.first]} - {numbers[pair.second]}"
            figures = f"{short_number(pair.difference.value):>12}  {_ends(pair.difference):16}"
            lines.append(f"{row:8}{figures}{_p(pair.p_value_holm):>9}  {verdict}")
        lines += [f"Not compared, as it predicts no {HORIZON_NAMES[horizon]} score: {name}" for name in found.missing]
    return "\n".join([*lines, "", *_notes(compared, confidence)]) + "\n"


def _notes(compared: Compared, confidence: float) -> Iterator[str]:
    pairs = max(len(found.pairs) for found in compared.values())
    corrected = f"; Holm's correction for {pairs} pairs" if pairs > 1 else ""
    yield f"Told apart: p at most {short_number(1 - confidence)} (paired bootstrap{corrected})."
    if (fewest := min(found.clips for found in compared.values())) < _FEW:
        yield f"With {fewest} clips only large differences can be found."


def _short(name: str) -> str:
    return name if len(name) <= _NAME_WIDTH else f"...{name[3 - _NAME_WIDTH :]}"


def _ends(figure: Figure) -> str:
    return f"[{short_number(figure.low)}, {short_number(figure.high)}]"


def _p(value: float) -> str:
    return "<.001" if value < 0.001 else short_number(value)


def comparison_json(predictors: Sequence[PredictedScores], compared: Compared, confidence: float) -> dict[str, Any]:
    """The comparison as JSON holds it; NaN is null."""
    described = [
        {
            "name": each.name,
            "data": each.data,
            "split": each.split,
            "clips": {h: len(s) for h, s in each.predicted.items()},
        }
        for each in predictors
    ]
    horizons = {
        horizon: {
            "clips": found.clips,
            "predictors": {
                name: {"spearman": each.value, "low": each.low, "high": each.high}
                for name, each in found.spearman.items()
            },
            "pairs": [_pair(pair) for pair in found.pairs],
        }
        for horizon, found in compared.items()
    }
    return dict(without_nan({"predictors": described, "confidence": confidence, "horizons": horizons}))


def _pair(pair: PairScore) -> dict[str, Any]:
    return {
        "first": pair.first,
        "second": pair.second,
        "difference": pair.difference.value,
        "low": pair.difference.low,
        "high": pair.difference.high,
        "p_value": pair.p_value,
        "p_value_holm": pair.p_value_holm,
        "better": pair.better,
    }


def comparison_rows(compared: Compared) -> Iterator[tuple[Any, ...]]:
    """The rows under `COLUMNS`."""
    for horizon, found in compared.items():
        for name, each in found.spearman.items():
            yield horizon, found.clips, name, "", *map(_cell, (each.value, each.low, each.high)), "", "", ""
        for pair in found.pairs:
            apart = pair.difference
            figures = map(_cell, (apart.value, apart.low, apart.high, pair.p_value, pair.p_value_holm))
            verdict = NOT_APART if pair.better is None else f"{pair.better} is better"
            yield horizon, found.clips, pair.first, pair.second, *figures, verdict


def _cell(value: float) -> str:
    return "" if value != value else f"{value:.6g}"
