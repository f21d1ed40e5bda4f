"""Sphinx: `sphinx-build -W --keep-going -b html docs docs/_build`, with `pip install 'videomem_hf[docs]'`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))

import reference
from pictures import EPOCHS, make_pictures
from sphinx.application import Sphinx

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


def setup(app: Sphinx) -> None:
    """Make the pictures (a minute the first time), and fill the pages that are made from the code.

    `-D picture_epochs=1` makes quick ones, of a model that has hardly learned anything.
    """
    app.add_config_value("picture_epochs", EPOCHS, "env", int)
    app.connect("builder-inited", lambda started: make_pictures(epochs=started.config.picture_epochs))
    app.connect("source-read", lambda app, name, source: source.__setitem__(0, reference.fill(source[0])))
