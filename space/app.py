"""The Space: drop a clip and see how memorable it is, when, and where the model looks.

python app.py [--model FOLDER_OR_HUB_ID]... [--import FILE]... [--host 127.0.0.1] [--port 7860]
"""

import argparse
import html
import importlib.util
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

if importlib.util.find_spec("gradio") is None:
    sys.exit(f"The Space needs Gradio: pip install -r {os.path.relpath(Path(__file__).with_name('requirements.txt'))}")
import wrapt

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
# A folder of this process's own, which goes when it ends. Gradio's default is shared and stays.
_FILES = tempfile.TemporaryDirectory(prefix="videomem-space-", ignore_cleanup_errors=True)
os.environ.setdefault("GRADIO_TEMP_DIR", _FILES.name)
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))  # the Space is this folder, from wherever it is imported

# At each start Gradio parses its own sources to write type stubs beside them: half of the time that it needs.
wrapt.register_post_import_hook(
    lambda module: setattr(module, "create_or_modify_pyi", lambda *_: None), "gradio.component_meta"
)

import gradio as gr  # noqa: E402
import intake  # noqa: E402
from film import film  # noqa: E402
from models import Models  # noqa: E402
from one_clip import one_clip  # noqa: E402
from page_parts import AT_ONCE, OURS, QUIET, script  # noqa: E402
from scoring import Scoring  # noqa: E402
from several import batch, compare  # noqa: E402
from work import Work  # noqa: E402

from videomem_hf.model_names import check_model_name  # noqa: E402
from videomem_hf.registration import import_code  # noqa: E402
from videomem_hf.schema import InputError  # noqa: E402

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
    input_border_width="1px",
    input_border_color="*neutral_400",
    input_border_color_dark="*neutral_500",
)
LAUNCH: dict[str, Any] = {
    "theme": THEME,
    # `css` would reach only what is inside the pages, not what is around them
    "head": f"<style>{script('style.css')}</style><script>{script('maps.js')}\n{script('page.js')}</script>",
    "max_file_size": intake.Limits().megabytes * 10**6,
    "footer_links": ["api", "settings"],
    "ssr_mode": False,
}
"""What `demo.launch` needs so that the page looks and behaves as meant."""
HEAD = (
    '<div class="vm-head"><h1>How memorable is your clip?</h1><p>Will people recognise it when they see it again, '
    "after minutes or after 24 to 72 hours? See the score, the moment that stays, and where the model looks.</p></div>"
)


def example_clips() -> dict[str, Path]:
    """Drawn scenes of this package's, and a filmed one that Gradio brings along, by what they are called."""
    clips = {path.stem.replace("-", " ").capitalize(): path for path in sorted((HERE / "examples").glob("*.webm"))}
    filmed = Path(gr.__file__).parent / "media_assets" / "videos" / "b.mp4"
    return clips | ({"Earth": filmed} if filmed.is_file() else {})


def build(scoring: Scoring, leaderboard: Path | None = None) -> gr.Blocks:
    """Lay out the pages and connect them to `scoring`; `leaderboard` is a folder of `videomem benchmark --add`."""
    work = Work()

    def leave(request: gr.Request) -> None:
        work.leave(request.session_hash)

    def titles(label: str | None) -> list[Any]:
        shown = scoring.models.reads_titles(label)
        return [gr.Textbox(visible=shown)] * 3

    with gr.Blocks(title="Video memorability", delete_cache=(TIDY_EVERY_S, KEPT_S), analytics_enabled=False) as pages:
        with gr.Row(equal_height=False):
            with gr.Column(scale=3, min_width=280):
                gr.HTML(HEAD, **OURS)
            with gr.Column(scale=2, min_width=280):
                model = _model_choice(scoring.models)
                gr.HTML('<p class="vm-small" id="vm-model-name" hidden></p>', **OURS)
        with gr.Tab("One clip", id="one", elem_id="vm-one"):
            title = one_clip(scoring, work, model)
        with gr.Tab("Compare", id="compare"):
            compared = compare(scoring, work, model)
        with gr.Tab("Batch", id="batch"):
            in_batch = batch(scoring, work, model)
        with gr.Tab("Film", id="film"):
            film(scoring, work, model)
        if leaderboard is not None:
            with gr.Tab("Leaderboard", id="leaderboard"):
                gr.HTML(partial(leaderboard_frame, leaderboard), **OURS)
        with gr.Tab("About", id="about"):
            gr.Markdown((HERE / "about.md").read_text(encoding="utf-8"), elem_classes="vm-about")
        for event in (model.change, pages.load):
            event(None, model, js="(label) => { vm.model(label); }")
            event(titles, model, [title, compared, in_batch], **QUIET)
        pages.unload(leave)
    return pages.queue(max_size=LONGEST_QUEUE, default_concurrency_limit=AT_ONCE)


def leaderboard_frame(folder: Path) -> str:
    """The page of a leaderboard as it is now, within this one."""
    from videomem_hf.benchmark.page import PAGE_FILE  # loads torch

    page = folder / PAGE_FILE
    if not page.is_file():
        return f"<p>{html.escape(str(folder))} holds no leaderboard yet: <code>videomem benchmark --add</code>.</p>"
    text = html.escape(page.read_text(encoding="utf-8"))
    style = "width: 100%; height: 80vh; border: 0"
    return f'<iframe title="Leaderboard" sandbox="" style="{style}" srcdoc="{text}"></iframe>'


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


def remove_strays() -> None:
    """Every ten minutes, remove what uploads that broke off have left; Gradio forgets those."""
    while True:
        for path in Path(os.environ["GRADIO_TEMP_DIR"]).glob("tmp*"):
            if time.time() - path.stat().st_mtime > KEPT_S:
                path.unlink(missing_ok=True) if path.is_file() else shutil.rmtree(path, ignore_errors=True)
        time.sleep(TIDY_EVERY_S)


def which_models(models: Models) -> str:
    """What the terminal says of the models, and how to give another."""
    app = os.path.relpath(__file__)
    how = f"python {app} --model FOLDER_OR_HUB_ID"
    if not models.offered:
        return f"No model is offered, as none is given and ResMem is not installed; give one: {how}"
    first, *others = (label if label == name else f"{label} ({name})" for label, name in models.offered.items())
    rest = f"; also offered: {', '.join(others)}" if others else ""
    return f"Model: {first}{rest}. To show another: {how}"


def main(options: argparse.Namespace) -> None:
    """Serve the pages until Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the Hub stops a Space so; tidy up as after Ctrl-C
    sys.stderr.write(f"{which_models(SCORING.models)}\n")
    demo.launch(server_name=options.host, server_port=options.port, prevent_thread_lock=True, **LAUNCH)
    for after_s, work in ((WARM_UP_AFTER_S, SCORING.warm_up), (0.0, remove_strays)):
        thread = threading.Timer(after_s, work)
        thread.daemon = True
        thread.start()
    demo.block_thread()
    _FILES.cleanup()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # a thread in the middle of a network would abort the interpreter as it ends


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
    parser.add_argument("--leaderboard", type=Path, help="folder of `videomem benchmark --add` to show in a tab")
    parser.add_argument("--host", help="address to listen on [default: 127.0.0.1, on the Hub all]")
    parser.add_argument("--port", type=int, help="[default: 7860 or the next that is free]")
    options = parser.parse_args(arguments)
    try:
        for name in options.model or ():
            check_model_name(name)
    except InputError as error:
        parser.error(str(error))
    return options


OPTIONS = read_options(sys.argv[1:] if __name__ == "__main__" else [])
import_code(OPTIONS.imports)
SCORING = Scoring(Models(OPTIONS.model), intake.Limits(), example_clips())
demo = build(SCORING, OPTIONS.leaderboard)

if __name__ == "__main__":
    main(OPTIONS)
