"""Editors' files read back with the right times, at every rate."""

import re
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio
import pytest

from videomem_hf.films.markers import nearest_rate, write_markers
from videomem_hf.films.shot_scores import ScoredShot
from videomem_hf.films.timeline import Timeline
from videomem_hf.schema import InputError

RATES = [Fraction(24000, 1001), Fraction(25), Fraction(30000, 1001), Fraction(50)]


def make_timeline(rate: Fraction | None) -> Timeline:
    """Shots that begin at whole frames of the rate, the last one after an hour, where drop-frame numbers matter."""
    frame = 1 / (rate or 25)
    starts = [float(n * frame) for n in (0, 40, 1799, 1800, 107_892)]
    ends = [*starts[1:], float(110_000 * frame)]
    shots = [
        ScoredShot(a, b, {"short_term": 0.5 + i / 10}, 3, a + (b - a) // 2, {"short_term": 0.6}, b"")
        for i, (a, b) in enumerate(zip(starts, ends, strict=True))
    ]
    return Timeline("a film.mp4", "tiny", ("short_term",), tuple(shots), rate)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("name", ["timeline.otio", "timeline.edl"])
def test_times_are_read_back(tmp_path: Path, rate: Fraction, name: str) -> None:
    timeline = make_timeline(rate)
    write_markers(timeline, tmp_path, tmp_path / "a film.mp4")
    options = {} if name.endswith("otio") else {"rate": float(rate)}
    read = otio.adapters.read_from_file(str(tmp_path / name), **options)
    clips = list(read.find_clips())
    assert len(clips) == len(timeline.shots)
    for clip, shot in zip(clips, timeline.shots, strict=True):
        span = clip.source_range
        assert span.start_time.rate == pytest.approx(float(rate))
        assert round(span.start_time.value) == round(shot.start_s * rate)
        assert round(span.duration.value) == round(shot.end_s * rate) - round(shot.start_s * rate)
    marked = marker_times(tmp_path / name, clips, float(rate))
    assert marked == [round(shot.best_time_s * rate) for shot in timeline.shots]


def marker_times(path: Path, clips: list[otio.schema.Clip], rate: float) -> list[int]:
    """Frames of the markers; the adapter writes drop-frame markers and passes over them when it reads."""
    if path.suffix == ".edl" and "FCM: DROP FRAME" in path.read_text():
        codes = re.findall(r"\* LOC: (\S+) ", path.read_text())
        return [otio.opentime.from_timecode(code, rate).to_frames() for code in codes]
    assert clips[-1].markers[0].name.upper() == "SHOT 5: SHORT-TERM 0.90"
    return [round(each.marked_range.start_time.rescaled_to(rate).value) for clip in clips for each in clip.markers]


def test_an_edl_says_which_timecodes_it_has(tmp_path: Path) -> None:
    write_markers(make_timeline(Fraction(30000, 1001)), tmp_path)
    text = (tmp_path / "timeline.edl").read_text()
    assert "FCM: DROP FRAME" in text
    assert "01:00:00;00" in text  # frame 107,892 is an hour of 29.97 by the clock (SMPTE ST 12-1)
    write_markers(make_timeline(Fraction(25)), tmp_path)
    assert "FCM" not in (tmp_path / "timeline.edl").read_text()


def test_a_film_of_an_unusual_rate_gets_the_nearest() -> None:
    assert nearest_rate(Fraction(2997, 100)) == Fraction(30000, 1001)
    assert nearest_rate(Fraction(15)) == Fraction(24000, 1001)
    assert nearest_rate(None) == 25


def test_without_opentimelineio_the_error_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("videomem_hf.films.markers.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'videomem_hf\[editors\]'"):
        write_markers(make_timeline(None), tmp_path)
