"""What is kept of a film while it is read, so that a stopped run goes on from there."""

import base64
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from videomem_hf.films.shot_scores import OpenShot, ScoredShot, Window
from videomem_hf.inference.journal import Journal
from videomem_hf.models.video_seeking import Seen
from videomem_hf.schema import InputError

_FORMAT: Final = 2


class FilmJournal:
    """Shots that are done, and what is known of the next one, of one film with one model; any other's are dropped.

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
        for line in self._journal.lines[1:]:
            self._read(line)
        self._part_s = self.shot.part_s if self.shot else 0.0

    def _read(self, line: dict[str, Any]) -> None:
        if "notes" in line:
            self.end = line
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
        self.shot = OpenShot(**(line["part"] | {"windows": windows, "best": best}))

    def add(self, shots: list[ScoredShot], following: OpenShot, seen: Seen) -> None:
        """Keep shots, and what is known of the following one when another part of the film is not needed for it."""
        for shot in shots:
            self._journal.add({"shot": shot.to_dict(), "picture": _text(shot.picture), "seen": asdict(seen)})
        if following.best is None or following.part_s <= max(self._part_s, following.start_s):
            return
        self._part_s = following.part_s
        *best, picture = following.best
        part = asdict(following) | {"best": best}
        self._journal.add({"part": part, "picture": _text(picture), "seen": asdict(seen)})

    def finish(self, notes: list[str], rate: list[int] | None) -> None:
        """Keep what is known of a film that is read to its end."""
        self._journal.add({"notes": notes, "rate": rate})

    def close(self) -> None:
        self._journal.close()


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
