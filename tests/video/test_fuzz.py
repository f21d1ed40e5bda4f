"""Damaged and hostile files: each gives frames or one sentence, and never ends the process, hangs or fills the memory.

`VIDEOMEM_FUZZ_FILES` sets how many files the slow test damages, and `VIDEOMEM_FUZZ_SEED` which.
"""

import gc
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, features

from videomem_hf.video.sources import StillImage, segments
from videomem_hf.video.video import VideoError, sample_frames

from .encoding import encode, scene
from .fuzzing import damage, draw_recipe, make_bases
from .hostile import hostile_files
from .reading_worker import Outcome, read_files

FILES = int(os.environ.get("VIDEOMEM_FUZZ_FILES", "10000"))
SEED = int(os.environ.get("VIDEOMEM_FUZZ_SEED", "0"))
LIMIT_S, LIMIT_MB = 30, 2000


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return make_bases(tmp_path_factory.mktemp("bases"))


def fuzz(bases: dict[str, bytes], folder: Path, numbers: range, seed: int, processor: bool = False) -> list[Outcome]:
    """Damage files, read them, and keep those with a fault."""

    def paths() -> Iterator[Path]:
        for number in numbers:
            base, operations = draw_recipe(seed, number, bases)
            path = folder / f"{number}-{base}"
            path.write_bytes(damage(base, operations, bases))
            yield path

    outcomes, faults = [], []
    for outcome in read_files(paths(), LIMIT_S, LIMIT_MB, processor):
        outcomes.append(outcome)
        if outcome.fault:
            number = int(outcome.path.name.split("-")[0])
            base, operations = draw_recipe(seed, number, bases)
            faults.append(f"seed {seed}, file {number}: damage({base!r}, {operations}, bases): {outcome.fault}")
        else:
            outcome.path.unlink()
    print(summarise(outcomes, seed))  # noqa: T201 - the counts are what the slow test is run for
    assert not faults, f"{len(faults)} of {len(outcomes)} files, kept in {folder}\n" + "\n".join(faults)
    return outcomes


def summarise(outcomes: list[Outcome], seed: int) -> str:
    """Counts by what is said, the longest time and the largest memory."""
    good = [outcome for outcome in outcomes if not outcome.fault]
    kinds = Counter(
        re.sub(r"\d[\d,.x]*|\(.*\)", "#", outcome.message.removeprefix(f"{outcome.path}: "))
        for outcome in good
        if outcome.message
    )
    slowest, largest = (max(good, key=lambda outcome: getattr(outcome, key)) for key in ("seconds", "peak_mb"))
    lines = [
        f"seed {seed}: {len(outcomes)} files, {sum(outcome.frames > 0 for outcome in good)} scored, "
        f"{sum(kinds.values())} refused, {len(outcomes) - len(good)} with a fault",
        f"longest {slowest.seconds:.1f} s ({slowest.path.name}), largest {largest.peak_mb:.0f} MB "
        f"({largest.path.name})",
        *(f"{count:6} {kind}" for kind, count in kinds.most_common()),
    ]
    return "\n".join(lines)


def test_damaged_files_are_read_or_refused(bases: dict[str, bytes], tmp_path: Path) -> None:
    outcomes = fuzz(bases, tmp_path, range(150), seed=0)
    assert len(outcomes) == 150
    assert sum(outcome.frames > 0 for outcome in outcomes) > 50
    assert sum(outcome.message is not None for outcome in outcomes) > 10


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_many_damaged_files_are_read_or_refused(bases: dict[str, bytes], tmp_path: Path) -> None:
    assert len(fuzz(bases, tmp_path, range(FILES), SEED, processor=True)) == FILES


def test_hostile_files_take_little_time_and_memory(tmp_path: Path) -> None:
    files = hostile_files(tmp_path)
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    outcomes = {each.path.name: each for each in read_files([tmp_path / name for name in files], seconds=20)}
    assert len(outcomes) == len(files) > 20
    assert {name: outcome.fault for name, outcome in outcomes.items() if outcome.fault} == {}
    assert {name for name, outcome in outcomes.items() if outcome.frames} == {
        "size.mp4", "size.avi", "size.webm", "rate.avi", "rate.webm", "slow.avi", "ten_hours.mp4", "durations.mp4",
        "nested_tags.mkv", "bomb.png", "animated.webp", "still.webp",
    }  # fmt: skip
    large = {name: outcome.peak_mb for name, outcome in outcomes.items() if outcome.peak_mb > 500}
    assert set(large) <= {"bomb.png"}  # read by Pillow, as an image of LaMem, it takes three times its pixels
    assert max(large.values(), default=0) < 1000


def test_frames_are_freed_without_garbage_collection(tmp_path: Path) -> None:
    """What a cycle holds, frames of 8K and their threads, would fill the memory."""
    clip = encode(tmp_path / "c.mp4", [scene(i) for i in range(24)])
    gc.collect()
    gc.disable()
    try:
        assert len(list(sample_frames(clip, 12.0))) == 24
        assert [each for each in gc.get_objects() if type(each) is av.VideoFrame] == []
    finally:
        gc.enable()


@pytest.mark.parametrize("suffix", ["webp", "avif"])
def test_a_damaged_animation_gives_its_first_pictures(suffix: str, tmp_path: Path) -> None:
    if suffix == "avif" and not features.check("avif"):
        pytest.skip("this Pillow does not write AVIF")
    rng = np.random.default_rng(0)
    first, *others = (Image.fromarray(rng.integers(0, 255, (48, 64, 3), np.uint8)) for _ in range(4))
    path = tmp_path / f"c.{suffix}"
    first.save(path, save_all=True, append_images=others, duration=1000, lossless=True)
    whole = [frame.image for frame in sample_frames(path, notes=[])]
    data = bytearray(path.read_bytes())
    begin, length = (data.rindex(b"VP8L") + 13, 300) if suffix == "webp" else (len(data) * 4 // 5, len(data) // 5)
    data[begin : begin + length] = bytes(length)
    path.write_bytes(data)
    notes: list[str] = []
    frames = list(sample_frames(path, notes=notes))
    assert 1 <= len(frames) < len(whole) == 4
    np.testing.assert_array_equal(frames[0].image, whole[0])
    assert notes[0].startswith("1 damaged part(s) passed over")


def test_a_damaged_image_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.png"
    Image.fromarray(scene(0)).save(path)
    path.write_bytes(path.read_bytes().replace(b"IDAT", b"\0\0\0\0"))
    with pytest.raises(VideoError, match=r"c\.png: not an image that can be read"):
        list(segments(StillImage(path), type("Processor", (), {"segment_length": 1})))
