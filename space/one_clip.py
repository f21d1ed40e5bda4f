"""The page of one clip: its scores at once, then frames, curve and maps; an overlay video when it is asked for."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cards
import explorer
import gradio as gr
import intake
from page_parts import AT_ONCE, NETWORKS, OURS, PROGRESS, progress_strip, script, unseen_error, uploads_only
from player import plays_in_browsers
from scoring import Scored, Scoring
from second_opinion import second_opinion
from work import StoppedError, Work, stoppable

from videomem_hf.schema import InputError

NO_CLIP = "No clip yet: drop one, record one, or take an example"

SHOW_SCORES = 'watch("value", () => { if (!element.querySelector("#vm-nothing")) vmShow(element); });'


class _Page(NamedTuple):
    clip: gr.Video
    go: gr.Button
    stop: gr.Button
    offered: gr.Examples
    part: gr.Group
    start: gr.Number
    part_go: gr.Button
    strip: gr.HTML
    summary: gr.HTML
    charts: gr.HTML
    measured: gr.HTML
    overlay: gr.Video
    overlay_go: gr.Button
    numbers: gr.JSON
    kept: gr.State


def one_clip(scoring: Scoring, work: Work, model: gr.Dropdown) -> None:
    """Lay out the page and connect it."""
    page = _layout(scoring, work)
    _Handlers(scoring, work).connect(page, model)


def _layout(scoring: Scoring, work: Work) -> _Page:
    with gr.Row(equal_height=False):
        with gr.Column(scale=2, min_width=300):
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
        with gr.Column(scale=3, min_width=300):
            strip = progress_strip()
            summary = gr.HTML(cards.NOTHING_YET, **OURS, elem_id="vm-summary", js_on_load=SHOW_SCORES)
            with gr.Group(visible=False, elem_id="vm-part") as part:
                start = gr.Number(
                    0, label="Part to score", info="begins at this second", minimum=0, step=1, elem_id="vm-start"
                )
                part_go = gr.Button(f"Score {scoring.limits.seconds} s from there", elem_id="vm-part-go")
    charts = gr.HTML("", **OURS, elem_id="vm-explorer", js_on_load=script("explorer.js"))
    kept = gr.State(None, time_to_live=3600)
    measured = second_opinion(scoring, work, charts, kept)
    overlay_go = gr.Button("Make overlay video", visible=False, elem_id="vm-overlay-go")
    gr.HTML('<h2 class="vm-title" id="vm-overlay-title" hidden>What the score comes from, as a video</h2>', **OURS)
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
    return _Page(
        clip,
        go,
        stop,
        offered,
        part,
        start,
        part_go,
        strip,
        summary,
        charts,
        measured,
        overlay,
        overlay_go,
        numbers,
        kept,
    )


class _Handlers:
    """What happens when the visitor does something."""

    def __init__(self, scoring: Scoring, work: Work) -> None:
        self.scoring = scoring
        self.work = work

    def connect(self, page: _Page, model: gr.Dropdown) -> None:
        """Connect the page's parts: each start first clears what is shown, and stops what runs."""
        shown = [page.summary, page.charts, page.overlay, page.numbers, page.part, page.overlay_go, page.kept]
        running: dict[str, Any] = {
            "outputs": shown,
            "concurrency_id": NETWORKS,
            "concurrency_limit": AT_ONCE,
            "trigger_mode": "multiple",
            "show_progress": "full",
            "show_progress_on": page.strip,
        }
        clearing: dict[str, Any] = {
            "fn": self.clear,
            "inputs": page.clip,
            "outputs": [*shown, page.measured],
            "queue": False,
            "show_progress": "hidden",
            "api_visibility": "private",
            "trigger_mode": "multiple",
        }
        handed_in = [page.go.click, page.clip.upload, page.clip.stop_recording]
        private: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        whole, part, example = self.analyse, self.analyse_part, page.offered.load_input_event
        runs = []
        for cleared, fn, inputs, api in (
            (gr.on(handed_in, **clearing), whole, [page.clip, model], {"api_name": "analyse"}),
            (example.success(**clearing), whole, [page.clip, model], {"api_visibility": "private"}),
            (page.part_go.click(**clearing), part, [page.clip, model, page.start], {"api_name": "analyse_part"}),
        ):
            runs.append(cleared.success(fn, inputs, **api, **running))
            cleared.success(self.preview, page.clip, page.clip, **private)
        video = page.overlay_go.click(
            self.make_overlay,
            page.kept,
            page.overlay,
            api_name="overlay",
            **{name: running[name] for name in ("concurrency_id", "concurrency_limit")},
            show_progress="full",
            show_progress_on=page.overlay_go,
        )
        runs.append(video)
        quiet = private | {"queue": False}
        page.stop.click(self.stop, None, page.summary, cancels=runs, **quiet)
        page.clip.clear(self.stop_unseen, cancels=runs, js="() => { vm.old('#vm-one', true); }", **quiet)

    def clear(self, path: str | None, request: gr.Request) -> tuple:
        """Stop what runs, and take away what was shown: no other clip's results beside this one."""
        self.work.stop(request.session_hash, path)
        return cards.WORKING, "", gr.Video(value=None, visible="hidden"), None, *_later(False, False), None, ""

    def stop(self, request: gr.Request) -> Any:
        """Stop what runs for this visitor."""
        self.work.stop(request.session_hash)
        return cards.STOPPED

    def stop_unseen(self, request: gr.Request) -> None:
        """Stop what runs for a visitor who sees nothing of it any more."""
        self.work.stop(request.session_hash)

    def analyse(self, path: str | None, model: str | None, request: gr.Request, progress: Any = PROGRESS) -> Iterator:
        """Score a clip: yields the scores, then everything else."""
        yield from self._analyse(path, model, None, request, progress)

    def analyse_part(
        self, path: str | None, model: str | None, start_s: float, request: gr.Request, progress: Any = PROGRESS
    ) -> Iterator:
        """Score the part of a clip that begins at a second; otherwise as `analyse`."""
        yield from self._analyse(path, model, start_s or 0.0, request, progress)

    def _analyse(
        self, path: str | None, model: str | None, start_s: float | None, request: gr.Request, progress: Any
    ) -> Iterator[tuple]:
        try:
            if path is None:
                raise InputError(NO_CLIP)
            clip = self.scoring.previews.clip_of(Path(path))
            with stoppable(self.work.start(request.session_hash, clip=path)):
                duration_s = intake.too_long(clip, self.scoring.limits) if start_s is None else None
                scored = None
                if duration_s is None:
                    scored = self.scoring.explain(clip, model, _teller(progress), start_s)
        except StoppedError:
            return
        except Exception as error:
            name = intake.display_name(Path(path)) if path else ""
            sentence = intake.message(error, Path(path) if path else None)
            yield _only_summary(cards.failure(sentence, name))
            raise unseen_error(sentence) from None
        if scored is None:
            offer = cards.offer(intake.display_name(clip), duration_s or 0.0, self.scoring.limits.seconds)
            yield _only_summary(offer, part=True)
            return
        part, has_maps = start_s is not None, scored.prediction.saliency is not None
        yield _only_summary(cards.summary(scored), part)
        charts = explorer.explorer(scored)
        yield gr.skip(), charts, gr.skip(), _numbers(scored), *_later(part, has_maps), scored.kept

    def make_overlay(self, scored: Scored | None, request: gr.Request, progress: Any = PROGRESS) -> Any:
        """Write the overlay video of the result that is shown."""
        if scored is None:
            raise gr.Error("No result to draw: analyse a clip first", title="", print_exception=False)
        try:
            with stoppable(self.work.start(request.session_hash)):
                out = self.scoring.write_overlay(scored, _teller(progress))
        except StoppedError:
            return gr.skip()
        return gr.Video(value=str(out), visible=True)

    def preview(self, path: str | None, request: gr.Request) -> Any:
        """Give the player something that it can play, where it cannot play the clip."""
        if path is None or plays_in_browsers(Path(path)):
            return gr.skip()
        try:
            with stoppable(self.work.start(request.session_hash, "preview")):
                return str(self.scoring.previews.make(Path(path), self.scoring.limits.seconds))
        except (StoppedError, InputError):
            return gr.skip()


def _teller(progress: Any) -> Any:
    return lambda share, what: progress(share, desc=what)


def _numbers(scored: Scored) -> dict:
    plain = scored.prediction.to_dict() | {"clip": scored.name, "model": scored.model}
    plain.pop("saliency", None)
    return plain


def _later(part: bool, overlay: bool) -> tuple:
    """Which of the parts that depend on the clip are shown."""
    return gr.Group(visible=part), gr.Button(visible=overlay)


def _only_summary(html: str, part: bool = False) -> tuple:
    return html, gr.skip(), gr.skip(), gr.skip(), *_later(part, False), gr.skip()
