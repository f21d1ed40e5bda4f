"""A timeline for editing programs: OpenTimelineIO, and an edit decision list (CMX 3600) by its adapter."""

from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from videomem_hf.films.shot_scores import ScoredShot
from videomem_hf.films.timeline import Timeline
from videomem_hf.models.video_decoding import DEFAULT_RATE
from videomem_hf.schema import HORIZON_NAMES, InputError
from videomem_hf.system import atomic_write, printable

OTIO: Final = "timeline.otio"
EDL: Final = "timeline.edl"
_RATES: Final = (
    Fraction(24000, 1001), Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(30), Fraction(48000, 1001),
    Fraction(48), Fraction(50), Fraction(60000, 1001), Fraction(60),
)  # fmt: skip
"""Rates for which there are timecodes (SMPTE ST 12)."""
_BEST: Final = 0.1
"""Share of shots whose markers are red; the next are yellow."""


def write_markers(timeline: Timeline, folder: Path, film: Path | None = None) -> list[Path]:
    """Write `timeline.otio` and `timeline.edl`: the film cut into its shots, with a marker at each one's best frame.

    Raises:
        InputError: OpenTimelineIO is not installed.
    """
    check_markers()
    import opentimelineio as otio

    rate = nearest_rate(timeline.frames_per_second)
    written = [folder / OTIO, folder / EDL]
    for path in written:
        with atomic_write(path) as partial:
            otio.adapters.write_to_file(_cut_film(otio, timeline, rate, film), str(partial))
    if is_drop_frame(rate):
        _say_drop_frame(written[1])
    return written


def check_markers() -> None:
    """Raise an InputError without OpenTimelineIO."""
    if find_spec("opentimelineio") is None or find_spec("otio_cmx3600_adapter") is None:
        raise InputError("--otio: needs OpenTimelineIO: pip install 'videomem_hf[editors]'")


def nearest_rate(frames_per_second: Fraction | None) -> Fraction:
    """The rate of the timecodes of a film; of an unusual or changing one the nearest."""
    given = frames_per_second or Fraction(DEFAULT_RATE)
    return min(_RATES, key=lambda rate: abs(rate - given))


def is_drop_frame(rate: Fraction) -> bool:
    """Whether timecodes of a rate leave numbers out, to keep to the clock: those of 29.97 and 59.94 do."""
    return rate.denominator == 1001 and rate.numerator % 30000 == 0


def _cut_film(otio: Any, timeline: Timeline, rate: Fraction, film: Path | None) -> Any:
    hertz = float(rate)
    cut = otio.schema.Timeline(name=printable(Path(timeline.source).name))
    cut.metadata["videomem_hf"] = {"model": timeline.model, "model_version": timeline.model_version}
    track = otio.schema.Track(name="shots", kind=otio.schema.TrackKind.Video)
    cut.tracks.append(track)
    frames = [round(shot.start_s * rate) for shot in timeline.shots] + [round(timeline.duration_s * rate)]
    whole = _range(otio, 0, max(1, frames[-1]), hertz)
    url = film.absolute().as_uri() if film else printable(timeline.source)
    ranks = {number: rank for rank, number in enumerate(timeline.ranked())}
    for number, shot in enumerate(timeline.shots):
        media = otio.schema.ExternalReference(target_url=url, available_range=whole)
        length = max(1, frames[number + 1] - frames[number])
        clip = otio.schema.Clip(f"shot {number + 1}", media, _range(otio, frames[number], length, hertz))
        clip.metadata["cmx_3600"] = {"reel": "FILM"}
        best = min(max(round(shot.best_time_s * rate), frames[number]), frames[number] + length - 1)
        colour = _colour(ranks[number], len(timeline.shots))
        marker = otio.schema.Marker(_text(number, shot), _range(otio, best, 1, hertz), colour)
        marker.metadata["videomem_hf"] = {str(horizon): score for horizon, score in shot.scores.items()}
        clip.markers.append(marker)
        track.append(clip)
    return cut


def _range(otio: Any, start: int, frames: int, hertz: float) -> Any:
    time = otio.opentime.RationalTime
    return otio.opentime.TimeRange(time(start, hertz), time(frames, hertz))


def _text(number: int, shot: ScoredShot) -> str:
    scores = ", ".join(f"{HORIZON_NAMES[horizon]} {score:.2f}" for horizon, score in shot.scores.items())
    return f"shot {number + 1}: {scores}"


def _colour(rank: int, shots: int) -> str:
    if rank < max(1, _BEST * shots):
        return "RED"
    return "YELLOW" if rank < max(2, 2 * _BEST * shots) else "GREEN"


def _say_drop_frame(path: Path) -> None:
    """Say which timecodes a list has, which the adapter leaves out."""
    title, rest = path.read_text(encoding="utf-8").split("\n", 1)
    with atomic_write(path) as partial:
        partial.write_text(f"{title}\nFCM: DROP FRAME\n{rest}", encoding="utf-8")
