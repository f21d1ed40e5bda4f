"""What the pages have in common."""

from pathlib import Path
from typing import Any

import cards
import gradio as gr

from videomem_hf.schema import VIDEO_SUFFIXES

HERE = Path(__file__).resolve().parent
AT_ONCE = 2
"""Clips that are worked on at the same time; everybody else waits in the queue."""
NETWORKS = "networks"
"""The queue of everything that computes."""
OURS: dict[str, Any] = {"elem_classes": "vm-html", "apply_default_css": False}
LONGEST_TITLE = 500
PROGRESS = gr.Progress()
QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
"""Of events that are not seen, and wait for nothing."""
RENEW = 'watch("value", () => vm.renew());'
"""For a place of results: marks one that comes after another model was chosen."""
READ_OUT = (
    'element.setAttribute("role", "status"); element.setAttribute("aria-live", "polite"); '
    f'element.setAttribute("aria-atomic", "false"); {RENEW}'
)
"""For one whose results are read out as well."""


def script(name: str) -> str:
    """The text of a script of this folder."""
    return (HERE / name).read_text(encoding="utf-8")


def progress_strip() -> gr.HTML:
    """Where progress and the place in the queue are shown, so that no result is covered by them."""
    return gr.HTML("", elem_classes="vm-html vm-progress", apply_default_css=False)


def clips_input(elem_id: str) -> gr.File:
    """An input of several clips."""
    kinds = sorted(VIDEO_SUFFIXES)
    return uploads_only(gr.File(label="Clips", file_count="multiple", file_types=kinds, height=180, elem_id=elem_id))


def uploads_only(component: Any) -> Any:
    """Make an input refuse addresses, which Gradio would have this machine fetch for whoever asks."""
    accept = component.async_move_resource_to_block_cache

    async def move(resource: Any) -> Any:
        if "://" in str(resource):
            raise gr.Error("An address is not fetched; hand in the clip itself", title="", print_exception=False)
        return await accept(resource)

    component.async_move_resource_to_block_cache = move
    return component


def unseen_error(sentence: str) -> gr.Error:
    """What programs get; the page shows the sentence itself, for as long as it is needed."""
    return gr.Error(cards.text(sentence), visible=False, print_exception=False)
