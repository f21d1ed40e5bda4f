"""Scores of many clips, kept as they come: what is done stays done, whatever happens to the run."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from videomem_hf.inference.clip_predictor import ClipPredictor
from videomem_hf.inference.intervals import LEVEL
from videomem_hf.inference.journal import Journal
from videomem_hf.inference.prediction import Intervals, Prediction
from videomem_hf.schema import Horizon, InputError, sort_horizons


@dataclass(frozen=True)
class ClipScores:
    """One clip's entry in a table of scores.

    Attributes:
        scores: For each horizon, in [0, 1].
        frames: How many were scored.
        notes: What was odd about the file.
        intervals, percentiles, typicality: As of `Prediction`.
    """

    scores: dict[Horizon, float]
    frames: int
    notes: tuple[str, ...]
    intervals: Intervals | None = None
    percentiles: dict[Horizon, float] = field(default_factory=dict)
    typicality: float | None = None

    @classmethod
    def of(cls, prediction: Prediction) -> "ClipScores":
        p = prediction
        return cls(p.scores, len(p.times_s), p.notes, p.intervals, p.percentiles, p.typicality)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "ClipScores":
        """Read a journal's entry, which has more fields, or fewer in an older journal."""
        given = {name: stored[name] for name in cls.__dataclass_fields__ if name in stored}
        ends = given.get("intervals") and {h: tuple(each) for h, each in given["intervals"].items()}
        return cls(**(given | {"notes": tuple(stored["notes"]), "intervals": ends or None}))


@dataclass(frozen=True)
class ModelFacts:
    """What stands beside all scores of a model.

    Attributes:
        name, version, caveats, interval_level: As of `Prediction`.
        horizons: What it predicts.
        among: What percentiles are shares of, as of `Reference`; empty without any.
        is_tested: Whether it is known how far apart two scores must be that clips are ranked by.
        scores_frames: As of `ClipPredictor`.
    """

    name: str
    horizons: tuple[Horizon, ...]
    version: str = ""
    caveats: tuple[str, ...] = ()
    among: str = ""
    is_tested: bool = False
    interval_level: float = LEVEL
    scores_frames: bool = True

    @classmethod
    def of(cls, predictor: ClipPredictor) -> "ModelFacts":
        """Those of a predictor."""
        claims = predictor.claims
        reference = claims.reference
        ranked_by = sort_horizons(predictor.horizons)[0]
        among = reference.among if reference and reference.quantiles else ""
        tested = reference is not None and ranked_by in reference.difference_error
        level = predictor.interval_level
        facts = claims.version, claims.caveats, among, tested, level, predictor.scores_frames
        return cls(predictor.name, predictor.horizons, *facts)


class ScoreJournal:
    """A file with one JSON line per clip, written as soon as it is scored.

    A line that was cut off when the process was killed is dropped. A clip whose size or time has changed counts as
    another one.

    Args:
        path: Of the file; made if it is not there.
        model: What the scores are of; see `model_identity`.

    Raises:
        InputError: The file is not a journal, holds scores of another model, or cannot be written.
    """

    def __init__(self, path: Path, model: dict[str, Any]) -> None:
        self.path = path
        self._known: dict[str, tuple[dict[str, int | str], ClipScores]] = {}
        try:
            self._journal = Journal(path, {"model": model})
            first, *entries = self._journal.lines
            written = first["model"]
            name = written.get("name")
            for entry in entries:
                self._known[entry["clip"]] = entry["state"], ClipScores.from_dict(entry)
        except InputError:
            raise
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"{path}: is not a journal of scores ({error}); remove it, or name another --csv"
            ) from None
        if written != model:
            raise InputError(
                f"{path}: holds scores of another model ({name}, or its weights have changed); "
                "remove it to start again, or name another --csv"
            )

    def get(self, clip: Path, title: str | None = None) -> ClipScores | None:
        """Give a clip's scores, if it is done and still the same file with the same title."""
        found = self._known.get(str(clip.absolute()))
        return found[1] if found and found[0] == _state(clip, title) else None

    def add(self, clip: Path, scores: ClipScores, title: str | None = None) -> None:
        """Write a clip's scores; they are in the file when this returns."""
        key, state = str(clip.absolute()), _state(clip, title)
        self._known[key] = state, scores
        self._journal.add({"clip": key, "state": state} | asdict(scores))

    def close(self) -> None:
        self._journal.close()


def model_identity(name: str, horizons: tuple[Horizon, ...], version: str) -> dict[str, Any]:
    """Tell a model from others: by its name, or the whole path of its folder, and the version of its weights."""
    folder = Path(name)
    return {"name": str(folder.absolute()) if folder.is_dir() else name, "horizons": list(horizons), "version": version}


def file_state(clip: Path) -> dict[str, int | str]:
    """Tell a file from what it was before it changed; empty for a file that is gone, which counts as changed."""
    try:
        status = clip.stat()
    except OSError:
        return {}
    return {"bytes": status.st_size, "modified_ns": status.st_mtime_ns}


def _state(clip: Path, title: str | None) -> dict[str, int | str]:
    return file_state(clip) | ({"title": title} if title else {})
