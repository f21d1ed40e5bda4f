"""A leaderboard: a folder of results that only grows, and the page made from all of them."""

import hashlib
import json
from pathlib import Path
from typing import Any, Final

from videomem_hf.benchmark.benchmark import read_result, write_result
from videomem_hf.benchmark.page import PAGE_FILE, write_leaderboard_page
from videomem_hf.schema import InputError

RESULTS: Final = "results"
"""Folder of the results within a leaderboard."""
_WORST: Final = float("-inf")


def add_result(folder: Path, result: dict[str, Any]) -> Path:
    """Add a result to a leaderboard, and write its page again.

    A file is named by its time and content, and no file is ever changed.

    Returns:
        The file of the result within the leaderboard.

    Raises:
        InputError: `folder` is a file, or the result is there already.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; name a folder for the leaderboard")
    digest = hashlib.sha256(json.dumps(result, sort_keys=True).encode()).hexdigest()[:8]
    path = folder / RESULTS / f"{result['created'][:10]}-{digest}.json"
    if path.exists():
        raise InputError(f"{path}: this result is in the leaderboard already; add each once")
    written = write_result(folder / RESULTS, result)
    written.rename(path)
    write_leaderboard_page(folder / PAGE_FILE, tables_of(folder))
    return path


def read_leaderboard(folder: Path) -> list[dict[str, Any]]:
    """Read all results of a leaderboard, the oldest first. Raises an InputError where there is none."""
    results = folder / RESULTS
    if not results.is_dir():
        raise InputError(f"{folder}: is no leaderboard; make one with `videomem benchmark ... --add {folder}`")
    return sorted((read_result(path) for path in sorted(results.glob("*.json"))), key=lambda each: each["created"])


def tables_of(folder: Path) -> list[dict[str, Any]]:
    """The tables of a leaderboard, one for each ground truth, protocol and horizon; the best predictor comes first."""
    tables: dict[tuple[str, str, str], dict[str, Any]] = {}
    for result in read_leaderboard(folder):
        truth = result["ground_truth"]
        for protocol in result["protocols"]:
            for horizon in protocol["horizons"]:
                key = truth["hash"], protocol["name"], horizon["horizon"]
                head = {"hash": key[0], "protocol": key[1], "horizon": key[2], "title": truth["version"]["title"]}
                table = tables.setdefault(key, head | {"words": protocol["words"], "rows": []})
                table["rows"] += [_row(result, protocol, horizon, each) for each in horizon["predictors"]]
    for table in tables.values():
        table["rows"].sort(key=lambda row: -(_WORST if row["spearman"]["value"] is None else row["spearman"]["value"]))
    return list(tables.values())


def _row(
    result: dict[str, Any], protocol: dict[str, Any], horizon: dict[str, Any], score: dict[str, Any]
) -> dict[str, Any]:
    leaks = [leak["kind"].replace("_", " ") for leak in result["leaks"]
             if leak["where"] in (score["name"], protocol["name"])
             and leak["horizon"] in (None, horizon["horizon"])]  # fmt: skip
    return {
        "name": score["name"],
        "spearman": score["spearman"],
        "share": score["share"],
        "ceiling": horizon["ceiling"],
        "clips": horizon["clips"],
        "missing": protocol["coverage"][score["name"]]["missing"],
        "leaks": list(dict.fromkeys(leaks)),
        "created": result["created"],
    }
