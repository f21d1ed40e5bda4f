"""Reads files in a process of its own, with limits of time and memory, and tells how each of them ended.

As a program, it takes paths on standard input, one per line, and answers each with a line of JSON.
"""

import json
import math
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from videomem_hf.models.video_streams import UnreadableVideoError
from videomem_hf.video.sources import StillImage, segments
from videomem_hf.video.video import VideoError, VideoWarning, sample_frames

FILES_PER_WORKER = 1000
STILLS = (".png", ".jpg", ".webp", ".gif", ".tiff", ".avif")
STUCK_AFTER = 40
"""Times the limit of processor time, by the clock, after which a worker that does nothing is ended."""


class Outcome(NamedTuple):
    """How reading a file ended.

    Attributes:
        path: The file.
        frames: Sampled frames; 0 for a file that was refused.
        message: Why it was refused; else None.
        fault: What must never happen; None where all is well.
        seconds: Processor time.
        peak_mb: Memory that reading took at most, in MB.
    """

    path: Path
    frames: int
    message: str | None
    fault: str | None
    seconds: float
    peak_mb: float


def read_files(
    paths: Iterable[Path], seconds: int = 30, megabytes: int = 2000, processor: bool = False
) -> Iterator[Outcome]:
    """Read files one after the other; a worker that dies is replaced.

    Args:
        paths: Each is made when it is asked for.
        seconds: Limit of processor time per file.
        megabytes: Limit of the memory that reading may take.
        processor: Whether a predictor's processor reads each file as well.
    """
    worker, done = None, 0
    try:
        for path in paths:
            if worker is None or done % FILES_PER_WORKER == 0:
                _end(worker)
                worker = _Worker(seconds, megabytes, processor)
            done += 1
            outcome = worker.read(path)
            yield outcome
            if worker.process.poll() is not None:
                _end(worker)
                worker = None
    finally:
        _end(worker)


class _Worker:
    def __init__(self, seconds: int, megabytes: int, processor: bool) -> None:
        self.seconds = seconds
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `_end`
        self.process = subprocess.Popen(
            [sys.executable, "-X", "faulthandler", "-m", __name__, str(seconds), str(megabytes), str(int(processor))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "MALLOC_ARENA_MAX": "2", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )

    def read(self, path: Path) -> Outcome:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(os.fsencode(path) + b"\n")
        self.process.stdin.flush()
        ready, _, _ = select.select([self.process.stdout], [], [], STUCK_AFTER * self.seconds)
        if not ready:
            self.process.kill()
            self.process.wait()
            return self._died(path, "stands still")
        if line := self.process.stdout.readline():
            return Outcome(path, **json.loads(line))
        code = self.process.wait()
        fault = {
            -signal.SIGXCPU: f"takes over {self.seconds} s",
            -signal.SIGKILL: f"takes over {self.seconds} s, or was killed",
        }
        return self._died(path, fault.get(code, f"ends the process with {code}"))

    def _died(self, path: Path, fault: str) -> Outcome:
        self.errors.seek(0)
        tail = self.errors.read()[-3000:].decode("utf-8", "replace")
        return Outcome(path, 0, None, f"{fault}\n{tail}", math.nan, math.nan)


def _end(worker: _Worker | None) -> None:
    if worker is None:
        return
    worker.process.kill()
    worker.process.communicate()
    worker.errors.close()


def _main(seconds: int, megabytes: int, with_processor: bool) -> None:
    import av  # noqa: F401 - libraries do not count as memory of the first file

    readers = [_sample, _read_still]
    if with_processor:
        from videomem_hf.models.video_processing_memorability import MemorabilityVideoProcessor

        readers.append(
            partial(_process, MemorabilityVideoProcessor(segment_length=4, size={"height": 32, "width": 48}))
        )
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    unraisable: list[str] = []
    sys.unraisablehook = lambda event: unraisable.append(repr(event.exc_value))
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + megabytes * 1_000_000,) * 2)
    before = _peak_mb()
    for line in sys.stdin.buffer:
        path = Path(os.fsdecode(line.rstrip(b"\n")))
        begin = time.process_time()
        resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(begin) + seconds, resource.RLIM_INFINITY))
        outcome = _read(path, readers)
        if unraisable:
            outcome["fault"] = f"{outcome['fault'] or ''} unraisable: {unraisable}"
            unraisable.clear()
        measured = {"seconds": time.process_time() - begin, "peak_mb": _peak_mb() - before}
        answers.write(json.dumps({**outcome, **measured}) + "\n")
        answers.flush()


def _peak_mb() -> float:
    """The largest resident memory since the last call (Linux, proc(5))."""
    peak = Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]
    Path("/proc/self/clear_refs").write_text("5")
    return int(peak) / 1000


def _read(path: Path, readers: list[Callable[[Path], int]]) -> dict[str, Any]:
    """Read a file in each way; frames and message are those of the first."""
    frames, message, messages, faults = 0, None, [], []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for reader in readers:
            try:
                found = reader(path)
                frames = frames or (found if reader is _sample else 0)
            except (VideoError, UnreadableVideoError) as error:
                messages.append(str(error))
                message = messages[0] if reader is _sample else message
            except BaseException as error:
                faults.append(_traceback(error))
    faults += [f"{each.category.__name__}: {each.message}" for each in caught if each.category is not VideoWarning]
    for sentence in [*messages, *(str(each.message) for each in caught if each.category is VideoWarning)]:
        if not sentence.startswith(f"{path}: ") or not sentence.isprintable():
            faults.append(f"says no clear sentence: {sentence!r}")
    if not (frames or message or faults):
        faults.append("neither frames nor an error")
    return {"frames": frames, "message": message, "fault": "; ".join(faults) or None}


def _traceback(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))[-3000:]


def _sample(path: Path) -> int:
    """Check what every sampled frame must be, without keeping it."""
    shape, last, count = None, -math.inf, 0
    for frame in sample_frames(path, 5.0):
        assert frame.image.dtype == np.uint8, frame.image.dtype
        assert frame.image.ndim == 3, frame.image.shape
        assert frame.image.shape[2] == 3, frame.image.shape
        shape = shape or frame.image.shape
        assert frame.image.shape == shape, (frame.image.shape, shape)
        assert last < frame.time_s < math.inf, (last, frame.time_s)
        last, count = frame.time_s, count + 1
    assert count
    return count


def _read_still(path: Path) -> int:
    """Read an image as those of LaMem are."""
    if path.suffix not in STILLS:
        return 0
    (frames,) = segments(StillImage(path), SimpleNamespace(segment_length=1))
    assert frames.dtype == np.uint8, frames.dtype
    assert frames.shape[::3] == (1, 3), frames.shape
    return 0


def _process(processor: Any, path: Path) -> int:
    frames, times = processor.decode(path, shrink=True)
    assert frames.shape == (4 * len(times), 32, 48, 3), frames.shape
    return len(frames)


if __name__ == "__main__":
    _main(int(sys.argv[1]), int(sys.argv[2]), bool(int(sys.argv[3])))
