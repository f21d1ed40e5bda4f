"""Where the tensors of a model lie that `device_map="auto"` puts in several places."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def keep_tensors_together(model: Any) -> dict[str, Any] | None:
    """Put the parameters that a module itself holds in one place, where a device map has split them.

    Accelerate fetches what is offloaded before a module runs, and cannot do so for single parameters. Where the
    memory of a device ends between a class token and the positions beside it, each has an entry of its own in the map.

    Args:
        model: Loaded with a device map that transformers inferred.

    Returns:
        The map with such parameters on the device that computes; None if there are none elsewhere.
    """
    places: dict[str, Any] = getattr(model, "hf_device_map", None) or {}
    computing = next((each for each in places.values() if each not in ("cpu", "disk")), "cpu")
    split = {name for name, _ in model.named_parameters()} & places.keys()
    if all(places[name] == computing for name in split):
        return None
    return places | dict.fromkeys(split, computing)


@contextmanager
def tensors_in_memory(module: Any) -> Iterator[None]:
    """Fetch what Accelerate keeps elsewhere of a module's own tensors, for methods other than its `forward`.

    What lies in modules inside it is fetched as these are called.
    """
    hook = getattr(module, "_hf_hook", None)
    if hook is None:
        yield
        return
    hook.pre_forward(module)
    try:
        yield
    finally:
        hook.post_forward(module, None)
