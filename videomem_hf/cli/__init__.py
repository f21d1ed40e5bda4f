"""The `videomem` command. One file here a command, or a few that belong together."""

import sys

import typer

from videomem_hf.schema import InputError

app = typer.Typer(
    name="videomem",
    help="How memorable is a video, and what in it is remembered?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line; a user's mistake ends in one sentence and exit code 1, never in a stack trace."""
    try:
        app()
    except InputError as error:
        sys.stderr.write(f"videomem: {error}\n")
        sys.exit(1)
