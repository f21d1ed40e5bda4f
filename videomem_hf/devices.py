"""Torch devices: the one that is used by default, and whether one can be used here."""

from videomem_hf.schema import InputError, short_message


def usable_device(name: str | None = None) -> str:
    """Return the name of a torch device that can be used; for None, "cuda" where there is a GPU, else "cpu".

    Raises:
        InputError: It cannot be used here.
    """
    import torch

    name = name or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.zeros(1, device=name).item()  # "meta" has no values
    except (RuntimeError, AssertionError, TypeError) as error:
        raise InputError(f"device {name!r} cannot be used ({short_message(error)}); try cpu") from None
    return name
