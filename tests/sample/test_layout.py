"""The generated release against the facts of the original, read with nothing but the standard library and numpy."""

import io
import pickle
import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from videomem_hf.sample import FEATURES, generate_sample, read_truth

VIDEOS, TESTS = 12, 3
DEV, TEST = Path("devset/dev-set"), Path("testset/me19me-testset/test-set")
SIZE = (128, 96)
AVAILABLE = [name for name in FEATURES if name != "orb" or find_spec("cv2")]
HEADER = "video,short-term_memorability,nb_short-term_annotations,long-term_memorability,nb_long-term_annotations"


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("layout") / "sample"
    generate_sample(
        folder,
        videos=VIDEOS,
        test_videos=TESTS,
        size=SIZE,
        features=AVAILABLE,
        write_videos=False,
        workers=1,
        progress=False,
    )
    return folder


def texts(out: Path, folder: str) -> list[str]:
    found = sorted((out / "release" / DEV / "features" / folder).iterdir())
    assert found
    return [path.read_bytes().decode("ascii") for path in found]


def test_ground_truth_bytes(out: Path) -> None:
    content = (out / "release" / DEV / "ground-truth/ground-truth_dev-set.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    assert not content.endswith(b"\n")
    assert content.count(b"\n") == content.count(b"\r\n") == VIDEOS
    header, *rows = content.decode("utf-8-sig").split("\r\n")
    assert header == HEADER
    names = []
    for row in rows:
        assert re.fullmatch(r"video\d+\.webm,[01]\.\d{3},\d+,[01]\.\d{3},\d+", row)
        name, short, short_count, long, long_count = row.split(",")
        names.append(name.removesuffix(".webm"))
        assert 30 <= int(short_count) <= 100
        assert 9 <= int(long_count) <= 40
        assert 0 <= float(short) < 0.995
        hits = round(float(long) * int(long_count))
        assert f"{hits / int(long_count):.3f}" == long
    assert names == sorted(names)
    assert names != sorted(names, key=lambda name: int(name[5:]))


def test_captions_and_list(out: Path) -> None:
    dev = (out / "release" / DEV / "dev-set_video-captions.txt").read_bytes()
    test = (out / "release" / TEST / "test-set_videos-captions.txt").read_bytes()
    for content, count in ((dev, VIDEOS), (test, TESTS)):
        assert not content.endswith(b"\n")
        assert content.count(b"\n") == content.count(b"\r\n") == count - 1
        lines = content.decode("ascii").split("\r\n")
        assert all(re.fullmatch(r"video\d+\.webm\t-?[a-z0-9]+(-[a-z0-9]+)*", line) for line in lines)
    listed = (out / "release/testset/test-set_list.txt").read_bytes().decode("ascii").split("\r\n")
    named = [line.split("\t")[0] for line in test.decode("ascii").split("\r\n")]
    assert [name.removesuffix(".txt") for name in listed] == [name.removesuffix(".webm") for name in named]
    assert not list((out / "release/testset").rglob("*ground-truth*"))


def test_every_video_has_its_feature_files_and_nothing_else_is_there(out: Path) -> None:
    parts = {truth.video_id: truth.part for truth in read_truth(out)}
    assert list(parts.values()).count("test") == TESTS
    expected = set()
    for number, part in parts.items():
        root = {"dev": DEV, "test": TEST}[part] / "features"
        for kind in ("mean", "median"):
            dev_folder = f"aesthetic_visual_features/aesthetic_feat_dev-set_{kind}"
            expected.add(
                root / (dev_folder if part == "dev" else f"Aesthetics/aesthetics_{kind}") / f"video{number}.txt"
            )
        expected |= {root / folder / f"video{number}.txt" for folder in ("C3D", "HMP")}
        for frame in (0, 56, 112):
            if "orb" in AVAILABLE:
                expected.add(root / "ORB" / f"video{number}-{frame}.p")
            for folder in ("HOG", "LBP", "InceptionV3", "ColorHistogram"):
                expected.add(root / folder / f"video{number}-{frame}.txt")
    release = out / "release"
    found = {path.relative_to(release) for path in release.rglob("*") if path.is_file() and "features" in path.parts}
    assert found == expected
    assert {path.name for path in out.iterdir()} == {"release", "truth.jsonl", "sample.json", "README.md"}


def test_c3d(out: Path) -> None:
    for text in texts(out, "C3D"):
        assert re.fullmatch(r"(\d\.\d{8} ){101}", text)
        assert sum(map(float, text.split())) == pytest.approx(1, abs=2e-6)


def test_hmp(out: Path) -> None:
    for text in texts(out, "HMP"):
        assert re.fullmatch(r"\d+:\d\.\d{6}( \d+:\d\.\d{6})*\n", text)
        pairs = [pair.split(":") for pair in text.split()]
        bins = [int(number) for number, _ in pairs]
        assert bins == sorted(set(bins))
        assert bins[0] >= 1
        assert bins[-1] <= 6075
        assert len(bins) > 20
        assert sum(float(value) for _, value in pairs) == pytest.approx(1, abs=2e-3)


def test_lbp_and_inception(out: Path) -> None:
    for text in texts(out, "LBP"):
        assert re.fullmatch(r"(\d\.\d{8} )*\d\.\d{8}\n", text)
        values = text.split()
        assert 60 < len(values) <= 122
        assert sum(map(float, values)) == pytest.approx(1, abs=2e-6)
    for text in texts(out, "InceptionV3"):
        assert re.fullmatch(r"\d+:\d\.\d{6}e-\d\d( \d+:\d\.\d{6}e-\d\d)*", text)
        pairs = [pair.split(":") for pair in text.split(" ")]
        classes = [int(number) for number, _ in pairs]
        assert classes == sorted(set(classes))
        assert classes[-1] < 1000
        assert 0.9 < sum(float(value) for _, value in pairs) <= 1


def test_colour_histogram_counts_every_pixel(out: Path) -> None:
    for text in texts(out, "ColorHistogram"):
        lines = text.split("\n")
        assert lines.pop() == ""
        assert len(lines) == 3
        for line in lines:
            assert line.endswith(" ")
            pairs = [tuple(map(int, pair.split(":"))) for pair in line.split()]
            levels, counts = zip(*pairs, strict=True)
            assert levels == tuple(range(levels[0], levels[-1] + 1))
            assert min(counts[0], counts[-1]) > 0
            assert sum(counts) == SIZE[0] * SIZE[1]


def test_hog_and_aesthetics(out: Path) -> None:
    lengths = {len([float(value) for value in text.split()]) for text in texts(out, "HOG")}
    assert len(lengths) > 3
    assert all(text.count("\n") <= 1 for text in texts(out, "HOG"))
    for kind in ("mean", "median"):
        for text in texts(out, f"aesthetic_visual_features/aesthetic_feat_dev-set_{kind}"):
            assert len([float(value) for value in text.split(",")]) == 109


class _OnlyArrays(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        allowed = {"_reconstruct", "ndarray", "dtype", "encode"}
        if name not in allowed or module.split(".")[0] not in {"numpy", "_codecs"}:
            raise pickle.UnpicklingError(f"{module}.{name}")
        return super().find_class(module, name)


@pytest.mark.skipif("orb" not in AVAILABLE, reason="ORB needs OpenCV")
def test_orb(out: Path) -> None:
    files = sorted((out / "release" / DEV / "features/ORB").iterdir())
    assert len(files) == 3 * VIDEOS
    found = [_OnlyArrays(io.BytesIO(path.read_bytes())).load() for path in files]
    assert any(found)  # a frame may have no corner
    for points in found:
        assert isinstance(points, list)
        for (x, y), _size, angle, _response, octave, class_id, descriptor in points:
            assert 0 <= x <= SIZE[0]
            assert 0 <= y <= SIZE[1]
            assert 0 <= angle <= 360
            assert 0 <= octave <= 7
            assert class_id == -1
            assert descriptor.dtype == np.uint8
            assert descriptor.shape == (32,)
            assert (descriptor == points[0][-1]).all()
