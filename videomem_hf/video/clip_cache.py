"""A folder of what was computed of clips once, such as their decoded frames; the base of the caches.

An entry is one `.npy` file, named after the content of the clip's file, so that a copy of the data elsewhere finds its
entries again; beside it stands a `.key` file for each path that led to it. Both appear under their names only when they
are complete: a crash leaves nothing half-written, and many processes may share a folder.
"""

import hashlib
import json
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from tqdm.auto import tqdm

from videomem_hf.schema import InputError, cause_of
from videomem_hf.system import available_cpus, os_cause

from .sources import Source, content_of, identity_of, name_of

_GB: Final = 1e9
CONTENT_DIGITS: Final = 32
"""Hexadecimal digits of a content's hash that name it."""


class FailedClipsError(InputError):
    """Clips whose entries cannot be computed; all others are in the cache. `failures` has one line per identity."""

    def __init__(self, message: str, failures: dict[str, str]) -> None:
        super().__init__(message)
        self.failures = failures


class _CacheError(InputError):
    """The cache itself cannot take an entry, whatever the clip."""


class ClipCache:
    """Arrays of clips, kept on disk; a subclass says in `pieces` what they are.

    Args:
        folder: Where entries are kept; made if missing.
        made_of: What entries depend on besides the clip's content, in JSON types; each value has its own subfolder.
        limit_gb: Most that the folder may hold, in 10^9 bytes, over all its subfolders; the least recently used entries
            are removed. None sets no limit.
    """

    holds: ClassVar[str] = "arrays"
    """What an entry is, and is called in a training example."""
    work: ClassVar[str] = "computing"
    """What the progress bar says."""

    def __init__(self, folder: str | Path, made_of: dict[str, Any], limit_gb: float | None = None) -> None:
        described = json.dumps(made_of, indent=2, sort_keys=True)
        self.root = Path(folder)
        self.folder = self.root / hashlib.sha256(described.encode()).hexdigest()[:16]
        self.limit_gb = limit_gb
        self._entries: dict[str, Path] = {}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / f"{self.holds}.json").write_text(described + "\n")
        except OSError as error:
            what = self.holds.replace("_", " ")
            raise InputError(f"{folder}: {what} cannot be kept here ({os_cause(error)})") from None

    def __contains__(self, source: Source) -> bool:
        return self.entry(source) is not None

    def pieces(self, source: Source) -> Iterator[np.ndarray]:
        """Compute a clip's entry, in parts `(frames, ...)` that fit in memory; raises a VideoError if that fails."""
        raise NotImplementedError

    def entry(self, source: Source) -> Path | None:
        """The complete entry of a clip, if there is one."""
        return self._find(identity_of(source))

    def content(self, source: Source) -> str:
        """The hash of a clip's file, from its entry's name if it has one."""
        entry = self.entry(source)
        return content_of(source)[:CONTENT_DIGITS] if entry is None else entry.stem

    def needed_entries(self, sources: Sequence[Source]) -> list[Path]:
        """Entries of other caches that must stay until those of `sources` are made."""
        return []

    def fill(self, sources: Sequence[Source], *, workers: int | None = None, progress: bool = True) -> None:
        """Compute the clips that are not in the cache yet; clips that are finished stay, whatever happens to others.

        Args:
            sources: Clips; one given twice is computed once.
            workers: Clips computed at a time; None takes the available CPUs.
            progress: Whether to show a progress bar.

        Raises:
            FailedClipsError: Clips that cannot be used, each with its cause, after all others are done.
            InputError: A full disk, or more entries than the limit allows.
        """
        wanted = {identity_of(source): source for source in sources}
        found = {identity: self._find(identity) for identity in wanted}
        missing = {identity: source for identity, source in wanted.items() if found[identity] is None}
        room = _Room(self, [*self.needed_entries(sources), *filter(None, found.values())])
        if not missing:
            return
        failures: dict[str, str] = {}
        pool = ThreadPoolExecutor(workers or available_cpus(), thread_name_prefix="clips")
        try:
            jobs = {pool.submit(self._make, identity, missing[identity], room): identity for identity in missing}
            for job in tqdm(as_completed(jobs), self.work, len(jobs), unit="clip", disable=not progress):
                error, name = job.exception(), name_of(missing[jobs[job]])
                if isinstance(error, Exception) and not isinstance(error, _CacheError):
                    failures[jobs[job]] = f"{name}: {cause_of(error, name)}"
                elif error:
                    raise error
        finally:
            # After Ctrl-C the clips in hand are finished and the others dropped.
            pool.shutdown(wait=True, cancel_futures=True)
        if failures:
            lines = [failures[identity] for identity in missing if identity in failures]
            what = f"{len(failures)} of {len(wanted)} clips failed; repair or remove them (the others are cached)"
            raise FailedClipsError("\n  ".join([what, *lines]), failures)

    def load(self, source: Source) -> np.ndarray:
        """The entry of a clip, mapped from disk and read-only; raises a KeyError if `fill` has to make it first."""
        try:
            if entry := self.entry(source):
                return np.load(entry, mmap_mode="r", allow_pickle=False)
        except FileNotFoundError:
            pass  # another process needed the room since
        raise KeyError(f"{name_of(source)} is not in the cache of {self.holds}") from None

    def _find(self, identity: str) -> Path | None:
        if identity not in self._entries:
            try:
                self._entries[identity] = self.folder / f"{self._key_file(identity).read_text()}.npy"
            except FileNotFoundError:
                return None
        return self._entries[identity] if self._entries[identity].exists() else None

    def _key_file(self, identity: str) -> Path:
        return self.folder / f"{hashlib.sha256(identity.encode()).hexdigest()[:32]}.key"

    def _make(self, identity: str, source: Source, room: "_Room") -> None:
        content = content_of(source)[:CONTENT_DIGITS]
        entry = self.folder / f"{content}.npy"
        room.protect(entry)
        if not entry.exists():
            made = np.concatenate(list(self.pieces(source)))
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
            what = self.holds.replace("_", " ")
            raise _CacheError(
                f"{self.folder}: {what} cannot be written ({os_cause(error)}); finished clips are kept"
            ) from None
        finally:
            part.unlink(missing_ok=True)


class _Room:
    """Keeps a cache within its limit while clips are added; what was asked for just now is never removed."""

    def __init__(self, cache: ClipCache, wanted: Sequence[Path]) -> None:
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
        """Remove old entries until `size` more bytes fit; raises an InputError if all that is left is wanted now."""
        if self._limit is None:
            return
        with self._lock:
            self._size += size
            while self._size > self._limit:
                if not self._oldest_first:
                    raise _CacheError(
                        f"{self._root}: these clips need more than the {self._limit / _GB:g} GB that the "
                        "cache may hold; allow more, or take smaller or fewer frames"
                    )
                path, status = self._oldest_first.pop(0)
                if path not in self._wanted:
                    path.unlink(missing_ok=True)
                    self._size -= status.st_size
