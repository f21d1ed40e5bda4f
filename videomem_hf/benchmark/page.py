"""Results of benchmarks as HTML pages that need nothing beside them: one result, and a leaderboard of many."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from videomem_hf.analysis.report import page_style
from videomem_hf.benchmark.leaks import KINDS
from videomem_hf.evaluation.tables import short_number
from videomem_hf.schema import HORIZON_NAMES
from videomem_hf.system import atomic_write, templates

PAGE_FILE: Final = "index.html"
NOT_APART: Final = "cannot be told apart"
_PLOT: Final = 160
"""Width of the picture of an interval, in the units of its drawing."""


def write_page(path: Path, result: Mapping[str, Any]) -> None:
    """Write the page of a result of `run_benchmark`, whole or not at all."""
    figures = [s["spearman"] for p in result["protocols"] for h in p["horizons"] for s in h["predictors"]]
    content = {"kinds": KINDS, "not_apart": NOT_APART, "overview": _overview(result), "ends": _ends(figures)}
    _write(path, "benchmark.html.j2", result=result, **content)


def write_leaderboard_page(path: Path, tables: Sequence[Mapping[str, Any]]) -> None:
    """Write the page of a leaderboard: `tables` as `leaderboard.tables_of` gives them."""
    ends = _ends([row["spearman"] for table in tables for row in table["rows"]])
    _write(path, "leaderboard.html.j2", tables=tables, ends=ends)


def _write(path: Path, template: str, **content: Any) -> None:
    environment = templates("videomem_hf.benchmark", autoescape=True)
    names = HORIZON_NAMES.__getitem__
    environment.filters |= {"number": short_number, "horizon": names, "percent": _percent, "x": _position}
    text = environment.get_template(template).render(style=page_style(), plot=_PLOT, **content)
    with atomic_write(path) as partial:
        partial.write_text(text, encoding="utf-8")


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def _ends(figures: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """The scale of the pictures of correlations: as far below 0 as their intervals need."""
    lows = [figure["low"] for figure in figures if figure["low"] is not None]
    return (-1.0 if min(lows, default=0.0) < -0.2 else -0.2), 1.0


def _position(value: float, ends: tuple[float, float]) -> float:
    """Where a value is drawn on a scale."""
    low, high = ends
    return round(4 + (_PLOT - 8) * (min(max(value, low), high) - low) / (high - low), 1)


def _overview(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """For each horizon its Spearman correlations: a row per predictor, a column per protocol."""
    horizons = list(dict.fromkeys(h["horizon"] for p in result["protocols"] for h in p["horizons"]))
    found = []
    for horizon in horizons:
        cells: dict[str, dict[str, Any]] = {}
        ceilings: dict[str, Any] = {}
        for protocol in result["protocols"]:
            for each in protocol["horizons"]:
                if each["horizon"] == horizon:
                    ceilings[protocol["name"]] = each["ceiling"]
                    for score in each["predictors"]:
                        cells.setdefault(score["name"], {})[protocol["name"]] = score["spearman"]["value"]
        found.append({"horizon": horizon, "cells": cells, "ceilings": ceilings, "protocols": list(ceilings)})
    return found
