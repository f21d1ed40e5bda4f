"""Feature columns as arrays, against what Arrow gives element by element."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from videomem_hf.data.feature_files.matrices import feature_matrix
from videomem_hf.schema import InputError

NUMBER = st.one_of(st.none(), st.floats(-1, 1))
FRAMES = st.one_of(
    st.none(), st.lists(st.one_of(st.none(), st.lists(NUMBER, min_size=2, max_size=2)), min_size=3, max_size=3)
)
NESTED = pa.list_(pa.list_(pa.float64(), 2), 3)


def element_by_element(rows: list) -> np.ndarray:
    frames = [row or [None] * 3 for row in rows]
    return np.array([[frame or [None] * 2 for frame in row] for row in frames], dtype=np.float64).reshape(-1, 3, 2)


@given(st.lists(FRAMES, max_size=6), st.integers(0, 6), st.integers(0, 6))
def test_nested_columns_with_anything_missing(rows: list, start: int, cut: int) -> None:
    column = pa.array(rows, NESTED)
    assert np.array_equal(feature_matrix(column), element_by_element(rows), equal_nan=True)
    pieces = pa.chunked_array([column[:cut], column[cut:]])
    assert np.array_equal(feature_matrix(pieces), element_by_element(rows), equal_nan=True)
    assert np.array_equal(feature_matrix(column[start:]), element_by_element(rows[start:]), equal_nan=True)


def test_nothing_missing_is_no_copy_and_keeps_its_type() -> None:
    column = pa.array(np.arange(6, dtype=np.int32))
    assert feature_matrix(column).dtype == np.int32
    assert feature_matrix(column).ctypes.data == column.buffers()[1].address
    lists = pa.FixedSizeListArray.from_arrays(column, 3)
    assert feature_matrix(lists).tolist() == [[0, 1, 2], [3, 4, 5]]
    assert feature_matrix(lists[1:]).ctypes.data == column.buffers()[1].address + 12


def test_no_rows_at_all() -> None:
    assert feature_matrix(pa.chunked_array([], NESTED)).shape == (0, 3, 2)


def test_lists_of_equal_length_whose_type_would_allow_others() -> None:
    column = pa.array([[1, 2], None, [3, None]], pa.list_(pa.float64()))
    wanted = [[1, 2], [np.nan] * 2, [3, np.nan]]
    np.testing.assert_array_equal(feature_matrix(column), wanted)
    np.testing.assert_array_equal(feature_matrix(column[1:]), wanted[1:])
    frames = pa.array([[[1.0], [2.0]], None, [None, [4.0]]], pa.list_(pa.list_(pa.float64()), 2))
    np.testing.assert_array_equal(feature_matrix(frames)[..., 0], [[1, 2], [np.nan] * 2, [np.nan, 4]])


@pytest.mark.parametrize("column", [pa.array([[1.0], [1.0, 2.0]]), pa.array(["a"])])
def test_other_columns_are_refused(column: pa.Array) -> None:
    with pytest.raises(InputError, match="a column of numbers in lists of one length"):
        feature_matrix(column)


def test_the_type_of_a_refused_column_is_shortened() -> None:
    record = {"x": 1.0, "y": 2.0, "size": 3.0, "angle": 4.0, "descriptor": [1, 2]}
    with pytest.raises(InputError, match=r"this one holds list<item: struct<x: double, y: \.\.\.$"):
        feature_matrix(pa.array([[record]]))
