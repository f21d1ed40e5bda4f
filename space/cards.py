"""The scores of a clip, and why there are none, as HTML that reads well without a picture, on a phone, in dark."""

import math
from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING

import charts
import intake
import numpy as np
from pictures import css_gradient, picture_uri

from videomem_hf.schema import HORIZON_NAMES, HORIZONS, ByHorizon, Horizon

if TYPE_CHECKING:
    from scoring import Scored

    from videomem_hf.inference import Prediction
    from videomem_hf.inference.occlusion import OcclusionMaps

NAMES = ByHorizon({}, lambda horizon: HORIZON_NAMES[horizon].capitalize())
WHEN = ByHorizon(
    {"short_term": "recognised minutes later", "long_term": "recognised 24 to 72 hours later"}, lambda _: ""
)
OWN_COLOURS = (
    "light-dark(#15803d, #4ade80)", "light-dark(#9333ea, #d0a2ff)", "light-dark(#b45309, #fbbf24)",
    "light-dark(#0e7490, #22d3ee)", "light-dark(#be185d, #f9a8d4)", "light-dark(#475569, #cbd5e1)",
)  # fmt: skip
"""In light and in dark, of horizons of other names than VideoMem's."""
MEASURED_SIDE = 480
NOTHING_YET = (
    '<div class="vm-empty" id="vm-nothing"><strong>Drop a clip, record one, or take an example.</strong>'
    "<span>Its scores, the moment that stands out and what they come from appear here.</span></div>"
)
WORKING = (
    '<div class="vm-empty"><strong>Working on it …</strong><span>Your place in the queue, and how far it '
    "is, stand below. The scores come first.</span></div>"
)
STOPPED = '<div class="vm-empty"><strong>Stopped.</strong><span>Press Analyse to start again.</span></div>'
RIBBON = (
    '<p class="vm-ribbon" role="status" hidden>Earlier result: the clip, its title, the model or the part has changed '
    "since. Start again to renew it.</p>"
)


def text(value: object) -> str:
    """Escape what a visitor may have written."""
    return escape(str(value), quote=True)


def failure(sentence: str, name: str = "") -> str:
    """What went wrong, the cause first, then the clip's name; it stays until the next try."""
    cause = sentence.removeprefix(f"{name}: ") if name else sentence
    about = f"<span>{text(name)}</span>" if cause != sentence else ""
    return f'<div class="vm-error" role="alert"><strong>{text(cause[:1].upper() + cause[1:])}</strong>{about}</div>'


def offer(name: str, duration_s: float | None, most_s: int) -> str:
    """What can be done with a clip that is too long; None is a length that no header says."""
    from videomem_hf.analysis.style import clock

    length = f"over {most_s} s" if duration_s is None else clock(duration_s)
    return (
        f'<div class="vm-empty vm-offer"><strong>This clip lasts {length}; up to {most_s} s '
        f"are scored at a time.</strong><span>{text(name)}: score the first {most_s} s, or say where the part "
        "begins.</span></div>"
    )


def based_on(prediction: "Prediction") -> str:
    """From what the clip's score is made."""
    frames = len(prediction.times_s)
    mean = "mean" if prediction.temporal_weights is None else "weighted mean"
    return f"{mean} of {frames} frames" if frames > 1 else "scored as a whole"


def attributes(scored: "Scored") -> str:
    """What a result is of: `page.js` compares it with what is chosen now."""
    title = "" if scored.title is None else f' data-title="{text(scored.title)}"'
    return f'data-model="{text(scored.model)}"{title}'


def summary(scored: "Scored") -> str:
    """The scores as gauges on one axis, with what is odd about the clip and what is true of the model."""
    prediction = scored.prediction
    axis = charts.GaugeAxis.of([prediction])
    title = f" · {text(scored.title)}" if scored.title else ""
    shown = list(prediction.scores) if set(prediction.scores) - set(HORIZONS) else HORIZONS
    gauges = own_colours(shown) + "".join(_card(horizon, scored, axis) for horizon in shown)
    return (
        f'<div class="vm-summary vm-result" {attributes(scored)}>{RIBBON}'
        f'<p class="vm-clip"><strong>{text(scored.name)}</strong>{title}</p>{notes(prediction)}'
        f'<div class="vm-cards">{gauges}</div>{caveats(prediction, clips=1)}</div>'
    )


def own_colours(horizons: Iterable[Horizon]) -> str:
    """Colours of horizons of other names than VideoMem's, which the style sheet has."""
    own = [horizon for horizon in horizons if horizon not in HORIZONS]
    rules = (f".vm-{h} {{ --vm-colour: {OWN_COLOURS[i % len(OWN_COLOURS)]}; }}" for i, h in enumerate(own))
    return f"<style>{' '.join(rules)}</style>" if own else ""


def notes(prediction: "Prediction") -> str:
    """What is odd about the clip."""
    shown = (_without_path(note).replace(intake.FOR_TERMINALS, "") for note in prediction.notes)
    return "".join(f'<p class="vm-note" role="note">{text(note)}</p>' for note in shown)


def caveats(prediction: "Prediction", clips: int) -> str:
    """What is true of all predictions of the model, once, in words for one clip or for several."""
    from videomem_hf.inference.claims import caveats_of_one_clip

    sentences = " ".join(map(text, caveats_of_one_clip(prediction.caveats) if clips == 1 else prediction.caveats))
    return f'<p class="vm-caveat vm-small" role="note">{sentences}</p>' if sentences else ""


def _without_path(note: str) -> str:
    """A warning may begin with the file's path on this machine, which is no one's business."""
    first, _, rest = note.partition(": ")
    return rest if "/" in first or "\\" in first else note


def interval_words(prediction: "Prediction", horizon: Horizon) -> str:
    """The interval with its level and kind; empty where it is not known."""
    if not prediction.intervals or horizon not in prediction.intervals:
        return ""
    from videomem_hf.analysis.style import interval_name, interval_text

    return f"{interval_name(prediction.interval_level)}: {interval_text(*prediction.intervals[horizon])}"


def percentile_words(prediction: "Prediction", horizon: Horizon) -> str:
    """Where the score stands among the reference; empty where there is none."""
    percent = prediction.percentiles.get(horizon)
    if percent is None or prediction.reference is None or not math.isfinite(percent):
        return ""
    return prediction.reference.standing(percent)


def _card(horizon: Horizon, scored: "Scored", axis: charts.GaugeAxis) -> str:
    prediction = scored.prediction
    name, when = NAMES[horizon], WHEN[horizon]
    head = f"<h2>{name} <span>{when}</span></h2>"
    source = f'<p class="vm-small vm-source">{text(scored.model)} · {based_on(prediction)}</p>'
    if horizon not in prediction.scores:
        missing = "<p>This model does not predict it.</p>"
        return f'<section class="vm-card vm-{horizon} vm-absent">{head}{missing}{source}</section>'
    score = prediction.scores[horizon]
    interval = (prediction.intervals or {}).get(horizon)
    among, between = percentile_words(prediction, horizon), interval_words(prediction, horizon)
    spoken = ", ".join(filter(None, [f"{name} memorability {score:.2f} of 1", among, between]))
    verdict = f'<span class="vm-verdict">{text(among)}</span>' if among else ""
    return (
        f'<section class="vm-card vm-{horizon}" aria-label="{name}">{head}'
        f'<div class="vm-reading"><span class="vm-value" role="meter" aria-valuemin="0" aria-valuemax="1" '
        f'aria-valuenow="{score:.3f}" aria-valuetext="{text(spoken)}" aria-label="{name} score">{score:.2f}</span>'
        f"{verdict}</div>{charts.gauge(axis, horizon, score, interval)}"
        f'<p class="vm-small">{between}</p>{source}</section>'
    )


def overlay_head(scored: "Scored") -> str:
    """What stands above the overlay video."""
    return (
        f'<div class="vm-overlay-head vm-result" data-model="{text(scored.model)}">{RIBBON}'
        '<h2 class="vm-title">What the score comes from, as a video</h2>'
        f'<p class="vm-small vm-source">{text(scored.name)} · {text(scored.model)}</p></div>'
    )


def rectangle_card(scored: "Scored", changes: dict[Horizon, float], sides: list[float]) -> str:
    """What the clip's scores become with a rectangle covered in every frame."""
    rows = "".join(
        f'<li><span class="vm-key vm-{h}">{NAMES[h]}</span> {scored.prediction.scores[h]:.3f} becomes '
        f"<strong>{np.clip(scored.prediction.scores[h] + change, 0, 1):.3f}</strong> ({change:+.3f})</li>"
        for h, change in changes.items()
    )
    left, top, right, bottom = (round(100 * side) for side in sides)
    return (
        f"{_measured_head(scored, 'Measured change: the rectangle covered')}"
        f'<ul class="vm-moments">{rows}</ul><p class="vm-small">Blurred in every frame from '
        f"{left} to {right} % of the width and {top} to {bottom} % of the height. It says what the model reacts to, "
        "not what people do.</p></section>"
    )


def grid_card(scored: "Scored", maps: "OcclusionMaps") -> str:
    """For each horizon the frame with the measured change of its score for every cell of the grid."""
    from videomem_hf.analysis.clip_figure import overlay_change

    figures = []
    for horizon, changes in maps.changes.items():
        most = max(float(np.abs(changes).max()), 1e-6)
        drawn = overlay_change(maps.images[0], maps.on_frame(0, horizon), most)
        lowest = float(changes.min())
        words = f"Frame at {maps.times_s[0]:.1f} s with the measured change of its {HORIZON_NAMES[horizon]} score"
        figures.append(
            f'<figure><figcaption><span class="vm-key vm-{horizon}">{NAMES[horizon]}</span></figcaption>'
            f'<img class="vm-picture" src="{picture_uri(drawn, MEASURED_SIDE)}" alt="{words}: the largest fall is '
            f'{lowest:.3f}">{_change_scale(most)}</figure>'
        )
    return (
        f"{_measured_head(scored, f'Measured change at {maps.times_s[0]:.1f} s: each part covered by itself')}"
        f'<div class="vm-over">{"".join(figures)}</div></section>'
    )


def _measured_head(scored: "Scored", title: str) -> str:
    return (
        f'<section class="vm-measured vm-result" data-model="{text(scored.model)}">{RIBBON}'
        f'<h2>{title}</h2><p class="vm-small vm-source">{text(scored.name)} · {text(scored.model)}</p>'
    )


def _change_scale(most: float) -> str:
    colours = css_gradient("change")
    return (
        f'<div class="vm-scale" role="img" aria-label="Colours from a fall of the score by {most:.3f} to a rise by as '
        f'much"><i style="background:{colours}"></i><span>-{most:.3f}</span><span>change of the score'
        f"</span><span>+{most:.3f}</span></div>"
    )
