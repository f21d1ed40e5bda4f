"""A group of commands of which each is imported when it is called: the list of them costs nothing."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import Any, ClassVar, Final

import typer
from typer.core import TyperCommand, TyperGroup

from videomem_hf.cli.help import Command, lay_out

STYLE: Final[dict[str, Any]] = {
    "pretty_exceptions_enable": False,
    "rich_markup_mode": "rich",
    "context_settings": {"help_option_names": ["-h", "--help"]},
}


@dataclass(frozen=True)
class Entry:
    """A command on the page of `videomem --help`.

    Attributes:
        name: What is typed.
        panel: Heading that it is listed under.
        short_help: Its line there.
        module: File of `videomem_hf.cli` with a function, or a `typer.Typer` of several commands, of that name; empty
            for the name itself.
        kind: Name of its class in that file; None takes `Command`.
    """

    name: str
    panel: str
    short_help: str
    module: str = ""
    kind: str | None = None

    @cached_property
    def command(self) -> Any:
        """The command, whose file is imported when it is first asked for."""
        name = self.name.replace("-", "_")
        module = import_module(f"videomem_hf.cli.{self.module or name}")
        found = getattr(module, name)
        kind = getattr(module, self.kind) if self.kind else Command
        return group_of(found, self.name) if isinstance(found, typer.Typer) else command_of(found, self.name, kind)


def command_of(function: Callable[..., None], name: str, kind: type[TyperCommand] = Command) -> Any:
    """Make a command of a function with typer's annotations; its docstring is its help."""
    alone = typer.Typer(add_completion=False, **STYLE)
    alone.command(name=name, cls=kind, help=lay_out(function.__doc__ or ""))(function)
    return typer.main.get_command(alone)


def group_of(commands: typer.Typer, name: str) -> Any:
    """Make a group whose commands have our pages of help."""
    for each in commands.registered_commands:
        if each.callback and each.callback.__doc__:
            each.help = lay_out(each.callback.__doc__)
        if each.cls is TyperCommand:
            each.cls = Command
    outer = typer.Typer(add_completion=False, **STYLE)
    outer.add_typer(commands, name=name)
    group: Any = typer.main.get_command(outer)
    return group.commands[name]


class LoadedCommands(Mapping[str, Any]):
    """Commands by name, each loaded when it is asked for."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = {entry.name: entry for entry in entries}

    def __getitem__(self, name: str) -> Any:
        return self._entries[name].command

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


class LazyGroup(TyperGroup):
    """A group of entries: pages of help and completions list them, and only a command that is called is imported."""

    entries: ClassVar[tuple[Entry, ...]]

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands: Any = LoadedCommands(self.entries)
        self._listed = {
            each.name: TyperCommand(each.name, short_help=each.short_help, rich_help_panel=each.panel)
            for each in self.entries
        }

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, in the order of the entries."""
        return list(self.commands)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """What lists show of a command; None without one of the name."""
        return self._listed.get(cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Give the command that is called, whole."""
        name, _, rest = super().resolve_command(ctx, args)
        return name, None if name is None else self.commands[name], rest
