"""What `videomem improve` writes: edited clips, a page, tables, and a study that tests the best edit with people."""

import base64
import csv
import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import numpy as np
from PIL import Image

from videomem_hf.films.advice import LEVEL, Advice, OnProgress, Trial
from videomem_hf.films.cutting import write_part, write_preview, write_spans
from videomem_hf.films.gain_error import CONFIDENCE
from videomem_hf.films.poster import write_poster
from videomem_hf.films.span import Span
from videomem_hf.inference import ClipSource
from videomem_hf.inference.sources import open_source
from videomem_hf.protocol.design import StudyDesign, save_design
from videomem_hf.protocol.two_versions import design_for_length, responses_needed
from videomem_hf.schema import HORIZON_NAMES, HORIZONS, InputError
from videomem_hf.system import atomic_write, printable, quantity, templates
from videomem_hf.video.video import VideoError, VideoSource

PAGE: Final = "improve.html"
MOST_CLIPS: Final = 3
"""Edited clips that are written, the best ones."""
_CHART_PX: Final = 200.0
_BEFORE_SCORES: Final = ("edit", "advised", "gain", "low", "high", "p_value")


@dataclass(frozen=True)
class AdviceFiles:
    """What was written of advice on a clip; `study` is None where nothing is advised or the clip is too long for it."""

    page: Path
    json_file: Path
    csv_file: Path
    clips: tuple[Path, ...]
    poster: Path | None
    study: Path | None


def write_advice(source: ClipSource, advice: Advice, folder: Path, on_progress: OnProgress = None) -> AdviceFiles:
    """Write the edited clips, `improve.html`, `.json` and `.csv`, a poster frame, and the design of a study.

    Args:
        source: The clip that the advice is on.
        advice: As `advise` gives it.
        folder: Where to write; made if it is missing.
        on_progress: Called with what is being done.

    Raises:
        VideoError: The clip cannot be decoded any more.
    """
    folder.mkdir(parents=True, exist_ok=True)
    opened, say = _file(source), on_progress or (lambda _: None)
    stem = _file_name(Path(advice.clip).stem)
    edits = [trial for trial in advice.advised if trial.edit.poster_s is None][:MOST_CLIPS]
    clips: list[tuple[Trial, Path]] = []
    for number, trial in enumerate(edits, 1):
        say(f"writing: {trial.edit.name}")
        path = folder / f"{stem}-{number}-{_file_name('-'.join(trial.edit.kinds))}.mp4"
        _write_edit(opened, advice, trial, path)
        clips.append((trial, path))
    poster = next((trial for trial in advice.advised if trial.edit.poster_s is not None), None)
    poster_file = None
    if poster is not None:
        poster_file = folder / f"{stem}-poster.jpg"
        write_poster(opened, poster_file, np.array([poster.edit.poster_s]))
    study = _write_study(opened, advice, folder / "study", stem, *clips[0]) if clips else None
    say("writing the page")
    files = [*clips, *([(poster, poster_file)] if poster is not None and poster_file is not None else [])]
    json_file, csv_file, page = (folder / f"improve.{suffix}" for suffix in ("json", "csv", "html"))
    _write_text(json_file, json.dumps(advice.to_dict(), indent=1, ensure_ascii=False) + "\n")
    _write_text(csv_file, _table(advice))
    _write_text(page, _page(advice, files, study, folder))
    return AdviceFiles(
        page, json_file, csv_file, tuple(path for _, path in clips), poster_file, study[0] if study else None
    )


def summary_of(advice: Advice) -> str:
    """What was found, in two sentences."""
    tried, advised = quantity(len(advice.trials), "edit"), len(advice.advised)
    shots = quantity(len(advice.frames.shots), "shot")
    score = f"{HORIZON_NAMES[advice.horizon].capitalize()} score {advice.scores[advice.horizon]:.3f}, {shots}, "
    start = f"{score}{advice.frames.length_s:.1f} s. "
    if not advised:
        return f"{start}Of {tried}, none can be told apart from no edit: leave the clip as it is."
    verb = "has" if advised == 1 else "have"
    return f"{start}Of {tried}, {advised} {verb} a gain that can be told apart from none."


def _file(source: ClipSource) -> VideoSource:
    opened = open_source(source)
    if isinstance(opened, np.ndarray):
        raise VideoError("frames without their times cannot be edited: give the video file")
    return opened


def _write_text(path: Path, text: str) -> None:
    with atomic_write(path) as partial:
        partial.write_text(text, encoding="utf-8")


def _file_name(text: str) -> str:
    return re.sub(r"[^\w.]+", "-", text).strip("-.") or "clip"


def _write_edit(source: VideoSource, advice: Advice, trial: Trial, path: Path) -> None:
    frames, look = advice.frames, trial.edit.look

    def change(image: np.ndarray, time_s: float) -> np.ndarray:
        return look.change(image, frames.shot_at(time_s), frames.mean_level)

    is_plain = not look.crops and (look.gamma, look.contrast) == (1.0, 1.0)
    write_spans(source, path, trial.edit.spans, None if is_plain else change)


def _table(advice: Advice) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    horizons = list(advice.scores) if set(advice.scores) - set(HORIZONS) else HORIZONS
    writer.writerow((*_BEFORE_SCORES, *horizons, "kinds", "spans_s"))
    for trial in advice.trials:
        spans = " ".join(f"{span.start_s:.3f}-{span.end_s:.3f}" for span in trial.edit.spans)
        after = (trial.after.get(horizon, "") for horizon in horizons)
        ends = (end if np.isfinite(end) else "" for end in trial.interval)
        row = (trial.edit.name, int(trial.advised), trial.tested.gain, *ends, trial.p_value, *after)
        writer.writerow((*row, "; ".join(trial.edit.kinds), spans))
    return text.getvalue()


def _page(advice: Advice, files: list[tuple[Trial, Path]], study: Any, folder: Path) -> str:
    reach = max([abs(end) for trial in advice.trials for end in _shown(trial)] or [0.01])
    low = min([0.0, *(end for trial in advice.trials for end in _shown(trial))])
    scale = _CHART_PX * 0.94 / max(reach - low, 1e-6)

    def place(value: float) -> float:
        return round(0.03 * _CHART_PX + (min(max(value, low), reach) - low) * scale, 1)

    rows = [
        {
            "name": _sentence(trial.edit.name),
            "advised": trial.advised,
            "gain": f"{trial.tested.gain:+z.3f}",
            "interval": _interval(trial),
            "ends": [place(end) for end in trial.interval] if np.isfinite(trial.interval[0]) else None,
            "beyond": _arrows(trial.interval, low, reach),
            "at": place(trial.tested.gain),
            "p": "" if not np.isfinite(trial.interval[0]) else f"{trial.p_value:.3f}",
        }
        for trial in advice.trials
    ]
    others = len(advice.advised) - len(files)
    content = {
        "advice": {
            "clip_name": printable(Path(advice.clip).name), "model": printable(Path(advice.model).name),
            "caveats": advice.caveats, "notes": [printable(note) for note in advice.notes],
        },
        "summary": summary_of(advice),
        "horizon": HORIZON_NAMES[advice.horizon],
        "confidence": f"{CONFIDENCE:.0%}",
        "level": f"{LEVEL:g}",
        "cards": [_card(advice, trial, path, folder) for trial, path in files],
        "more": f"{quantity(others, 'more advised edit')}: see the table below." if others > 0 else "",
        "rows": rows,
        "zero": place(0.0),
        "axis": f"{low:+z.3f} to {reach:+z.3f}",
        "study": study[1] if study else None,
    }  # fmt: skip
    return templates("videomem_hf.films", autoescape=True).get_template("improve.html.j2").render(content)


def _shown(trial: Trial) -> list[float]:
    """What the chart has room for: the gain, and the interval of an edit whose error is not far larger."""
    ends = [end for end in trial.interval if np.isfinite(end)]
    return [trial.tested.gain, *(ends if trial.advised else [])]


def _arrows(interval: tuple[float, float], low: float, reach: float) -> list[str]:
    """SVG paths of arrow heads at the ends of an interval that the chart has no room for."""
    left = ["M7 4 L3 8 L7 12"] if -np.inf < interval[0] < low - 1e-9 else []
    right = [f"M{_CHART_PX - 7:g} 4 L{_CHART_PX - 3:g} 8 L{_CHART_PX - 7:g} 12"]
    return left + (right if reach + 1e-9 < interval[1] < np.inf else [])


def _sentence(name: str) -> str:
    return name[0].upper() + name[1:]


def _interval(trial: Trial) -> str:
    return f"{trial.interval[0]:+z.3f} to {trial.interval[1]:+z.3f}" if np.isfinite(trial.interval[0]) else "not known"


def _card(advice: Advice, trial: Trial, path: Path, folder: Path) -> dict[str, Any]:
    horizon, frames = advice.horizon, advice.frames
    is_poster = trial.edit.poster_s is not None
    others = [
        f"; {HORIZON_NAMES[other]} {trial.after[other] - trial.before[other]:+.3f}"
        for other in trial.before
        if other != horizon and not is_poster
    ]
    if is_poster:
        media = [_jpeg(_nearest(frames.previews, time_s)) for time_s in (0.0, trial.edit.poster_s or 0.0)]
        captions = ["Now: the first frame", f"Then: the frame at {trial.edit.poster_s:.1f} s"]
    else:
        whole = Span(0.0, frames.length_s)
        before = _preview(advice, (whole,), None, folder)
        media = [before, _preview(advice, trial.edit.spans, trial, folder)]
        captions = [
            f"Before: {trial.before[horizon]:.3f}, {frames.length_s:.1f} s",
            f"After: {trial.after[horizon]:.3f}, {trial.edit.length_s:.1f} s",
        ]
    sides = [
        {"media": each, "video": not is_poster, "caption": caption, "alt": caption}
        for each, caption in zip(media, captions, strict=True)
    ]
    return {
        "name": _sentence(trial.edit.name), "gain": f"{trial.tested.gain:+z.3f}", "interval": _interval(trial),
        "others": "".join(others), "sides": sides, "file": path.name, "link": quote(path.name), "video": not is_poster,
    }  # fmt: skip


def _nearest(previews: Sequence[tuple[float, np.ndarray]], time_s: float) -> np.ndarray:
    return min(previews, key=lambda each: abs(each[0] - time_s))[1]


def _preview(advice: Advice, spans: Sequence[Span], trial: Trial | None, folder: Path) -> str:
    """A small video of a version, as an address that holds it."""
    frames = advice.frames
    shown, begin_s = [], 0.0
    for span in spans:
        for time_s, image in frames.previews:
            if span.start_s - 1e-6 <= time_s < span.end_s - 1e-6:
                if trial is not None:
                    image = trial.edit.look.change(image, frames.shot_at(time_s), frames.mean_level)
                shown.append((begin_s + max(0.0, time_s - span.start_s), image))
        begin_s += span.length_s
    path = folder / ".preview.mp4"
    try:
        write_preview(path, shown, begin_s)
        return f"data:video/mp4;base64,{base64.b64encode(path.read_bytes()).decode()}"
    finally:
        path.unlink(missing_ok=True)


def _jpeg(image: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=88)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _write_study(
    source: VideoSource, advice: Advice, folder: Path, stem: str, best: Trial, edited: Path
) -> tuple[Path, dict[str, Any]] | None:
    """Write both versions, a design for clips of this length and how to go on; None where a game would be too long."""
    try:
        design = design_for_length(max(advice.frames.length_s, best.edit.length_s))
    except InputError:
        return None
    for name in ("before", "after"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    first = write_part(source, folder / "before" / stem, Span(0.0, advice.frames.length_s)).path
    second = folder / "after" / f"{stem}.mp4"
    with atomic_write(second) as partial:
        partial.write_bytes(edited.read_bytes())
    save_design(design, folder / "design.yaml")
    facts = _study_facts(advice, best, design, first, second, folder)
    text = templates("videomem_hf.films").get_template("study.md.j2").render(facts)
    _write_text(folder / "README.md", text)
    return folder, facts


def _study_facts(
    advice: Advice, best: Trial, design: StudyDesign, first: Path, second: Path, folder: Path
) -> dict[str, Any]:
    before = min(best.before[advice.horizon], 0.99)
    after = min(before + best.tested.gain, 0.999)
    responses = responses_needed(before, after)
    targets = design.step1.targets if advice.horizon == "short_term" else design.step2.targets
    others = design.videos_needed - 1
    relative = [path.relative_to(folder.parent).as_posix() for path in (first, second)]
    commands = "\n".join(
        f"videomem study init study-{name} others/ {path} --example examples/ --design study/design.yaml"
        for name, path in zip(("before", "after"), relative, strict=True)
    )
    return {
        "clip": printable(Path(advice.clip).name), "edit": best.edit.name,
        "horizon": HORIZON_NAMES[advice.horizon], "others": others,
        "before": f"{before:.3f}", "after": f"{after:.3f}", "annotations": f"{responses:,}",
        "participants": f"{-(-responses * design.videos_needed // targets):,}", "commands": commands,
        "video": first.stem, "targets": targets, "videos": design.videos_needed, "key": advice.horizon,
    }  # fmt: skip
