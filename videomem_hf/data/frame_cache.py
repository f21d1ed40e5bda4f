"""Frames of clips as a predictor takes them in, decoded once and kept on disk.

Decoding a clip costs a hundred times more than reading its few small frames back. An entry is one `.npy` file: it
appears under its name only when it is complete, so that a crash leaves nothing half-written, and many processes may
share a folder.
"""

import hashlib
import json
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
from tqdm.auto import tqdm

from videomem_hf.data.video import VideoError, sample_frames, source_name
from videomem_hf.schema import InputError

Source = str | Path | bytes
"""A path, or the bytes of a video file."""

_FORMAT: Final = 1
_SHAPING_KEYS: Final = ("video_processor_type", "do_resize", "size", "resample", "do_center_crop", "crop_size", "fps")
"""What of a processor's configuration the cached frames depend on; rescaling and normalisation come after the cache."""
_FRAMES_AT_ONCE: Final = 8
_ERRORS_SHOWN: Final = 10


class FrameCache:
    """Sampled, resized and cropped frames of clips, `(frames, 3, height, width)` uint8 each.

    The key of an entry is the clip's identity (path, size and modification time of its file, or the hash of its bytes)
    together with whatever of the processor's configuration shapes the frames.

    Args:
        folder: Where entries are kept; made if missing.
        processor: The predictor's video processor. Its `fps`, sizes and resampling are used.
    """

    def __init__(self, folder: str | Path, processor: Any) -> None:
        config = processor.to_dict()
        shaping = {"format": _FORMAT} | {key: config.get(key) for key in _SHAPING_KEYS}
        described = json.dumps(shaping, indent=2, sort_keys=True)
        self.folder = Path(folder) / hashlib.sha256(described.encode()).hexdigest()[:16]
        self._processor = processor
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / "frames.json").write_text(described + "\n")
        except OSError as error:
            raise InputError(f"{folder}: frames cannot be kept here ({error.strerror})") from None

    def __contains__(self, source: Source) -> bool:
        return self._entry(source).exists()

    def fill(self, sources: Sequence[Source], *, workers: int | None = None, progress: bool = True) -> None:
        """Decode the clips that are not in the cache yet; clips that are finished stay, whatever happens to others.

        Threads do it: PyAV and Pillow let go of the interpreter's lock, and a process would first import torch.

        Args:
            sources: Clips; one given twice is decoded once.
            workers: Clips decoded at a time; None takes the processors this process may use.
            progress: Whether to show a progress bar.

        Raises:
            InputError: Clips that cannot be decoded, each with its cause, after all others are done; or a full disk.
        """
        entries = {self._entry(source): source for source in sources}
        missing = {entry: source for entry, source in entries.items() if not entry.exists()}
        if not missing:
            return
        failures: list[VideoError] = []
        pool = ThreadPoolExecutor(workers or usable_processors(), thread_name_prefix="decode")
        try:
            jobs = [pool.submit(self._decode_into, entry, source) for entry, source in missing.items()]
            for job in tqdm(as_completed(jobs), "decoding", len(jobs), unit="clip", disable=not progress):
                failures.extend(_failure(job))
        finally:
            # After Ctrl-C the clips in hand are finished and the others dropped.
            pool.shutdown(wait=True, cancel_futures=True)
        if failures:
            raise InputError(_summary(failures, len(entries)))

    def load(self, source: Source) -> np.ndarray:
        """Frames of a clip, `(frames, 3, height, width)` uint8, mapped from disk and read-only.

        Raises:
            KeyError: The clip is not in the cache, or has changed since; `fill` puts it there.
        """
        try:
            return np.load(self._entry(source), mmap_mode="r", allow_pickle=False)
        except FileNotFoundError:
            raise KeyError(f"{source_name(source)} is not in the frame cache") from None

    def _entry(self, source: Source) -> Path:
        if isinstance(source, bytes):
            identity = hashlib.sha256(source).hexdigest()
        else:
            path = Path(source).resolve()
            try:
                status = path.stat()
            except OSError as error:
                raise InputError(f"{source}: cannot be opened ({(error.strerror or '').lower()})") from None
            identity = hashlib.sha256(f"{path}\n{status.st_size}\n{status.st_mtime_ns}".encode()).hexdigest()
        return self.folder / f"{identity[:32]}.npy"

    def _decode_into(self, entry: Path, source: Source) -> None:
        frames = np.concatenate(list(self._shaped_frames(source)))
        part = entry.with_name(f"{entry.stem}-{os.getpid()}-{threading.get_ident()}.part")
        try:
            with part.open("wb") as file:
                np.save(file, frames, allow_pickle=False)
            part.replace(entry)
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise InputError(f"{self.folder}: frames cannot be written ({why}); finished clips are kept") from None
        finally:
            part.unlink(missing_ok=True)

    def _shaped_frames(self, source: Source) -> Iterator[np.ndarray]:
        """Arrays of up to 8 frames `(frames, 3, height, width)` uint8, so that a long 4k clip stays out of memory."""
        images = (frame.image for frame in sample_frames(source, self._processor.fps))
        while some := list(islice(images, _FRAMES_AT_ONCE)):
            yield self._processor(
                videos=[np.stack(some)],
                do_sample_frames=False,
                do_rescale=False,
                do_normalize=False,
                return_tensors="np",
            )["pixel_values_videos"][0]


def usable_processors() -> int:
    """Processors that this process may run on, where the system tells (containers give fewer than the machine has)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
