"""A run as one HTML page that needs nothing beside it."""

import base64
import io
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from videomem_hf.system import atomic_write, templates


def write_report(path: Path, **content: Any) -> None:
    """Write the page, whole or not at all.

    `content` is everything that `templates/report.html.j2` names; figures become pictures in the page.
    """
    environment = templates("videomem_hf.analysis", autoescape=True)
    environment.filters["png"] = _png
    with atomic_write(path) as partial:
        partial.write_text(environment.get_template("report.html.j2").render(content), encoding="utf-8")


def page_style() -> str:
    """The style sheet of every page of this kind, for narrow screens and paper as well."""
    return templates("videomem_hf.analysis").get_template("page.css").render()


def _png(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
