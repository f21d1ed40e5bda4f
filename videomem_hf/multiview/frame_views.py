"""The view of a clip's frames through an image encoder, extracted from the videos of a copy of the data."""

import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from huggingface_hub.constants import HF_HOME
from tqdm.auto import tqdm

from videomem_hf.data.scored_clips import open_splits, video_sources
from videomem_hf.features.catalogue import check_specs, feature_spec
from videomem_hf.features.clips import Clip
from videomem_hf.features.collecting import decode_features
from videomem_hf.features.encoders import EncoderSpec
from videomem_hf.features.extract import load_networks
from videomem_hf.features.packaged import PACKAGED, PackagedSpec
from videomem_hf.features.spec import NetworkSpec
from videomem_hf.schema import VIDEO_ID, InputError
from videomem_hf.video.frame_cache import FrameCache
from videomem_hf.video.sources import Source, StillImage, StoredVideo, name_of
from videomem_hf.video.video import VideoError

VECTOR_CACHE: Final = Path(HF_HOME) / "videomem_hf" / "vectors"
"""Where the vectors of clips are kept: beside the frames."""
_FORMAT: Final = 1


class VectorCache(FrameCache):
    """Vectors of clips by one encoder, `(1, size)` float32 each; an interrupted `fill` goes on where it was.

    Threads decode while one of them at a time runs the network.

    Args:
        folder: Where entries are kept; made if missing.
        encoder: The feature spec of the encoder.
    """

    holds: ClassVar[str] = "vectors"
    _work: ClassVar[str] = "embedding frames"

    def __init__(self, folder: str | Path, encoder: NetworkSpec) -> None:
        self._encoder = encoder
        self._turn = threading.Lock()
        self._network: Any = None
        self._open(folder, {"vectors": _FORMAT, "encoder": encoder.name, "files": _files_of(encoder.name)}, None)

    def fill(self, sources: Sequence[Source], *, workers: int | None = None, progress: bool = True) -> None:
        """Embed what is missing; see the base class."""
        if any(source not in self for source in sources) and self._network is None:
            self._encoder.collector(Clip("", 1))  # loads what prepares frames before threads need it
            self._network = load_networks([self._encoder])[self._encoder.name]
        super().fill(sources, workers=workers, progress=progress)

    def _pieces(self, source: Source) -> Iterator[np.ndarray]:
        name = self._encoder.name
        if isinstance(source, StillImage):
            raise VideoError(f"{source.path}: an image is no clip")
        try:
            collected = decode_features(source.read() if isinstance(source, StoredVideo) else source, [self._encoder])
        except VideoError as error:
            raise VideoError(f"{source.name}: {error}" if isinstance(source, StoredVideo) else str(error)) from None
        if name in collected.errors:
            raise VideoError(f"{name_of(source)}: no {name}: {collected.errors[name]}")
        with self._turn:
            ((vector,),) = self._network([collected.values[name]])
        yield vector[None].astype(np.float32)


def frame_encoder(name: str) -> NetworkSpec:
    """Give the feature spec of an encoder of frames or clips; the name of its folder is the name of its view.

    Raises:
        InputError: There is no such encoder, or what it needs is missing.
    """
    made = feature_spec(name)
    if not isinstance(made, EncoderSpec | PackagedSpec) or getattr(made, "single_frames", False):
        raise InputError(f"frame_encoder must be one of {', '.join(PACKAGED)}, hf:MODEL or timm:NAME, got {name}")
    check_specs([made])
    return made


def clip_sources(
    data: str, options: dict[str, Any] | None = None, video_ids: list[str] | None = None
) -> list[Source | None]:
    """Find the videos of a copy of the data, None where one is missing; refuse others than `video_ids`."""
    tables = list(open_splits(data, "videos", options).values())
    if video_ids is not None and [video_id for table in tables for video_id in table[VIDEO_ID]] != video_ids:
        raise InputError(f"{data}: the configuration 'videos' has other videos than the scores have")
    return [source for table in tables for source in video_sources(table, data)]


def frame_view(encoder: NetworkSpec, sources: Sequence[Source | None], progress: bool = True) -> np.ndarray:
    """Embed clips, each once in all runs: their vectors are kept in `VECTOR_CACHE` by the content of their files.

    Args:
        encoder: What gives the vectors.
        sources: The clips; None where there is none.
        progress: Whether to say what is done and to show a bar.

    Returns:
        `(clips, size)` float32; NaN where there is no clip.

    Raises:
        InputError: Clips cannot be decoded; each is named, and the others are kept.
    """
    there = [source for source in sources if source is not None]
    cache = VectorCache(VECTOR_CACHE, encoder)
    if progress:
        tqdm.write(f"Frames of {len(there)} clips are seen by {encoder.name}; kept in {cache.folder}", file=sys.stderr)
    cache.fill(there, progress=progress)
    rows = [None if source is None else cache.load(source)[0] for source in sources]
    size = next(len(row) for row in rows if row is not None)
    return np.stack([np.full(size, np.nan, np.float32) if row is None else row for row in rows])


def _files_of(name: str) -> list[Any]:
    """What tells a model on disk from a later one of the same name; empty for one on the hub or in a package."""
    folder = Path(name.rpartition(":")[2]).expanduser()
    if ":" not in name or not folder.is_dir():
        return []
    files = [(path, path.stat()) for path in sorted(folder.resolve().rglob("*")) if path.is_file()]
    return [[str(path), status.st_size, status.st_mtime_ns] for path, status in files]
