"""Predictions in the form in which MediaEval took them."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from videomem_hf.schema import Horizon, InputError

_SUFFIX: Final = ".webm"


def submission_files(folder: Path, year: int, team: str, run: int, horizons: Sequence[Horizon]) -> dict[Horizon, Path]:
    """The file of each horizon: `<year>mem_<team>_{shortterm,longterm}_run<k>-required.csv`.

    Raises:
        InputError: A name that does not fit into a file name, or a file that exists already.
    """
    if not re.fullmatch(r"[A-Za-z0-9-]+", team):
        raise InputError(f"team {team!r}: letters, digits and hyphens are allowed")
    form = f"{year}mem_{team}_{{}}_run{run}-required.csv"
    files = {horizon: folder / form.format(horizon.replace("_", "")) for horizon in horizons}
    for file in files.values():
        if file.exists():
            raise InputError(f"{file} exists already; choose another run number, or remove it")
    return files


def write_submission(files: dict[Horizon, Path], video_ids: Sequence[str], scores: np.ndarray) -> None:
    """Write `scores`, `(videos, horizons)`: `video1.webm,score,confidence`, ordered by number, CRLF, no header.

    The confidence is 1 throughout, since predictors give none.
    """
    order = sorted(range(len(video_ids)), key=lambda row: (len(video_ids[row]), video_ids[row]))
    for column, file in enumerate(files.values()):
        lines = [f"{video_ids[row]}{_SUFFIX},{scores[row, column]:.6f},1\r\n" for row in order]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(lines), encoding="utf-8", newline="")
