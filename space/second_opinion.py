"""What covering a part of the picture does to the score: a measured answer beside the map."""

from pathlib import Path
from typing import Any

import cards
import gradio as gr
import intake
import numpy as np
from cards import NAMES, text
from explorer import css_gradient, picture_uri
from page_parts import AT_ONCE, NETWORKS, OURS, PROGRESS, progress_strip
from scoring import Scored, Scoring
from work import StoppedError, Work, stoppable

from videomem_hf.schema import HORIZON_NAMES, Horizon

GRID = 6, 6
SIDE = 480


def second_opinion(scoring: Scoring, work: Work, charts: gr.HTML, kept: gr.State) -> gr.HTML:
    """Lay out where measured changes are shown, and connect it with what `explorer.js` sends; gives that place."""
    strip = progress_strip()
    measured = gr.HTML("", **OURS, elem_id="vm-measured")

    def rectangle(scored: Scored | None, event: gr.EventData, request: gr.Request, progress: Any = PROGRESS) -> Any:
        def measure(tell: Any) -> str:
            sides = [float(side) for side in event.rectangle]
            return rectangle_card(scored, scoring.cover(scored, sides, tell), sides)

        return _measure(work, scored, measure, request, progress)

    def grid(scored: Scored | None, event: gr.EventData, request: gr.Request, progress: Any = PROGRESS) -> Any:
        def measure(tell: Any) -> str:
            return grid_card(scored, scoring.cover_cells(scored, float(event.time_s), GRID, tell))

        return _measure(work, scored, measure, request, progress)

    running: dict[str, Any] = {
        "concurrency_id": NETWORKS,
        "concurrency_limit": AT_ONCE,
        "show_progress": "full",
        "show_progress_on": strip,
        "api_visibility": "private",
        "trigger_mode": "multiple",
    }
    charts.select(rectangle, kept, measured, **running)
    charts.submit(grid, kept, measured, **running)
    return measured


def _measure(work: Work, scored: Scored | None, measure: Any, request: gr.Request, progress: Any) -> Any:
    if scored is None or scored.clip is None:
        return gr.skip()
    try:
        with stoppable(work.start(request.session_hash)):
            return measure(lambda share, what: progress(share, desc=what))
    except StoppedError:
        return gr.skip()
    except Exception as error:
        return cards.failure(intake.message(error, Path(scored.clip)))


def rectangle_card(scored: Scored, changes: dict[Horizon, float], sides: list[float]) -> str:
    """What the clip's scores become with a rectangle covered in every frame."""
    rows = "".join(
        f'<li><span class="vm-key vm-{h}">{NAMES[h]}</span> {scored.prediction.scores[h]:.3f} becomes '
        f"<strong>{np.clip(scored.prediction.scores[h] + change, 0, 1):.3f}</strong> ({change:+.3f})</li>"
        for h, change in changes.items()
    )
    left, top, right, bottom = (round(100 * side) for side in sides)
    return (
        '<section class="vm-measured" role="status"><h2>Measured change: the rectangle covered</h2>'
        f'<ul class="vm-moments">{rows}</ul><p class="vm-small">{text(scored.name)}, blurred in every frame from '
        f"{left} to {right} % of the width and {top} to {bottom} % of the height. It says what the model reacts to, "
        "not what people do.</p></section>"
    )


def grid_card(scored: Scored, maps: Any) -> str:
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
            f'<img class="vm-picture" src="{picture_uri(drawn, SIDE)}" alt="{words}: the largest fall is '
            f'{lowest:.3f}">{_change_scale(most)}</figure>'
        )
    return (
        f'<section class="vm-measured" role="status"><h2>Measured change at {maps.times_s[0]:.1f} s: each part covered '
        f'by itself</h2><div class="vm-over">{"".join(figures)}</div></section>'
    )


def _change_scale(most: float) -> str:
    colours = css_gradient("change")
    return (
        f'<div class="vm-scale" role="img" aria-label="Colours from a fall of the score by {most:.3f} to a rise by as '
        f'much"><i style="background:{colours}"></i><span>-{most:.3f}</span><span>change of the score'
        f"</span><span>+{most:.3f}</span></div>"
    )
