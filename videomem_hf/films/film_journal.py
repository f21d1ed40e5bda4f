"""What is kept of a film while it is read, so that a stopped run goes on from there."""

import base64
import json
import zlib
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from videomem_hf.films.shot_scores import OpenShot, ScoredShot, Window
from videomem_hf.inference.journal import Journal
from videomem_hf.models.video_seeking import Seen
from videomem_hf.schema import InputError

_FORMAT: Final = 3
_GROWING: Final = ("windows", "weights", "typicality")
"""What grows with the length of a shot: of it a line has what the lines before it have not."""


class FilmJournal:
    """Shots that are done, and what is known of the next one, of one film with one model; any other's are dropped.

    Each line has a checksum of itself and of the lines before it. From the first line on that is damaged, or stands
    where another was, lines are dropped, and what they told is done again.

    Args:
        path: Of the file; made if it is not there.
        about: What tells the film, the model and the sampling from others.

    Attributes:
        shots: Those that an earlier run kept.
        shot: What it knew of the next one; None at the beginning.
        seen: What was odd about the film up to there.
        end: What the journal of a finished film says at its end, `notes` and `rate`.
    """

    def __init__(self, path: Path, about: dict[str, Any]) -> None:
        self._journal = _open_journal(path, about | {"format": _FORMAT})
        self.shots: list[ScoredShot] = []
        self.shot: OpenShot | None = None
        self.seen: Seen | None = None
        self.end: dict[str, Any] | None = None
        self._sum = 0
        about, *lines = self._journal.lines
        for number, line in enumerate(lines):
            if not self._is_next(line):
                self._journal.close()
                path.unlink()
                self._journal = Journal(path, about)
                for each in lines[:number]:
                    self._journal.add(each)
                break
            self._read(line)
        self._part_s = self.shot.part_s if self.shot else 0.0
        self._kept = _lengths(self.shot)

    def _is_next(self, line: Any) -> bool:
        """Whether a line is what was written after those before it."""
        if not isinstance(line, dict):
            return False
        content = {name: value for name, value in line.items() if name != "sum"}
        if line.get("sum") != _sum_of(content, self._sum):
            return False
        self._sum = line["sum"]
        return True

    def _read(self, line: dict[str, Any]) -> None:
        if "notes" in line:
            self.end = {"notes": line["notes"], "rate": line["rate"] and Fraction(*line["rate"])}
            return
        seen = line["seen"]
        self.seen = Seen(**(seen | {"sizes": [tuple(size) for size in seen["sizes"]], "held": tuple(seen["held"])}))
        if "shot" in line:
            self.shots.append(ScoredShot.from_dict(line["shot"], base64.b64decode(line["picture"])))
            self.shot = OpenShot.at(self.shots[-1].end_s)
            return
        mean, time_s, scores = line["part"]["best"]
        windows = [Window(**each) for each in line["part"]["windows"]]
        best = mean, time_s, scores, base64.b64decode(line["picture"])
        before, self.shot = self.shot, OpenShot(**(line["part"] | {"windows": windows, "best": best}))
        for name in _GROWING if before else ():
            setattr(self.shot, name, getattr(before, name) + getattr(self.shot, name))

    def add(self, shots: list[ScoredShot], following: OpenShot, seen: Seen) -> None:
        """Keep shots, and what is known of the following one when another part of the film is not needed for it."""
        for shot in shots:
            self._add({"shot": shot.to_dict(), "picture": _text(shot.picture), "seen": asdict(seen)})
            self._kept = _lengths(None)
        if following.best is None or following.part_s <= max(self._part_s, following.start_s):
            return
        self._part_s = following.part_s
        *best, picture = following.best
        added = {name: getattr(following, name)[length:] for name, length in self._kept.items()}
        part = asdict(replace(following, **added)) | {"best": best}
        self._kept = _lengths(following)
        self._add({"part": part, "picture": _text(picture), "seen": asdict(seen)})

    def finish(self, notes: list[str], rate: list[int] | None) -> None:
        """Keep what is known of a film that is read to its end."""
        self._add({"notes": notes, "rate": rate})

    def close(self) -> None:
        self._journal.close()

    def _add(self, line: dict[str, Any]) -> None:
        self._sum = _sum_of(line, self._sum)
        self._journal.add(line | {"sum": self._sum})


def _sum_of(line: dict[str, Any], before: int) -> int:
    return zlib.crc32(json.dumps(line).encode(), before)


def _lengths(shot: OpenShot | None) -> dict[str, int]:
    return {name: len(getattr(shot, name)) if shot else 0 for name in _GROWING}


def _text(picture: bytes) -> str:
    return base64.b64encode(picture).decode()


def _open_journal(path: Path, about: dict[str, Any]) -> Journal:
    try:
        journal = Journal(path, about)
        if journal.lines[:1] == [about]:
            return journal
        journal.close()
    except InputError:
        raise
    except ValueError:  # another file, or a damaged one
        pass
    path.unlink()
    return Journal(path, about)
