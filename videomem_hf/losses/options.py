"""Making an object from a name and options out of a recipe or a file, strictly."""

import difflib
import inspect
from collections.abc import Mapping
from typing import Any, TypeVar

from videomem_hf.schema import InputError

_Made = TypeVar("_Made")


def make(what: str, table: Mapping[str, type[_Made]], name: object, options: Mapping[str, Any]) -> _Made:
    """Call the class that `table` has under `name` with `options`.

    Args:
        what: What the table holds, for the error: "loss".
        table: The classes by name.
        name: Given by the user.
        options: Given by the user.

    Raises:
        InputError: An unknown name or option; what exists and the nearest to what was given are named. Classes raise
            it themselves for a value that they refuse.
    """
    if not isinstance(name, str) or name not in table:
        raise InputError(f"no {what} {name!r}{_nearest(name, table)}; there are {', '.join(table)}")
    parameters = inspect.signature(table[name]).parameters.values()
    allowed = [each.name for each in parameters if each.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    for option in options:
        if option not in allowed:
            options_text = ", ".join(allowed) if allowed else "none"
            hint = _nearest(option, allowed)
            raise InputError(f"{what} {name}: unknown option {option!r}{hint}; allowed are {options_text}")
    return table[name](**options)


def _nearest(given: object, known: Mapping[str, Any] | list[str]) -> str:
    close = difflib.get_close_matches(str(given), known, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
