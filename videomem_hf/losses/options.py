"""Making an object from a name and options out of a recipe or a file, strictly."""

import inspect
from collections.abc import Mapping
from typing import Any, TypeVar

from videomem_hf.recipes import nearest, refuse_unknown
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
        raise InputError(f"no {what} {name!r}{nearest(name, table)}; there are {', '.join(table)}")
    parameters = inspect.signature(table[name]).parameters.values()
    allowed = [each.name for each in parameters if each.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    refuse_unknown(options, allowed, f"{what} {name}")
    return table[name](**options)
