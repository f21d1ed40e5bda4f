"""The page of one clip: its scores at once, then frames, curve and maps; an overlay video when it is asked for."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cards
import explorer
import gradio as gr
import intake
from page_parts import (
    AT_ONCE,
    LONGEST_TITLE,
    NETWORKS,
    OURS,
    PROGRESS,
    QUIET,
    READ_OUT,
    progress_strip,
    script,
    unseen_error,
    uploads_only,
)
from player import plays_in_browsers
from scoring import Scored, Scoring
from second_opinion import second_opinion
from work import StoppedError, Work, stoppable

from videomem_hf.schema import InputError

NO_CLIP = "No clip yet: drop one, record one, or take an example"

SHOW_SCORES = f'{READ_OUT} watch("value", () => {{ if (!element.querySelector("#vm-nothing")) vmShow(element); }});'


@dataclass(frozen=True)
class Page:
    """What the visitor acts on, and what changes."""

    clip: gr.Video
    title: gr.Textbox
    go: gr.Button
    stop: gr.Button
    offered: gr.Examples
    strip: gr.HTML
    summary: gr.HTML
    part: gr.Column
    start: gr.Number
    part_go: gr.Button
    charts: gr.HTML
    kept: gr.State
    measured: gr.HTML
    measurements: list[Any]
    overlay_go: gr.Button
    overlay_head: gr.HTML
    overlay: gr.Video
    numbers: gr.JSON


def one_clip(scoring: Scoring, work: Work, model: gr.Dropdown) -> gr.Textbox:
    """Lay out the page and connect it; give the field for the clip's title."""
    page = lay_out(scoring, work)
    Handlers(scoring, work, page).connect(model)
    return page.title


def lay_out(scoring: Scoring, work: Work) -> Page:
    """Lay out the page."""
    with gr.Row(equal_height=False):
        with gr.Column(scale=2, min_width=300):
            inputs = _input_column(scoring)
        with gr.Column(scale=3, min_width=300):
            results = _result_column(scoring)
    charts = gr.HTML("", **OURS, elem_id="vm-explorer", js_on_load=script("explorer.js"))
    kept = gr.State(None, time_to_live=3600)
    measured, measurements = second_opinion(scoring, work, charts, kept)
    overlay_go = gr.Button("Make overlay video", visible=False, elem_id="vm-overlay-go")
    overlay_head = gr.HTML("", **OURS, elem_id="vm-overlay-head", js_on_load=READ_OUT)
    overlay = gr.Video(
        label="Overlay video",
        show_label=False,
        interactive=False,
        visible="hidden",
        elem_id="vm-overlay",
        loop=True,
        buttons=["download"],
    )
    with gr.Accordion("All numbers", open=False):
        numbers = gr.JSON(label="Prediction", elem_id="vm-numbers")
    return Page(
        **inputs,
        **results,
        charts=charts,
        kept=kept,
        measured=measured,
        measurements=measurements,
        overlay_go=overlay_go,
        overlay_head=overlay_head,
        overlay=overlay,
        numbers=numbers,
    )


def _input_column(scoring: Scoring) -> dict[str, Any]:
    gr.HTML('<h2 class="vm-title" id="vm-clip-title">Your clip</h2>', **OURS)
    clip = gr.Video(
        label="Your clip",
        show_label=False,
        sources=["upload", "webcam"],
        webcam_options=gr.WebcamOptions(mirror=False),
        height=320,
        elem_id="vm-clip",
        buttons=[],
    )
    uploads_only(clip)
    limit = f'<p class="vm-small" id="vm-limit" data-megabytes="{scoring.limits.megabytes}">'
    gr.HTML(f"{limit}A clip may have {scoring.limits.with_parts}.</p>", **OURS)
    title = gr.Textbox(
        "",
        label="Title of the clip",
        info="This model reads it as well; press Analyse after a change",
        max_length=LONGEST_TITLE,
        visible=False,
        elem_id="vm-clip-name",
    )
    with gr.Row():
        go = gr.Button("Analyse", variant="primary", elem_id="vm-go", min_width=120)
        stop = gr.Button("Stop", elem_id="vm-stop", min_width=80)
    offered = gr.Examples(
        [[str(path)] for path in scoring.examples.values()],
        [clip],
        label="Or take an example",
        example_labels=list(scoring.examples),
        elem_id="vm-examples",
    )
    return {"clip": clip, "title": title, "go": go, "stop": stop, "offered": offered}


def _result_column(scoring: Scoring) -> dict[str, Any]:
    summary = gr.HTML(cards.NOTHING_YET, **OURS, elem_id="vm-summary", js_on_load=SHOW_SCORES)
    strip = progress_strip()  # below, so that the scores stay where they are when it goes
    with gr.Column(visible=False, elem_id="vm-part") as part:
        start = gr.Number(0, label="Part to score", info="begins at this second", minimum=0, step=1, elem_id="vm-start")
        part_go = gr.Button(f"Score {scoring.limits.seconds} s from there", elem_id="vm-part-go")
    return {"strip": strip, "summary": summary, "part": part, "start": start, "part_go": part_go}


class Handlers:
    """What happens when the visitor does something; what changes is given as components and their new values."""

    def __init__(self, scoring: Scoring, work: Work, page: Page) -> None:
        self.scoring = scoring
        self.work = work
        self.page = page

    def connect(self, model: gr.Dropdown) -> None:
        """Connect the page's parts: each start first clears what is shown, and stops what runs."""
        page = self.page
        shown = [page.summary, page.charts, page.overlay, page.numbers, page.part, page.overlay_go, page.kept]
        computing: dict[str, Any] = {
            "concurrency_id": NETWORKS,
            "concurrency_limit": AT_ONCE,
            "show_progress": "full",
        }
        running = computing | {"outputs": shown, "trigger_mode": "multiple", "show_progress_on": page.strip}
        private: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        clearing = QUIET | {
            "fn": self.clear,
            "inputs": page.clip,
            "outputs": [*shown, page.measured, page.overlay_head],
            "trigger_mode": "multiple",
        }
        handed_in = [page.go.click, page.clip.upload, page.clip.stop_recording]
        whole, part, example = self.analyse, self.analyse_part, page.offered.load_input_event
        runs = []
        for cleared, fn, inputs, api in (
            (gr.on(handed_in, **clearing), whole, [], {"api_name": "analyse"}),
            (example.success(**clearing), whole, [], {"api_visibility": "private"}),
            (page.part_go.click(**clearing), part, [page.start], {"api_name": "analyse_part"}),
        ):
            runs.append(cleared.success(fn, [page.clip, model, *inputs, page.title], **api, **running))
            # whether a model that was typed reads titles is known now
            runs[-1].success(self.title_field, model, page.title, **QUIET)
            cleared.success(self.preview, page.clip, page.clip, **private)
        page.title.change(None, page.title, js="(title) => { vm.titled(title); }")
        drawn = [page.overlay, page.overlay_head]
        video = page.overlay_go.click(
            self.make_overlay, page.kept, drawn, api_name="overlay", show_progress_on=page.overlay_go, **computing
        )
        ends = QUIET | {"cancels": [*runs, video, *page.measurements]}
        page.stop.click(self.stop, page.summary, page.summary, **ends)
        gone = "(shown) => { vm.otherClip('#vm-one'); return [shown]; }"
        page.clip.clear(self.forget_clip, page.summary, page.summary, js=gone, **ends)

    def clear(self, path: str | None, request: gr.Request) -> dict:
        """Stop what runs, and take away what was shown: no other clip's results beside this one."""
        self.work.stop(request.session_hash, path)
        page = self.page
        return {
            page.summary: cards.WORKING,
            page.charts: "",
            page.overlay: gr.Video(value=None, visible="hidden"),
            page.overlay_head: "",
            page.numbers: None,
            page.part: gr.Column(visible=False),
            page.overlay_go: gr.Button(visible=False),
            page.kept: None,
            page.measured: "",
        }

    def stop(self, shown: str, request: gr.Request) -> Any:
        """Stop what runs for this visitor; scores that are there stay."""
        self.work.stop(request.session_hash)
        return cards.STOPPED if shown == cards.WORKING else gr.skip()

    def forget_clip(self, shown: str, request: gr.Request) -> Any:
        """Stop what runs for a visitor who has taken the clip away."""
        self.work.stop(request.session_hash)
        return cards.NOTHING_YET if shown == cards.WORKING else gr.skip()

    def title_field(self, model: str | None) -> Any:
        """Show the field for titles where the model reads them."""
        return gr.Textbox(visible=self.scoring.models.reads_titles(model))

    def analyse(
        self, path: str | None, model: str | None, title: str, request: gr.Request, progress: Any = PROGRESS
    ) -> Iterator:
        """Score a clip: yields the scores, then everything else."""
        yield from self._analyse((path, model, title), None, request, progress)

    def analyse_part(
        self,
        path: str | None,
        model: str | None,
        start_s: float,
        title: str,
        request: gr.Request,
        progress: Any = PROGRESS,
    ) -> Iterator:
        """Score the part of a clip that begins at a second; otherwise as `analyse`."""
        yield from self._analyse((path, model, title), start_s or 0.0, request, progress)

    def _analyse(
        self,
        given: tuple[str | None, str | None, str],
        start_s: float | None,
        request: gr.Request,
        progress: Any,
    ) -> Iterator[dict]:
        path, model, title = given
        page = self.page
        part = {} if start_s is None else {page.part: gr.Column(visible=True)}
        try:
            if path is None:
                raise InputError(NO_CLIP)
            clip = self.scoring.previews.clip_of(Path(path))
            with self.work.start(request.session_hash, clip=path) as stop, stoppable(stop):
                scored = self.scoring.explain(
                    clip, model, _teller(progress), start_s, (title or "").strip()[:LONGEST_TITLE]
                )
        except StoppedError:
            return
        except Exception as error:
            name = intake.display_name(clip) if path else ""
            if isinstance(error, intake.TooLongError) and start_s is None:
                offer = cards.offer(name, error.duration_s, self.scoring.limits.seconds)
                yield {page.summary: offer, page.part: gr.Column(visible=True)}
                return
            sentence = intake.message(error, clip if path else None)
            yield {page.summary: cards.failure(sentence, name)} | part
            raise unseen_error(sentence) from None
        yield {page.summary: cards.summary(scored)} | part
        yield {
            page.charts: explorer.explorer(scored),
            page.numbers: _numbers(scored),
            page.overlay_go: gr.Button(visible=scored.prediction.saliency is not None),
            page.kept: scored.without_stills,
        }

    def make_overlay(self, scored: Scored | None, request: gr.Request, progress: Any = PROGRESS) -> Any:
        """Write the overlay video of the result that is shown."""
        if scored is None:
            raise gr.Error("No result to draw: analyse a clip first", title="", print_exception=False)
        try:
            with self.work.start(request.session_hash) as stop, stoppable(stop):
                out = self.scoring.write_overlay(scored, _teller(progress))
        except StoppedError:
            return gr.skip()
        return {
            self.page.overlay: gr.Video(value=str(out), visible=True),
            self.page.overlay_head: cards.overlay_head(scored),
        }

    def preview(self, path: str | None, request: gr.Request) -> Any:
        """Give the player something that it can play, where it cannot play the clip."""
        if path is None or plays_in_browsers(Path(path)):
            return gr.skip()
        try:
            with self.work.start(request.session_hash, "preview") as stop, stoppable(stop):
                return str(self.scoring.previews.make(Path(path), self.scoring.limits.seconds))
        except (StoppedError, InputError):
            return gr.skip()


def _teller(progress: Any) -> Any:
    return lambda share, what: progress(share, desc=what)


def _numbers(scored: Scored) -> dict:
    plain = scored.prediction.to_dict() | {"clip": scored.name, "model": scored.model}
    plain |= {} if scored.title is None else {"title": scored.title}
    plain.pop("saliency", None)
    return plain
