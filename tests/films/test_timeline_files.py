"""What is written of a timeline says the same everywhere, and the page needs nothing else."""

import csv
import errno
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

import videomem_hf
from tests.films.films import still, write_film
from videomem_hf.films.ray_engine import summary_of
from videomem_hf.films.timeline import Timeline
from videomem_hf.films.timeline_files import make_timeline, write_timeline
from videomem_hf.inference import Predictor
from videomem_hf.schema import InputError


@pytest.fixture(scope="module")
def found(tiny: Predictor, tmp_path_factory: pytest.TempPathFactory) -> Timeline:
    film = write_film(
        tmp_path_factory.mktemp("film") / "a <film> & $1.webm", still(1, 2), still(2, 1), still(3, 10), still(4, 1)
    )
    timeline = videomem_hf.timeline(film, tiny)
    shots = [replace(shot, intervals={"short_term": (0.2, 0.9)}, typicality=4.5) for shot in timeline.shots]
    return replace(timeline, shots=tuple(shots), notes=("odd <b>",))


def test_all_files_say_the_same(found: Timeline, tmp_path: Path) -> None:
    written = write_timeline(found, tmp_path, Path(found.source), otio=True)
    names = ["timeline.html", "timeline.png", "timeline.csv", "timeline.json", "timeline.otio", "timeline.edl"]
    assert [path.name for path in written] == names
    assert all(path.stat().st_size > 300 for path in written)
    with (tmp_path / "timeline.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    stored = json.loads((tmp_path / "timeline.json").read_text())
    assert [int(row["shot"]) for row in rows] == [1, 2, 3, 4]
    for row, shot, kept in zip(rows, found.shots, stored["shots"], strict=True):
        assert float(row["start_s"]) == pytest.approx(shot.start_s, abs=1e-3)
        assert float(row["short_term"]) == pytest.approx(shot.scores["short_term"], abs=1e-6)
        assert (row["short_term_low_90"], row["short_term_high_90"]) == ("0.200000", "0.900000")
        assert kept["scores"] == shot.scores
        assert "picture" not in kept
    best = max(range(4), key=lambda index: found.shots[index].scores["short_term"])
    assert [row["shot"] for row in rows if row["rank"] == "1"] == [str(best + 1)]
    assert {row["notes"] for row in rows} == {"odd <b>"}
    assert (stored["notes"], [shot["rank"] for shot in stored["shots"]]) == (["odd <b>"], found.ranks())
    with Image.open(tmp_path / "timeline.png") as picture:
        assert picture.width > 1000


def test_the_page_is_one_file_with_all_shots(found: Timeline, tmp_path: Path) -> None:
    write_timeline(found, tmp_path, Path(found.source))
    page = (tmp_path / "timeline.html").read_text()
    assert re.findall(r'(?:src|href)="(?!data:image/jpeg|#)([^"]*)"', page)
    for link in re.findall(r'(?:src|href)="(?!data:image/jpeg|#)([^"]*)"', page):
        assert re.search(r"a%20%3Cfilm%3E%20%26%20%241\.webm#t=\d+\.\d\d$", link)
    assert not re.search(r"https?://|url\(|@import", page)
    assert "a &lt;film&gt; &amp; $1.webm" in page
    assert "odd &lt;b&gt;" in page
    assert "<film>" not in page
    for number, shot in enumerate(found.shots, 1):
        row = re.search(rf'<tr id="shot-{number}".*?</tr>', page, re.S)
        assert row
        assert f"{shot.scores['short_term']:.3f}" in row[0]
        assert "0.20 to 0.90" in row[0]
    assert page.count("<polyline") == 1, "one shot is longer than a window"
    write_timeline(found, tmp_path)
    assert "#t=" not in (tmp_path / "timeline.html").read_text()


def test_a_full_disk_is_told_in_one_sentence(tiny: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("videomem_hf.films.film_journal.Journal.add", full)
    with pytest.raises(InputError, match=r"out: the disk is full; make room, and the same command goes on"):
        make_timeline(write_film(tmp_path / "a.webm", still(1, 1)), tmp_path / "out", tiny)


def test_the_page_marks_shared_ranks(found: Timeline, tmp_path: Path) -> None:
    write_timeline(replace(found, rank_error=1.0), tmp_path)
    page = (tmp_path / "timeline.html").read_text()
    assert page.count('<td class="number">1=</td>') == 4
    assert "share it (=)" in page
    order = [int(each) for each in re.findall(r'data-rank="(\d+)"', page)]
    assert [order.index(position) for position in range(4)] == found.ranked()


def test_a_page_of_many_shots_has_smaller_pictures(found: Timeline, tmp_path: Path) -> None:
    import io

    file = io.BytesIO()
    Image.effect_noise((480, 270), 60).convert("RGB").save(file, "JPEG")
    shot = replace(found.shots[0], picture=file.getvalue())
    sizes = []
    for count in (2, 201):
        shots = [replace(shot, start_s=float(n), end_s=n + 1.0) for n in range(count)]
        write_timeline(replace(found, shots=tuple(shots)), tmp_path)
        sizes.append((tmp_path / "timeline.html").stat().st_size / count)
    assert sizes[1] < 0.7 * sizes[0]


@pytest.mark.parametrize(("highest", "stands_out"), [(0.503, False), (0.53, True)])
def test_a_shot_stands_out_only_where_that_can_be_seen(
    found: Timeline, tmp_path: Path, highest: float, stands_out: bool
) -> None:
    scores = [0.5, highest, 0.5, 0.5]
    shots = [replace(shot, scores={"short_term": s}) for shot, s in zip(found.shots, scores, strict=True)]
    timeline = replace(found, shots=tuple(shots))
    write_timeline(timeline, tmp_path)
    assert summary_of(timeline).best_s == (shots[1].start_s if stands_out else None)
    page = (tmp_path / "timeline.html").read_text()
    assert ("The most memorable shots" in page) == stands_out
    assert ("no shot stands out" in page) != stands_out
