"""Objects built from a name and options in a recipe or a file, which are checked strictly."""

import inspect
from collections.abc import Mapping
from typing import Any, TypeVar

from videomem_hf.recipes import nearest, refuse_unknown
from videomem_hf.schema import InputError

_Built = TypeVar("_Built")


def build_by_name(what: str, classes: Mapping[str, type[_Built]], name: object, options: Mapping[str, Any]) -> _Built:
    """Build the class called `name` with `options`, both given by the user.

    Args:
        what: What the classes are, for the error: "loss".
        classes: Name to class.
        name: Key of `classes`.
        options: Arguments of the class.

    Raises:
        InputError: An unknown name or option; the message lists the known ones and the nearest to what was given. The
            classes raise it themselves for a value out of range.
    """
    if not isinstance(name, str) or name not in classes:
        raise InputError(f"no {what} {name!r}{nearest(name, classes)}; there are {', '.join(classes)}")
    parameters = inspect.signature(classes[name]).parameters.values()
    allowed = [each.name for each in parameters if each.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    refuse_unknown(options, allowed, f"{what} {name}")
    return classes[name](**options)
