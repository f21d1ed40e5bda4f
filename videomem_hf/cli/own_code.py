"""Options with which a command takes predictors that are not of this package."""

from typing import Annotated

import typer

Import = Annotated[
    list[str] | None,
    typer.Option(
        "--import",
        metavar="FILE",
        help="Python file or module that registers a predictor of your own. May be given several times.",
    ),
]
TrustRemoteCode = Annotated[
    bool,
    typer.Option("--trust-remote-code", help="Run the Python files that come with the model, from whomever they are."),
]
