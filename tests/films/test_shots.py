"""Shots are found where they were joined, and nowhere else."""

from pathlib import Path

import numpy as np
import pytest

from tests.clips import write_audio, write_clip
from tests.films.films import RATE, dissolve, pan, picture, still, write_film
from videomem_hf.films import shots
from videomem_hf.films.shots import Shot, find_shots
from videomem_hf.films.slow_changes import find_slow_change
from videomem_hf.schema import InputError
from videomem_hf.video.video import VideoError

BLACK, WHITE = np.zeros((54, 96, 3), np.uint8), np.full((54, 96, 3), 255, np.uint8)


def cuts(path: Path) -> list[float]:
    shots = find_shots(path)
    assert shots[0].start_s == 0
    assert [shot.end_s for shot in shots[:-1]] == [shot.start_s for shot in shots[1:]]
    return [shot.start_s for shot in shots[1:]]


def test_cuts_are_found_to_the_frame(tmp_path: Path) -> None:
    film = write_film(tmp_path / "f.webm", still(1, 1.2), still(2, 0.6), still(3, 2), still(4, 1))
    shots = find_shots(film)
    assert [shot.start_s for shot in shots] == pytest.approx([0, 1.2, 1.8, 3.8], abs=1e-3)
    assert shots[-1].end_s == pytest.approx(4.8, abs=0.01)
    assert shots[2].length_s == pytest.approx(2)


def test_a_cut_to_a_nearly_grey_picture_is_found(tmp_path: Path) -> None:
    slides = [np.full((54, 96, 3), grey, np.uint8) for grey in ([59, 69, 78], [67, 67, 67], [69, 66, 68], [55, 69, 81])]
    film = write_film(tmp_path / "a.mkv", [picture(1) // 4] * RATE, slides, [slides[-1]] * RATE, codec="ffv1")
    assert [shot.start_s for shot in find_shots(film)] == pytest.approx([0.0, 1.0])


def test_a_dissolve_is_one_change_in_its_middle(tmp_path: Path) -> None:
    film = write_film(tmp_path / "f.webm", still(1, 2), dissolve(1, 2, 1), still(2, 2))
    assert cuts(film) == pytest.approx([2.5], abs=0.1)


@pytest.mark.parametrize("colour", [0, 255])
def test_a_fade_is_one_change(tmp_path: Path, colour: int) -> None:
    blank = np.full((54, 96, 3), colour, np.uint8)
    out = [((1 - i / 13) * picture(1) + i / 13 * blank).astype(np.uint8) for i in range(1, 13)]
    back = [((1 - i / 13) * blank + i / 13 * picture(2)).astype(np.uint8) for i in range(1, 13)]
    film = write_film(tmp_path / "f.webm", still(1, 2), out, [blank] * 6, back, still(2, 2))
    assert cuts(film) == pytest.approx([2.6], abs=0.3)


@pytest.mark.parametrize("length", [1, 2, 4])
def test_a_flash_is_no_cut(tmp_path: Path, length: int) -> None:
    film = write_film(tmp_path / "f.webm", still(1, 2), [WHITE] * length, still(1, 2), still(2, 1))
    assert cuts(film) == pytest.approx([4 + length / RATE], abs=1e-3)


@pytest.mark.parametrize("seconds", [4, 20, 60])
def test_a_pan_is_no_change(tmp_path: Path, seconds: float) -> None:
    assert cuts(write_film(tmp_path / "f.webm", still(1, 1), pan(2, seconds))) == pytest.approx([1], abs=1e-3)


def test_a_jolt_is_no_cut(tmp_path: Path) -> None:
    wide = picture(3, width=120)
    film = write_film(tmp_path / "f.webm", still(1, 1), [wide[:, :96]] * RATE, [wide[:, 12:108]] * RATE)
    assert cuts(film) == pytest.approx([1], abs=1e-3)


def test_times_are_those_of_frames_at_a_variable_rate(tmp_path: Path) -> None:
    times = [*range(0, 2000, 40), *range(2000, 5000, 100)]
    film = write_clip(tmp_path / "f.webm", [*still(1, 2), *[picture(2)] * 30], times_ms=times)
    assert cuts(film) == pytest.approx([2], abs=0.002)


@pytest.mark.parametrize("frames", [1, 2, 3, 100])
def test_a_film_of_one_shot(tmp_path: Path, frames: int) -> None:
    (shot,) = find_shots(write_film(tmp_path / "f.webm", [BLACK] * frames))
    assert shot == Shot(0.0, pytest.approx(frames / RATE, abs=0.05))


def test_what_has_no_frames_in_time_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="frames without their times"):
        find_shots(np.stack(still(1, 1)))
    with pytest.raises(VideoError, match="holds no moving picture, only sound"):
        find_shots(write_audio(tmp_path / "a.m4a"))


def test_without_pyscenedetect_the_error_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("videomem_hf.films.shots.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'videomem_hf\[shots\]'"):
        find_shots(write_film(tmp_path / "f.webm", still(1, 1)))


def test_a_mixture_is_a_slow_change_and_a_movement_is_not() -> None:
    """The middle of a linear mixture is half way; a picture that moves is no mixture of its ends."""
    times = np.arange(26) / 25
    draw = np.random.default_rng(0)
    a, b = draw.uniform(0, 255, (2, 432))
    mixed = np.stack([(1 - t) * a + t * b for t in times]).astype(np.float32)
    found = find_slow_change(times, mixed)
    assert found is not None
    assert (found.time_s, found.rest) == (pytest.approx(0.52, abs=0.04), pytest.approx(0, abs=1e-3))
    moving = np.stack([draw.uniform(0, 255, 432) for _ in times]).astype(np.float32)
    assert find_slow_change(times, moving) is None
    assert find_slow_change(times, np.stack([a * (0.6 + 0.4 * t) for t in times]).astype(np.float32)) is None


@pytest.mark.parametrize("together", [1, 2, 6, 15])
@pytest.mark.parametrize("colour", [1.0, 0.05])
def test_cuts_told_of_several_frames_at_once_are_those_of_pyscenedetect(together: int, colour: float) -> None:
    """Its detector over the whole film, with a second one by lightness where pictures are grey, finds the same."""
    draw = np.random.default_rng(0)
    frames = []
    for _ in range(30):
        base, noise = draw.integers(0, 200, 3) + draw.integers(0, 56, (27, 48, 3)), draw.uniform(0, 60)
        grey = base.mean(axis=-1, keepdims=True)
        shown = grey + colour * (base - grey)
        frames += [
            (shown + draw.normal(0, noise, grey.shape)).clip(0, 255).astype(np.uint8)  # noise without colour
            for _ in range(draw.integers(1, 25))
        ]
    timed = [(number / RATE, frame) for number, frame in enumerate(frames)]
    detector, found = shots._Detector(), []
    for start in range(0, len(timed), together):
        found += detector.add(timed[start : start + together])
    whole = shots._ask(timed, luma_only=False)
    if colour < 1:
        whole = [sorted({*a, *b}) for a, b in zip(whole, shots._ask(timed, luma_only=True), strict=True)]
    assert found == whole
    assert 5 < sum(map(len, found)) < len(frames) / 2
