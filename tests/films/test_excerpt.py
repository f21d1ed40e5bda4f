"""The best excerpt is where the scores are high, of whole shots, and no better than it is."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.films.films import still, write_film
from videomem_hf.films.cutting import WrittenPart
from videomem_hf.films.excerpt import WrittenExcerpt, best_excerpt, choose_excerpt, excerpt_sentence, parse_length
from videomem_hf.films.gain_error import GainError
from videomem_hf.films.poster import poster_times, write_poster
from videomem_hf.films.shots import Shot
from videomem_hf.inference import Predictor
from videomem_hf.schema import InputError
from videomem_hf.video.video import sample_frames

TIMES = np.arange(60.0)
SHOTS = [Shot(start, start + 5.0) for start in range(0, 60, 5)]
ERROR = GainError(0.03**2, None, 100, 1.0)


def test_whole_shots_with_the_highest_scores() -> None:
    scores = np.full(60, 0.7)
    scores[20:30] = 0.9
    scores[32:35] = 0.95
    found = choose_excerpt(TIMES, scores, SHOTS, 10, ERROR)
    assert (found.span.start_s, found.span.end_s, found.whole_shots) == (20, 30, True)
    assert found.score == pytest.approx(0.9)
    sentence = excerpt_sentence(
        WrittenExcerpt(found, WrittenPart(Path("best.mp4"), found.span, True), None, None), "short_term"
    )
    low, high = found.interval
    assert sentence.startswith("best 10.0 s: 20 s to 30 s (whole shots), short-term 0.900, +")
    assert f"(95% interval {low:+.3f} to {high:+.3f}) against a random part" in sentence
    assert ("cannot tell it apart" in sentence) == (low <= 0)
    unsure = replace(found, interval=(-0.1, 0.5))
    assert "a random part, from which the model cannot tell it apart; best.mp4" in excerpt_sentence(
        WrittenExcerpt(unsure, WrittenPart(Path("best.mp4"), found.span, True), None, None), "short_term"
    )
    # the mean over all parts of 10 s, one by one
    windows = [scores[start : start + 10].mean() for start in range(51)]
    assert found.random_score == pytest.approx(np.mean(windows), abs=2e-3)
    assert found.interval[0] < found.gain < found.interval[1]


def test_a_part_of_one_long_shot() -> None:
    scores = np.full(60, 0.7)
    scores[33:45] = 0.9
    found = choose_excerpt(TIMES, scores, [Shot(0.0, 60.0)], 10, ERROR)
    assert 33 <= found.span.start_s <= 35
    assert not found.whole_shots


def test_a_film_that_is_too_short() -> None:
    with pytest.raises(InputError, match=r"an excerpt of 60 s of a film of 60.0 s"):
        choose_excerpt(TIMES, np.full(60, 0.7), SHOTS, 60, ERROR)


@pytest.mark.parametrize(
    ("text", "seconds"), [("30", 30), ("30s", 30), ("1m30s", 90), ("2m", 120), ("1:30", 90), ("7.5 s", 7.5)]
)
def test_lengths(text: str, seconds: float) -> None:
    assert parse_length(text) == seconds


@pytest.mark.parametrize("text", ["", "0s", "half", "-3s", "1:75", "1:75x"])
def test_no_lengths(text: str) -> None:
    with pytest.raises(InputError, match="is no length"):
        parse_length(text)


def test_the_best_excerpt_of_a_film_is_written_with_its_poster(tiny: Predictor, tmp_path: Path) -> None:
    film = write_film(tmp_path / "film.webm", *(still(seed, 3) for seed in range(1, 6)))
    written = best_excerpt(film, 6, tmp_path / "best", tiny, poster=True)
    span = written.excerpt.span
    assert written.excerpt.whole_shots
    assert span.length_s == pytest.approx(6, abs=0.1)
    scores = [
        tiny.predict(write_film(tmp_path / f"{seed}.webm", still(seed, 3))).scores["short_term"] for seed in range(1, 6)
    ]
    best = int(np.argmax(np.convolve(scores, [1, 1], "valid")))
    assert span.start_s == pytest.approx(3 * best, abs=0.1)
    shown = next(sample_frames(written.part.path)).image.astype(int)
    expected = next(sample_frames(tmp_path / f"{best + 1}.webm")).image
    assert np.abs(shown - expected).mean() < 4
    assert written.poster is not None
    assert written.poster_s is not None
    assert span.start_s <= written.poster_s < span.end_s
    assert Image.open(written.poster).size == (96, 54)


def test_a_poster_is_neither_empty_nor_at_a_cut(tmp_path: Path) -> None:
    times, shots = np.array([0.0, 1.0, 2.0, 3.0]), [Shot(0, 2.1), Shot(2.1, 4)]
    assert poster_times(times, np.array([0.1, 0.3, 0.9, 0.2]), shots).tolist() == [1.0, 3.0, 0.0, 2.0]
    black = [np.zeros((54, 96, 3), np.uint8)] * 25
    film = write_film(tmp_path / "film.webm", black, still(1, 3))
    assert write_poster(film, tmp_path / "poster.jpg", np.array([0.5, 2.0, 3.0])) == 2.0
