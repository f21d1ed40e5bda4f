"""The view of a clip's frames: an image encoder's vectors, extracted from the videos."""

import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from huggingface_hub.constants import HF_HOME
from tqdm.auto import tqdm

from videomem_hf.features.catalogue import check_specs, feature_spec
from videomem_hf.features.clips import Clip
from videomem_hf.features.collecting import decode_features
from videomem_hf.features.encoders import EncoderSpec
from videomem_hf.features.extract import load_networks
from videomem_hf.features.extras import model_files
from videomem_hf.features.packaged import PACKAGED, PackagedSpec
from videomem_hf.features.spec import NetworkSpec
from videomem_hf.schema import InputError
from videomem_hf.video.clip_cache import ClipCache, FailedClipsError
from videomem_hf.video.sources import Source, StillImage, StoredVideo, identity_of, name_of
from videomem_hf.video.video import VideoError

VECTOR_CACHE: Final = Path(HF_HOME) / "videomem_hf" / "vectors"
"""Where the vectors of clips are cached: beside the frames."""
_FORMAT: Final = 1


class VectorCache(ClipCache):
    """Vectors of clips by one encoder, `(1, size)` float32 each; several threads decode, one runs the network."""

    holds: ClassVar[str] = "vectors"
    work: ClassVar[str] = "embedding frames"

    def __init__(self, folder: str | Path, encoder: NetworkSpec) -> None:
        files = model_files(encoder.name.rpartition(":")[2]) if ":" in encoder.name else []  # none in a package
        super().__init__(folder, {"vectors": _FORMAT, "encoder": encoder.name, "files": files})
        self._encoder = encoder
        self._network_lock = threading.Lock()
        self._network: Any = None

    def fill(self, sources: Sequence[Source], *, workers: int | None = None, progress: bool = True) -> None:
        if any(source not in self for source in sources) and self._network is None:
            self._encoder.collector(Clip("", 1))  # loads the frames' transform before threads need it
            self._network = load_networks([self._encoder])[self._encoder.name]
        super().fill(sources, workers=workers, progress=progress)

    def pieces(self, source: Source) -> Iterator[np.ndarray]:
        """Embed a clip, `(1, size)`."""
        name = self._encoder.name
        if isinstance(source, StillImage):
            raise VideoError(f"{source.path}: is an image, not a clip")
        try:
            collected = decode_features(source.read() if isinstance(source, StoredVideo) else source, [self._encoder])
        except VideoError as error:
            raise VideoError(f"{source.name}: {error}" if isinstance(source, StoredVideo) else str(error)) from None
        if name in collected.errors:
            raise VideoError(f"{name_of(source)}: no {name}: {collected.errors[name]}")
        with self._network_lock:
            ((vector,),) = self._network([collected.values[name]])
        yield vector[None].astype(np.float32)


def frame_encoder(name: str) -> NetworkSpec:
    """The feature spec of an encoder of frames or clips; its folder's name is the name of the view.

    Raises:
        InputError: There is no such encoder, or its package is missing.
    """
    spec = feature_spec(name)
    if not isinstance(spec, EncoderSpec | PackagedSpec) or getattr(spec, "single_frames", False):
        raise InputError(f"frame_encoder must be one of {', '.join(PACKAGED)}, hf:MODEL or timm:NAME, got {name}")
    check_specs([spec])
    return spec


def frame_view(
    encoder: NetworkSpec,
    sources: Sequence[Source | None],
    progress: bool = True,
    failures: dict[str, str] | None = None,
) -> np.ndarray:
    """Embed clips; vectors are cached in `VECTOR_CACHE` by the content of the files, across runs.

    Args:
        encoder: The feature spec of the encoder.
        sources: The clips; None where missing.
        progress: Whether to show a message and a progress bar.
        failures: Gets one line for each clip that cannot be decoded, by the identity of its source; None raises.

    Returns:
        `(clips, size)` float32; NaN where a clip is missing or cannot be decoded.

    Raises:
        FailedClipsError: Clips cannot be decoded, and `failures` is None or no other clip is left; the message names
            each, and the others stay cached.
    """
    present = [source for source in sources if source is not None]
    cache = VectorCache(VECTOR_CACHE, encoder)
    if progress:
        tqdm.write(f"Embedding {len(present)} clips by {encoder.name}; cached in {cache.folder}", file=sys.stderr)
    failed: dict[str, str] = {}
    try:
        cache.fill(present, progress=progress)
    except FailedClipsError as error:
        failed = error.failures
        if failures is None or all(identity_of(source) in failed for source in present):
            raise
        failures |= failed
    rows = [None if source is None or identity_of(source) in failed else cache.load(source)[0] for source in sources]
    size = next(len(row) for row in rows if row is not None)
    return np.stack([np.full(size, np.nan, np.float32) if row is None else row for row in rows])
