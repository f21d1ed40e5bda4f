"""Where the tensors of a model lie that `device_map="auto"` puts on several devices."""

from typing import Any


def keep_tensors_together(model: Any) -> dict[str, Any] | None:
    """Put the parameters that a module itself holds on one device, where a device map has split them.

    Accelerate fetches what is offloaded before a module runs, and cannot do so for single parameters. Where the
    memory of a device ends between a class token and the positions beside it, each has an entry of its own in the map.

    Args:
        model: Loaded with a device map that transformers inferred.

    Returns:
        The map with such parameters on the device that computes; None if there are none elsewhere.
    """
    devices: dict[str, Any] = getattr(model, "hf_device_map", None) or {}
    computing = next((each for each in devices.values() if each not in ("cpu", "disk")), "cpu")
    split = {name for name, _ in model.named_parameters()} & devices.keys()
    if all(devices[name] == computing for name in split):
        return None
    return devices | dict.fromkeys(split, computing)
