"""What is being computed for whom: each visitor has one work at a time, which stops soon after it is told to."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from weakref import WeakValueDictionary

WAIT_S = 0.2
"""Between two looks whether the wait for a lock is to stop."""
_CURRENT: ContextVar[threading.Event | None] = ContextVar("work", default=None)


class StoppedError(Exception):
    """The visitor pressed Stop, left, or handed in another clip."""


class Work:
    """The work of every visitor, by the hash of the visit and its kind; a new one stops the one before."""

    def __init__(self) -> None:
        self._running: dict[tuple[str, str], threading.Event] = {}
        self._expected: dict[str, str | None] = {}
        self._changing = threading.Lock()

    @contextmanager
    def start(self, visit: str | None, kind: str = "scores", clip: str | None = None) -> Iterator[threading.Event]:
        """Stop what runs of the same kind, and give what stops the new work when it is set.

        It is set already if the work has waited in the queue while its visitor stopped it or handed in another clip.
        """
        stop = threading.Event()
        if visit:
            self._enter((visit, kind), clip, stop)
        try:
            yield stop
        finally:
            with self._changing:
                if visit and self._running.get((visit, kind)) is stop:
                    del self._running[visit, kind]

    def _enter(self, key: tuple[str, str], clip: str | None, stop: threading.Event) -> None:
        with self._changing:
            if clip is not None and self._expected.get(key[0], clip) != clip:
                stop.set()
                return
            before = self._running.get(key)
            self._running[key] = stop
        if before is not None:
            before.set()

    def stop(self, visit: str | None, expected: str | None = None) -> None:
        """Stop all that runs for a visit; of what waits only the work on the clip that is expected goes on."""
        if visit:
            with self._changing:
                self._expected[visit] = expected
                self._end(visit)

    def leave(self, visit: str | None) -> None:
        """Stop all that runs for a visitor who has gone, and forget the visit."""
        if visit:
            with self._changing:
                self._expected.pop(visit, None)
                self._end(visit)

    def _end(self, visit: str) -> None:
        for key in [key for key in self._running if key[0] == visit]:
            self._running.pop(key).set()


class Locks:
    """A lock for each key, which exists while somebody has it or waits for it."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[object, threading.Lock] = WeakValueDictionary()
        self._changing = threading.Lock()

    @contextmanager
    def hold(self, key: object) -> Iterator[None]:
        """Hold the lock of a key; who waits for it can be stopped (see `stoppable`)."""
        with self._changing:
            lock = self._locks.setdefault(key, threading.Lock())
        while not lock.acquire(timeout=WAIT_S):
            check()
        try:
            yield
        finally:
            lock.release()


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
