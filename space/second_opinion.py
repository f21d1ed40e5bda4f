"""What covering a part of the picture does to the score: a measured answer beside the map."""

from pathlib import Path
from typing import Any

import cards
import gradio as gr
import intake
from page_parts import AT_ONCE, NETWORKS, OURS, PROGRESS, READ_OUT, progress_strip
from scoring import Scored, Scoring
from work import StoppedError, Work, stoppable


def second_opinion(scoring: Scoring, work: Work, charts: gr.HTML, kept: gr.State) -> tuple[gr.HTML, list]:
    """Lay out where measured changes are shown, and connect it with what `explorer.js` sends.

    Returns:
        That place, and the events that measure.
    """
    strip = progress_strip()
    measured = gr.HTML("", **OURS, elem_id="vm-measured", js_on_load=READ_OUT)

    def rectangle(scored: Scored | None, event: gr.EventData, request: gr.Request, progress: Any = PROGRESS) -> Any:
        def measure(tell: Any) -> str:
            sides = [float(side) for side in event.rectangle]
            return cards.rectangle_card(scored, scoring.cover(scored, sides, tell), sides)

        return _measure(work, scored, measure, request, progress)

    def grid(scored: Scored | None, event: gr.EventData, request: gr.Request, progress: Any = PROGRESS) -> Any:
        def measure(tell: Any) -> str:
            return cards.grid_card(scored, scoring.cover_cells(scored, float(event.time_s), tell))

        return _measure(work, scored, measure, request, progress)

    running: dict[str, Any] = {
        "concurrency_id": NETWORKS,
        "concurrency_limit": AT_ONCE,
        "show_progress": "full",
        "show_progress_on": strip,
        "api_visibility": "private",
        "trigger_mode": "multiple",
    }
    return measured, [
        charts.select(rectangle, kept, measured, **running),
        charts.submit(grid, kept, measured, **running),
    ]


def _measure(work: Work, scored: Scored | None, measure: Any, request: gr.Request, progress: Any) -> Any:
    if scored is None or scored.clip is None:
        return gr.skip()
    try:
        with work.start(request.session_hash) as stop, stoppable(stop):
            return measure(lambda share, what: progress(share, desc=what))
    except StoppedError:
        return gr.skip()
    except Exception as error:
        return cards.failure(intake.message(error, Path(scored.clip)))
