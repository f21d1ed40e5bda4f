"""Sphinx: `sphinx-build -W --keep-going -b html docs docs/_build`, with `pip install 'videomem_hf[docs]'`."""

import sys
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]

from pictures import EPOCHS, make_pictures

from videomem_hf import __version__

project = "videomem_hf"
author = "The videomem_hf maintainers"
copyright = author
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["_build", "_pictures/quickstart"]
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


def setup(app: Any) -> None:
    """Make the pictures before the pages that show them are read; takes a minute the first time.

    `-D picture_epochs=1` makes quick ones, of a model that has hardly learned anything.
    """
    app.add_config_value("picture_epochs", EPOCHS, "env", int)
    app.connect("builder-inited", lambda started: make_pictures(epochs=started.config.picture_epochs))
