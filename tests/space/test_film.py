"""The page of a film: its timeline in a frame of its own, files to keep, limits."""

import threading
from pathlib import Path

import film
import intake
import pytest
from scoring import Scoring
from work import StoppedError, stoppable

from tests.films.films import still, write_film
from tests.space.served import silent
from videomem_hf.schema import InputError


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    return write_film(folder / "a <b> 'film'.mp4", still(1, 8), still(2, 4), still(3, 3), codec="h264")


def test_a_film_is_shown_and_kept(scoring: Scoring, movie: Path, own_files: Path) -> None:
    label = scoring.models.labels[0]
    shown, page, best, poster = film.make_film(scoring, str(movie), label, 10, silent)
    assert shown.startswith('<iframe class="vm-film" sandbox="allow-scripts"')
    assert shown.count("<") == 2, "the page is text of an attribute"
    kept = Path(page.value["path"] if isinstance(page.value, dict) else page.value)
    text = kept.read_text()
    assert "3 shots in 15 s" in text
    assert str(own_files) not in text
    assert str(movie.parent) not in text
    assert best.visible
    assert poster.visible
    *_, no_best, no_poster = film.make_film(scoring, str(movie), label, 60, silent)
    assert not no_best.visible
    assert not no_poster.visible


def test_what_is_over_a_limit_is_refused(
    scoring: Scoring, movie: Path, own_files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    label = scoring.models.labels[0]
    with pytest.raises(InputError, match="No film yet"):
        film.make_film(scoring, None, label, 0, silent)
    monkeypatch.setattr(film, "LIMITS", intake.Limits(seconds=10))
    with pytest.raises(intake.TooLongError, match="the clip lasts 15 s"):
        film.make_film(scoring, str(movie), label, 0, silent)


def test_a_film_can_be_stopped(scoring: Scoring, movie: Path, own_files: Path) -> None:
    stop = threading.Event()
    told = []

    def tell(share: float, what: str) -> None:
        told.append(what)
        if what.startswith("Scoring"):
            stop.set()

    with stoppable(stop), pytest.raises(StoppedError):
        film.make_film(scoring, str(movie), scoring.models.labels[0], 0, tell)
    assert told[0] == "Loading the model"
