"""What the pages show of a prediction, as HTML that reads well without a picture, on a phone, in light and in dark."""

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from videomem_hf.schema import HORIZON_NAMES, HORIZONS, RELEASED_SCORES, Horizon

if TYPE_CHECKING:
    from scoring import Scored

    from videomem_hf.inference import Prediction, Still

NAMES: dict[Horizon, str] = {horizon: name.capitalize() for horizon, name in HORIZON_NAMES.items()}
WHEN: dict[Horizon, str] = {"short_term": "recognised minutes later", "long_term": "recognised 24 to 72 hours later"}
GAUGE = 320, 92
"""Width and height of the drawing of a distribution, in its own units."""
CURVE = 480, 230
LEFT, RIGHT, TOP, BOTTOM = 48, 16, 12, 30
"""Margins of the curve's axes."""
Scale = Callable[[float], float]
"""From a value to its position along an axis."""
FRAME_WIDTH, MANY_FRAMES_WIDTH = 480, 320
MANY_FRAMES = 12

NOTHING_YET = (
    '<div class="vm-empty"><strong>Drop a clip, record one, or take an example.</strong>'
    "<span>Its scores, its most memorable moment and what they come from appear here.</span></div>"
)


def text(value: object) -> str:
    """Escape what a visitor may have written."""
    return escape(str(value), quote=True)


def summary(scored: "Scored") -> str:
    """The scores as gauges among VideoMem's scores, with what is odd about the clip."""
    prediction = scored.prediction
    gauges = "".join(_gauge(horizon, prediction) for horizon in HORIZONS)
    notes = "".join(f'<p class="vm-note" role="note">{text(_without_path(note))}</p>' for note in prediction.notes)
    frames = len(prediction.times_s)
    mean = "mean" if prediction.temporal_weights is None else "weighted mean"
    based_on = f"{mean} of {frames} frames" if frames > 1 else "scored as a whole"
    title = f'<p class="vm-clip"><strong>{text(scored.name)}</strong> · {based_on}</p>'
    cards = f'<div class="vm-cards">{gauges}</div>'
    return f'<div class="vm-summary" role="status" aria-live="polite">{title}{cards}{notes}</div>'


def _without_path(note: str) -> str:
    """A warning begins with the file's path on this machine, which is no one's business."""
    return note.split(": ", 1)[-1]


def _gauge(horizon: Horizon, prediction: "Prediction") -> str:
    name, when = NAMES[horizon], WHEN[horizon]
    head = f"<h2>{name} <span>{when}</span></h2>"
    if horizon not in prediction.scores:
        return f'<section class="vm-card vm-{horizon} vm-absent">{head}<p>This model does not predict it.</p></section>'
    score, percent = prediction.scores[horizon], prediction.percentiles.get(horizon)
    interval = prediction.intervals[horizon] if prediction.intervals else None
    spoken = f"{name} memorability {score:.2f} of 1"
    among = prediction.reference.among if prediction.reference else ""
    above = "" if percent is None else f"higher than <strong>{_share(percent)}</strong> {text(among)}"
    covered = f"{100 * prediction.interval_level:g}&nbsp;%"
    between = f"{covered} of such clips score {interval[0]:.2f} to {interval[1]:.2f}" if interval else ""
    return (
        f'<section class="vm-card vm-{horizon}" aria-label="{name}">{head}'
        f'<div class="vm-reading"><span class="vm-value" role="meter" aria-valuemin="0" aria-valuemax="1" '
        f'aria-valuenow="{score:.3f}" aria-valuetext="{text(spoken)}" aria-label="{name} score">{score:.2f}</span>'
        f'<span class="vm-verdict">{above}</span>'
        "</div>"
        f"{_distribution(horizon, score, interval)}"
        f'<p class="vm-small">{between}</p></section>'
    )


def _share(percent: float) -> str:
    return "under 1&nbsp;%" if percent < 1 else "over 99&nbsp;%" if percent > 99 else f"{percent:.0f}&nbsp;%"


def _distribution(horizon: Horizon, score: float, interval: tuple[float, float] | None) -> str:
    """A clip's score on a scale, with its interval below."""
    low, high = min(0.4, RELEASED_SCORES[horizon].low), 1.0
    width, height = GAUGE
    base = height - 26
    at = np.linspace(low, high, 120)
    density = np.zeros_like(at)

    def x(value: float) -> float:
        return 6 + (width - 12) * float(np.clip((value - low) / (high - low), 0, 1))

    points = [(x(a), base - 54 * d) for a, d in zip(at, density, strict=True)]
    whole = _area(points, base)
    below = _area([p for p in points if p[0] <= x(score)], base)
    band = ""
    if interval:
        start, end = x(interval[0]), x(interval[1])
        band = f'<rect class="vm-band" x="{start:.1f}" y="{base + 3}" width="{end - start:.1f}" height="5" rx="2.5"/>'
    ticks = "".join(
        f'<text x="{x(value):.1f}" y="{height - 2}" text-anchor="{anchor}">{value:.1f}</text>'
        for value, anchor in ((low, "start"), ((low + high) / 2, "middle"), (high, "end"))
    )
    return (
        f'<svg viewBox="0 0 {width} {height}" aria-hidden="true" class="vm-gauge">'
        f'<path class="vm-all" d="{whole}"/><path class="vm-below" d="{below}"/>{band}'
        f'<line class="vm-axis" x1="6" x2="{width - 6}" y1="{base}" y2="{base}"/>'
        f'<line class="vm-mark" x1="{x(score):.1f}" x2="{x(score):.1f}" y1="6" y2="{base}"/>'
        f'<circle class="vm-dot" cx="{x(score):.1f}" cy="{base}" r="5"/>{ticks}</svg>'
    )


def _area(points: Sequence[tuple[float, float]], base: float) -> str:
    if not points:
        return ""
    line = " ".join(f"L{x:.1f} {y:.1f}" for x, y in points)
    return f"M{points[0][0]:.1f} {base} {line} L{points[-1][0]:.1f} {base} Z"


def explorer(scored: "Scored") -> str:
    """The scores over time, and the frames that they belong to; `explorer.js` links the two."""
    prediction = scored.prediction
    if not prediction.stills:
        return ""
    stills = [_StillView.of(still, prediction) for still in prediction.stills]
    first = next(iter(prediction.scores))
    best = max(range(len(stills)), key=lambda i: stills[i].scores[first])
    method = prediction.saliency_method if stills[0].map_uri else None
    buttons = "".join(_thumbnail(i, still, i == best) for i, still in enumerate(stills))
    chosen = stills[best]
    toggle = (
        '<label class="vm-toggle"><input type="checkbox" checked>'
        f"Show what the score comes from ({text(method)})</label>"
        if method
        else '<p class="vm-small">This model gives no maps.</p>'
    )
    over_time = len(prediction.times_s) > 1
    curve = _curve(prediction, stills, best) if over_time else ""
    heading = "Most memorable moment" if over_time else "Frames"
    return (
        f'<div class="vm-explorer"><div class="vm-left"><h2 class="vm-heading" data-best="{best}">{heading}</h2>'
        f'<figure><img class="vm-picture" src="{chosen.map_uri or chosen.uri}" alt="{chosen.alt(method)}">'
        f'<figcaption class="vm-caption" aria-live="polite">{chosen.caption}</figcaption></figure>{toggle}</div>'
        f'<div class="vm-right">{curve}'
        f'<div class="vm-strip" role="group" aria-label="Frames of the clip">{buttons}</div>'
        f"{_table(prediction)}</div></div>"
    )


@dataclass(frozen=True)
class _StillView:
    time_s: float
    scores: dict[Horizon, float]
    uri: str
    map_uri: str

    @classmethod
    def of(cls, still: "Still", prediction: "Prediction") -> "_StillView":
        width = FRAME_WIDTH if len(prediction.stills) <= MANY_FRAMES else MANY_FRAMES_WIDTH
        picture = Image.fromarray(still.image)
        picture.thumbnail((width, width), Image.Resampling.BILINEAR)
        map_uri = ""
        if prediction.saliency is not None:
            from videomem_hf.analysis.clip_figure import overlay

            image = np.asarray(picture)
            map_uri = _jpeg(Image.fromarray(overlay(image, prediction.saliency.at(still.time_s, image.shape[:2]))))
        return cls(still.time_s, still.scores, _jpeg(picture), map_uri)

    @property
    def caption(self) -> str:
        scores = " · ".join(f"{NAMES[h].lower()} <strong>{s:.2f}</strong>" for h, s in self.scores.items())
        return f"At {self.time_s:.1f} s · {scores}"

    def alt(self, method: str | None) -> str:
        scores = ", ".join(f"{NAMES[h].lower()} {s:.2f}" for h, s in self.scores.items())
        with_map = f", with its {method} map: the brighter, the more the score comes from there" if method else ""
        return text(f"Frame at {self.time_s:.1f} s, {scores}{with_map}")


def _thumbnail(index: int, still: _StillView, chosen: bool) -> str:
    return (
        f'<button type="button" class="vm-thumb" data-frame="{index}" data-time="{still.time_s:.3f}" '
        f'data-map="{still.map_uri}" data-caption="{text(still.caption)}" aria-pressed="{str(chosen).lower()}" '
        f'aria-label="{still.alt(None)}"><img src="{still.uri}" alt="">'
        f'<span aria-hidden="true">{still.time_s:.0f} s</span></button>'
    )


def _jpeg(picture: Image.Image) -> str:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=82)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


def _curve(prediction: "Prediction", stills: list[_StillView], best: int) -> str:
    """The scores over time; what can be selected are the frames that are shown."""
    width, height = CURVE
    times, rows = prediction.times_s, prediction.frame_scores
    spare = max(0.06, 0.15 * float(np.ptp(rows)))
    low, high = max(0.0, float(rows.min()) - spare), min(1.0, float(rows.max()) + spare)

    def x(time_s: float) -> float:
        return LEFT + (width - LEFT - RIGHT) * (time_s / max(float(times[-1]), 1e-9))

    def y(score: float) -> float:
        return TOP + (height - TOP - BOTTOM) * (high - score) / (high - low)

    grid = "".join(
        f'<line class="vm-grid" x1="{LEFT}" x2="{width - RIGHT}" y1="{y(v):.1f}" y2="{y(v):.1f}"/>'
        f'<text x="{LEFT - 6}" y="{y(v) + 4:.1f}" text-anchor="end">{v:.2f}</text>'
        for v in np.linspace(low + spare / 3, high - spare / 3, 4)
    )
    seconds = "".join(
        f'<text x="{x(t):.1f}" y="{height - 8}" text-anchor="middle">{t:.0f} s</text>'
        for t in np.arange(0, float(times[-1]) + 0.5, max(1, round(float(times[-1]) / 7)))
    )
    lines = "".join(_line(h, times, rows[:, i], x, y) for i, h in enumerate(prediction.scores))
    dots = "".join(
        f'<circle class="vm-point vm-{h}" data-frame="{i}" cx="{x(still.time_s):.1f}" cy="{y(s):.1f}" r="4.5"/>'
        for i, still in enumerate(stills)
        for h, s in still.scores.items()
    )
    marks = " ".join(f"{x(still.time_s):.1f}" for still in stills)
    legend = "".join(f'<span class="vm-key vm-{h}">{NAMES[h]}</span>' for h in prediction.scores)
    legend = f'<div class="vm-keys">{legend}</div>'
    at = stills[best]
    return (
        f'<div class="vm-curve"><div class="vm-legend"><h2>Score over time</h2>{legend}</div>'
        f'<svg viewBox="0 0 {width} {height}" class="vm-plot" data-marks="{marks}" aria-hidden="true">{grid}{seconds}'
        f'<line class="vm-cursor" x1="{x(at.time_s):.1f}" x2="{x(at.time_s):.1f}" y1="{TOP}" y2="{height - BOTTOM}"/>'
        f"{lines}{dots}</svg>"
        f'<input type="range" class="vm-time" min="0" max="{len(stills) - 1}" step="1" value="{best}" '
        f'aria-label="Frame of the clip" aria-valuetext="{at.alt(None)}"></div>'
    )


def _line(horizon: Horizon, times: np.ndarray, scores: np.ndarray, x: Scale, y: Scale) -> str:
    points = " ".join(f"{x(t):.1f},{y(s):.1f}" for t, s in zip(times, scores, strict=True))
    return f'<polyline class="vm-line vm-{horizon}" points="{points}"/>'


def _table(prediction: "Prediction") -> str:
    heads = "".join(f'<th scope="col">{NAMES[h]}</th>' for h in prediction.scores)
    rows = "".join(
        f'<tr><th scope="row">{t:.1f} s</th>{"".join(f"<td>{s:.3f}</td>" for s in row)}</tr>'
        for t, row in zip(prediction.times_s, prediction.frame_scores, strict=True)
    )
    return (
        '<details class="vm-details"><summary>Scores as a table</summary><div class="vm-scroll">'
        f'<table><thead><tr><th scope="col">Time</th>{heads}</tr></thead><tbody>{rows}</tbody></table></div></details>'
    )


@dataclass(frozen=True)
class Row:
    """A clip of several: its result, or why there is none."""

    name: str
    scored: "Scored | None" = None
    error: str = ""


def ranking(rows: Sequence[Row], waiting: int = 0) -> str:
    """Clips from the most to the least memorable, short-term first; `ranking.js` sorts by what is clicked."""
    done = [row.scored for row in rows if row.scored]
    horizons = [h for h in HORIZONS if any(h in scored.prediction.scores for scored in done)]
    first = horizons[0] if horizons else None
    ranked = sorted(rows, key=lambda row: -row.scored.prediction.scores[first] if row.scored and first else 9)
    heads = "".join(
        f'<th scope="col" aria-sort="{"descending" if h == first else "none"}"><button type="button" class="vm-sort" '
        f'data-horizon="{h}">{NAMES[h]}</button></th>'
        for h in horizons
    )
    body = "".join(_ranking_row(rank, row, horizons) for rank, row in enumerate(ranked, start=1))
    more = f'<p class="vm-small" role="status">{waiting} more to come …</p>' if waiting else ""
    return (
        '<div class="vm-scroll vm-list"><table class="vm-ranking"><caption>Most memorable first; a heading sorts by it.'
        f'</caption><thead><tr><th scope="col">Rank</th><th scope="col">Clip</th>{heads}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>{more}"
    )


def _ranking_row(rank: int, row: Row, horizons: list[Horizon]) -> str:
    if row.scored is None:
        return (
            f'<tr class="vm-failed"><td>-</td><td colspan="{1 + len(horizons)}"><strong>{text(row.name)}</strong>'
            f"<span>{text(row.error)}</span></td></tr>"
        )
    prediction = row.scored.prediction
    cells = "".join(_bar(h, prediction.scores[h]) for h in horizons)
    data = " ".join(f'data-{h.replace("_", "-")}="{prediction.scores[h]:.6f}"' for h in horizons)
    still = prediction.stills[0] if prediction.stills else None
    picture = ""
    if still is not None:
        image = Image.fromarray(still.image)
        image.thumbnail((128, 128))
        picture = f'<img src="{_jpeg(image)}" alt="">'
    return (
        f'<tr {data}><td class="vm-rank">{rank}</td><td class="vm-name">{picture}<span>{text(row.name)}</span></td>'
        f"{cells}</tr>"
    )


def _bar(horizon: Horizon, score: float) -> str:
    return (
        f'<td><div class="vm-bar vm-{horizon}"><strong>{score:.3f}</strong><i style="width:{100 * score:.1f}%"></i>'
        f"</div></td>"
    )
