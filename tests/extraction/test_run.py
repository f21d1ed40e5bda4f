"""Extraction of many clips: files equal the functions' results, are read by the data set, and are never done twice."""

from pathlib import Path

import numpy as np
import pytest

from tests.clips import write_clip
from tests.features import plain
from tests.features.media import moving_frames
from videomem_hf.data.feature_files.orb import parse_orb
from videomem_hf.extraction import extract_clips
from videomem_hf.extraction import run as run_module
from videomem_hf.features import extract
from videomem_hf.features.catalogue import CLASSICAL, feature_specs
from videomem_hf.features.clips import pictures

COLUMNS = [name for name in CLASSICAL if name != "orb"]


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("clips")
    names = ("video3.webm", "holiday.webm", "video20.webm")
    return [write_clip(folder / name, moving_frames(30, seed=seed)) for seed, name in enumerate(names)]


@pytest.fixture(scope="module")
def folder(clips: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("features") / "out"
    report = extract_clips(clips, feature_specs([*CLASSICAL, "hmp-paper"]), out, processes=2)
    assert (report.total, len(report.done), report.kept, report.failed) == (3, 3, 0, [])
    return out


def test_every_file_is_there(folder: Path) -> None:
    for video_id in ("video3", "video20", "video21"):
        names = {f"{path.parent.name}/{path.name}" for path in folder.glob(f"*/{video_id}[-.]*")}
        frames = ("-0", "-56", "-112")
        expected = {f"HMP/{video_id}.txt", f"hmp-paper/{video_id}.txt", *(f"ORB/{video_id}{f}.p" for f in frames)}
        assert names == expected | {f"{n}/{video_id}{f}.txt" for n in ("LBP", "HOG", "ColorHistogram") for f in frames}


def test_motion_file_equals_the_definition(folder: Path, clips: list[Path]) -> None:
    planes = [picture.luma for picture in pictures(clips[0]) if picture.index % 3 == 0]
    expected = plain.hmp(planes, with_or=True)
    text = (folder / "HMP/video3.txt").read_text()
    assert text == " ".join(f"{place}:{value:.6f}" for place, value in expected.items()) + "\n"


def test_the_data_set_reads_the_folder(
    folder: Path, clips: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets

    import videomem_hf  # noqa: F401 - registers the data set

    computed = extract(clips[1], COLUMNS)
    for name in [*CLASSICAL, "hmp-paper"]:
        loaded = datasets.load_dataset("videomem", name, data_dir=str(folder), cache_dir=str(tmp_path))
        assert list(loaded) == ["test"]
        assert loaded["test"]["video_id"] == ["video3", "video20", "video21"]
        if name in COLUMNS:
            value = loaded["test"][2][name]
            for found, expected in zip(value if len(computed[name]) == 3 else [value], computed[name], strict=True):
                occurring = expected[expected > 0] if name == "lbp" else expected
                np.testing.assert_allclose(found, occurring, atol=6e-7)


def test_orb_files_are_read_safely(folder: Path, clips: list[Path]) -> None:
    keypoints = parse_orb("x", (folder / "ORB/video3-56.p").read_bytes())
    expected = extract(clips[0], ["orb"])["orb"][1]
    assert len(expected.floats) > 5
    np.testing.assert_array_equal(keypoints.floats, expected.floats)


def test_what_is_done_is_not_done_again(folder: Path, clips: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    (folder / "LBP/video20-56.txt").unlink()
    decoded = []
    collect = run_module.collect
    monkeypatch.setattr(
        run_module, "collect", lambda clip, wanted, *rest: decoded.append((clip.name, [r.name for r in wanted]))
        or collect(clip, wanted, *rest),
    )  # fmt: skip
    report = extract_clips(clips, feature_specs(["hmp", "lbp"]), folder, processes=1)
    assert decoded == [("video20.webm", ["lbp"])]
    assert report.kept == 2
    changed = {path.name for path, time in before.items() if path.is_file() and path.stat().st_mtime_ns != time}
    assert changed <= {"video20-0.txt", "video20-56.txt", "video20-112.txt", "test-set_list.txt"}
    extract_clips(clips, feature_specs(["lbp"]), folder, processes=1, overwrite=True)
    assert len(decoded) == 4


@pytest.mark.parametrize("processes", [1, 2])
def test_a_bad_clip_is_reported_and_the_others_done(clips: list[Path], tmp_path: Path, processes: int) -> None:
    bad = tmp_path / "video9.mp4"
    bad.write_text("no video")
    small = write_clip(tmp_path / "small.webm", [frame[:24, :24] for frame in moving_frames(4)])
    seen = []
    report = extract_clips(
        [bad, small, clips[0]], feature_specs(["hog", "colorhistogram"]), tmp_path / "out", processes=processes,
        on_clip=lambda outcome: seen.append(outcome.clip),
    )  # fmt: skip
    assert sorted(seen) == sorted([bad, small, clips[0]])
    errors = {outcome.clip: outcome.errors for outcome in report.failed}
    assert set(errors) == {bad, small}
    assert "not a video" in errors[bad][""]
    assert "at least 32x32" in errors[small]["hog"]
    assert len(list((tmp_path / "out/ColorHistogram").iterdir())) == 6
    assert len(list((tmp_path / "out/HOG").iterdir())) == 3
    assert (tmp_path / "out/test-set_list.txt").read_text().split() == ["video3.txt", "video10.txt"]


def test_an_interrupted_run_goes_on(clips: list[Path], tmp_path: Path) -> None:
    def stop(outcome: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extract_clips(clips, feature_specs(["hmp"]), tmp_path, processes=1, on_clip=stop)
    assert [path.name for path in (tmp_path / "HMP").iterdir()] == ["video3.txt"]
    assert (tmp_path / "test-set_list.txt").read_text().split() == ["video3.txt"]
    report = extract_clips(clips, feature_specs(["hmp"]), tmp_path, processes=1)
    assert (report.kept, len(report.done)) == (1, 2)
    assert {path.name for path in (tmp_path / "HMP").iterdir()} == {"video3.txt", "video20.txt", "video21.txt"}


def test_networks_run_on_several_clips(clips: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.features.test_encoders import save_vit

    monkeypatch.setattr(run_module, "CLIPS_AT_ONCE", 2)
    name = f"hf:{save_vit(tmp_path / 'vit', pooler=True)}"
    report = extract_clips(clips, feature_specs([name, "hmp"]), tmp_path / "out", processes=1, device="cpu")
    assert not report.failed
    for clip, video_id in zip(clips, ("video3", "video21", "video20"), strict=True):
        values = np.array((tmp_path / f"out/hf-vit/{video_id}.txt").read_text().split(), float)
        np.testing.assert_allclose(values, extract(clip, [name])[name][0], atol=1e-5)


def test_whatever_a_clip_raises_stops_no_batch(
    clips: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    specs = feature_specs(["hmp", "resmem"])
    real = run_module.collect

    def failing(clip: Path, *arguments: object) -> object:
        if clip.stem == "video20":
            raise MemoryError
        return real(clip, *arguments)  # type: ignore[arg-type]

    def network(given: list[list[np.ndarray]]) -> list[list[np.ndarray]]:
        if any(frames[0] is None for frames in given):
            raise RuntimeError("no such frame")
        return [[np.full(1000, 0.5)] for _ in given]

    monkeypatch.setattr(run_module, "collect", failing)
    monkeypatch.setattr(run_module, "load_networks", lambda *_: {"resmem": network})
    spoiled = write_clip(tmp_path / "spoiled.webm", moving_frames(30, seed=9))
    real_work = run_module.work_on

    def spoil(job: run_module.Job, threads: str) -> run_module.Result:
        result = real_work(job, threads)  # type: ignore[arg-type]
        if job.clip == spoiled:
            result.inputs["resmem"] = [None]
        return result

    monkeypatch.setattr(run_module, "work_on", spoil)
    given = [tmp_path / "gone.mp4", clips[2], spoiled, clips[0], clips[1]]
    report = extract_clips(given, specs, tmp_path / "out", processes=1)
    errors = {outcome.clip.name: outcome.errors for outcome in report.done}
    assert errors == {
        "gone.mp4": {"": "cannot be opened (no such file or directory)"},
        "video20.webm": {"": "MemoryError"},
        "spoiled.webm": {"resmem": "RuntimeError: no such frame"},
        "video3.webm": {},
        "holiday.webm": {},
    }
    assert report.total == 5
    assert len(list((tmp_path / "out/HMP").iterdir())) == 3
    assert len(list((tmp_path / "out/resmem").iterdir())) == 2
    stopped = extract_clips(given, specs, tmp_path / "other", processes=1, fail_fast=True)
    assert [outcome.clip.name for outcome in stopped.done] == ["gone.mp4"]
