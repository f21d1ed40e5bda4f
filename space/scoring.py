"""From a visitor's clip to what the pages show; all predictions come from `videomem_hf`."""

import hashlib
import tempfile
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import intake
from models import Models

if TYPE_CHECKING:
    from videomem_hf.inference import Prediction

MOST_STILLS = 30
"""Frames that are shown; a longer clip has some of its frames left out, evenly."""
OVERLAY_FPS = 15.0
"""Frames a second of overlay videos, at most: twice as many would keep visitors waiting for twice as long."""
Tell = Callable[[float, str], object]
"""Takes the share that is done, from 0 to 1, and what is being done."""


@dataclass(frozen=True)
class Scored:
    """A clip, as far as it is done.

    Attributes:
        name: As it is shown.
        prediction: Scores, frames and maps.
        overlay: The overlay video, once it is written; stays None for a model without maps.
    """

    name: str
    prediction: "Prediction"
    overlay: Path | None = None


class Scoring:
    """Scores clips, and remembers the examples' results.

    Args:
        models: What can be chosen.
        limits: What clips may be.
        examples: Clips that are offered, by what they are called; their results are kept, to be there at once.
    """

    def __init__(self, models: Models, limits: intake.Limits, examples: Mapping[str, Path] | None = None) -> None:
        self.models = models
        self.limits = limits
        self.examples = dict(examples or {})
        self._results: dict[tuple[str, str], Scored] = {}
        self._working: defaultdict[tuple[str, str], threading.Lock] = defaultdict(threading.Lock)

    def explain(self, path: Path, model: str | None, folder: Path, tell: Tell) -> Iterator[Scored]:
        """Yield a clip's scores as soon as they are known, then its frames and maps, then its overlay video.

        Args:
            path: The clip.
            model: Label of an offered model, or a Hub id.
            folder: Where the overlay video is written.
            tell: Hears how far it is.

        Raises:
            InputError: The clip is over a limit or cannot be read, or there is no such model.
        """
        digest = self._example_digest(path)
        if digest is None:
            yield from self._explain(path, model, folder, tell)
            return
        key = digest, str(model)
        with self._working[key]:  # who asks for what is being done already waits for that
            if key not in self._results:
                for scored in self._explain(path, model, self._examples_folder, tell):
                    yield scored
                self._results[key] = scored
        yield replace(self._results[key], name=intake.display_name(path))

    def score(self, path: Path, model: str | None, tell: Tell) -> Scored:
        """Give a clip's scores, with one frame and no maps; arguments and errors are those of `explain`."""
        predictor = self.models.predictor(model)
        prediction = predictor.predict(path, stills=1, on_frame=self._frame_watcher(path, tell))
        return Scored(intake.display_name(path), prediction)

    def warm_up(self) -> None:
        """Load the default model and score the examples, so that nobody has to wait for them."""
        label = next(iter(self.models.labels), None)
        if label is None:
            return
        for example in self.examples.values():
            with tempfile.TemporaryDirectory() as folder:
                for _ in self.explain(example, label, Path(folder), lambda share, what: None):
                    pass

    def _explain(self, path: Path, model: str | None, folder: Path, tell: Tell) -> Iterator[Scored]:
        name = intake.display_name(path)
        intake.check_clip(path, self.limits)  # before the model is loaded, which can take long
        tell(0.0, "Loading the model")
        predictor = self.models.predictor(model)
        look = self._frame_watcher(path, tell)
        maps = predictor.saliency_method is not None
        prediction = predictor.predict(path, stills=MOST_STILLS, on_frame=look, maps=maps)
        scored = Scored(name, prediction)
        yield scored
        if prediction.saliency is not None:
            yield replace(scored, overlay=self._write_overlay(path, prediction, folder, tell))

    def _write_overlay(self, path: Path, prediction: "Prediction", folder: Path, tell: Tell) -> Path:
        from videomem_hf.inference.drawing import write_overlay

        length = float(prediction.times_s[-1]) + 1
        with tempfile.NamedTemporaryFile(dir=folder, prefix="overlay-", suffix=".mp4", delete=False) as file:
            out = Path(file.name)
        write_overlay(
            out,
            path,
            prediction,
            on_frame=lambda time_s: tell(min(time_s / length, 1.0), "Drawing the overlay video"),
            fastest=OVERLAY_FPS,
        )
        return out

    def _frame_watcher(self, path: Path, tell: Tell) -> Callable:
        duration_s = intake.check_clip(path, self.limits) or self.limits.seconds
        return intake.watch(
            path, self.limits, lambda time_s: tell(min((time_s + 1) / duration_s, 1.0), f"Scoring second {time_s:.0f}")
        )

    def _example_digest(self, path: Path) -> str | None:
        """Which example a file is, by its content: the browser sends it as any other clip. None: it is none."""
        if path.stat().st_size not in self._digests:
            return None
        digest = _digest(path)
        return digest if digest in self._digests.values() else None

    @cached_property
    def _digests(self) -> dict[int, str]:
        return {example.stat().st_size: _digest(example) for example in self.examples.values()}

    @cached_property
    def _temporary(self) -> tempfile.TemporaryDirectory:
        return tempfile.TemporaryDirectory(prefix="videomem-examples-")

    @property
    def _examples_folder(self) -> Path:
        """Where the examples' overlay videos stay until the process ends."""
        return Path(self._temporary.name)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
