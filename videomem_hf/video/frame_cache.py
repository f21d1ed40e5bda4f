"""Frames of clips as a predictor takes them in, decoded once and kept on disk.

Decoding a clip costs a hundred times more than reading its few small frames back. An entry is one `.npy` file, named
after the content of the clip's file, so that a copy of the data elsewhere finds its frames again; beside it stands a
`.key` file for each path that led to it. Both appear under their names only when they are complete: a crash leaves
nothing half-written, and many processes may share a folder.
"""

import hashlib
import json
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from tqdm.auto import tqdm

from videomem_hf.schema import InputError
from videomem_hf.system import available_cpus

from .sources import Source, content_of, identity_of, name_of, segments
from .video import VideoError

_FORMAT: Final = 2
CONTENT_DIGITS: Final = 32
"""Hexadecimal digits of a content's hash that name it."""
_SHAPING_KEYS: Final = (
    "video_processor_type", "do_resize", "size", "resample", "do_center_crop", "crop_size", "fps", "segment_length",
    "max_segments",
)  # fmt: skip
"""What of a processor's configuration the cached frames depend on; rescaling and normalisation come after the cache."""
_FRAMES_AT_ONCE: Final = 8
_ERRORS_SHOWN: Final = 10
_GB: Final = 1e9


class FrameCache:
    """Sampled, resized and cropped frames of clips, `(frames, 3, height, width)` uint8 each.

    The key of an entry is the clip's content together with whatever of the processor's configuration shapes the frames.

    Args:
        folder: Where entries are kept; made if missing.
        processor: The predictor's video processor. Its sampling, sizes and resampling are used.
        limit_gb: Most that the folder may hold, in 10^9 bytes, over all processors; the entries that were asked for
            longest ago give way. None sets no limit.
    """

    holds: ClassVar[str] = "frames"
    """What an entry is, and is called in a training example."""
    _work: ClassVar[str] = "decoding"

    def __init__(self, folder: str | Path, processor: Any, limit_gb: float | None = None) -> None:
        config = processor.to_dict()
        self._processor = processor
        self._open(folder, {"format": _FORMAT} | {key: config.get(key) for key in _SHAPING_KEYS}, limit_gb)

    def _open(self, folder: str | Path, made_of: dict[str, Any], limit_gb: float | None) -> None:
        """Make the folder of entries that are made in one way."""
        described = json.dumps(made_of, indent=2, sort_keys=True)
        self.root = Path(folder)
        self.folder = self.root / hashlib.sha256(described.encode()).hexdigest()[:16]
        self.limit_gb = limit_gb
        self._entries: dict[str, Path] = {}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / f"{self.holds}.json").write_text(described + "\n")
        except OSError as error:
            raise InputError(f"{folder}: frames cannot be kept here ({error.strerror})") from None

    def __contains__(self, source: Source) -> bool:
        return self._find(identity_of(source)) is not None

    def fill(self, sources: Sequence[Source], *, workers: int | None = None, progress: bool = True) -> None:
        """Decode the clips that are not in the cache yet; clips that are finished stay, whatever happens to others.

        Threads do it: PyAV and Pillow let go of the interpreter's lock, and a process would first import torch.

        Args:
            sources: Clips; one given twice is decoded once.
            workers: Clips decoded at a time; None takes the processors this process may use.
            progress: Whether to show a progress bar.

        Raises:
            InputError: Clips that cannot be decoded, each with its cause, after all others are done; a full disk; or
                more frames than the limit allows.
        """
        wanted = {identity_of(source): source for source in sources}
        found = {identity: self._find(identity) for identity in wanted}
        missing = {identity: source for identity, source in wanted.items() if found[identity] is None}
        room = _Room(self, [*self._sources_of_entries(sources), *(entry for entry in found.values() if entry)])
        if not missing:
            return
        failures: list[VideoError] = []
        pool = ThreadPoolExecutor(workers or available_cpus(), thread_name_prefix="decode")
        try:
            jobs = [pool.submit(self._decode, identity, source, room) for identity, source in missing.items()]
            for job in tqdm(as_completed(jobs), self._work, len(jobs), unit="clip", disable=not progress):
                failures.extend(_failure(job))
        finally:
            # After Ctrl-C the clips in hand are finished and the others dropped.
            pool.shutdown(wait=True, cancel_futures=True)
        if failures:
            raise InputError(_summary(failures, len(wanted)))

    def load(self, source: Source) -> np.ndarray:
        """Frames of a clip, `(frames, 3, height, width)` uint8, mapped from disk and read-only.

        Raises:
            KeyError: The clip is not in the cache, or has changed since; `fill` puts it there.
        """
        try:
            if entry := self._find(identity_of(source)):
                return np.load(entry, mmap_mode="r", allow_pickle=False)
        except FileNotFoundError:
            pass  # another process needed the room since
        raise KeyError(f"{name_of(source)} is not in the frame cache") from None

    def content(self, source: Source) -> str:
        """The hash of a clip's file, by the name of its entry where there is one."""
        entry = self._find(identity_of(source))
        return content_of(source)[:CONTENT_DIGITS] if entry is None else entry.stem

    def _sources_of_entries(self, sources: Sequence[Source]) -> list[Path]:
        """Other entries that must stay until those of `sources` are made."""
        return []

    def _find(self, identity: str) -> Path | None:
        """The complete entry of a source, if there is one."""
        entry = self._entries.get(identity)
        if entry is None:
            try:
                entry = self.folder / f"{self._key_file(identity).read_text()}.npy"
            except FileNotFoundError:
                return None
            self._entries[identity] = entry
        return entry if entry.exists() else None

    def _key_file(self, identity: str) -> Path:
        return self.folder / f"{hashlib.sha256(identity.encode()).hexdigest()[:32]}.key"

    def _decode(self, identity: str, source: Source, room: "_Room") -> None:
        content = content_of(source)[:CONTENT_DIGITS]
        entry = self.folder / f"{content}.npy"
        room.protect(entry)
        if not entry.exists():
            made = np.concatenate(list(self._pieces(source)))
            room.make(made.nbytes)
            self._write(entry, made)
        self._write(self._key_file(identity), content)

    def _write(self, path: Path, content: np.ndarray | str) -> None:
        part = path.with_name(f"{path.stem}-{os.getpid()}-{threading.get_ident()}.part")
        try:
            with part.open("wb") as file:
                if isinstance(content, str):
                    file.write(content.encode())
                else:
                    np.save(file, content, allow_pickle=False)
            part.replace(path)
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            what = self.holds.replace("_", " ")
            raise InputError(f"{self.folder}: {what} cannot be written ({why}); finished clips are kept") from None
        finally:
            part.unlink(missing_ok=True)

    def _pieces(self, source: Source) -> Iterator[np.ndarray]:
        """Arrays of a few frames `(frames, 3, height, width)` uint8, so that a long 4k clip stays out of memory."""
        pieces = segments(source, self._processor)
        while some := list(islice(pieces, _FRAMES_AT_ONCE)):
            yield self._processor(
                videos=[np.concatenate(some)],
                do_sample_frames=False,
                do_rescale=False,
                do_normalize=False,
                return_tensors="np",
            )["pixel_values_videos"][0]


class _Room:
    """Keeps a cache within its limit while clips are added; what was asked for just now is never removed."""

    def __init__(self, cache: FrameCache, wanted: Sequence[Path]) -> None:
        self._limit = None if cache.limit_gb is None else cache.limit_gb * _GB
        self._root = cache.root
        self._lock = threading.Lock()
        self._wanted = set(wanted)
        for entry in wanted:
            os.utime(entry)  # entries give way in the order in which they were last asked for
        if self._limit is None:
            return
        others = [(path, path.stat()) for path in cache.root.glob("*/*.npy")]
        self._size = sum(status.st_size for _, status in others)
        self._oldest_first = sorted(others, key=lambda each: each[1].st_mtime_ns)

    def protect(self, entry: Path) -> None:
        """Keep an entry until the cache is filled."""
        with self._lock:
            self._wanted.add(entry)

    def make(self, size: int) -> None:
        """Remove old entries until `size` more bytes fit.

        Raises:
            InputError: What is wanted now is more than the limit.
        """
        if self._limit is None:
            return
        with self._lock:
            self._size += size
            while self._size > self._limit:
                if not self._oldest_first:
                    raise InputError(
                        f"{self._root}: the frames of these clips need more than the {self._limit / _GB:g} GB that the "
                        "cache may hold; allow more, or take smaller or fewer frames"
                    )
                path, status = self._oldest_first.pop(0)
                if path not in self._wanted:
                    path.unlink(missing_ok=True)
                    self._size -= status.st_size


def _failure(job: "Future[None]") -> list[VideoError]:
    try:
        job.result()
    except VideoError as error:
        return [error]
    return []


def _summary(failures: list[VideoError], total: int) -> str:
    lines = [str(failure) for failure in failures[:_ERRORS_SHOWN]]
    if len(failures) > _ERRORS_SHOWN:
        lines.append(f"and {len(failures) - _ERRORS_SHOWN} more")
    what = f"{len(failures)} of {total} clips cannot be decoded; repair or remove them (the others are kept, decoded)"
    return what + "".join(f"\n  {line}" for line in lines)
