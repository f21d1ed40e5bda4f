"""Where the tensors of a model lie that `device_map="auto"` puts on several devices."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


def load_together(load: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """Load a model so that the tensors that a module itself holds lie in one place.

    Accelerate fetches what is offloaded before a module runs, and cannot do so for single tensors. Where the memory of
    a device ends between a class token and the positions beside it, each has an entry of its own in the device map.

    Args:
        load: `from_pretrained`.
        arguments: Its arguments.

    Raises:
        ValueError: The memory ends among the tensors that the model itself holds.
    """
    if not isinstance(arguments.get("device_map"), str):
        return load(**arguments)
    try:
        result = load(**arguments)
    except ValueError as error:
        if "is on the meta device" not in str(error):
            raise
        raise ValueError(
            "the tensors of one module must lie in one place, and not all of them fit there; take more max_memory, or "
            "device_map={'': 'disk'} with an offload_folder"
        ) from error
    devices = _kept_together(result[0] if isinstance(result, tuple) else result)
    return load(**arguments | {"device_map": devices}) if devices else result


def _kept_together(model: Any) -> dict[str, Any] | None:
    """The device map with split parameters on the device that computes; None if there are none elsewhere."""
    devices: dict[str, Any] = getattr(model, "hf_device_map", None) or {}
    computing = next((each for each in devices.values() if each not in ("cpu", "disk")), "cpu")
    split = {name for name, _ in model.named_parameters()} & devices.keys()
    if all(devices[name] == computing for name in split):
        return None
    return devices | dict.fromkeys(split, computing)


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
