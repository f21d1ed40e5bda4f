"""The sample is a function of its arguments, survives interruption, and refuses what it cannot do."""

import hashlib
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from videomem_hf.features import extract
from videomem_hf.sample import generate, generate_sample
from videomem_hf.schema import InputError

SMALL = {"videos": 5, "test_videos": 2, "seed": 3, "size": (64, 64), "progress": False}


def digests(folder: Path) -> dict[str, str]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    assert files
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("one") / "sample"
    generate_sample(folder, **SMALL, features=("c3d", "hmp", "lbp"), workers=1)
    return folder


def test_workers_change_no_byte(out: Path, tmp_path: Path) -> None:
    generate_sample(tmp_path / "two", **SMALL, features=("c3d", "hmp", "lbp"), workers=2)
    assert digests(tmp_path / "two") == digests(out)


def test_a_video_does_not_depend_on_how_many_there_are(out: Path, tmp_path: Path) -> None:
    more = {**SMALL, "videos": 9, "test_videos": 0}
    generate_sample(tmp_path / "more", **more, features=("c3d",), write_videos=False, workers=1)
    old, new = digests(out), digests(tmp_path / "more")
    shared = [name for name in old if "dev-set/features/C3D" in name]
    assert shared
    assert all(new[name] == old[name] for name in shared)


def test_features_are_those_that_are_extracted_from_the_video(out: Path) -> None:
    video = sorted(out.rglob("*.webm"))[0]
    for feature, folder, endings in (("hmp", "HMP", [""]), ("lbp", "LBP", ["-0", "-56", "-112"])):
        files = [video.parent.parent / "features" / folder / f"{video.stem}{ending}.txt" for ending in endings]
        for path, values in zip(files, extract(video, [feature])[feature], strict=True):
            written = [token.partition(":")[2] or token for token in path.read_text().split()]
            np.testing.assert_allclose([float(each) for each in written], values[values > 0], atol=1e-6)


def test_features_are_the_same_without_video_files(out: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    generate_sample(alone, **SMALL, features=("c3d", "hmp", "lbp"), write_videos=False, workers=1)
    old, new = digests(out), digests(alone)
    features = [name for name in old if "/features/" in name]
    assert len(features) == 7 * 5
    assert [new[name] for name in features] == [old[name] for name in features]


def test_the_readme_tells_extracted_features_from_simulated_ones(out: Path) -> None:
    text = (out / "README.md").read_text()
    assert "extracted from the videos: hmp, lbp." in text
    assert "Simulated feature files: c3d." in text


def test_a_missing_library_is_told_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(InputError, match=r"orb needs OpenCV.*pip install"):
        generate_sample(tmp_path / "new", **SMALL, features=("c3d", "orb"))
    assert not (tmp_path / "new").exists()


def test_the_seed_matters(out: Path, tmp_path: Path) -> None:
    other = {**SMALL, "seed": 4}
    generate_sample(tmp_path / "other", **other, features=("c3d",), write_videos=False, workers=1)
    assert digests(tmp_path / "other")["truth.jsonl"] != digests(out)["truth.jsonl"]


def test_a_complete_sample_is_left_as_it_is(out: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    generate_sample(out, **SMALL, features=("c3d", "hmp", "lbp"), workers=1)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*") if path in before} == before
    assert set(out.rglob("*")) == set(before)


def test_an_interrupted_run_is_completed(out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, written = tmp_path / "cut", []
    write_video = generate.write_video

    def interrupted(scene: object, path: Path, size: tuple[int, int]) -> None:
        if len(written) == 3:
            path.write_bytes(b"half a video")
            raise KeyboardInterrupt
        written.append(path)
        write_video(scene, path, size)

    monkeypatch.setattr(generate, "write_video", interrupted)
    with pytest.raises(KeyboardInterrupt):
        generate_sample(folder, **SMALL, features=("c3d", "hmp", "lbp"), workers=1)
    monkeypatch.undo()
    complete = digests(out)
    partial = digests(folder / "release")
    assert sum(name.endswith(".webm") for name in partial) == 3
    assert all(complete[f"release/{name}"] == digest for name, digest in partial.items())
    generate_sample(folder, **SMALL, features=("c3d", "hmp", "lbp"), workers=1)
    assert digests(folder) == complete
    name = next(name for name in complete if "features/LBP" in name)
    (folder / name).unlink()
    generate_sample(folder, **SMALL, features=("c3d", "hmp", "lbp"), workers=1)  # from the video that is there
    assert digests(folder) == complete


def test_other_arguments_in_the_same_folder_are_refused(out: Path) -> None:
    with pytest.raises(InputError, match="seed 3, not 4"):
        generate_sample(out, **{**SMALL, "seed": 4}, features=("c3d", "hmp", "lbp"))
    with pytest.raises(InputError, match="features"):
        generate_sample(out, **SMALL, features=("c3d",))


def test_a_foreign_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        generate_sample(tmp_path, **SMALL)
    with pytest.raises(InputError, match="is a file"):
        generate_sample(tmp_path / "notes.txt", **SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"videos": 0}, "0 videos"),
        ({"test_videos": -1}, "-1 test videos"),
        ({"seed": -1}, "Seed -1"),
        ({"size": (65, 64)}, "65x64"),
        ({"size": (64, 5000)}, "64x5000"),
        ({"features": ("c3e",)}, "'c3e'"),
        ({"workers": 0}, "0 workers"),
    ],
)
def test_wrong_arguments(tmp_path: Path, change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        generate_sample(tmp_path / "new", **{**SMALL, **change})
    assert not (tmp_path / "new").exists()


def test_a_fourth_of_the_videos_are_test_videos_by_default(tmp_path: Path) -> None:
    paths = generate_sample(tmp_path / "s", videos=8, features=(), write_videos=False, workers=1, progress=False)
    assert len((paths.release / "testset/test-set_list.txt").read_text().splitlines()) == 2
    shutil.rmtree(paths.out)
