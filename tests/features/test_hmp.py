"""HMP against the definition word for word, on generated and real clips, and its parts against closed forms."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.clips import write_clip
from tests.features import plain
from tests.features.media import moving_frames, real_clip
from videomem_hf.features.clips import pictures
from videomem_hf.features.hmp import BINS, MotionPatterns, hmp, macroblocks, patterns
from videomem_hf.schema import InputError


def as_vector(bins: dict[int, float]) -> np.ndarray:
    vector = np.zeros(BINS)
    vector[np.array(list(bins)) - 1] = list(bins.values())
    return vector


def planes_of(path: Path, most: int) -> list[np.ndarray]:
    kept = []
    for picture in pictures(path):
        if picture.index % 3 == 0:
            kept.append(picture.luma.copy())
        if len(kept) == most:
            break
    return kept


@pytest.mark.parametrize("variant", ["released", "paper"])
@pytest.mark.parametrize("name", ["b.mp4", "world.mp4"])
def test_equals_the_definition_on_real_clips(name: str, variant: str) -> None:
    planes = planes_of(real_clip(name), 12)
    expected = as_vector(plain.hmp(planes, with_or=variant == "released"))
    assert np.count_nonzero(expected) > 150
    np.testing.assert_array_equal(hmp(planes, variant), expected)


@pytest.mark.parametrize("variant", ["released", "paper"])
def test_equals_the_definition_on_vp8(tmp_path: Path, variant: str) -> None:
    planes = planes_of(write_clip(tmp_path / "c.webm", moving_frames(25)), 100)
    assert len(planes) == 9
    expected = as_vector(plain.hmp(planes, with_or=variant == "released"))
    np.testing.assert_array_equal(hmp(planes, variant), expected)


def test_equals_the_definition_at_full_size() -> None:
    rng = np.random.default_rng(3)
    coarse = [np.kron(rng.integers(0, 60, (136, 240)), np.ones((8, 8)))[:1080] for _ in range(3)]
    planes = [np.clip(values * 4 + rng.integers(0, 9, (1080, 1920)), 0, 255).astype(np.uint8) for values in coarse]
    expected = as_vector(plain.hmp(planes, with_or=True))
    np.testing.assert_array_equal(hmp(planes), expected)
    assert not np.array_equal(hmp(planes), hmp(planes, "paper"))


@settings(max_examples=40)
@given(st.integers(1, 50), st.integers(1, 50), st.integers(1, 4), st.integers(0, 2**32 - 1), st.booleans())
def test_equals_the_definition_at_any_size(height: int, width: int, frames: int, seed: int, with_or: bool) -> None:
    rng = np.random.default_rng(seed)
    planes = [rng.integers(0, 3, (height, width)).astype(np.uint8) * 80 for _ in range(frames)]
    expected = plain.hmp(planes, with_or) if any(map(np.any, planes)) else {}
    if not expected:
        assert not hmp(planes).any()
        return
    np.testing.assert_array_equal(hmp(planes, "released" if with_or else "paper"), as_vector(expected))


def test_a_macroblock_of_every_order_of_four_values() -> None:
    quadruples = np.array(list(product(range(0, 40, 10), repeat=4)), np.uint8).T
    elsewhere = np.full_like(quadruples, 200)  # always above: every temporal rank is 0
    bins = patterns(elsewhere, quadruples, elsewhere, "paper")
    assert sorted(set(bins)) == [81 * s for s in range(75)]
    codes = plain.admissible_codes()
    assert len(codes) == 75
    assert bins.tolist() == [81 * codes.index(plain.spatial_code(values)) for values in quadruples.T]


def test_temporal_ranks_are_dense() -> None:
    now = np.array([[5], [6], [7], [8]], np.uint8)
    before = np.array([[4], [6], [9], [3]], np.uint8)
    after = np.array([[4], [5], [7], [9]], np.uint8)
    # ranks: {4, 5}: 1; {5, 6}: 1; {7, 9}: 0; {3, 8, 9}: 1
    assert patterns(before, now, after, "paper") % 81 == 1 + 3 + 27


def test_the_lowest_block_row_of_1080_lines_is_0() -> None:
    blocks = macroblocks(np.full((1080, 1920), 77, np.uint8))
    assert blocks.shape == (4, 68 * 120)
    assert (blocks[:2] == 77).all()
    assert (blocks[2:, : 67 * 120] == 77).all()
    assert not blocks[2:, 67 * 120 :].any()


def test_blocks_that_the_frame_does_not_fill_are_0() -> None:
    blocks = macroblocks(np.full((15, 23), 9, np.uint8))
    assert blocks.shape == (4, 2)
    assert blocks[:, 0].tolist() == [9, 9, 0, 0]
    assert blocks[:, 1].tolist() == [0, 0, 0, 0]


def test_means_are_floored() -> None:
    plane = np.zeros((16, 16), np.uint8)
    plane[:8, :8] = 255
    plane[7, 7] = 254  # the mean is 254.98
    plane[:8, 8:].flat[:63] = 1  # 63 / 64
    assert macroblocks(plane)[:, 0].tolist() == [254, 0, 0, 0]


def test_still_and_uniform_macroblocks_are_not_counted() -> None:
    still = np.full((32, 32), 50, np.uint8)
    assert not hmp([still, still]).any()
    moved = still.copy()
    moved[:16, :16] = 60
    # The macroblock at the top left changes after the first frame: counted in both.
    found = hmp([still, moved])
    assert found.sum() == 1
    assert np.count_nonzero(found) == 2


def test_frames_of_two_sizes_are_refused() -> None:
    patterns_of = MotionPatterns()
    patterns_of.add(np.zeros((16, 32), np.uint8))
    with pytest.raises(InputError, match="32x16 to 16x16"):
        patterns_of.add(np.zeros((16, 16), np.uint8))
    with pytest.raises(ValueError, match="no frame"):
        hmp([])
    with pytest.raises(ValueError, match="released"):
        hmp([], "other")  # type: ignore[arg-type]
