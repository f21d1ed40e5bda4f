"""How the commands' help pages are laid out: plain text, in which no option name is cut, and examples that paste."""

import copy
import re
import textwrap
from typing import Any, Final

from typer import BadParameter
from typer.core import TyperCommand

WIDTH: Final = 76
"""Of an example's lines."""
_COMMAND: Final = re.compile(r"\[bold\](videomem .*?)\[/bold\]", re.S)


class Command(TyperCommand):
    """A command whose help page is plain text: Rich's tables cut option names at 80 columns."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse, and say what is wrong with a value once: pydantic puts words of its own before the reason."""
        try:
            return super().parse_args(ctx, args)
        except BadParameter as error:
            error.message = error.message.removeprefix("Value error, ")
            raise

    def format_help(self, ctx: Any, formatter: Any) -> None:
        plain = copy.copy(self)
        plain.rich_markup_mode = None
        plain.help = re.sub(r"\[/?bold\]", "", self.help or "")
        TyperCommand.format_help(plain, ctx, formatter)


def lay_out(docstring: str) -> str:
    """Turn a docstring into help that fits any width: a paragraph is a line, an example has lines of its own."""
    return "\n\n".join(_lay_out_paragraph(" ".join(each.split())) for each in docstring.split("\n\n"))


def _lay_out_paragraph(text: str) -> str:
    if not text.startswith("Example"):
        return text
    examples = [_break_command(found[1]) for found in _COMMAND.finditer(text)]
    return "\n".join(["\b", "Examples:" if len(examples) > 1 else "Example:", *examples])


def _break_command(command: str) -> str:
    """Put a command on lines that a shell joins; words in quotes stay together."""
    words = re.findall(r"(?:[^\s\"']|\"[^\"]*\"|'[^']*')+", command)
    joined = " ".join(word.replace(" ", "\0") for word in words)
    lines = textwrap.wrap(joined, WIDTH - 4, break_long_words=False, break_on_hyphens=False)
    return "  [bold]" + " \\\n      ".join(lines).replace("\0", " ") + "[/bold]"
