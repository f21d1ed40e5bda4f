"""Small studies that several tests look at: one simulated, one written by hand."""

from functools import cache

import numpy as np

from videomem_hf.protocol.annotations import Annotations
from videomem_hf.protocol.design import FirstStep, SecondStep, StudyDesign
from videomem_hf.protocol.schedule import ROLES
from videomem_hf.protocol.simulate import draw_videos
from videomem_hf.protocol.simulate_study import SimulatedStudy, simulate_study


@cache
def played_study() -> SimulatedStudy:
    """400 participants of whom 200 return, 300 videos: 53 short-term and 27 long-term annotations a video."""
    videos = draw_videos([f"video{number}" for number in range(1, 301)], 7)
    return simulate_study(videos, StudyDesign().for_collection(300), participants=400, returning=200, seed=3)


TINY = StudyDesign(
    step1=FirstStep(
        targets=2,
        target_lag_min=2,
        target_lag_max=6,
        vigilance_fillers=1,
        vigilance_lag_min=1,
        vigilance_lag_max=2,
        fillers=2,
        candidates=5,
    ),
    step2=SecondStep(targets=2, fillers=1),
)
"""8 showings in step 1, 3 in step 2."""

STEP1 = [
    # position, video, role, repeat
    (1, "a", "target", 0),
    (2, "v", "vigilance", 0),
    (3, "b", "target", 0),
    (4, "v", "vigilance", 1),
    (5, "f", "filler", 0),
    (6, "a", "target", 1),
    (7, "b", "target", 1),
    (8, "g", "filler", 0),
]
STEP2 = [(1, "f", "target", 1), (2, "n", "filler", 0), (3, "g", "target", 1)]

Row = tuple[str, int, int, str, str, int, int, float | None, str | None]


def rows_of(
    participant: str, presses: dict[tuple[int, int], float], steps: tuple[int, ...] = (1, 2), hours: float = 30.0
) -> list[Row]:
    """The showings of a participant of the tiny study; `presses` gives response times by (step, position)."""
    rows: list[Row] = []
    for step in steps:
        begin = np.datetime64("2026-03-01T10:00:00") + np.timedelta64(int(3600 * hours) if step == 2 else 0, "s")
        for position, video, role, repeat in STEP1 if step == 1 else STEP2:
            rt = presses.get((step, position))
            time = f"{begin + np.timedelta64(8 * position, 's')}.000Z"
            rows.append((participant, step, position, video, role, repeat, int(rt is not None), rt, time))
    return rows


RIGHT = {(1, 4): 900.0, (1, 6): 1000.0, (1, 7): 1200.0, (2, 1): 3000.0, (2, 3): 3500.0}
"""Someone who recognises everything and takes nothing new for old."""


def annotations_of(rows: list[Row]) -> Annotations:
    """Annotations made of rows, without a file."""
    names, videos = ([*dict.fromkeys(row[column] for row in rows)] for column in (0, 3))
    return Annotations(
        participants=tuple(names),
        videos=tuple(videos),
        participant=np.array([names.index(row[0]) for row in rows], np.int32),
        step=np.array([row[1] for row in rows], np.int8),
        position=np.array([row[2] for row in rows], np.int32),
        video=np.array([videos.index(row[3]) for row in rows], np.int32),
        role=np.array([ROLES.index(row[4]) for row in rows], np.int8),
        repeat=np.array([row[5] == 1 for row in rows]),
        pressed=np.array([row[6] == 1 for row in rows]),
        rt_ms=np.array([np.nan if row[7] is None else row[7] for row in rows], np.float32),
        time=np.array(
            [np.datetime64("NaT") if row[8] is None else row[8].rstrip("Z") for row in rows], "datetime64[ms]"
        ),
        missing=np.zeros(len(rows), np.int8),
    )


def csv_of(rows: list[Row]) -> str:
    """The table of rows, written without the code under test."""
    lines = ["participant,step,position,video,role,repeat,pressed,rt_ms,time"]
    lines += [",".join("" if cell is None else str(cell) for cell in row) for row in rows]
    return "\n".join(lines) + "\n"
