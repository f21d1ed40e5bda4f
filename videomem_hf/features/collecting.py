"""Several features of one clip with one decode."""

import warnings
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from threading import BoundedSemaphore
from typing import Any, Final

from videomem_hf.schema import cause_of
from videomem_hf.video.video import VideoSource, VideoWarning

from .clips import Clip, Picture, Threads, pictures, survey
from .spec import Collector, FeatureSpec

_AHEAD: Final = 16
"""Frames that decoding may be ahead of the features, so that memory does not grow with the clip's length."""


@dataclass
class Collected:
    """What specs computed from one clip: by spec the values, one per file or a network's input, or the error; notes."""

    clip: Clip
    values: dict[str, list[Any]] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def collect(
    source: VideoSource, specs: Sequence[FeatureSpec], title: str | None = None, threads: Threads = "AUTO"
) -> Collected:
    """Decode a clip once and give every spec the frames that it needs; raises a VideoError if it has none.

    A damaged file, whose packets do not tell the number of its frames, is decoded twice.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", VideoWarning)
        collected = decode_features(source, specs, title, threads)
    notes = (str(warning.message) for warning in caught if issubclass(warning.category, VideoWarning))
    collected.notes = list(dict.fromkeys(notes))  # a clip that is decoded twice says the same twice
    return collected


def decode_features(
    source: VideoSource, specs: Sequence[FeatureSpec], title: str | None = None, threads: Threads = "AUTO"
) -> Collected:
    """Collect as `collect` does, but without catching warnings, which threads cannot do."""
    clip = survey(source, title)
    collected, decoded = _decode_once(source, specs, clip, threads)
    if decoded not in (0, clip.frames):
        clip = replace(clip, frames=decoded)
        collected, _ = _decode_once(source, specs, clip, threads)
    return collected


def _decode_once(
    source: VideoSource, specs: Sequence[FeatureSpec], clip: Clip, threads: Threads
) -> tuple[Collected, int]:
    """Decode the clip once; also returns the number of its frames, 0 where no spec needs any."""
    collected = Collected(clip)
    collectors: dict[str, Collector] = {spec.name: spec.collector(clip) for spec in specs}
    wanted: dict[int, list[str]] = defaultdict(list)
    for spec in specs:
        for index in spec.frames(clip):
            wanted[index].append(spec.name)

    def add(name: str, picture: Picture) -> None:
        try:
            if name in collectors:
                collectors[name].add(picture)
        except Exception as error:  # of this feature alone
            collected.errors[name] = cause_of(error)
            del collectors[name]

    decoded = 0
    with _feature_threads(add, list(collectors)) if threads == "AUTO" and len(specs) > 1 else nullcontext(add) as take:
        for picture in pictures(source, threads) if wanted else ():
            decoded = picture.index + 1
            for name in wanted.get(picture.index, ()):
                take(name, picture)
    for name, collector in collectors.items():
        try:
            collected.values[name] = collector.values()
        except Exception as error:
            collected.errors[name] = cause_of(error)
    return collected, decoded


@contextmanager
def _feature_threads(add: Callable[[str, Picture], None], names: Sequence[str]) -> Iterator[Callable[..., None]]:
    """Compute features while the clip is decoded, each in a thread of its own, which takes its frames in order.

    Yields a function to call in place of `add`, which takes a feature's name and a frame; when the context ends, all
    calls are done.
    """
    room = BoundedSemaphore(_AHEAD)
    given: deque[Future[None]] = deque()

    def take(name: str, picture: Picture) -> None:
        room.acquire()
        given.append(threads[name].submit(add, name, picture))
        given[-1].add_done_callback(lambda _: room.release())
        while given and given[0].done():
            given.popleft().result()

    with ExitStack() as stack:
        threads = {name: stack.enter_context(ThreadPoolExecutor(1, f"feature-{name}")) for name in names}
        yield take
        for future in given:
            future.result()
