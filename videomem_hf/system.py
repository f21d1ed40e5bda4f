"""What the machine gives this process: CPUs, its rank among several, files written whole, names that can be printed."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment


def available_cpus() -> int:
    """CPUs that this process may run on, where the system says so (containers give fewer than the machine has)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def is_main_process() -> bool:
    """Whether this is the process that reports, by what the launcher set; true where there is only one."""
    return os.environ.get("RANK", "0") == "0"


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


def templates(package: str, **options: Any) -> "Environment":
    """The Jinja templates in a package's folder `templates`; a value that a template names and is not given raises."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    kept: dict[str, Any] = {"trim_blocks": True, "lstrip_blocks": True, "keep_trailing_newline": True}
    return Environment(loader=PackageLoader(package), undefined=StrictUndefined, **kept, **options)


def quantity(number: int, noun: str) -> str:
    """A number of things with the right form of their name: `1 clip`, `1,200 clips`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def os_cause(error: OSError) -> str:
    """What the operating system says, for the middle of a sentence: `no space left on device`."""
    return (error.strerror or str(error)).lower()


def printable(text: object) -> str:
    """Text, such as a file's name, with what cannot be written as UTF-8 escaped: `lat\\udce9in.mp4`."""
    return str(text).encode("utf-8", "backslashreplace").decode()
