"""Sphinx: `sphinx-build -W --keep-going -b html docs docs/_build`, with `pip install 'videomem_hf[docs]'`.

The first build makes the pictures, which takes minutes; with VIDEOMEM_DOCS_PICTURES=0 it uses those that are there.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

import pictures
import reference
from sphinx.application import Sphinx

from videomem_hf import __version__

project = "videomem_hf"
author = "The videomem_hf maintainers"
copyright = author
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["_build", "_pictures", "images"]
html_theme = "furo"
html_title = f"videomem_hf {version}"

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

default_role = "code"  # one backtick in a docstring is code, as in Markdown
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
nitpicky = False
copybutton_prompt_text = "$ "


def setup(app: Sphinx) -> None:
    """Make the pictures, and fill the pages that are made from the code."""
    app.connect("builder-inited", make_pictures)
    app.connect("source-read", fill_page)


def make_pictures(app: Sphinx) -> None:
    if os.environ.get("VIDEOMEM_DOCS_PICTURES", "1") == "1" and (left_out := pictures.make()):
        sys.stderr.write(f"pictures left out of the pages: {', '.join(left_out)}\n")


def fill_page(app: Sphinx, name: str, source: list[str]) -> None:
    source[0] = pictures.place(reference.fill(source[0]))
