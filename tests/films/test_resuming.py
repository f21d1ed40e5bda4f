"""A stopped run of a long film goes on near where it was, with the result of an unbroken one."""

import json
from pathlib import Path

import av
import numpy as np
import pytest

import videomem_hf
from tests.clips import write_clip
from tests.films.films import RATE, dissolve, pan, picture, still
from videomem_hf.films.shot_scores import PART_S
from videomem_hf.films.shots import WARM_UP_S, ShotFinder
from videomem_hf.films.timeline import Timeline
from videomem_hf.inference import Predictor


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shots of 20, 150, 5.5 and 15.5 s, the second of which never shows the same twice, with a dissolve at last."""
    shots = [still(1, 20), pan(2, 75), pan(2, 75)[::-1], still(3, 5), dissolve(3, 4, 1), still(4, 15)]
    path = tmp_path_factory.mktemp("films") / "long.mkv"
    return write_clip(path, [frame for shot in shots for frame in shot], fps=RATE, codec="libx264")


@pytest.fixture(scope="module")
def whole(tiny: Predictor, film: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Timeline, list[str]]:
    journal = tmp_path_factory.mktemp("journal") / "j"
    return videomem_hf.timeline(film, tiny, journal=journal), journal.read_text().splitlines(keepends=True)


def test_what_is_kept(whole: tuple[Timeline, list[str]]) -> None:
    found, lines = whole
    assert [shot.start_s for shot in found.shots] == pytest.approx([0, 20, 170, 175.5], abs=0.1)
    kinds = ["shot" if '"shot"' in line else "part" if '"part"' in line else "other" for line in lines]
    # of the long shot windows are kept when a minute of film is no longer needed
    assert kinds == ["other", "shot", "part", "part", "shot", "shot", "shot", "other"]
    assert np.ptp([window.scores["short_term"] for window in found.shots[1].windows]) > 1e-3


@pytest.mark.parametrize("kept", range(1, 8))
def test_a_resumed_run_gives_the_same_and_reads_little_again(
    tiny: Predictor,
    film: Path,
    whole: tuple[Timeline, list[str]],
    kept: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found, lines = whole
    (tmp_path / "j").write_text("".join(lines[:kept]))
    read: list[float] = []
    add = ShotFinder.add
    monkeypatch.setattr(ShotFinder, "add", lambda self, time_s, frame: read.append(time_s) or add(self, time_s, frame))
    assert videomem_hf.timeline(film, tiny, journal=tmp_path / "j") == found
    assert (tmp_path / "j").read_text().splitlines(keepends=True) == lines
    ends = {2: 0, 3: 1, 4: 2, 5: 2, 6: 2, 7: 3}
    assert read[0] == pytest.approx(max(0, ends.get(kept, 0) * PART_S - WARM_UP_S), abs=1 / RATE)


def test_what_was_odd_before_is_still_told(tiny: Predictor, tmp_path: Path) -> None:
    shots = [picture(seed) for seed, count in ((1, 100), (2, 400), (3, 200)) for _ in range(count)]
    film = write_clip(tmp_path / "damaged.webm", shots, fps=5)
    content = bytearray(film.read_bytes())
    with av.open(str(film)) as container:
        positions = [packet.pos for packet in container.demux(video=0) if packet.size > 20]
    for number in (40, 300):
        start = positions[number]
        content[start + 8 : start + 20] = b"\xff" * 12
    film.write_bytes(content)
    found = videomem_hf.timeline(film, tiny, journal=tmp_path / "j")
    assert found.notes[0].startswith("2 damaged part(s) passed over"), found.notes
    lines = (tmp_path / "j").read_text().splitlines(keepends=True)
    assert len(lines) > 5
    for kept in range(2, len(lines)):
        (tmp_path / "j").write_text("".join(lines[:kept]))
        assert videomem_hf.timeline(film, tiny, journal=tmp_path / "j") == found


@pytest.mark.parametrize("damage", ["lacks a field", "another number", "lacks a line", "no object", "another picture"])
@pytest.mark.parametrize("number", [1, 3, 7])
def test_what_follows_a_damaged_line_is_done_again(
    tiny: Predictor, film: Path, whole: tuple[Timeline, list[str]], damage: str, number: int, tmp_path: Path
) -> None:
    found, lines = whole
    line = json.loads(lines[number])
    if damage == "lacks a field":
        line.pop("notes" if "notes" in line else "seen")
    elif damage == "another number":
        line["sum" if "notes" in line else "seen"] = 1
    elif damage == "another picture":
        line["picture"] = line.get("picture", "")[1:] + "A"
    changed = {"lacks a line": [], "no object": ["5\n"]}.get(damage, [json.dumps(line) + "\n"])
    (tmp_path / "j").write_text("".join([*lines[:number], *changed, *lines[number + 1 :]]))
    assert videomem_hf.timeline(film, tiny, journal=tmp_path / "j") == found
    assert (tmp_path / "j").read_text().splitlines(keepends=True) == lines


def test_each_window_of_a_long_shot_is_kept_once(whole: tuple[Timeline, list[str]]) -> None:
    """Else the journal of a shot of hours would have the square of its length."""
    found, lines = whole
    parts = [json.loads(line)["part"] for line in lines if '"part"' in line]
    starts = [window["start_s"] for part in parts for window in part["windows"]]
    assert [len(part["windows"]) > 10 for part in parts] == [True, True]
    assert starts == [window.start_s for window in found.shots[1].windows[: len(starts)]]
