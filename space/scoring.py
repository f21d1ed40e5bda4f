"""From a visitor's clip to what the pages show; all predictions come from `videomem_hf`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import intake
from models import Models
from player import Previews, cut_part, new_path
from work import Locks, check

from videomem_hf.schema import InputError

if TYPE_CHECKING:
    from videomem_hf.inference import Prediction
    from videomem_hf.inference.occlusion import OcclusionMaps

MOST_STILLS = 30
"""Frames that are shown; a longer clip has some of its frames left out, evenly."""
OVERLAY_FPS = 15.0
"""Frames a second of overlay videos, at most: twice as many would keep visitors waiting for twice as long."""
Tell = Callable[[float, str], object]
"""Takes the share that is done, from 0 to 1, and what is being done."""


@dataclass(frozen=True)
class Scored:
    """A scored clip.

    Attributes:
        name: As it is shown.
        prediction: Scores, frames and maps.
        model: The model's label.
        clip: The file that was scored; of a part the part.
        start_s: Where in the visitor's clip it begins.
        no_maps: Why the prediction has no maps, where it has none.
        can_cover: Whether the model scores frames, so that it can be measured what covering a part of them does.
        title: That the model read, empty if none was given; None of a model that reads none.
    """

    name: str
    prediction: "Prediction"
    model: str = ""
    clip: Path | None = None
    start_s: float = 0.0
    no_maps: str = ""
    can_cover: bool = False
    title: str | None = None

    @property
    def without_stills(self) -> "Scored":
        """What the overlay video and the test of a region need, without the frames, which take much memory."""
        return replace(self, prediction=replace(self.prediction, stills=()))


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
        self.previews = Previews()
        self._results: dict[tuple[str, str], Scored] = {}
        self._working = Locks()

    def explain(
        self, path: Path, model: str | None, tell: Tell, start_s: float | None = None, title: str = ""
    ) -> Scored:
        """Give a clip's scores, frames and maps.

        Args:
            path: The clip.
            model: Label of an offered model, or a Hub id.
            tell: Hears how far it is.
            start_s: Where the part begins that is scored, as long as the limit allows; None means the whole clip.
            title: Of the clip, for a model that reads titles.

        Raises:
            TooLongError: The clip is longer than what is scored at a time.
            InputError: The clip is over another limit or cannot be read, or there is no such model.
            StoppedError: See `work.stoppable`.
        """
        label = self.models.label(model)
        if start_s is not None:
            return self._explain_part(path, label, tell, start_s, title)
        digest = self._example_digest(path)
        if digest is None or label not in self.models.offered or title:
            return self._explain(path, label, tell, title)
        key = digest, label
        with self._working.hold(key):  # who asks for what is being done already waits for that
            check()
            if key not in self._results:
                self._results[key] = self._explain(path, label, tell)
        return replace(self._results[key], name=intake.display_name(path), clip=path)

    def score(self, path: Path, model: str | None, tell: Tell, title: str = "") -> Scored:
        """Give a clip's scores, with one frame and no maps; arguments and errors are those of `explain`."""
        label = self.models.label(model)
        predictor = self.models.predictor(label)
        read = title if predictor.reads_titles else None
        prediction = predictor.predict(path, stills=1, on_frame=self._frame_checker(path, tell), title=read or None)
        return Scored(intake.display_name(path), prediction, label, path, title=read)

    def warm_up(self) -> None:
        """Load the default model and score the examples, so that nobody has to wait for them."""
        label = next(iter(self.models.labels), None)
        if label is not None:
            for example in self.examples.values():
                self.explain(example, label, lambda share, what: None)

    def write_overlay(self, scored: Scored, tell: Tell) -> Path:
        """Write the overlay video of a scored clip that has maps, from those maps; the clip is not scored again."""
        from videomem_hf.inference.drawing import write_overlay

        assert scored.clip is not None
        length = float(scored.prediction.times_s[-1]) + 1
        out = new_path(" overlay.mp4", scored.clip.stem)

        def on_frame(time_s: float) -> None:
            check()
            tell(min(time_s / length, 1.0), "Drawing the overlay video")

        write_overlay(out, scored.clip, scored.prediction, on_frame=on_frame, fastest=OVERLAY_FPS)
        return out

    def cover(self, scored: Scored, rectangle: list[float], tell: Tell) -> dict:
        """For each horizon the change of the clip's score with a rectangle covered; see `occlude_rectangle`."""
        from videomem_hf.inference.occlusion import occlude_rectangle

        assert scored.clip is not None
        predictor = self.models.predictor(scored.model)
        return occlude_rectangle(predictor, scored.clip, tuple(rectangle), self._frame_checker(scored.clip, tell))

    def cover_cells(self, scored: Scored, time_s: float, tell: Tell) -> "OcclusionMaps":
        """The changes of one frame's score with each cell of a grid covered; see `occlusion_maps`."""
        from videomem_hf.inference.occlusion import occlusion_maps

        tell(0.0, "Covering one part after the other")
        return occlusion_maps(self.models.predictor(scored.model), scored.clip, frames=[time_s])

    def _explain_part(self, path: Path, label: str, tell: Tell, start_s: float, title: str) -> Scored:
        name = intake.display_name(path)
        duration_s = intake.check_clip(path, replace(self.limits, seconds=10**6))
        if start_s < 0 or (duration_s is not None and start_s >= duration_s):
            length = f"lasts {duration_s:.0f} s" if duration_s is not None else f"{start_s:g} s is no start"
            raise InputError(f"{name}: {length}; a part begins at 0 s or later, and before its end")
        tell(0.0, "Cutting the part")
        part, begin_s = cut_part(path, start_s, self.limits.seconds, self.limits.work_s)
        scored = self._explain(part, label, tell, title)
        end_s = begin_s + float(scored.prediction.times_s[-1])
        return replace(scored, name=f"{name}, from {begin_s:.0f} s to {end_s:.0f} s", start_s=begin_s)

    def _explain(self, path: Path, label: str, tell: Tell, title: str = "") -> Scored:
        from videomem_hf.inference import Predictor

        name = intake.display_name(path)
        intake.check_clip(path, self.limits)  # before the model is loaded, which can take long
        tell(0.0, "Loading the model")
        predictor = self.models.predictor(label)
        maps = predictor.saliency_method is not None
        read = title if predictor.reads_titles else None
        prediction = predictor.predict(
            path, stills=MOST_STILLS, on_frame=self._frame_checker(path, tell), maps=maps, title=read or None
        )
        why = "" if maps else predictor.why_no_maps.replace(predictor.name, label)
        can_cover = isinstance(predictor, Predictor)
        return Scored(name, prediction, label, path, no_maps=why, can_cover=can_cover, title=read)

    def _frame_checker(self, path: Path, tell: Tell) -> Callable:
        duration_s = intake.check_clip(path, self.limits) or self.limits.seconds

        def report(time_s: float) -> None:
            check()
            tell(min((time_s + 1) / duration_s, 1.0), f"Scoring second {time_s:.0f}")

        return intake.frame_checker(path, self.limits, report)

    def _example_digest(self, path: Path) -> str | None:
        """Which example a file is, by its content: the browser sends it as any other clip. None: it is none."""
        if path.stat().st_size not in self._digests:
            return None
        digest = intake.digest_of(path)
        return digest if digest in self._digests.values() else None

    @cached_property
    def _digests(self) -> dict[int, str]:
        return {example.stat().st_size: intake.digest_of(example) for example in self.examples.values()}
