"""Pages that are made from the code while the site is built: the commands and the recipes.

`conf.py` puts the text of a function in place of its comment: `<!-- made: commands -->`, `<!-- made: recipes -->`.
"""

import json
import re
from collections.abc import Callable, Iterator
from itertools import takewhile
from typing import Any, Final

import typer

from videomem_hf.benchmark.recipe_costs import CPU_FLOP_PER_S, GPU_FLOP_PER_S, LAMEM_IMAGES, recipe_costs
from videomem_hf.cli import app
from videomem_hf.cli.exit_codes import EXIT_CODES
from videomem_hf.cli.recipes import duration_text
from videomem_hf.data.release.splits import PAPER_TRAIN
from videomem_hf.protocol.design import design_names
from videomem_hf.protocol.server.serve import DEPLOY
from videomem_hf.recipes import recipe_names, recipe_path

CPUS: Final = 8
"""Cores that decode, on the page of recipes."""


def commands_page() -> str:
    """Every command with its help, arguments and options, from the command line itself."""
    return "\n".join(line for path, command in _leaves(typer.main.get_command(app)) for line in _section(path, command))


def recipes_page() -> str:
    """A table of the recipes with needs and times, then each recipe's file."""
    lines = [
        f"For {PAPER_TRAIN:,} training clips, the size of the paper's training split, {LAMEM_IMAGES:,} images of LaMem "
        f"where a recipe trains on them too, a CPU of {CPU_FLOP_PER_S / 1e9:.0f} GFLOP/s and a GPU of "
        f"{GPU_FLOP_PER_S / 1e12:.0f} TFLOP/s; decoding with {CPUS} cores:",
        "",
        "| recipe | needs | training, CPU | training, GPU | decoding, once |",
        "|---|---|---|---|---|",
    ]
    for name in recipe_names():
        costs = recipe_costs(name, PAPER_TRAIN)
        decoding = duration_text(costs.decoding_hours(CPUS)) if costs.videos else "none"
        cpu, gpu = (duration_text(costs.hours(speed)) for speed in (CPU_FLOP_PER_S, GPU_FLOP_PER_S))
        lines.append(f"| [`{name}`](#{name}) | {_cell('; '.join(costs.needs))} | {cpu} | {gpu} | {decoding} |")
    for name in recipe_names():
        about, values = _parts(recipe_path(name).read_text(encoding="utf-8"))
        lines += ["", f"## {name}", "", about, "", "```yaml", values, "```"]
    return "\n".join(lines)


def exit_codes_table() -> str:
    """The exit codes of all commands."""
    return "\n".join(
        ["| code | meaning |", "|---|---|", *(f"| {code} | {_cell(text)} |" for code, text in EXIT_CODES.items())]
    )


def design_page() -> str:
    """A table of the names in design.yaml, from the dataclasses."""
    lines, section = [], ""
    for each in design_names():
        if each.section != section:
            section = each.section
            lines += ["", f"**{section}**", "", "| name | the paper's value | meaning | source |", "|---|---|---|---|"]
        lines.append(f"| `{each.name}` | `{json.dumps(each.default)}` | {_cell(each.about)} | {_cell(each.source)} |")
    return "\n".join(lines)


def deploy_page() -> str:
    """The ready configurations of the server, as code blocks under their names."""
    lines = []
    for name in ("nginx.conf", "Caddyfile", "videomem-study.service", "Containerfile"):
        lines += [f"**{name}**", "", "```text", (DEPLOY / name).read_text(encoding="utf-8").rstrip(), "```", ""]
    return "\n".join(lines)


MADE: Final[dict[str, Callable[[], str]]] = {
    "commands": commands_page,
    "exit_codes": exit_codes_table,
    "recipes": recipes_page,
    "design": design_page,
    "deploy": deploy_page,
}


def fill(text: str) -> str:
    """Put what is made from the code into a page."""
    return re.sub(r"<!-- made: (\w+) -->", lambda found: MADE[found[1]](), text)


def _parts(file: str) -> tuple[str, str]:
    """The comment that a recipe begins with, as Markdown with what is not the paper's apart; and its values."""
    lines = file.rstrip().splitlines()
    comment = [line.removeprefix("# ") for line in takewhile(lambda line: line.startswith("#"), lines)]
    about = _cell(" ".join(comment)).replace(" Our choice:", "\n\nOur choice:")
    return about, "\n".join(lines[len(comment) :])


def _leaves(command: Any, path: tuple[str, ...] = ("videomem",)) -> Iterator[tuple[tuple[str, ...], Any]]:
    if not hasattr(command, "commands"):
        yield path, command
        return
    for name, each in command.commands.items():
        yield from _leaves(each, (*path, name))


def _section(path: tuple[str, ...], command: Any) -> Iterator[str]:
    name = " ".join(path)
    context = command.make_context(name, [], resilient_parsing=True)
    text, examples = _help(command.help)
    yield from (f"## {name}", "", *text, "```text", " ".join(_usage(name, command)), "```", "", *examples)
    records = [(each, each.get_help_record(context)) for each in command.params]
    for kind, title in (("argument", "Arguments"), ("option", "Options")):
        rows = [(_names(each, record[0]), record[1]) for each, record in records if each.param_type_name == kind]
        if rows:
            yield from (f"| {title} | |", "|---|---|")
            yield from (f"| `{names}` | {_cell(text)} |" for names, text in rows)
            yield ""


def _usage(name: str, command: Any) -> Iterator[str]:
    yield name
    yield from (_argument(each) for each in command.params if each.param_type_name == "argument")
    yield "[OPTIONS]"


def _argument(argument: Any) -> str:
    return argument.metavar or argument.name.upper() + ("..." if argument.nargs == -1 else "")


def _names(parameter: Any, names: str) -> str:
    """How an argument or option is written, with its type or its choices."""
    if parameter.param_type_name == "argument":
        return _argument(parameter)
    return names.replace(" range>", ">").replace("|", ", ")


def _help(text: str) -> tuple[list[str], list[str]]:
    """Paragraphs of a command's help; and its examples, which are bold there, as a block."""
    paragraphs, examples = [], []
    for paragraph in text.split("\n\n"):
        first, *commands = paragraph.splitlines()
        if commands:
            examples += [
                first,
                "",
                "```text",
                *(re.sub(r"\[/?bold\]", "", line).strip() for line in commands),
                "```",
                "",
            ]
        else:
            paragraphs += [_cell(first), ""]
    return paragraphs, examples


def _cell(text: str) -> str:
    """Help with rich's markup as a line of Markdown; options, files and types in angle brackets are code."""
    text = re.sub(r"\[bold\](.*?)\[/bold\]", r"`\1`", text).replace(r"\[", "[").replace("|", r"\|")
    parts = re.split(r"(`[^`]*`)", text)
    parts[::2] = [
        re.sub(r"(?<![\w`])(--?[a-z][\w-]*(?: -(?!\w)| [A-Z]+\b)?|\S*<\w+>\S*)", r"`\1`", part) for part in parts[::2]
    ]
    text = re.sub(r"\b(\d[\d.]*)<=x<=(\d+)", r"\1 to \2", re.sub(r"\bx>=([\d.]+)", r"at least \1", "".join(parts)))
    return re.sub(r"  +", " ", text).replace("*", r"\*")
