"""HOG, colour histograms and ORB against scikit-image, NumPy and OpenCV."""

import io
import pickle
import sys

import numpy as np
import pytest

from tests.features.media import real_picture
from videomem_hf.data.feature_files.orb import parse_orb
from videomem_hf.features.color_histogram import color_histogram
from videomem_hf.features.grey import grey
from videomem_hf.features.hog import hog, hog_value_shares
from videomem_hf.features.orb import orb, orb_npz, orb_pickle
from videomem_hf.schema import InputError


def pictures() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "photograph": grey(real_picture()[:330, :420]),
        "noise": rng.integers(0, 256, (135, 203)).astype(np.uint8),
        "coarse": np.kron(rng.integers(0, 4, (12, 16)), np.ones((9, 9))).astype(np.uint8) * 60,
        "stripes": (128 + 100 * np.sin(np.arange(96) / 3)[:, None] + rng.normal(0, 4, (96, 64))).astype(np.uint8),
        "flat": np.full((64, 64), 9, np.uint8),
        "one cell": rng.integers(0, 256, (32, 33)).astype(np.uint8),
    }


@pytest.mark.parametrize("way", ["compiled", "numpy"])
@pytest.mark.parametrize("name", list(pictures()))
def test_hog_equals_scikit_image_to_the_bit(name: str, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if way == "numpy":
        monkeypatch.setattr(sys.modules["videomem_hf.features.hog"], "numba_kernels", lambda: None)
    else:
        pytest.importorskip("numba")
    feature = pytest.importorskip("skimage.feature")
    picture = pictures()[name]
    expected = feature.hog(picture, 9, (32, 32), (1, 1), "L2-Hys")
    assert len(expected) == picture.shape[0] // 32 * (picture.shape[1] // 32) * 9
    np.testing.assert_array_equal(hog(picture), expected)


def test_released_hog_counts_different_numbers() -> None:
    picture = pictures()["photograph"]
    counts: dict[float, int] = {}
    for value in hog(picture).tolist():
        counts[value] = counts.get(value, 0) + 1
    expected = [counts[value] / 576 for value in sorted(counts)]
    assert 100 < len(expected) < 576
    np.testing.assert_allclose(hog_value_shares(picture), expected)


def test_hog_of_less_than_a_cell_is_refused() -> None:
    with pytest.raises(InputError, match="at least 32x32, not 40x31"):
        hog(np.zeros((31, 40), np.uint8))


@pytest.mark.parametrize("shape", [(3, 5), (4, 6), (1, 1), (270, 480)])
def test_colour_histogram_counts_levels_of_exchanged_channels(shape: tuple[int, int]) -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (*shape, 3)).astype(np.uint8)
    expected = [np.histogram(rgb[..., channel], 256, (0, 256))[0].tolist() for channel in range(3)]
    assert color_histogram(rgb, "true").tolist() == expected
    assert color_histogram(rgb).tolist() == expected[::-1]


class TestOrb:
    cv2 = pytest.importorskip("cv2")
    rgb = real_picture()[:400, :500]

    def expected(self) -> list[tuple]:
        """As the release was made: described on the exchanged frame, every entry with the first descriptor."""
        detector = self.cv2.ORB_create()
        exchanged_as_bgr = np.ascontiguousarray(self.rgb)  # OpenCV takes red for blue
        points, descriptors = detector.compute(exchanged_as_bgr, detector.detect(exchanged_as_bgr, None))
        return [
            (p.pt, p.size, p.angle, p.response, p.octave, p.class_id, descriptors[0].tolist(), descriptors[i].tolist())
            for i, p in enumerate(points)
        ]

    def test_released_form_is_read_by_the_safe_reader(self) -> None:
        data = orb_pickle(orb(grey(self.rgb)))
        keypoints = parse_orb("video1-0.p", data)
        expected = self.expected()
        assert len(expected) > 100
        assert keypoints.floats.tolist() == [[*e[0], e[1], e[2], e[3]] for e in expected]
        assert keypoints.integers.tolist() == [[e[4], e[5]] for e in expected]
        assert keypoints.descriptors.tolist() == [e[6] for e in expected]

    def test_released_form_is_a_list_of_tuples(self) -> None:
        entries = pickle.loads(orb_pickle(orb(grey(self.rgb))))
        assert [tuple(entry[:6]) for entry in entries] == [e[:6] for e in self.expected()]
        assert entries[3][6].tolist() == self.expected()[3][6]

    def test_own_descriptors(self) -> None:
        keypoints = orb(grey(self.rgb), "own")
        assert keypoints.descriptors.tolist() == [e[7] for e in self.expected()]

    def test_true_colours_give_other_keypoints(self) -> None:
        assert orb(grey(self.rgb, "true")).floats.tolist() != orb(grey(self.rgb)).floats.tolist()

    def test_safe_container(self) -> None:
        keypoints = orb(grey(self.rgb, "true"), "own")
        with np.load(io.BytesIO(orb_npz(keypoints)), allow_pickle=False) as arrays:
            for name in ("floats", "integers", "descriptors"):
                np.testing.assert_array_equal(arrays[name], getattr(keypoints, name))

    def test_a_frame_without_corners(self) -> None:
        keypoints = orb(np.full((100, 100), 7, np.uint8))
        assert keypoints.descriptors.shape == (0, 32)
        assert len(parse_orb("x.p", orb_pickle(keypoints)).floats) == 0
