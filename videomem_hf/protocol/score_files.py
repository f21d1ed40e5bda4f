"""Writes a scored study: a data set in the layout of the VideoMem release, and the results of scoring beside it.

    OUT/release/ground-truth.csv        scores and annotation counts; load_dataset("videomem", data_dir="OUT/release")
    OUT/release/videos/video<N>.<type>  the clips, if given
    OUT/release/video-captions.txt      titles made from the clips' names, if the videos had to be numbered
    OUT/scores.csv                      one row per video: raw and corrected scores, standard errors, response times
    OUT/screening.csv                   one row per participant and step: rates, whether passed, and the failed controls
    OUT/summary.json                    the study in numbers
    OUT/design.yaml                     the design that participants were screened by

The release names its videos video<N>. If a study's names have another form, its videos are numbered in the order of
their names; scores.csv has both names.
"""

import csv
import json
import math
import os
import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from videomem_hf.protocol.design import save_design
from videomem_hf.protocol.scoring import StudyScores, summary
from videomem_hf.protocol.screening import REPORT_COLUMNS
from videomem_hf.schema import HORIZONS, VIDEO_SUFFIXES, InputError
from videomem_hf.system import atomic_write, os_cause

GROUND_TRUTH_HEADER: Final = (
    "video", "short-term_memorability", "nb_short-term_annotations", "long-term_memorability",
    "nb_long-term_annotations",
)  # fmt: skip
SUMMARY_FILE: Final = "summary.json"

_RELEASE_NAME = re.compile(r"video([1-9][0-9]{0,8})(\.[A-Za-z0-9]{1,5})?", re.ASCII)


def write_scores(scores: StudyScores, out: Path, clips: Path | None = None) -> Path:
    """Write a scored study into a folder that is new, empty, or from an earlier run; returns the folder of the release.

    `clips` is the folder of the study's clips, which are hard-linked (or copied) into the release under its names.
    Raises InputError if `out` holds something else, a clip is missing, or a file cannot be written.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; give a folder for the scores.")
    if out.is_dir() and any(out.iterdir()) and not (out / SUMMARY_FILE).is_file():
        raise InputError(f"{out} is not empty and holds no scores; give a new folder.")
    names = release_names(scores.videos)
    order = sorted(range(len(names)), key=lambda index: int(names[index].removeprefix("video")))
    scored = [
        index for index in order if any(map(math.isfinite, (values.score[index] for values in scores.scores.values())))
    ]
    found = None if clips is None else _find_clips(scores.videos, clips)
    release = out / "release"
    try:
        release.mkdir(parents=True, exist_ok=True)
        write_table(release / "ground-truth.csv", GROUND_TRUTH_HEADER, _ground_truth_rows(scores, names, scored))
        write_table(out / "scores.csv", *_score_table(scores, names, order))
        write_table(out / "screening.csv", REPORT_COLUMNS, scores.screening.rows())
        save_design(scores.design, out / "design.yaml")
        if set(names) != {_stem(video) for video in scores.videos}:
            _write_titles(release / "video-captions.txt", scores.videos, names, scored)
        if found is not None:
            _link_clips(release / "videos", found, names)
        (out / SUMMARY_FILE).write_text(json.dumps(summary(scores), indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{error.filename or out}: cannot be written ({os_cause(error)}).") from None
    return release


def release_names(videos: Sequence[str]) -> list[str]:
    """Each video's name in the release: its own if all have the form `video<N>`, else numbered by name."""
    stems = [_stem(video) for video in videos]
    if all(_RELEASE_NAME.fullmatch(video) for video in videos) and len(set(stems)) == len(stems):
        return stems
    index = {video: number for number, video in enumerate(sorted(videos), start=1)}
    return [f"video{index[video]}" for video in videos]


def _stem(video: str) -> str:
    return video.rsplit(".", 1)[0] if _RELEASE_NAME.fullmatch(video) else video


def _ground_truth_rows(scores: StudyScores, names: Sequence[str], scored: Sequence[int]) -> Iterable[list[str]]:
    """One row per video with a score, at full precision; an empty cell for a horizon without one."""
    for index in scored:
        row = [f"{names[index]}.webm"]
        for values in (scores.scores[horizon] for horizon in HORIZONS):
            known = math.isfinite(values.score[index])
            row += [repr(float(values.score[index])), str(values.annotations[index])] if known else ["", ""]
        yield row


def _score_table(
    scores: StudyScores, names: Sequence[str], order: Sequence[int]
) -> tuple[list[str], Iterable[list[Any]]]:
    columns = ("score", "raw", "annotations", "hits", "standard_error", "mean_lag", "rt_ms")
    wanted = [(horizon, name) for horizon in HORIZONS for name in columns]
    wanted.remove(("long_term", "mean_lag"))
    header = ["video", "name", *(f"{horizon}_{name}" for horizon, name in wanted)]
    arrays = [names, scores.videos, *(getattr(scores.scores[horizon], name).tolist() for horizon, name in wanted)]
    return header, ([values[index] for values in arrays] for index in order)


def write_table(path: Path, header: Sequence[str], rows: Iterable[Iterable[Any]]) -> None:
    """Write a CSV file atomically, floats with six decimals, NaN as an empty cell."""
    with atomic_write(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(map(_format_cell, row) for row in rows)


def _format_cell(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return "" if math.isnan(value) else round(value, 6)


def _write_titles(path: Path, videos: Sequence[str], names: Sequence[str], scored: Sequence[int]) -> None:
    """Titles as the release writes them: words of the clip's name, in lower case, joined by hyphens."""
    lines = []
    for index in scored:
        video = Path(videos[index])
        stem = videos[index].removesuffix(video.suffix) if video.suffix.lower() in VIDEO_SUFFIXES else videos[index]
        words = re.findall(r"\w+", stem.lower().replace("_", " "))
        lines.append(f"{names[index]}.webm\t{'-'.join(words) or names[index]}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _find_clips(videos: Sequence[str], folder: Path) -> list[Path]:
    """Each video's clip: the file with its name, or with its name and a video suffix."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the folder of the study's clips.")
    files = {file.name: file for file in sorted(folder.rglob("*")) if file.suffix.lower() in VIDEO_SUFFIXES}
    by_stem = {file.stem: file for file in files.values()}
    found = [files.get(Path(video).name) or by_stem.get(Path(video).name) for video in videos]
    missing = [video for video, file in zip(videos, found, strict=True) if file is None]
    if missing:
        raise InputError(
            f"{folder}: no clip for {len(missing)} of {len(videos)} videos, such as {missing[0]}; give the folder that "
            "the study was run with."
        )
    return [file for file in found if file is not None]


def _link_clips(folder: Path, clips: Sequence[Path], names: Sequence[str]) -> None:
    folder.mkdir(exist_ok=True)
    for clip, name in zip(clips, names, strict=True):
        target = folder / f"{name}{clip.suffix.lower()}"
        if target.exists():
            continue
        try:
            os.link(clip.resolve(), target)
        except OSError:  # Another disk, or one without links.
            shutil.copyfile(clip, target)
