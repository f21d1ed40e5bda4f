"""Advice on a clip whose scores are its brightness: edits that make it brighter on average help, and no others."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from tests.clips import write_clip
from tests.films.films import RATE, OfFeatures
from tests.inference.test_occlusion import Bright
from tests.inference.test_occlusion import predictor as bright_predictor
from videomem_hf.films import advice as advising
from videomem_hf.films.advice import Advice, advise, holm
from videomem_hf.films.advice_page import write_advice
from videomem_hf.films.edits import Edit, Look, best_half, pairs_of, single_edits
from videomem_hf.films.gain_error import GainError, error_variance
from videomem_hf.films.shots import Shot
from videomem_hf.films.span import Span
from videomem_hf.inference import Predictor
from videomem_hf.inference.frame_noise import FrameNoise
from videomem_hf.inference.intervals import IntervalFit, IntervalScale
from videomem_hf.inference.reference import Reference
from videomem_hf.protocol.design import load_design
from videomem_hf.schema import InputError
from videomem_hf.video.video import sample_frames

SHOTS = [Shot(0, 4), Shot(4, 8), Shot(8, 12), Shot(12, 16)]


def by_brightness(predictor: Predictor, sd: float, monkeypatch: pytest.MonkeyPatch) -> Predictor:
    """Score frames by their brightness, with a known error of the model."""
    horizons = len(predictor.horizons)

    def rows(segments: np.ndarray) -> np.ndarray:
        return np.repeat(segments.mean(axis=(1, 2, 3, 4))[:, None] / 255, horizons, axis=1)

    fit = IntervalFit(IntervalScale(sd**2), (-1.0, 1.0), None, None, clips=10_000)
    reference = Reference("test", clips=10_000, fits=dict.fromkeys(predictor.horizons, fit))
    noise = dict.fromkeys(predictor.horizons, FrameNoise(0.001, 0.5))
    monkeypatch.setattr(
        predictor, "claims", replace(predictor.claims, reference=reference, typicality=None, frame_noise=noise)
    )
    monkeypatch.setattr(predictor, "describe_segments", lambda segments: (rows(segments), {}))
    monkeypatch.setattr(predictor, "score_segments", rows)
    return predictor


def shot(level: int, seconds: float, seed: int) -> list[np.ndarray]:
    """Tiles of a mean level, so that a cut is seen between shots of one level."""
    tiles = np.random.default_rng(seed).choice([-15, 15], (6, 8, 3))
    tiles[:3] = -tiles[3:]
    return [np.kron(level + tiles, np.ones((9, 12, 1))).astype(np.uint8)] * round(seconds * RATE)


def film(path: Path, levels: list[int]) -> Path:
    return write_clip(path, [f for i, level in enumerate(levels) for f in shot(level, 4, i)], fps=RATE, codec="libx264")


@pytest.fixture
def advised(tiny: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Advice]:
    path = film(tmp_path / "advert.mp4", [40, 200, 190, 195])
    return path, advise(path, by_brightness(tiny, 0.02, monkeypatch))


def test_the_dark_shot_is_dropped(advised: tuple[Path, Advice]) -> None:
    _, advice = advised
    names = [trial.edit.name for trial in advice.advised]
    assert "drop shot 1 (0.0 to 4.0 s)" in names
    dropped = next(trial for trial in advice.trials if trial.edit.name == "drop shot 1 (0.0 to 4.0 s)")
    assert dropped.tested.gain == pytest.approx((195 - (40 + 585) / 4) / 255, abs=0.01)
    assert dropped.interval[0] < dropped.tested.gain < dropped.interval[1]
    assert not any(trial.tested.gain <= 0 for trial in advice.advised)
    assert not any("drop shot 2" in name for name in names)
    assert advice.trials[: len(names)] == advice.advised, "advised edits come first"
    # an average of frames is the same in any order
    assert any("Orders of shots were not tried" in note for note in advice.notes)


def test_shots_that_are_alike_get_no_advice(tiny: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = by_brightness(tiny, 0.02, monkeypatch)
    advice = advise(film(tmp_path / "level.mp4", [120, 122, 121, 119]), predictor)
    assert len(advice.frames.shots) == 4
    assert advice.trials
    assert not [trial.edit.name for trial in advice.advised if trial.edit.look == Look()]


def test_a_gain_on_the_frames_that_choose_is_no_gain(
    tiny: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = by_brightness(tiny, 0.001, monkeypatch)
    seen = [0]

    def rows(segments: np.ndarray) -> tuple[np.ndarray, dict]:
        index = (seen[0] + np.arange(len(segments))) % 32  # of 16 s, two frames a second
        seen[0] += len(segments)
        dark = (index < 8) & (index % 2 == 0)  # those of the first shot that the model samples
        return np.where(dark, 0.2, 0.8)[:, None] * np.ones((1, len(predictor.horizons))), {}

    monkeypatch.setattr(predictor, "describe_segments", rows)
    advice = advise(film(tmp_path / "half.mp4", [120, 122, 121, 119]), predictor)
    assert len(advice.frames.times_s) == 32
    dropped = next(trial for trial in advice.trials if trial.edit.name == "drop shot 1 (0.0 to 4.0 s)")
    assert dropped.chosen_by.gain == pytest.approx(0.15)
    assert dropped.tested.gain == pytest.approx(0, abs=1e-9)
    assert not advice.advised


def test_a_model_that_may_be_wrong_by_more_advises_nothing(
    tiny: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = film(tmp_path / "advert.mp4", [40, 200, 190, 195])
    unsure = advise(path, by_brightness(tiny, 0.9, monkeypatch))
    assert not unsure.advised
    page = write_advice(path, unsure, tmp_path / "out").page.read_text(encoding="utf-8")
    low, high = unsure.trials[-1].interval
    assert f"<small>{low:+.3f} to {high:+.3f}</small>" in page
    gains = [trial.tested.gain for trial in unsure.trials]
    ends = [(trial.interval[0] < min(0, *gains), trial.interval[1] > max(map(abs, gains))) for trial in unsure.trials]
    assert page.count('<path class="beyond"') == np.sum(ends) > 0
    monkeypatch.setattr(tiny, "claims", replace(tiny.claims, reference=None))
    unknown = advise(path, tiny)
    assert not unknown.advised
    assert advising.UNKNOWN_ERROR in unknown.notes


def test_everything_is_written(advised: tuple[Path, Advice], tmp_path: Path) -> None:
    path, advice = advised
    files = write_advice(path, advice, tmp_path / "out")
    page = files.page.read_text(encoding="utf-8")
    assert "A model says so, not people." in page
    assert page.count("data:video/mp4;base64,") == 2 * len(files.clips)
    assert "http://" not in page
    assert "https://" not in page
    stored = json.loads(files.json_file.read_text(encoding="utf-8"))
    assert [each["edit"] for each in stored["edits"]] == [trial.edit.name for trial in advice.trials]
    assert len(files.csv_file.read_text(encoding="utf-8").splitlines()) == 1 + len(advice.trials)
    best = next(trial for trial in advice.advised if trial.edit.poster_s is None)
    levels = [frame.image.mean() for frame in sample_frames(files.clips[0])]
    assert len(levels) == pytest.approx(best.edit.length_s, abs=1)
    assert np.mean(levels) / 255 == pytest.approx(best.after["short_term"], abs=0.02)
    assert files.study is not None
    design = load_design(files.study / "design.yaml")
    assert design.presentation.window_s == 16
    text = (files.study / "README.md").read_text(encoding="utf-8")
    assert "videomem study init study-after others/ study/after/advert.mp4" in text
    assert {each.name for each in (files.study / "before").iterdir()} == {"advert.mp4"}


def test_a_network_of_segments_is_advised_with(tmp_path: Path) -> None:
    """It scores the brightness of four frames at once, of which those across a cut are of both shots."""
    path = film(tmp_path / "advert.mp4", [40, 200, 190, 195])
    of_frames, of_segments = (advise(path, bright_predictor(Bright(), length)) for length in (1, 4))
    assert of_segments.frames.segments[0][0].shape == of_frames.frames.segments[0][0].shape
    assert {len(segment) for segment in of_segments.frames.segments} == {4}
    gains = [
        {trial.edit.name: trial.tested.gain for trial in found.trials if "shot 1" in trial.edit.name}
        for found in (of_frames, of_segments)
    ]
    dropped = "drop shot 1 (0.0 to 4.0 s)"
    assert gains[1][dropped] == pytest.approx(gains[0][dropped], abs=0.01)
    assert write_advice(path, of_segments, tmp_path / "out").page.is_file()


def test_what_cannot_be_advised_on_has_a_reason(tiny: Predictor, tmp_path: Path) -> None:
    short = write_clip(tmp_path / "short.webm", shot(100, 0.4, 0), fps=RATE)
    with pytest.raises(InputError, match="the model sees"):
        advise(short, tiny)
    with pytest.raises(InputError, match="best: scores no frames, so edits cannot be tried"):
        advise(short, OfFeatures())
    with pytest.raises(InputError, match="gives no middle_term score"):
        advise(short, tiny, "middle_term")  # type: ignore[arg-type]


def test_holm_as_by_hand() -> None:
    # .01 x 4, .02 x 3, .03 x 2 (raised to .06), .2 x 1
    assert holm([0.03, 0.01, 0.2, 0.02]).tolist() == pytest.approx([0.06, 0.04, 0.2, 0.06])


def test_the_error_of_a_difference_is_that_of_its_shots() -> None:
    error = GainError(0.04**2, None, 99, 1.0)
    times = np.arange(16.0)
    # from a quarter of each shot to a third of three of them
    contrast = np.where(times < 4, 0.0, 1 / 12) - 1 / 16
    simulated = np.random.default_rng(0).normal(0, 0.04, (20_000, 4))[:, (times // 4).astype(int)] @ contrast
    assert error.sd(contrast, times, SHOTS) == pytest.approx(simulated.std(), rel=0.02)
    low, high = error.interval(0.1, 0.05)
    assert (high - low) / 2 == pytest.approx(stats.t.ppf(0.975, 99) * 0.05)
    assert GainError(None, None, 1, 1.0).interval(0.1, 0.0) == (-np.inf, np.inf)


def test_few_held_out_clips_make_the_models_error_larger() -> None:
    def variance(clips: int) -> float:
        fit = IntervalFit(IntervalScale(0.001, centre=0.8), (-1.0, 1.0), None, 40.0, clips=clips)
        found = error_variance(Reference("test", fits={"short_term": fit}), "short_term")
        assert found is not None
        return found

    assert 0.001 < variance(10_000) < variance(100) < variance(20)
    assert error_variance(None, "short_term") is None


def test_edits_show_what_they_say() -> None:
    times = np.arange(0, 16, 0.5)
    edits = {edit.name: edit for edit in single_edits(SHOTS, [(0.5, 0.5)] * 4, 4.0, orders=True)}
    assert edits["drop shot 2 (4.0 to 8.0 s)"].spans == (Span(0, 4), Span(8, 16))
    assert edits["open with shot 3 (8.0 to 12.0 s)"].frames(times)[:3].tolist() == [16, 17, 18]
    assert edits["show the still opening for 1.5 s only"].spans == (Span(2.5, 16),)
    assert edits["start 4 s later"].length_s == 12
    half = best_half(SHOTS, np.array([0.1, 0.4, 0.2, 0.3]))
    assert half is not None
    assert (half.spans, half.ways) == ((Span(4, 8), Span(12, 16)), 6)
    both = pairs_of([edits["drop shot 2 (4.0 to 8.0 s)"], edits["open with shot 3 (8.0 to 12.0 s)"]], Span(0, 16))
    assert both[0].spans == (Span(8, 12), Span(0, 4), Span(12, 16))


def test_looks_change_the_picture() -> None:
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    assert Look(crops=((0.5, 0.5, 1.0, 1.0),)).crop(image, 0).tolist() == image[2:, 2:].tolist()
    assert Look(contrast=1.3).levels(100.0)[[100, 110, 90]].tolist() == [100, 113, 87]
    assert Look(gamma=0.8).levels(100.0)[128] > 128
    edit = Edit((), "no edit", (Span(0, 1),))
    assert edit.look.change(image, 0, 100.0) is image
