"""LBP against scikit-image, pixel count by pixel count, and the grey against OpenCV."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from tests.features.media import real_picture
from videomem_hf.features.catalogue import feature_spec
from videomem_hf.features.grey import grey
from videomem_hf.features.hog import hog
from videomem_hf.features.lbp import lbp, pattern_counts

feature = pytest.importorskip("skimage.feature")


@pytest.fixture(autouse=True, params=["compiled", "numpy"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "numpy":
        monkeypatch.setattr(sys.modules["videomem_hf.features.lbp"], "numba_kernels", lambda: None)
    else:
        pytest.importorskip("numba")


def expected_counts(picture: np.ndarray) -> np.ndarray:
    codes = feature.local_binary_pattern(picture, 120, 15, "uniform")
    return np.bincount(codes.astype(int).ravel(), minlength=122)


@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (70, 97), (200, 20), (33, 600), (520, 70)])
@pytest.mark.parametrize("levels", [2, 256])
def test_equals_scikit_image_on_noise(shape: tuple[int, int], levels: int) -> None:
    picture = np.random.default_rng(sum(shape)).integers(0, levels, shape).astype(np.uint8)
    np.testing.assert_array_equal(pattern_counts(picture), expected_counts(picture))


@pytest.mark.parametrize("level", [0, 1, 77, 254, 255])
def test_equals_scikit_image_on_flat_pictures(level: int) -> None:
    """Here the patterns hang on the rounding of the interpolation alone."""
    picture = np.full((90, 300), level, np.uint8)
    np.testing.assert_array_equal(pattern_counts(picture), expected_counts(picture))


def test_equals_scikit_image_on_a_photograph() -> None:
    picture = grey(real_picture()[:300, :400])
    counts = pattern_counts(picture)
    assert np.count_nonzero(counts) > 110
    np.testing.assert_array_equal(counts, expected_counts(picture))


@pytest.mark.parametrize("part", [(slice(None), slice(100)), (slice(100), slice(None))])
def test_equals_scikit_image_as_far_out_as_a_frame_of_full_size_goes(part: tuple[slice, slice]) -> None:
    """Weights are rounded other the farther out a pixel lies."""
    picture = np.kron(grey(real_picture()), np.ones((5, 8))).astype(np.uint8)[:1088, :1920][part]
    assert max(picture.shape) > 1080
    np.testing.assert_array_equal(pattern_counts(picture), expected_counts(picture))


def test_shares_sum_to_one() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (40, 50)).astype(np.uint8)
    np.testing.assert_allclose(lbp(picture), expected_counts(picture) / 2000)


def test_grey_equals_opencv_for_many_colours() -> None:
    cv2 = pytest.importorskip("cv2")
    rgb = np.random.default_rng(0).integers(0, 256, (700, 900, 3)).astype(np.uint8)
    np.testing.assert_array_equal(grey(rgb, bits=15), cv2.cvtColor(rgb, cv2.COLOR_BGR2GRAY))
    np.testing.assert_array_equal(grey(rgb, "true", bits=15), cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY))
    differences = np.abs(grey(rgb, bits=15).astype(int) - grey(rgb))
    assert differences.max() == 1
    assert 0.001 < differences.mean() < 0.005


def test_grey_of_pure_colours() -> None:
    colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)
    assert grey(colours, "true").tolist() == [[76, 150, 29]]
    assert grey(colours).tolist() == [[29, 150, 76]]


def test_the_releases_grey_is_that_of_opencv_3() -> None:
    """OpenCV 3 rounds (1868 first + 9617 green + 4899 last + 2^13) / 2^14 down, of a frame with exchanged colours."""
    rng = np.random.default_rng(1)
    for red, green, blue in rng.integers(0, 256, (500, 3)).tolist():
        expected = (1868 * red + 9617 * green + 4899 * blue + 8192) >> 14
        assert grey(np.array([[[red, green, blue]]], np.uint8)).tolist() == [[expected]]


def test_the_releases_texture_features_take_it_and_the_corrected_ones_do_not() -> None:
    frame = np.random.default_rng(2).integers(0, 256, (64, 96, 3)).astype(np.uint8)
    picture = SimpleNamespace(grey=lambda order="exchanged", bits=14: grey(frame, order, bits))
    old, new = grey(frame), grey(frame, "true", bits=15)
    for name, plain, image in (("lbp", lbp, old), ("lbp-corrected", lbp, new), ("hog-corrected", hog, new)):
        np.testing.assert_array_equal(feature_spec(name).describe(picture), plain(image))
