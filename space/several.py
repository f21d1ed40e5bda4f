"""The pages of several clips: a comparison, and a batch with files to keep."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cards
import gradio as gr
import intake
from files import file_stem, write_csv, write_page
from page_parts import (
    AT_ONCE,
    LONGEST_TITLE,
    NETWORKS,
    OURS,
    PROGRESS,
    QUIET,
    RENEW,
    clips_input,
    progress_strip,
    script,
    unseen_error,
)
from player import new_path
from ranking import Row, ranking
from scoring import Scoring
from work import StoppedError, Work, stoppable

from videomem_hf.schema import InputError
from videomem_hf.system import quantity

MOST_COMPARED = 12
MOST_IN_A_BATCH = 100


def compare(scoring: Scoring, work: Work, model: gr.Dropdown) -> gr.Textbox:
    """Lay out and connect the page that compares clips; give the field for their titles."""
    gr.Markdown(
        f"Which of several clips will be remembered best? Choose 2 to {MOST_COMPARED} clips, each {scoring.limits}."
    )
    clips, titles = clips_input("vm-compare-clips"), _titles("vm-compare-titles")
    with gr.Row():
        go = gr.Button("Compare", variant="primary", elem_id="vm-compare-go")
        stop = gr.Button("Stop", elem_id="vm-compare-stop")
    strip, table = progress_strip(), _table("vm-ranking")

    def run(
        paths: list[str] | None, label: str | None, text: str, request: gr.Request, progress: Any = PROGRESS
    ) -> Iterator[str]:
        try:
            for rows, waiting in _score(scoring, work, (paths, 2, MOST_COMPARED), (label, text), request, progress):
                yield ranking(rows, waiting)
        except InputError as error:
            yield cards.failure(str(error))
            raise unseen_error(str(error)) from None

    running = go.click(run, [clips, model, titles], table, api_name="compare", **_running(strip))
    _stoppable(work, running, stop, clips, "vm-ranking")
    return titles


def batch(scoring: Scoring, work: Work, model: gr.Dropdown) -> gr.Textbox:
    """Lay out and connect the page that scores many clips into files; give the field for their titles."""
    gr.Markdown(
        f"Up to {MOST_IN_A_BATCH} clips, each {scoring.limits}. You get a CSV file with one row per clip, and a page "
        "to keep."
    )
    clips, titles = clips_input("vm-batch-clips"), _titles("vm-batch-titles")
    with gr.Row():
        go = gr.Button("Score all", variant="primary", elem_id="vm-batch-go")
        stop = gr.Button("Stop", elem_id="vm-batch-stop")
        table_file = gr.DownloadButton("Download CSV", interactive=False, elem_id="vm-csv")
        page_file = gr.DownloadButton("Download page", interactive=False, elem_id="vm-page")
    strip, table = progress_strip(), _table("vm-batch-table")

    def run(
        paths: list[str] | None, label: str | None, text: str, request: gr.Request, progress: Any = PROGRESS
    ) -> Iterator[tuple]:
        none = gr.DownloadButton(interactive=False)
        try:
            rows: list[Row] = []
            for rows, waiting in _score(scoring, work, (paths, 1, MOST_IN_A_BATCH), (label, text), request, progress):
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

    running = go.click(run, [clips, model, titles], [table, table_file, page_file], api_name="batch", **_running(strip))
    _stoppable(work, running, stop, clips, "vm-batch-table")
    return titles


def _table(elem_id: str) -> gr.HTML:
    return gr.HTML("", **OURS, elem_id=elem_id, js_on_load=f"{script('ranking.js')}\n{RENEW}")


def _titles(elem_id: str) -> gr.Textbox:
    return gr.Textbox(
        "",
        label="Titles of the clips",
        info="This model reads them as well: one line per clip, in their order, empty for a clip without one",
        lines=3,
        visible=False,
        elem_id=elem_id,
    )


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

    stop.click(end, cancels=running, **QUIET)
    old = f"() => {{ vm.otherClip('#{table}'); }}"
    gr.on([clips.upload, clips.clear, clips.delete], end, cancels=running, js=old, **QUIET)


def _score(
    scoring: Scoring,
    work: Work,
    chosen: tuple[list[str] | None, int, int],
    asked: tuple[str | None, str | None],
    request: gr.Request,
    progress: Any,
) -> Iterator[tuple[list[Row], int]]:
    """Yield the rows so far and how many clips wait, after each clip; ends early where the work is stopped.

    `asked` are the model's label and the lines of titles.
    """
    paths, least, most = chosen[0] or [], *chosen[1:]
    if not least <= len(paths) <= most:
        raise InputError(f"{quantity(len(paths), 'clip')} chosen; give {least} to {most}")
    label, titles = asked[0], read_title_lines(asked[1] or "", len(paths))
    rows: list[Row] = []
    with work.start(request.session_hash) as stop:
        for number, path in enumerate(map(Path, paths)):
            what = f"Clip {number + 1} of {len(paths)}"

            def tell(share: float, _: str, number: int = number, what: str = what) -> None:
                progress((number + share) / len(paths), desc=what)

            try:
                with stoppable(stop):
                    scoring.models.predictor(label)
                    rows.append(score_row(scoring, path, label, tell, titles[number]))
            except StoppedError:
                return
            yield rows, len(paths) - len(rows)


def read_title_lines(text: str, clips: int) -> list[str]:
    """A title for each clip, from lines; empty where there is no line. Raises InputError for more lines than clips."""
    lines = [line.strip()[:LONGEST_TITLE] for line in text.rstrip().splitlines()]
    if len(lines) > clips:
        raise InputError(f"{quantity(len(lines), 'title')} for {quantity(clips, 'clip')}; give one line per clip")
    return lines + [""] * (clips - len(lines))


def score_row(scoring: Scoring, path: Path, label: str | None, tell: Any, title: str = "") -> Row:
    """Score a clip; what is wrong with it stands in its row, and the others go on."""
    try:
        return Row(intake.display_name(path), scoring.score(path, label, tell, title))
    except StoppedError:
        raise
    except Exception as error:
        return Row(intake.display_name(path), error=intake.message(error, path))
