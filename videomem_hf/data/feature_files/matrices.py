"""Feature columns as arrays, at the speed of memory."""

import textwrap
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from videomem_hf.schema import InputError


def feature_matrix(column: pa.Array | pa.ChunkedArray) -> NDArray[Any]:
    """Return a feature column of fixed shape as an array; lists of varying length, or no numbers, raise an InputError.

    `datasets`' own numpy format builds an array per row, or even per frame; this function reads the column's memory.
    Take the column from a data set in Arrow format: `data.with_format("arrow")[:]["hmp"]`.

    Args:
        column: Numbers, or lists of them, nested or not; lists of the same nesting have equal lengths.

    Returns:
        `(rows, ...)` in the column's own type, without a copy if the column is contiguous and nothing is missing; else
        float64, with NaN for every row, frame or number that is null.
    """
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):  # of no chunk at all
        array = pa.array([], array.type)
    shape, missing = [len(array)], np.zeros(len(array), bool)
    while pa.types.is_fixed_size_list(array.type):
        size = array.type.list_size
        missing = np.repeat(missing | _nulls(array), size)
        array = array.values.slice(array.offset * size, len(array) * size)
        shape.append(size)
    if pa.types.is_list(array.type) and _is_numeric(array.type.value_type):
        return _equal_lists(array, missing, shape)
    if not _is_numeric(array.type):
        held = textwrap.shorten(str(column.type), 40, placeholder=" ...")
        raise InputError(f"a column of numbers in lists of one length is wanted, this one holds {held}")
    missing |= _nulls(array)
    if not missing.any():
        return array.to_numpy(zero_copy_only=array.null_count == 0).reshape(shape)
    values = array.fill_null(0).to_numpy(zero_copy_only=False).astype(np.float64)
    values[missing] = np.nan
    return values.reshape(shape)


def _nulls(array: pa.Array) -> NDArray[np.bool_]:
    if not array.null_count:
        return np.zeros(len(array), bool)
    return array.is_null().to_numpy(zero_copy_only=False)


def _equal_lists(array: pa.ListArray, missing: NDArray[np.bool_], shape: list[int]) -> NDArray[np.float64]:
    """Stack lists whose type would allow other lengths."""
    present = ~_nulls(array) & ~missing
    kept = array.filter(pa.array(present))
    lengths = np.diff(kept.offsets.to_numpy())
    if len(lengths) and lengths.min() != lengths.max():
        raise InputError(
            f"a column of numbers in lists of one length is wanted, these lists have {lengths.min()} to {lengths.max()}"
        )
    size = int(lengths[0]) if len(lengths) else 0
    values = np.full((len(array), size), np.nan)
    values[present] = kept.flatten().to_numpy(zero_copy_only=False).reshape(-1, size)
    return values.reshape(*shape, size)


def _is_numeric(kind: pa.DataType) -> bool:
    return pa.types.is_floating(kind) or pa.types.is_integer(kind)
