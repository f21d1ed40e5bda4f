"""Feature files of a batch of videos as one Arrow column."""

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from videomem_hf.data.release.names import parse_video_file
from videomem_hf.schema import InputError
from videomem_hf.system import os_cause

from . import text
from .folders import Feature, FeatureFiles, feature_of, folder_column
from .orb import DESCRIPTOR_BYTES, FLOAT_FIELDS, INTEGER_FIELDS, Keypoints, parse_orb
from .text import TextFiles

_Contents = tuple[Feature, TextFiles, NDArray[np.bool_]]
"""The files of one column before they are parsed, and of each video and frame whether it has one."""

_LEAST_READ: Final = 1 << 12
_KEYPOINT = pa.struct(
    [(name, pa.float64()) for name in FLOAT_FIELDS]
    + [(name, pa.int32()) for name in INTEGER_FIELDS]
    + [("descriptor", pa.list_(pa.uint8(), DESCRIPTOR_BYTES))]
)


def arrow_type(feature: Feature) -> pa.DataType:
    """Return the type of a feature's column: a list, of fixed length where the feature has one; one list per frame."""
    inner: pa.DataType
    if feature.form == "orb":
        inner = pa.list_(_KEYPOINT)
    elif feature.form == "histogram":
        inner = pa.list_(pa.list_(pa.int32(), text.BINS), text.CHANNELS)
    elif feature.form == "pairs" and feature.length is None:
        inner = pa.struct([("index", pa.list_(pa.int32())), ("value", pa.list_(pa.float64()))])
    elif feature.length is not None and (feature.form == "pairs" or feature.shortest == feature.length):
        inner = pa.list_(pa.float64(), feature.length)
    else:
        inner = pa.list_(pa.float64())
    return pa.list_(inner, len(feature.frames)) if feature.frames else inner


def read_columns(features: Sequence[FeatureFiles], batches: Iterable[Sequence[str]]) -> Iterator[list[pa.Array]]:
    """Read some features of batches of videos: one column per feature for each batch, null where there is no file.

    The files of the next column are read by a thread while those of the last are parsed: opening a hundred thousand
    small files takes as long as parsing them. A file of other content raises an InputError.
    """
    jobs = ((files, ids) for ids in batches for files in features)
    columns: list[pa.Array] = []
    with ThreadPoolExecutor(1) as reader:
        waiting: Future[_Contents] | None = None
        for job in (*jobs, None):
            contents = waiting.result() if waiting else None
            waiting = reader.submit(_read_contents, *job) if job else None
            if contents:
                columns.append(_column(*contents))
            if columns and len(columns) == len(features):
                yield columns
                columns = []


def parse_column(folder: str, names: Sequence[str], contents: Sequence[bytes]) -> pa.Array:
    """Parse the files of one video, with their names and contents, into a column of one row, as `read_columns` does."""
    files = [file for name in names if (file := parse_video_file(name))]
    frames = [(file.video_id, file.frame) for file in files]
    feature = feature_of(folder_column(Path(folder))[0], frames, (data[:4096] for data in contents))
    return _column(feature, TextFiles(names, contents), np.ones(len(names), bool))


def check_file(feature: Feature, path: str) -> None:
    """Read one file whole; raises an InputError, as `read_columns` does, for one that is no such feature's."""
    _parse(feature, TextFiles([path], _read_files([path])), np.ones(1, bool))


def _read_contents(files: FeatureFiles, video_ids: Sequence[str]) -> _Contents:
    frames = files.feature.frames or (None,)
    paths = [files.paths.get((video_id, frame)) for video_id in video_ids for frame in frames]
    found = [path for path in paths if path is not None]
    return files.feature, TextFiles(found, _read_files(found)), np.array([path is not None for path in paths])


def _column(feature: Feature, files: TextFiles, present: NDArray[np.bool_]) -> pa.Array:
    entries = _parse(feature, files, present)
    if not feature.frames:
        return entries
    any_frame = present.reshape(-1, len(feature.frames)).any(axis=1)
    return pa.FixedSizeListArray.from_arrays(entries, type=arrow_type(feature), mask=pa.array(~any_frame))


def _read_files(paths: list[str]) -> list[bytes]:
    """Read small files with the fewest system calls: opening is most of the work for a hundred thousand of them.

    A feature's files are of similar size, so each read asks for a little more than the last file had.
    """
    contents: list[bytes] = []
    size = _LEAST_READ
    for path in paths:
        try:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                data = os.read(descriptor, size)
                while len(data) % size == 0 and (more := os.read(descriptor, size)):
                    data += more
            finally:
                os.close(descriptor)
        except OSError as error:
            raise InputError(f"{path} cannot be read ({os_cause(error)}); check its permissions.") from None
        if not data:
            raise InputError(
                f"{path} is empty; take the file from the release again, or remove it to load its video without this "
                "feature."
            )
        contents.append(data)
        size = max(_LEAST_READ, len(data) + len(data) // 4)
    return contents


def _parse(feature: Feature, files: TextFiles, present: NDArray[np.bool_]) -> pa.Array:
    """Parse files into one entry each, with a null entry wherever `present` is False."""
    if feature.form == "orb":
        return _orb([parse_orb(path, data) for path, data in zip(*files, strict=True)], present)
    if feature.form == "histogram":
        counts = text.parse_histograms(files)
        channels = pa.FixedSizeListArray.from_arrays(pa.array(_spread(counts, present).ravel()), text.BINS)
        return pa.FixedSizeListArray.from_arrays(channels, text.CHANNELS, mask=pa.array(~present))
    if feature.form == "pairs":
        return _pairs(feature, files, present)
    return _dense(feature, files, present)


def _dense(feature: Feature, files: TextFiles, present: NDArray[np.bool_]) -> pa.Array:
    if feature.one_line:
        text.check_one_line(files)
    values, counts = text.parse_dense(files, feature.separator)
    if feature.length is not None:
        text.check_counts(counts, files, range(feature.shortest, feature.length + 1))
    if feature.sums_to_one and len(counts):
        text.check_sums(values, counts, files, decimals=8)
    if feature.length is not None and feature.shortest == feature.length:
        return _fixed_lists(values.reshape(-1, feature.length), present)
    return _variable_lists(pa.array(values), counts, present)


def _pairs(feature: Feature, files: TextFiles, present: NDArray[np.bool_]) -> pa.Array:
    indices, values, counts = pairs = text.parse_pairs(files)
    if feature.length is None:
        lists = [_variable_lists(pa.array(column), counts, present) for column in (indices, values)]
        return pa.StructArray.from_arrays(lists, ["index", "value"], mask=pa.array(~present))
    text.check_indices(pairs, files, range(feature.base, feature.base + feature.length))
    if feature.sums_to_one and len(counts):
        text.check_sums(values, counts, files, decimals=6)
    vectors = np.zeros((len(counts), feature.length))
    vectors[np.repeat(np.arange(len(counts)), counts), indices - feature.base] = values
    return _fixed_lists(vectors, present)


def _fixed_lists(vectors: NDArray[np.float64], present: NDArray[np.bool_]) -> pa.Array:
    flat = pa.array(_spread(vectors, present).ravel())
    return pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1], mask=pa.array(~present))


def _spread(vectors: NDArray[Any], present: NDArray[np.bool_]) -> NDArray[Any]:
    """Put a row of zeros, to be masked, wherever `present` is False."""
    if present.all():
        return vectors
    spread = np.zeros((len(present), *vectors.shape[1:]), vectors.dtype)
    spread[present] = vectors
    return spread


def _variable_lists(values: pa.Array, counts: NDArray[np.int64], present: NDArray[np.bool_]) -> pa.Array:
    lengths = np.zeros(len(present), np.int32)
    lengths[present] = counts
    offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), values, mask=pa.array(~present))


def _orb(frames: list[Keypoints], present: NDArray[np.bool_]) -> pa.Array:
    counts = np.array([len(frame.floats) for frame in frames], np.int64)
    none = Keypoints(np.empty((0, 5)), np.empty((0, 2), np.int32), np.empty((0, DESCRIPTOR_BYTES), np.uint8))
    floats, integers, descriptors = (np.concatenate(column) for column in zip(none, *frames, strict=True))
    columns = [pa.array(np.ascontiguousarray(column)) for column in (*floats.T, *integers.T)]
    columns.append(pa.FixedSizeListArray.from_arrays(pa.array(descriptors.ravel()), DESCRIPTOR_BYTES))
    return _variable_lists(pa.StructArray.from_arrays(columns, fields=list(_KEYPOINT)), counts, present)
