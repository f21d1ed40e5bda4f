"""What the machine gives this process: CPUs, its rank among several, files written whole, names that can be printed."""

import os
import re
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
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


def lazy_names(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """A package's `__getattr__` that imports what needs heavy libraries with its first use.

    Args:
        package: Its `__name__`.
        homes: Name to the module that defines it, relative to the package or absolute.
    """

    def load(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(homes[name], package), name)

    return load


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


def os_cause(error: OSError) -> str:
    """What the operating system says, for the middle of a sentence: `no space left on device`."""
    return (error.strerror or str(error)).lower()


def cause_of_failed_write(error: Exception) -> str | None:
    """Why a file could not be written, in a few words; None for an error of another kind.

    `torch.save` and safetensors report a full disk with errors of their own, whose text alone says so.
    """
    if isinstance(error, OSError):
        return os_cause(error)
    causes = ("No space left on device", "File too large", "Disk quota exceeded")
    if named := [cause for cause in causes if cause in str(error)]:
        return named[0].lower()
    return "the disk is full" if "PytorchStreamWriter" in str(error) or "inline_container" in str(error) else None


@contextmanager
def handle_signal(number: signal.Signals, handler: Any) -> Iterator[None]:
    """Handle a signal for as long as the block lasts; only in the main thread, as Python allows."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


def templates(package: str, **options: Any) -> "Environment":
    """The Jinja templates in a package's folder `templates`; a value that a template names and is not given raises."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    kept: dict[str, Any] = {"trim_blocks": True, "lstrip_blocks": True, "keep_trailing_newline": True}
    return Environment(loader=PackageLoader(package), undefined=StrictUndefined, **kept, **options)


def quantity(number: int, noun: str) -> str:
    """A number of things with the right form of their name: `1 clip`, `1,200 clips`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def printable(text: object) -> str:
    """Text, such as a file's name, with control characters, and what is not UTF-8, escaped: `lat\\udce9in.mp4`."""
    escaped = str(text).encode("utf-8", "backslashreplace").decode()
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", lambda found: found[0].encode("unicode_escape").decode(), escaped)
