"""Texts against the release's formats, byte by byte, and through the data set's own readers."""

import numpy as np
import pytest

from videomem_hf.data.feature_files.release_text import (
    format_c3d,
    format_digits,
    format_histogram,
    format_hmp,
    format_inceptionv3,
    format_lbp,
    format_numbers,
)
from videomem_hf.data.feature_files.text import TextFiles, parse_dense, parse_histograms, parse_pairs
from videomem_hf.schema import InputError


def files(data: bytes) -> TextFiles:
    return TextFiles(["video1.txt"], [data])


def test_bytes_of_each_format() -> None:
    values = np.array([0.25, 0.0, 0.75])
    assert format_numbers(values) == b"0.25000000 0.00000000 0.75000000\n"
    assert format_c3d(values) == b"0.25000000 0.00000000 0.75000000 "
    assert format_lbp(np.array([0.57453125, 0.42546875])) == b"0.57453125 0.42546875\n"  # as a released file ends
    assert format_lbp(values) == b"0.25000000 0.75000000\n"
    assert format_hmp(values) == b"1:0.250000 3:0.750000\n"
    assert format_inceptionv3(values) == b"0:2.500000e-01 2:7.500000e-01 \n"
    assert format_digits(np.array([[1.0, -2e-9], [1 / 3, 12345678.0]])) == b"1 -2e-09 0.33333333 12345678\n"


def test_histograms_run_from_the_least_level_to_the_largest() -> None:
    counts = np.zeros((3, 256), np.int64)
    counts[0, [0, 2]] = 1, 3
    counts[1, 255] = 4
    counts[2, [7, 8]] = 2
    assert format_histogram(counts) == b"0:1 1:0 2:3 \n255:4 \n7:2 8:2 \n"


def test_our_readers_read_them() -> None:
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.ones(122))
    values, counts = parse_dense(files(format_numbers(shares)))
    assert counts.tolist() == [122]
    np.testing.assert_allclose(values, shares, atol=5e-9)
    bins = np.where(rng.random(6075) < 0.5, rng.random(6075), 0)
    pairs = parse_pairs(files(format_hmp(bins)))
    np.testing.assert_array_equal(pairs.indices, np.flatnonzero(bins) + 1)
    np.testing.assert_allclose(pairs.values, bins[bins > 0], atol=5e-7)
    counts_of_levels = rng.integers(1, 9, (3, 256))
    assert parse_histograms(files(format_histogram(counts_of_levels)))[0].tolist() == counts_of_levels.tolist()
    embedding = rng.normal(size=50) * 10.0 ** rng.integers(-9, 9, 50)
    np.testing.assert_allclose(parse_dense(files(format_digits(embedding)))[0], embedding, rtol=1e-7)


def test_an_empty_motion_histogram_has_no_file() -> None:
    with pytest.raises(InputError, match="no motion pattern"):
        format_hmp(np.zeros(6075))
