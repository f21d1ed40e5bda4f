"""The page of a film: its shots with their scores, and its most memorable part with a poster."""

import html
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cards
import gradio as gr
import intake
from page_parts import AT_ONCE, NETWORKS, OURS, PROGRESS, RENEW, progress_strip, unseen_error, uploads_only
from player import new_path
from scoring import Scoring, Tell
from work import StoppedError, Work, check, stoppable

from videomem_hf.schema import VIDEO_SUFFIXES, InputError

LIMITS = intake.Limits(seconds=600, work_s=1800.0)
LENGTHS = {"no excerpt": 0, "10 s": 10, "30 s": 30, "60 s": 60}


def film(scoring: Scoring, work: Work, model: gr.Dropdown) -> None:
    """Lay out and connect the page."""
    gr.Markdown(f"Which shots of a film, a lecture or an advertisement will be remembered? One file, {LIMITS}.")
    kinds = sorted(VIDEO_SUFFIXES)
    clip = uploads_only(gr.File(label="Film", file_types=kinds, height=140, elem_id="vm-film-clip"))
    with gr.Row():
        length = gr.Dropdown(
            list(LENGTHS), value="no excerpt", label="Most memorable part of", elem_id="vm-film-length"
        )
        go = gr.Button("Find the shots", variant="primary", elem_id="vm-film-go")
        stop = gr.Button("Stop", elem_id="vm-film-stop")
        page = gr.DownloadButton("Download page", interactive=False, elem_id="vm-film-page")
    strip = progress_strip()
    shown = gr.HTML("", **OURS, elem_id="vm-film", js_on_load=RENEW)
    with gr.Row():
        best = gr.Video(
            label="Most memorable part", interactive=False, visible=False, elem_id="vm-film-best", buttons=["download"]
        )
        poster = gr.Image(
            label="Poster", interactive=False, visible=False, elem_id="vm-film-poster", buttons=["download"]
        )

    def run(
        path: str | None, chosen: str, label: str | None, request: gr.Request, progress: Any = PROGRESS
    ) -> Iterator:
        hidden = gr.skip(), gr.Video(visible=False), gr.Image(visible=False)
        try:
            with work.start(request.session_hash) as stopped, stoppable(stopped):
                made = make_film(scoring, path, label, LENGTHS[chosen], lambda share, what: progress(share, desc=what))
            yield made
        except StoppedError:
            return
        except Exception as error:
            sentence = intake.message(error, Path(path) if path else None)
            yield cards.failure(sentence), *hidden
            raise unseen_error(sentence) from None

    outputs = [shown, page, best, poster]
    running = go.click(
        run, [clip, length, model], outputs, api_name="film", concurrency_id=NETWORKS, concurrency_limit=AT_ONCE,
        show_progress="full", show_progress_on=strip,
    )  # fmt: skip

    def end(request: gr.Request) -> None:
        work.stop(request.session_hash)

    quiet: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    stop.click(end, cancels=running, **quiet)
    gr.on([clip.upload, clip.clear], end, cancels=running, js="() => { vm.otherClip('#vm-film'); }", **quiet)


def make_film(scoring: Scoring, path: str | None, label: str | None, length_s: int, tell: Tell) -> tuple:
    """Give the page of a film to show and to keep, and its most memorable part with its poster.

    Raises:
        InputError: There is no film, or it is over a limit, or cannot be read; or the model scores no frames.
        StoppedError: See `work.stoppable`.
    """
    from videomem_hf import timeline
    from videomem_hf.films.excerpt import excerpt_of, write_excerpt
    from videomem_hf.films.timeline import film_predictor
    from videomem_hf.films.timeline_page import write_page

    if not path:
        raise InputError("No film yet: choose a file")
    film = Path(path)
    intake.check_clip(film, LIMITS)
    tell(0.0, "Loading the model")
    predictor = film_predictor(scoring.models.predictor(label))
    found = timeline(film, predictor, on_progress=_watch(film, tell))
    named = replace(found, source=intake.display_name(film), model=scoring.models.label(label))
    page = new_path(".html", f"memorability of {film.stem}")
    write_page(named, page)
    shown = html.escape(page.read_text(encoding="utf-8"), quote=True)
    frame = f'<iframe class="vm-film" sandbox="allow-scripts" title="Timeline" srcdoc="{shown}"></iframe>'
    download = gr.DownloadButton(value=str(page), interactive=True)
    if not length_s or length_s >= found.duration_s:
        return frame, download, gr.Video(visible=False), gr.Image(visible=False)
    tell(1.0, "Cutting the most memorable part")
    with tempfile.TemporaryDirectory() as folder:
        written = write_excerpt(film, excerpt_of(found, length_s, predictor), Path(folder) / "best", poster=True)
        part, poster = (_keep(each, film.stem) if each else None for each in (written.part.path, written.poster))
    return frame, download, gr.Video(value=part, visible=True), gr.Image(value=poster, visible=poster is not None)


def _keep(file: Path, stem: str) -> str:
    """Move a file to where Gradio serves and deletes it."""
    kept = new_path(file.suffix, f"best of {stem}")
    kept.write_bytes(file.read_bytes())
    return str(kept)


def _watch(film: Path, tell: Tell) -> Any:
    """Say how far the film is read; end what is stopped, too long although its header says less, or takes too long."""
    started = time.monotonic()

    def on_progress(time_s: float, duration_s: float | None) -> None:
        check()
        if time_s > LIMITS.seconds + 1:
            raise intake.TooLongError(film, LIMITS, None)
        if time.monotonic() - started > LIMITS.work_s:
            name = intake.display_name(film)
            raise InputError(f"{name}: not scored within {LIMITS.work_s:.0f} s; give a shorter film")
        tell(min(time_s / (duration_s or LIMITS.seconds), 1.0), f"Scoring second {time_s:.0f}")

    return on_progress
