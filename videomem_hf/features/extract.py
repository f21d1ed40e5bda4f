"""From the path of a clip to its features, as arrays or as a data set's columns."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from videomem_hf.data.feature_files.columns import parse_column
from videomem_hf.data.feature_files.folders import folder_column
from videomem_hf.schema import InputError
from videomem_hf.video.video import VideoError, VideoSource

from .catalogue import check_specs, feature_spec, spec_of_column
from .collecting import Collected, collect
from .spec import FeatureSpec, Network, NetworkSpec

_CLIP_ID = "video1"


class Extractor:
    """Computes features of clips. They are named as in `videomem_hf.features.catalogue`, or given as specs.

    The networks stay in memory, on `device`; None takes a GPU if there is one. Raises InputError if there is no such
    feature, or a package or file that it needs is missing.
    """

    def __init__(self, features: Sequence[str | FeatureSpec], device: str | None = None) -> None:
        made = [feature if isinstance(feature, FeatureSpec) else feature_spec(feature) for feature in features]
        self.specs = check_specs(made)
        self.networks = load_networks(self.specs, device)

    def __call__(self, source: VideoSource, title: str | None = None) -> dict[str, list[Any]]:
        """Compute a clip's features with one decode.

        Args:
            source: A path, the bytes of a video file, or an open binary file.
            title: The clip's title, for `title:` features.

        Returns:
            By feature one array per file of the release: one where the feature describes the clip (`hmp`: `(6075,)`,
            `c3d`: `(101,)`), three where it describes frames (`lbp`: `(122,)`, `hog`: `(n,)`, `colorhistogram`:
            `(3, 256)`, `inceptionv3`: `(1000,)`, `orb`: `Keypoints`).

        Raises:
            VideoError: The clip cannot be decoded, or a feature cannot be computed.
        """
        return self.compute(source, title).values

    def compute(self, source: VideoSource, title: str | None = None) -> Collected:
        """Compute a clip's features, with notes on what is unusual about the file."""
        collected = collect(source, self.specs, title)
        for name, error in collected.errors.items():
            raise VideoError(f"{collected.clip.name}: no {name}: {error}")
        for name, network in self.networks.items():
            collected.values[name] = network([collected.values[name]])[0]
        return collected


def extract(source: VideoSource, features: Sequence[str], title: str | None = None) -> dict[str, list[Any]]:
    """Compute features of one clip. For several clips use `Extractor`, which keeps networks in memory."""
    return Extractor(features)(source, title)


def load_networks(wanted: Sequence[FeatureSpec], device: str | None = None) -> dict[str, Network]:
    """Load the networks of those specs that need one, onto `device`; None takes a GPU if there is one.

    Raises an InputError if that fails.
    """
    with_network = [spec for spec in wanted if isinstance(spec, NetworkSpec)]
    if not with_network:
        return {}
    from videomem_hf.devices import usable_device

    name = usable_device(device)
    return {spec.name: spec.load(name) for spec in with_network}


class ColumnExtractor:
    """Computes columns of a data set from clips: the numbers that `load_dataset` reads from the extracted files.

    Args:
        columns: Names as in the data set (`hmp`, `lbp`, ...).
        device: For networks.
        features: By column, the feature (as `Extractor` takes it) of columns whose names do not tell it.

    Raises:
        InputError: A column cannot be computed from a clip.
    """

    def __init__(
        self, columns: Sequence[str], device: str | None = None, features: Mapping[str, str] | None = None
    ) -> None:
        self.columns = list(columns)
        named = features or {}
        self.extractor = Extractor([named.get(column) or _spec_of(column) for column in columns], device)

    def __call__(self, source: VideoSource, title: str | None = None) -> tuple[dict[str, np.ndarray], list[str]]:
        """Compute a clip's columns, each `(size,)`, those of several frames one after another; and notes on the file.

        `title` is for `title-` columns. Raises a VideoError for a clip, or a feature, that cannot be computed.
        """
        collected = self.extractor.compute(source, title)
        found = {spec.folder: _parse(spec, collected.values[spec.name]) for spec in self.extractor.specs}
        columns = {folder_column(Path(folder))[1]: values for folder, values in found.items()}
        return {name: columns[name] for name in self.columns}, collected.notes


def _spec_of(column: str) -> FeatureSpec:
    try:
        return spec_of_column(column)
    except InputError as error:
        raise InputError(f"the feature column {column!r} cannot be computed from a clip: {error}") from None


def _parse(spec: FeatureSpec, values: list[Any]) -> np.ndarray:
    """Return a feature's numbers `(size,)` as they are read from its files, which hold them rounded."""
    names = [f"{_CLIP_ID}{ending}" for ending in spec.endings]
    column = parse_column(spec.folder, names, [spec.encode(value) for value in values])
    while pa.types.is_list(column.type) or pa.types.is_fixed_size_list(column.type):
        column = column.flatten()
    return column.to_numpy(zero_copy_only=False).astype(np.float64)
