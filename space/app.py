"""The Space: drop a clip and see how memorable it is, when, and what it comes from.

python app.py [--model FOLDER_OR_HUB_ID]... [--import FILE]... [--host 127.0.0.1] [--port 7860]
"""

import argparse
import csv
import importlib.util
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

if importlib.util.find_spec("gradio") is None:
    sys.exit("The Space needs Gradio: pip install -r requirements.txt")
import wrapt

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
# A folder of this process's own, which goes when it ends. Gradio's default is shared and stays.
_FILES = tempfile.TemporaryDirectory(prefix="videomem-space-")
os.environ.setdefault("GRADIO_TEMP_DIR", _FILES.name)
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))  # the Space is this folder, from wherever it is imported

# At each start Gradio parses its own sources to write type stubs beside them: half of the time that it needs.
wrapt.register_post_import_hook(
    lambda module: setattr(module, "create_or_modify_pyi", lambda *_: None), "gradio.component_meta"
)

import gradio as gr  # noqa: E402
import intake  # noqa: E402
import views  # noqa: E402
from models import Models  # noqa: E402
from scoring import Scoring  # noqa: E402

from videomem_hf.registration import import_code  # noqa: E402
from videomem_hf.schema import HORIZONS, VIDEO_SUFFIXES  # noqa: E402
from videomem_hf.system import quantity  # noqa: E402

MOST_COMPARED = 12
MOST_IN_A_BATCH = 100
AT_ONCE = 2
"""Clips that are worked on at the same time; everybody else waits in the queue."""
LONGEST_QUEUE = 100
KEPT_S = 3600
"""What visitors hand in and get is deleted after this time."""
TIDY_EVERY_S = 600
WARM_UP_AFTER_S = 3.0
"""The page comes first."""
SYSTEM_FONTS = ["system-ui", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif"]
THEME = gr.themes.Soft(
    primary_hue="blue",
    neutral_hue="slate",
    font=SYSTEM_FONTS,
    font_mono=["ui-monospace", "Menlo", "Consolas", "monospace"],
).set(  # Soft's own blues and greys have too little contrast for text
    button_primary_background_fill="*primary_600",
    button_primary_background_fill_hover="*primary_700",
    button_primary_background_fill_dark="*primary_600",
    block_title_text_color="*primary_700",
    block_title_text_color_dark="*primary_200",
    block_title_background_fill_dark="*primary_900",
    block_label_text_color="*primary_700",
    block_label_text_color_dark="*primary_200",
    block_label_background_fill_dark="*primary_900",
    color_accent="*primary_700",
    link_text_color="*primary_700",
    link_text_color_dark="*primary_300",
    body_text_color_subdued="*neutral_600",
    body_text_color_subdued_dark="*neutral_300",
    block_info_text_color="*neutral_600",
    block_info_text_color_dark="*neutral_300",
)
LAUNCH: dict[str, Any] = {
    "theme": THEME,
    # `css` would reach only what is inside the pages, not what is around them
    "head": f"<style>{(HERE / 'style.css').read_text(encoding='utf-8')}</style>",
    "max_file_size": intake.Limits().megabytes * 10**6,
    "footer_links": ["api", "settings"],
    "ssr_mode": False,
}
"""What `demo.launch` needs so that the page looks and behaves as meant."""
OURS: dict[str, Any] = {"elem_classes": "vm-html", "apply_default_css": False}
HEAD = (
    '<div class="vm-head"><h1>How memorable is your clip?</h1><p>Will people recognise it when they see it again, '
    "minutes or days later? See the score, the moment that stays, and what in the picture it comes from.</p></div>"
)
COMPARE_INTRO = (
    f"Which of several clips will be remembered best? Choose 2 to {MOST_COMPARED} clips, each {intake.Limits()}."
)
BATCH_INTRO = f"Up to {MOST_IN_A_BATCH} clips, each {intake.Limits()}. You get a CSV file with one row per clip."


def example_clips() -> dict[str, Path]:
    """Drawn scenes of this package's, and a filmed one that Gradio brings along, by what they are called."""
    clips = {path.stem.replace("-", " ").capitalize(): path for path in sorted((HERE / "examples").glob("*.webm"))}
    filmed = Path(gr.__file__).parent / "media_assets" / "videos" / "b.mp4"
    return clips | ({"Earth": filmed} if filmed.is_file() else {})


def build(scoring: Scoring) -> gr.Blocks:
    """Lay out the pages and connect them to `scoring`."""
    with gr.Blocks(title="Video memorability", delete_cache=(TIDY_EVERY_S, KEPT_S), analytics_enabled=False) as pages:
        with gr.Row(equal_height=False):
            with gr.Column(scale=3, min_width=280):
                gr.HTML(HEAD, **OURS)
            with gr.Column(scale=1, min_width=240):
                model = _model_choice(scoring.models)
        with gr.Tab("One clip", id="one"):
            _one_clip(scoring, model)
        with gr.Tab("Compare", id="compare"):
            _compare(scoring, model)
        with gr.Tab("Batch", id="batch"):
            _batch(scoring, model)
        with gr.Tab("About", id="about"):
            gr.Markdown((HERE / "about.md").read_text(encoding="utf-8"), elem_classes="vm-about")
    return pages.queue(max_size=LONGEST_QUEUE, default_concurrency_limit=AT_ONCE)


def _model_choice(models: Models) -> gr.Dropdown:
    labels = models.labels
    return gr.Dropdown(
        labels,
        value=labels[0] if labels else None,
        label="Model",
        info="Choose one, or type the id of a predictor on the Hub",
        allow_custom_value=True,
        elem_id="vm-model",
    )


def _one_clip(scoring: Scoring, model: gr.Dropdown) -> None:
    with gr.Row(equal_height=False):
        with gr.Column(scale=2, min_width=300):
            clip = gr.Video(
                label="Your clip",
                sources=["upload", "webcam"],
                webcam_options=gr.WebcamOptions(mirror=False),
                height=280,
                elem_id="vm-clip",
            )
            _uploads_only(clip)
            gr.HTML(f'<p class="vm-small">A clip may have {scoring.limits}.</p>', **OURS)
            go = gr.Button("Analyse", variant="primary", elem_id="vm-go")
            offered = gr.Examples(
                [[str(path)] for path in scoring.examples.values()],
                [clip],
                label="Or take an example",
                example_labels=list(scoring.examples),
                elem_id="vm-examples",
            )
        with gr.Column(scale=3, min_width=300):
            summary = gr.HTML(views.NOTHING_YET, **OURS, elem_id="vm-summary")
    explorer = gr.HTML("", **OURS, elem_id="vm-explorer", js_on_load=(HERE / "explorer.js").read_text(encoding="utf-8"))
    overlay = gr.Video(
        label="What the score comes from, over the whole clip",
        interactive=False,
        visible="hidden",
        elem_id="vm-overlay",
        loop=True,
        buttons=["download"],
    )
    with gr.Accordion("All numbers", open=False):
        numbers = gr.JSON(label="Prediction", elem_id="vm-numbers")

    def analyse(path: str | None, label: str | None, progress: Any = gr.Progress()) -> Iterator[tuple]:  # noqa: B008
        yield views.NOTHING_YET, "", gr.Video(visible="hidden"), None  # no other clip's results beside an error
        clip_path = _path_of(path)
        with tempfile.TemporaryDirectory(prefix="videomem-work-") as folder, _Refused(clip_path):
            for scored in scoring.explain(
                clip_path, label, Path(folder), lambda share, what: progress(share, desc=what)
            ):
                film = (
                    gr.Video(value=str(scored.overlay), visible=True) if scored.overlay else gr.Video(visible="hidden")
                )
                plain = scored.prediction.to_dict() | {"clip": scored.name, "model": label}
                plain.pop("saliency", None)
                yield views.summary(scored), views.explorer(scored), film, plain

    running: dict[str, Any] = {
        "fn": analyse,
        "inputs": [clip, model],
        "outputs": [summary, explorer, overlay, numbers],
        "show_progress": "full",
        "show_progress_on": summary,
        "concurrency_id": "networks",
        "concurrency_limit": AT_ONCE,
    }
    gr.on([go.click, clip.upload, clip.stop_recording], api_name="analyse", **running)
    offered.load_input_event.then(api_visibility="private", **running)


def _compare(scoring: Scoring, model: gr.Dropdown) -> None:
    gr.Markdown(COMPARE_INTRO)
    clips = _clips_input("vm-compare-clips")
    go = gr.Button("Compare", variant="primary", elem_id="vm-compare-go")
    table = _ranking_output("vm-ranking")

    def compare(paths: list[str] | None, label: str | None, progress: Any = gr.Progress()) -> Iterator[str]:  # noqa: B008
        paths = paths or []
        if not 2 <= len(paths) <= MOST_COMPARED:
            raise _error(f"{quantity(len(paths), 'clip')} chosen; give 2 to {MOST_COMPARED}")
        rows = []
        for row in _score_rows(scoring, paths, label, progress):
            rows.append(row)
            yield views.ranking(rows, waiting=len(paths) - len(rows))

    go.click(compare, [clips, model], table, api_name="compare", concurrency_id="networks", concurrency_limit=AT_ONCE)


def _batch(scoring: Scoring, model: gr.Dropdown) -> None:
    gr.Markdown(BATCH_INTRO)
    clips = _clips_input("vm-batch-clips")
    with gr.Row():
        go = gr.Button("Score all", variant="primary", elem_id="vm-batch-go")
        download = gr.DownloadButton("Download CSV", interactive=False, elem_id="vm-csv")
    table = _ranking_output("vm-batch-table")

    def batch(paths: list[str] | None, label: str | None, progress: Any = gr.Progress()) -> Iterator[tuple]:  # noqa: B008
        paths = paths or []
        if not 1 <= len(paths) <= MOST_IN_A_BATCH:
            raise _error(f"{quantity(len(paths), 'clip')} chosen; give 1 to {MOST_IN_A_BATCH}")
        rows = []
        for row in _score_rows(scoring, paths, label, progress):
            rows.append(row)
            yield views.ranking(rows, waiting=len(paths) - len(rows)), gr.DownloadButton(interactive=False)
        with tempfile.TemporaryDirectory(prefix="videomem-work-") as folder:
            out = Path(folder) / "memorability.csv"
            write_csv(out, rows)
            yield views.ranking(rows), gr.DownloadButton(value=str(out), interactive=True)

    go.click(
        batch,
        [clips, model],
        [table, download],
        api_name="batch",
        concurrency_id="networks",
        concurrency_limit=AT_ONCE,
    )


def _clips_input(elem_id: str) -> gr.File:
    kinds = sorted(VIDEO_SUFFIXES)
    return _uploads_only(gr.File(label="Clips", file_count="multiple", file_types=kinds, height=180, elem_id=elem_id))


def _ranking_output(elem_id: str) -> gr.HTML:
    script = (HERE / "ranking.js").read_text(encoding="utf-8")
    return gr.HTML("", **OURS, elem_id=elem_id, js_on_load=script)


def _score_rows(scoring: Scoring, paths: list[str], label: str | None, progress: Any) -> Iterator[views.Row]:
    """Score clip after clip; what is wrong with one stands in its row, and the others go on."""
    for number, path in enumerate(map(Path, paths)):
        what = f"Clip {number + 1} of {len(paths)}"

        def tell(share: float, _: str, number: int = number, what: str = what) -> None:
            progress((number + share) / len(paths), desc=what)

        with _Refused():
            scoring.models.predictor(label)
        try:
            yield views.Row(intake.display_name(path), scoring.score(path, label, tell))
        except Exception as error:
            yield views.Row(intake.display_name(path), error=intake.message(error, path))


def write_csv(path: Path, rows: list[views.Row]) -> None:
    """Write one row per clip. A name that a spreadsheet would take for a formula gets an apostrophe before it."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        percentiles = [f"{horizon}_percentile" for horizon in HORIZONS]
        writer.writerow(["clip", *HORIZONS, *percentiles, "frames", "note"])
        for row in rows:
            prediction = row.scored.prediction if row.scored else None
            scores = prediction.scores if prediction else {}
            above = prediction.percentiles if prediction else {}
            writer.writerow(
                [
                    f"'{row.name}" if row.name[0] in "=+-@" else row.name,
                    *(f"{scores[h]:.6f}" if h in scores else "" for h in HORIZONS),
                    *(f"{above[h]:.1f}" if h in above else "" for h in HORIZONS),
                    len(prediction.times_s) if prediction else 0,
                    row.error or " ".join(prediction.notes if prediction else ()),
                ]
            )


def _uploads_only(component: Any) -> Any:
    """Make an input refuse addresses, which Gradio would have this machine fetch for whoever asks."""
    accept = component.async_move_resource_to_block_cache

    async def move(resource: Any) -> Any:
        if "://" in str(resource):
            raise _error("An address is not fetched; hand in the clip itself")
        return await accept(resource)

    component.async_move_resource_to_block_cache = move
    return component


def _path_of(path: str | None) -> Path:
    if path is None:
        raise _error("No clip yet: drop one, record one, or take an example")
    return Path(path)


def _error(sentence: str) -> gr.Error:
    return gr.Error(views.text(sentence), title="That did not work", print_exception=False)


class _Refused:
    """Turns what is raised into one sentence on the page; without the file's path on this machine."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, gr.Error):
            raise _error(intake.message(error, self.path)) from None


def remove_strays() -> None:
    """Every ten minutes, remove what uploads that broke off have left; Gradio forgets those."""
    while True:
        for path in Path(os.environ["GRADIO_TEMP_DIR"]).glob("tmp*"):
            if path.is_file() and time.time() - path.stat().st_mtime > KEPT_S:
                path.unlink(missing_ok=True)
        time.sleep(TIDY_EVERY_S)


def main(options: argparse.Namespace) -> None:
    """Serve the pages until Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the Hub stops a Space so; tidy up as after Ctrl-C
    demo.launch(server_name=options.host, server_port=options.port, prevent_thread_lock=True, **LAUNCH)
    for after_s, work in ((WARM_UP_AFTER_S, SCORING.warm_up), (0.0, remove_strays)):
        thread = threading.Timer(after_s, work)
        thread.daemon = True
        thread.start()
    demo.block_thread()


def read_options(arguments: list[str]) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description="How memorable is a clip? Serves the pages.")
    parser.add_argument("--model", action="append", help="folder of a trained model, or Hub id; may be given again")
    parser.add_argument(
        "--import",
        dest="imports",
        action="append",
        help="Python file or module that registers a predictor of your own; may be given several times",
    )
    parser.add_argument("--host", help="address to listen on [default: 127.0.0.1, on the Hub all]")
    parser.add_argument("--port", type=int, help="[default: 7860 or the next that is free]")
    return parser.parse_args(arguments)


OPTIONS = read_options(sys.argv[1:] if __name__ == "__main__" else [])
import_code(OPTIONS.imports)
SCORING = Scoring(Models(OPTIONS.model), intake.Limits(), example_clips())
demo = build(SCORING)

if __name__ == "__main__":
    main(OPTIONS)
