"""A film's timeline as a page: chart, pictures and table in one file that needs no network."""

import base64
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from PIL import Image

from videomem_hf.analysis.style import COLOURS, clock, interval_name, interval_text, score_ticks, time_ticks
from videomem_hf.films.shot_scores import ScoredShot
from videomem_hf.films.timeline import Timeline
from videomem_hf.films.timeline_figure import SHOWN, score_range
from videomem_hf.schema import HORIZON_NAMES, ByHorizon
from videomem_hf.system import atomic_write, printable, quantity, templates

_WIDTH: Final = 1000
_LEFT, _RIGHT, _TOP, _BOTTOM, _HEIGHT = 40, 12, 10, 28, 300
_PX_PER_SHOT: Final = 5
"""A chart of many shots is wider than the page, and moves under the finger; on paper it is as wide as the page."""
_DELAYS: Final = ByHorizon({"short_term": "minutes", "long_term": "days"}, HORIZON_NAMES.__getitem__)
_SIDES: Final = ((200, 480), (800, 320), (10**9, 200))
"""Longest side of the pictures of films of up to so many shots: a page stays small enough to send."""


def write_page(timeline: Timeline, path: Path, film: Path | None = None) -> None:
    """Write the page; it links times to `film`, if that is a file, by its path from the page's folder."""
    COLOURS.fix(timeline.horizons)
    ranked = timeline.ranked()
    side = next(side for most, side in _SIDES if len(timeline.shots) <= most)
    link = None if film is None else quote(os.path.relpath(film, path.parent).replace(os.sep, "/"))
    width = max(_WIDTH, _PX_PER_SHOT * len(timeline.shots) + _LEFT + _RIGHT)
    ranks, order = timeline.ranks(), {number: position for position, number in enumerate(ranked)}
    shots = [
        _row(number, shot, side, link) | {"rank": _rank_words(ranks, number), "order": order[number]}
        for number, shot in enumerate(timeline.shots)
    ]
    page = templates("videomem_hf.films").get_template("timeline.html.j2").render(
        title=printable(Path(timeline.source).name),
        model=printable(Path(timeline.model).name),
        delays=" and ".join(_DELAYS[horizon] for horizon in timeline.horizons),
        count=quantity(len(shots), "shot"),
        duration=clock(timeline.duration_s),
        timeline=timeline,
        horizons={horizon: HORIZON_NAMES[horizon] for horizon in timeline.horizons},
        colours=COLOURS,
        interval_name=interval_name(timeline.interval_level),
        has_intervals=bool(timeline.shots[0].intervals),
        has_typicality=any(shot.typicality is not None for shot in timeline.shots),
        is_tested=timeline.rank_error > 0,
        shots=shots,
        best=[shots[number] for number in ranked[:SHOWN]],
        chart=_chart(timeline, width),
        paper=None if width == _WIDTH else _chart(timeline, _WIDTH),
        notes=[printable(note) for note in timeline.notes],
    )  # fmt: skip
    with atomic_write(path) as partial:
        partial.write_text(page, encoding="utf-8")


def _rank_words(ranks: Sequence[int], index: int) -> str:
    """A rank, with a sign where others share it."""
    return f"{ranks[index]}{'=' if ranks.count(ranks[index]) > 1 else ''}"


def _row(number: int, shot: ScoredShot, side: int, link: str | None) -> dict[str, Any]:
    return {
        "number": number + 1,
        "start": clock(shot.start_s, minutes=True),
        "end": clock(shot.end_s, minutes=True),
        "start_s": shot.start_s,
        "length": f"{shot.length_s:.1f} s",
        "link": None if link is None else f"{link}#t={shot.start_s:.2f}",
        "scores": {horizon: f"{score:.3f}" for horizon, score in shot.scores.items()},
        "intervals": {horizon: interval_text(*ends) for horizon, ends in (shot.intervals or {}).items()},
        "typicality": "" if shot.typicality is None else f"{shot.typicality:.0f}%",
        "best": clock(shot.best_time_s, minutes=True),
        "picture": base64.b64encode(_smaller(shot.picture, side)).decode(),
    }


def _smaller(picture: bytes, side: int) -> bytes:
    with Image.open(io.BytesIO(picture)) as image:
        if max(image.size) <= side:
            return picture
        image.thumbnail((side, side))
        file = io.BytesIO()
        image.save(file, "JPEG", quality=75)
        return file.getvalue()


def _chart(timeline: Timeline, width: int) -> dict[str, Any]:
    """What is drawn, in pixels: of each horizon the shots' lines and bands, the windows of long shots, and ticks."""
    low, high = score_range(timeline)

    def x(time_s: float) -> float:
        return round(_LEFT + (width - _LEFT - _RIGHT) * time_s / (timeline.duration_s or 1), 1)

    def y(score: float) -> float:
        return round(_TOP + (_HEIGHT - _TOP - _BOTTOM) * (high - score) / (high - low), 1)

    curves = {}
    for horizon in timeline.horizons:
        marks = []
        for shot in timeline.shots:
            ends = (shot.intervals or {}).get(horizon)
            windows = [(x((w.start_s + w.end_s) / 2), y(w.scores[horizon])) for w in shot.windows]
            marks.append({
                "x": x(shot.start_s),
                "width": max(1.0, round(x(shot.end_s) - x(shot.start_s), 1)),
                "y": y(shot.scores[horizon]),
                "band": None if ends is None else (y(ends[1]), round(y(ends[0]) - y(ends[1]), 1)),
                "windows": " ".join(f"{a},{b}" for a, b in windows) if len(windows) > 1 else "",
            })  # fmt: skip
        curves[horizon] = marks
    most = 9 * width // _WIDTH
    return {
        "width": width,
        "height": _HEIGHT,
        "left": _LEFT,
        "right": width - _RIGHT,
        "top": _TOP,
        "bottom": _HEIGHT - _BOTTOM,
        "curves": curves,
        "scores": [(y(tick), f"{tick:.2f}") for tick in score_ticks(low, high)],
        "times": [(x(t), clock(t, timeline.duration_s >= 120)) for t in time_ticks(0, timeline.duration_s, most)],
    }
