"""What the machine gives this process: CPUs, a device, its rank, files written whole, names that can be printed."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from videomem_hf.schema import InputError, short_message


def available_cpus() -> int:
    """CPUs that this process may run on, where the system says so (containers give fewer than the machine has)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def is_main_process() -> bool:
    """Whether this is the process that reports, by what the launcher set; true where there is only one."""
    return os.environ.get("RANK", "0") == "0"


def usable_device(name: str | None = None) -> str:
    """Return the name of a torch device that can be used; for None, "cuda" where there is a GPU, else "cpu".

    Raises:
        InputError: It cannot be used here.
    """
    import torch

    name = name or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device {name!r} cannot be used ({short_message(error)}); try cpu") from None
    return name


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Write a file whole or not at all.

    Yields:
        A temporary path in the same folder, with the same suffix. It replaces `path` when the block ends, and is
        removed when the block raises.
    """
    partial = path.with_name(f".{path.stem}.{os.getpid()}-{threading.get_ident()}.partial{path.suffix}")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def printable(text: object) -> str:
    """Text, such as a file's name, with what cannot be written as UTF-8 escaped: `lat\\udce9in.mp4`."""
    return str(text).encode("utf-8", "backslashreplace").decode()
