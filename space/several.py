"""The pages of several clips: a comparison, and a batch with files to keep."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cards
import gradio as gr
import intake
from files import file_stem, write_csv, write_page
from page_parts import AT_ONCE, NETWORKS, OURS, PROGRESS, RENEW, clips_input, progress_strip, script, unseen_error
from player import new_path
from ranking import Row, ranking
from scoring import Scoring
from work import StoppedError, Work, stoppable

from videomem_hf.schema import InputError
from videomem_hf.system import quantity

MOST_COMPARED = 12
MOST_IN_A_BATCH = 100


def compare(scoring: Scoring, work: Work, model: gr.Dropdown) -> None:
    """Lay out and connect the page that compares clips."""
    gr.Markdown(
        f"Which of several clips will be remembered best? Choose 2 to {MOST_COMPARED} clips, each {scoring.limits}."
    )
    clips = clips_input("vm-compare-clips")
    with gr.Row():
        go = gr.Button("Compare", variant="primary", elem_id="vm-compare-go")
        stop = gr.Button("Stop", elem_id="vm-compare-stop")
    strip, table = progress_strip(), _table("vm-ranking")

    def run(paths: list[str] | None, label: str | None, request: gr.Request, progress: Any = PROGRESS) -> Iterator[str]:
        try:
            for rows, waiting in _score(scoring, work, (paths, 2, MOST_COMPARED), label, request, progress):
                yield ranking(rows, waiting)
        except InputError as error:
            yield cards.failure(str(error))
            raise unseen_error(str(error)) from None

    running = go.click(run, [clips, model], table, api_name="compare", **_running(strip))
    _stoppable(work, running, stop, clips, "vm-ranking")


def batch(scoring: Scoring, work: Work, model: gr.Dropdown) -> None:
    """Lay out and connect the page that scores many clips into files."""
    gr.Markdown(
        f"Up to {MOST_IN_A_BATCH} clips, each {scoring.limits}. You get a CSV file with one row per clip, and a page "
        "to keep."
    )
    clips = clips_input("vm-batch-clips")
    with gr.Row():
        go = gr.Button("Score all", variant="primary", elem_id="vm-batch-go")
        stop = gr.Button("Stop", elem_id="vm-batch-stop")
        table_file = gr.DownloadButton("Download CSV", interactive=False, elem_id="vm-csv")
        page_file = gr.DownloadButton("Download page", interactive=False, elem_id="vm-page")
    strip, table = progress_strip(), _table("vm-batch-table")

    def run(
        paths: list[str] | None, label: str | None, request: gr.Request, progress: Any = PROGRESS
    ) -> Iterator[tuple]:
        none = gr.DownloadButton(interactive=False)
        try:
            rows: list[Row] = []
            for rows, waiting in _score(scoring, work, (paths, 1, MOST_IN_A_BATCH), label, request, progress):
                yield ranking(rows, waiting), none, none
        except InputError as error:
            yield cards.failure(str(error)), none, none
            raise unseen_error(str(error)) from None
        if rows and len(rows) == len(paths or []):
            csv, html = (new_path(end, file_stem(rows)) for end in (".csv", ".html"))
            write_csv(csv, rows)
            write_page(html, rows)
            files = (gr.DownloadButton(value=str(file), interactive=True) for file in (csv, html))
            yield gr.skip(), *files

    running = go.click(run, [clips, model], [table, table_file, page_file], api_name="batch", **_running(strip))
    _stoppable(work, running, stop, clips, "vm-batch-table")


def _table(elem_id: str) -> gr.HTML:
    return gr.HTML("", **OURS, elem_id=elem_id, js_on_load=f"{script('ranking.js')}\n{RENEW}")


def _running(strip: gr.HTML) -> dict[str, Any]:
    return {
        "concurrency_id": NETWORKS,
        "concurrency_limit": AT_ONCE,
        "show_progress": "full",
        "show_progress_on": strip,
    }


def _stoppable(work: Work, running: Any, stop: gr.Button, clips: gr.File, table: str) -> None:
    """Stop the work by the button, and when other clips are handed in, which makes the table an earlier result."""

    def end(request: gr.Request) -> None:
        work.stop(request.session_hash)

    quiet: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    stop.click(end, cancels=running, **quiet)
    old = f"() => {{ vm.otherClip('#{table}'); }}"
    gr.on([clips.upload, clips.clear, clips.delete], end, cancels=running, js=old, **quiet)


def _score(
    scoring: Scoring,
    work: Work,
    chosen: tuple[list[str] | None, int, int],
    label: str | None,
    request: gr.Request,
    progress: Any,
) -> Iterator[tuple[list[Row], int]]:
    """Yield the rows so far and how many clips wait, after each clip; ends early where the work is stopped."""
    paths, least, most = chosen[0] or [], *chosen[1:]
    if not least <= len(paths) <= most:
        raise InputError(f"{quantity(len(paths), 'clip')} chosen; give {least} to {most}")
    rows: list[Row] = []
    with work.start(request.session_hash) as stop:
        for number, path in enumerate(map(Path, paths)):
            what = f"Clip {number + 1} of {len(paths)}"

            def tell(share: float, _: str, number: int = number, what: str = what) -> None:
                progress((number + share) / len(paths), desc=what)

            try:
                with stoppable(stop):
                    scoring.models.predictor(label)
                    rows.append(score_row(scoring, path, label, tell))
            except StoppedError:
                return
            yield rows, len(paths) - len(rows)


def score_row(scoring: Scoring, path: Path, label: str | None, tell: Any) -> Row:
    """Score a clip; what is wrong with it stands in its row, and the others go on."""
    try:
        return Row(intake.display_name(path), scoring.score(path, label, tell))
    except StoppedError:
        raise
    except Exception as error:
        return Row(intake.display_name(path), error=intake.message(error, path))
