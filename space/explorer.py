"""The scores over time and the frames that they belong to, with what `maps.js` needs to draw the maps over them."""

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from cards import NAMES, RIBBON, attributes, text
from charts import BOTTOM, CURVE, TOP, Axes, Line
from pictures import css_gradient, map_opacity, palette, picture_uri

from videomem_hf.inference.moments import Moment, standout_moment
from videomem_hf.schema import HORIZON_NAMES, Horizon

if TYPE_CHECKING:
    from scoring import Scored

    from videomem_hf.inference import Prediction, Still

FRAME_WIDTH, MANY_FRAMES_WIDTH = 480, 320
MANY_FRAMES = 12
LEVELS = 65535
"""Maps are sent as whole numbers of two bytes."""

COVER_BUTTONS = (
    '<div class="vm-cover"><h2>Check the map: cover a part</h2><p class="vm-small">A map shows what the model weighs. '
    "Covering a part measures what the score becomes without it.</p><div>"
    '<button type="button" class="vm-act vm-draw" aria-pressed="false">Draw a rectangle</button>'
    '<button type="button" class="vm-act vm-measure" hidden>Cover it</button>'
    '<button type="button" class="vm-act vm-grid-go">Measure a grid on this frame</button></div></div>'
)


def explorer(scored: "Scored") -> str:
    """The frames, the scores over time and as a table; `explorer.js` links them, and the visitor's own player."""
    prediction = scored.prediction
    if not prediction.stills:
        return ""
    stills = [_StillView.of(still, prediction) for still in prediction.stills]
    moments = {horizon: standout_moment(prediction, horizon) for horizon in prediction.scores}
    found = next((moment for moment in moments.values() if moment is not None), None)
    first = next(iter(prediction.scores))
    chosen = _nearest(stills, found) if found else max(range(len(stills)), key=lambda i: stills[i].scores[first])
    over_time = len(prediction.times_s) > 1
    return (
        f'<div class="vm-explorer vm-result" {attributes(scored)} data-offset="{scored.start_s:.3f}" '
        f'{_map_data(prediction)}>{RIBBON}<div class="vm-left">'
        f'<h2 class="vm-heading">{"Frame and map" if prediction.saliency is not None else "Frame"}</h2>'
        f"{_picture(stills[chosen])}{map_scale(scored)}{COVER_BUTTONS if scored.can_cover else ''}</div>"
        f'<div class="vm-right">{_moments(prediction, moments, stills) if over_time else ""}'
        f"{_curve(prediction, stills, chosen) if over_time else ''}"
        f'<div class="vm-strip" role="group" aria-label="Frames of the clip">'
        f"{''.join(_thumbnail(i, still, i == chosen) for i, still in enumerate(stills))}</div>"
        f"{_table(prediction)}</div></div>"
    )


def _nearest(stills: "list[_StillView]", moment: Moment) -> int:
    """Which of the frames that are shown is nearest to a moment."""
    return min(range(len(stills)), key=lambda i: abs(stills[i].time_s - moment.time_s))


def _moments(prediction: "Prediction", moments: dict[Horizon, Moment | None], stills: "list[_StillView]") -> str:
    """For each horizon the moment that stands out, to be chosen; or that none does."""
    from videomem_hf.inference.drawing import moment_text

    parts = []
    for horizon, moment in moments.items():
        words = moment_text(prediction, horizon)
        found = f"<span>{words}</span>"
        if moment is not None:
            found = f'<button type="button" class="vm-moment" data-frame="{_nearest(stills, moment)}">{words}</button>'
        parts.append(f'<li class="vm-{horizon}"><span class="vm-key vm-{horizon}">{NAMES[horizon]}</span>{found}</li>')
    return f'<h2>The moment that stands out</h2><ul class="vm-moments">{"".join(parts)}</ul>'


def _picture(still: "_StillView") -> str:
    """The chosen frame; its map is drawn over it, and a rectangle can be."""
    return (
        f'<figure><div class="vm-stage"><img class="vm-picture" src="{still.uri}" alt="{still.alt}"></div>'
        f'<figcaption class="vm-caption" aria-live="polite">{still.caption}</figcaption></figure>'
    )


def map_scale(scored: "Scored") -> str:
    """What the colours of the map mean, and the switch that shows and hides it."""
    prediction = scored.prediction
    if prediction.saliency is None:
        return f'<p class="vm-small">No maps: {text(scored.no_maps)}.</p>'
    from videomem_hf.inference.drawing import saliency_words

    return (
        f'<label class="vm-toggle"><input type="checkbox" checked>Show where the model looks '
        f"({text(saliency_words(prediction))}), here and over your clip</label>{colour_scale()}"
    )


def colour_scale() -> str:
    """The colours of a map from 0 to its peak."""
    colours = css_gradient("saliency")
    return (
        '<div class="vm-scale" role="img" aria-label="Colours of the map: from dark for none of the score to bright '
        f'for the place where the model looks most"><i style="background:{colours}"></i><span>0</span>'
        "<span>share of the peak</span><span>1</span></div>"
    )


def _map_data(prediction: "Prediction") -> str:
    """The maps, coarse as they are, and where in the frame they lie, as attributes."""
    saliency = prediction.saliency
    if saliency is None:
        return ""
    levels = np.round(saliency.maps / max(float(saliency.maps.max()), 1e-12) * LEVELS).astype("<u2")
    times = " ".join(f"{t:.3f}" for t in saliency.times_s)
    areas = (" ".join(f"{side:.5f}" for side in area) for area in (saliency.seen, saliency.covered))
    seen, covered = areas
    return (
        f'data-map-times="{times}" data-map-size="{levels.shape[1]} {levels.shape[2]}" data-map-seen="{seen}" '
        f'data-map-covered="{covered}" data-maps="{base64.b64encode(levels.tobytes()).decode()}" '
        f'data-palette="{palette()}" data-opacity="{map_opacity()}"'
    )


@dataclass(frozen=True)
class _StillView:
    time_s: float
    scores: dict[Horizon, float]
    uri: str

    @classmethod
    def of(cls, still: "Still", prediction: "Prediction") -> "_StillView":
        width = FRAME_WIDTH if len(prediction.stills) <= MANY_FRAMES else MANY_FRAMES_WIDTH
        return cls(still.time_s, still.scores, picture_uri(still.image, width))

    @property
    def caption(self) -> str:
        scores = " · ".join(f"{HORIZON_NAMES[h]} <strong>{s:.2f}</strong>" for h, s in self.scores.items())
        return f"At {self.time_s:.1f} s · {scores}"

    @property
    def alt(self) -> str:
        scores = ", ".join(f"{HORIZON_NAMES[h]} {s:.2f}" for h, s in self.scores.items())
        return text(f"Frame at {self.time_s:.1f} s, {scores}")


def _thumbnail(index: int, still: _StillView, chosen: bool) -> str:
    return (
        f'<button type="button" class="vm-thumb" data-frame="{index}" data-time="{still.time_s:.3f}" '
        f'data-caption="{text(still.caption)}" aria-pressed="{str(chosen).lower()}" '
        f'aria-label="{still.alt}"><img src="{still.uri}" alt="">'
        f'<span aria-hidden="true">{still.time_s:.0f} s</span></button>'
    )


def _curve(prediction: "Prediction", stills: list[_StillView], chosen: int) -> str:
    """The scores over time; what can be selected are the frames that are shown."""
    lines = [Line(prediction.times_s, scores, f"vm-{h}") for h, scores in prediction.curves.items()]
    axes = Axes(lines)
    dots = "".join(
        f'<circle class="vm-point vm-{h}" data-frame="{i}" cx="{axes.x(still.time_s):.1f}" cy="{axes.y(s):.1f}" '
        'r="4.5"/>'
        for i, still in enumerate(stills)
        for h, s in still.scores.items()
    )
    marks = " ".join(f"{axes.x(still.time_s):.1f}" for still in stills)
    legend = "".join(f'<span class="vm-key vm-{h}">{NAMES[h]}</span>' for h in prediction.scores)
    at = stills[chosen]
    return (
        '<div class="vm-curve"><div class="vm-legend"><h2>Score over time</h2>'
        f'<div class="vm-keys">{legend}</div></div><svg viewBox="0 0 {CURVE[0]} {CURVE[1]}" class="vm-plot" '
        f'data-marks="{marks}" aria-hidden="true">{axes.draw()}'
        f'<line class="vm-cursor" x1="{axes.x(at.time_s):.1f}" x2="{axes.x(at.time_s):.1f}" y1="{TOP}" '
        f'y2="{CURVE[1] - BOTTOM}"/>{"".join(map(axes.line, lines))}{dots}</svg>'
        f'<input type="range" class="vm-time" min="0" max="{len(stills) - 1}" step="1" value="{chosen}" '
        f'aria-label="Frame of the clip" aria-valuetext="{at.alt}"></div>'
    )


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
