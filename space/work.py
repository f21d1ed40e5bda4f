"""What is being computed for whom: each visitor has one work at a time, which stops soon after it is told to."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache

_CURRENT: ContextVar[threading.Event | None] = ContextVar("work", default=None)


class StoppedError(Exception):
    """The visitor pressed Stop, left, or handed in another clip."""


class Work:
    """The work of every visitor, by the hash of the visit and its kind; a new one stops the one before."""

    def __init__(self) -> None:
        self._running: dict[tuple[str, str], threading.Event] = {}
        self._expected: dict[str, str | None] = {}
        self._changing = threading.Lock()

    def start(self, visit: str | None, kind: str = "scores", clip: str | None = None) -> threading.Event:
        """Stop what runs of the same kind, and give what stops the new work when it is set.

        It is set already if the work has waited in the queue while its visitor stopped it or handed in another clip.
        """
        stop = threading.Event()
        if visit:
            with self._changing:
                if clip is not None and self._expected.get(visit, clip) != clip:
                    stop.set()
                    return stop
                before = self._running.get((visit, kind))
                self._running[visit, kind] = stop
            if before is not None:
                before.set()
        return stop

    def stop(self, visit: str | None, expected: str | None = None) -> None:
        """Stop all that runs for a visit; of what waits only the work on the clip that is expected goes on."""
        if not visit:
            return
        with self._changing:
            self._expected[visit] = expected
            ended = [self._running.pop(key) for key in list(self._running) if key[0] == visit]
        for each in ended:
            each.set()

    def leave(self, visit: str | None) -> None:
        """Stop all that runs for a visitor who has gone, and forget the visit."""
        self.stop(visit)
        self._expected.pop(visit or "", None)


@contextmanager
def stoppable(stop: threading.Event) -> Iterator[None]:
    """Make `check` raise within, in this thread and those that read clips for it, once `stop` is set."""
    before = _CURRENT.set(stop)
    try:
        check()
        yield
    finally:
        _CURRENT.reset(before)


def check(*_: object) -> None:
    """Raise `StoppedError` where the work that calls is to stop; takes what a hook of a module gets."""
    stop = _CURRENT.get()
    if stop is not None and stop.is_set():
        raise StoppedError


@cache
def check_between_layers() -> None:
    """Have every module of every network call `check` first: a batch of a large network can take many seconds."""
    from torch.nn.modules.module import register_module_forward_pre_hook

    register_module_forward_pre_hook(check)
