"""Clips prepared by other threads while the network computes, in bounded memory and in their order."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial
from typing import Generic, TypeVar

Clip = TypeVar("Clip")
Piece = TypeVar("Piece")

CLIPS_AHEAD = 8
"""Clips that are prepared, or wait for it, while an earlier one is scored."""
PIECES_PER_CLIP = 16
"""Pieces of each of them that wait to be scored; preparing goes on as they are taken."""
_LEAVE_BEHIND_S = 1.0
"""After so long a thread that waits for a server, say, is left to end by itself."""
_END = object()


class _Prepared(Generic[Piece]):
    """The pieces of one clip, on their way from the thread that prepares them to the one that takes them."""

    def __init__(self) -> None:
        self._pieces: queue.Queue[object] = queue.Queue(PIECES_PER_CLIP)

    def fill(self, prepare: Callable[[], Iterator[Piece]], stopped: threading.Event) -> None:
        """Put all pieces, or what came before an error and the error; gives up when `stopped` is set."""
        last: object = _END
        try:
            for piece in prepare():
                if not self._put(piece, stopped):
                    return
        except BaseException as error:  # raised again where the pieces are taken
            last = error
        self._put(last, stopped)

    def _put(self, piece: object, stopped: threading.Event) -> bool:
        while not stopped.is_set():
            try:
                self._pieces.put(piece, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def __iter__(self) -> Iterator[Piece]:
        while (piece := self._pieces.get()) is not _END:
            if isinstance(piece, BaseException):
                raise piece
            yield piece  # type: ignore[misc]


@contextmanager
def read_ahead(
    clips: Iterable[Clip], prepare: Callable[[Clip], Iterator[Piece]], can_wait: Callable[[Clip], bool], threads: int
) -> Iterator[Iterator[tuple[Clip, Iterator[Piece]]]]:
    """Prepare clips in threads, for a `with` statement that stops them.

    Args:
        clips: They are taken from the iterable by the thread that uses the result, `CLIPS_AHEAD` in advance.
        prepare: Gives the pieces of a clip; called in one of the threads.
        can_wait: Whether a clip may be prepared later, by a thread. One that may not is prepared by the thread that
            uses the result, before the next clip is taken.
        threads: Clips that are prepared at a time.

    Yields each clip with its pieces, in order. They raise what `prepare` raises, after those that came before.
    """
    stopped, work = threading.Event(), queue.SimpleQueue[tuple[Clip, _Prepared[Piece]] | None]()

    def run() -> None:
        while (job := work.get()) is not None and not stopped.is_set():
            job[1].fill(partial(prepare, job[0]), stopped)

    # Each in the caller's context, which tells where its progress is shown.
    contexts = [copy_context() for _ in range(threads)]
    workers = [threading.Thread(target=each.run, args=(run,), name="clips", daemon=True) for each in contexts]
    for worker in workers:
        worker.start()
    try:
        yield _in_order(clips, prepare, can_wait, work)
    finally:
        stopped.set()
        for _ in workers:
            work.put(None)
        for worker in workers:
            worker.join(_LEAVE_BEHIND_S)


def _in_order(
    clips: Iterable[Clip],
    prepare: Callable[[Clip], Iterator[Piece]],
    can_wait: Callable[[Clip], bool],
    work: "queue.SimpleQueue[tuple[Clip, _Prepared[Piece]] | None]",
) -> Iterator[tuple[Clip, Iterator[Piece]]]:
    waiting: deque[tuple[Clip, _Prepared[Piece]]] = deque()
    source, failure = iter(clips), None
    while True:
        try:
            clip = next(source)
        except StopIteration:
            break
        except Exception as error:  # the clips before it are scored first
            failure = error
            break
        if not can_wait(clip):
            while waiting:
                before, prepared = waiting.popleft()
                yield before, iter(prepared)
            yield clip, prepare(clip)
            continue
        waiting.append((clip, _Prepared()))
        work.put(waiting[-1])
        if len(waiting) > CLIPS_AHEAD:
            clip, prepared = waiting.popleft()
            yield clip, iter(prepared)
    for clip, prepared in waiting:
        yield clip, iter(prepared)
    if failure is not None:
        raise failure
