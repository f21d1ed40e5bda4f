"""The design of a study: every number of the two-step memory game, each with its source.

`StudyDesign()` is the paper's design (Sec. 3.2, Fig. 2); other numbers make another design. A design that cannot work
raises an error when it is created. A design travels with its annotations as YAML: `save_design`, `load_design`.
"""

import dataclasses
import inspect
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import UnionType
from typing import Any, Final, Literal, NamedTuple, get_args, get_origin, get_type_hints

from videomem_hf.recipes import build, read_yaml
from videomem_hf.schema import Horizon, InputError
from videomem_hf.system import atomic_write

FEWEST_CLIPS: Final = 20
"""Of which `videomem study plan` makes a game, those of the instructions included."""
_MOST_SHOWINGS: Final = 100_000
"""Of a participant in a step: nine days without a pause at the paper's pace."""
_LONGEST_DELAY_H: Final = 87_660.0
"""Ten years."""
_LARGEST: Final = 10**15
"""Whole numbers up to here are exact as floats, and fit 64 bits when multiplied by a few thousand."""


def _with_source(value: Any, source: str) -> Any:
    """A default of the design, with its source."""
    return field(default=value, metadata={"source": source})


@dataclass(frozen=True)
class FirstStep:
    """Step 1, interlaced viewing and recognition: the short-term measure.

    A lag is the difference of the positions of a video's two showings: at lag 3, two other videos come between them.

    Attributes:
        targets: Videos shown twice; the response to the second showing is the short-term annotation.
        target_lag_min, target_lag_max: Range of the targets' lags.
        vigilance_fillers: Videos shown twice in close succession, to check that the participant attends.
        vigilance_lag_min, vigilance_lag_max: Range of the vigilance fillers' lags.
        fillers: Videos shown once; the targets of step 2 are taken from them.
        candidates: The videos are drawn from this many with the fewest annotations (with `assignment.policy`
            "adaptive": the vigilance fillers, from those whose long-term score gains most after the fillers).
    """

    targets: int = _with_source(40, "Sec. 3.2, Fig. 2a")
    target_lag_min: int = _with_source(45, "Sec. 3.2, Fig. 2a")
    target_lag_max: int = _with_source(100, "Sec. 3.2, Fig. 2a")
    vigilance_fillers: int = _with_source(20, "Sec. 3.2, Fig. 2a")
    vigilance_lag_min: int = _with_source(3, "Sec. 3.2, Fig. 2a")
    vigilance_lag_max: int = _with_source(6, "Sec. 3.2, Fig. 2a")
    fillers: int = _with_source(60, "Sec. 3.2: 80 fillers, less the 20 for vigilance")
    candidates: int = _with_source(1000, "Sec. 3.2")

    @property
    def videos(self) -> int:
        """Number of different videos that a participant sees: 120 in the paper."""
        return self.targets + self.vigilance_fillers + self.fillers

    @property
    def showings(self) -> int:
        """Number of showings, repeats included: 180 in the paper."""
        return self.videos + self.targets + self.vigilance_fillers

    def __post_init__(self) -> None:
        check_types(self)
        check_at_least(self, 1, "targets")
        check_at_least(self, 0, "vigilance_fillers", "fillers")
        _check_showings(1, self.showings)
        check_at_least(self, 1, "target_lag_min", "vigilance_lag_min")
        for kind, count in (("target", self.targets), ("vigilance", self.vigilance_fillers)):
            shortest, longest = getattr(self, f"{kind}_lag_min"), getattr(self, f"{kind}_lag_max")
            _check_order(self, f"{kind}_lag_min", f"{kind}_lag_max")
            if count and shortest > self.showings - count:
                raise InputError(
                    f"Step 1: {count} {kind} repeats at a lag of {shortest} or more do not fit into {self.showings} "
                    f"showings; the shortest lag can be at most {self.showings - count}. Shorten it or add fillers."
                )
            if count and longest > self.showings - 1:
                raise InputError(
                    f"Step 1: {kind}_lag_max {longest} is beyond the last of {self.showings} showings; it can be at "
                    f"most {self.showings - 1}. Shorten it or add fillers."
                )
        if self.candidates < self.videos:
            raise InputError(
                f"Step 1: {self.videos} videos cannot be drawn from {self.candidates} candidates; "
                f"set candidates to {self.videos} or more."
            )


@dataclass(frozen=True)
class SecondStep:
    """Step 2, recognition after a day or more: the long-term measure.

    Attributes:
        targets: Step-1 fillers shown once more; the response is the long-term annotation.
        fillers: Videos that the participant has never seen.
        delay_min_h, delay_max_h: Hours between the end of step 1 and the start of step 2.
        targets_by: How the targets are chosen from the participant's step-1 fillers: "random" as in the paper, or
            "least_annotated": those with the fewest long-term annotations, which evens out the annotation counts.
    """

    targets: int = _with_source(40, "Sec. 3.2, Fig. 2b")
    fillers: int = _with_source(80, "Sec. 3.2, Fig. 2b")
    delay_min_h: float = _with_source(24.0, "Sec. 3.2, Fig. 2b")
    delay_max_h: float = _with_source(72.0, "Sec. 3.2, Fig. 2b")
    targets_by: Literal["random", "least_annotated"] = _with_source("random", "Sec. 3.2")

    @property
    def showings(self) -> int:
        """Number of showings, each of a different video: 120 in the paper."""
        return self.targets + self.fillers

    def __post_init__(self) -> None:
        check_types(self)
        check_at_least(self, 1, "targets")
        check_at_least(self, 0, "fillers", "delay_min_h")
        _check_showings(2, self.showings)
        _check_order(self, "delay_min_h", "delay_max_h")
        if self.delay_max_h > _LONGEST_DELAY_H:
            raise InputError(
                f"delay_max_h {self.delay_max_h:g}; it is in hours, at most {_LONGEST_DELAY_H:,.0f} (ten years)."
            )


@dataclass(frozen=True)
class Presentation:
    """How a video is shown.

    Attributes:
        window_s: Seconds from the start of a clip during which a press counts; the showing ends after them.
        gap_s: Seconds between the end of a showing and the start of the next.
        key: The key to press, by its name in browsers; a press ends the showing.
    """

    window_s: float = _with_source(7.0, "Sec. 3.1: clips of 7 s; Sec. 3.2: a clip goes on up to its end")
    gap_s: float = _with_source(1.0, "the original software; the paper gives none")
    key: str = _with_source(" ", "Sec. 3.2: the space bar, which ends the showing")

    def __post_init__(self) -> None:
        check_types(self)
        if not 0 < self.window_s <= 600:
            raise InputError(f"window_s {self.window_s}; a response window is above 0 s and at most 600 s.")
        if not 0 <= self.gap_s <= 600:
            raise InputError(f"gap_s {self.gap_s}; a gap is from 0 s to 600 s.")
        if not self.key:
            raise InputError("key is empty; give the key's name, such as ' ' for the space bar.")


@dataclass(frozen=True)
class Controls:
    """The controls that a participant must pass; all rates in [0, 1].

    Attributes:
        vigilance_hits_min: Step 1: lowest hit rate of vigilance repeats.
        step1_false_alarms_max: Step 1: highest false-alarm rate, over first showings.
        step2_false_alarms_max: Step 2: highest false-alarm rate, over new videos.
        step2_recognition_min: Step 2: lowest hit rate of targets.
        step2_recognition_above_false_alarms: Step 2: the hit rate must be above the false-alarm rate.
        missing_max: Each step: highest share of showings that are missing, because a clip could not be played, say.
        design_numbers: Whether a table must have the design's numbers of showings, roles and lags; false where it was
            imported from other software, whose participants may differ.
    """

    vigilance_hits_min: float = _with_source(0.71, "the original software; the paper gives no figure")
    step1_false_alarms_max: float = _with_source(0.30, "Sec. 3.2")
    step2_false_alarms_max: float = _with_source(0.40, "Sec. 3.2")
    step2_recognition_min: float = _with_source(0.15, "Sec. 3.2")
    step2_recognition_above_false_alarms: bool = _with_source(True, "Sec. 3.2")
    missing_max: float = _with_source(0.10, "no source: the paper reports no technical failures")
    design_numbers: bool = _with_source(True, "all participants of the paper have its design")

    def __post_init__(self) -> None:
        check_types(self)
        for name, value in vars(self).items():
            if not 0 <= value <= 1:
                raise InputError(f"{name} {value}; a rate is a number from 0 to 1.")


@dataclass(frozen=True)
class Practice:
    """Showings with feedback before each step, of clips that are in neither step; they are never scored.

    Attributes:
        step1_showings: Showings of the practice before step 1; 0 for none.
        step2_showings: Showings of the practice before step 2, half of them of clips of the first practice; 0 for none.
    """

    step1_showings: int = _with_source(5, "no source: the paper reports no practice")
    step2_showings: int = _with_source(4, "no source: the paper reports no practice")

    @property
    def clips(self) -> int:
        """Number of different clips of both."""
        first = self.step1_showings // 2 + 1 if self.step1_showings else 0
        return first + self.step2_showings // 2

    def __post_init__(self) -> None:
        check_types(self)
        check_at_least(self, 0, "step1_showings", "step2_showings")
        if self.step2_showings > self.step1_showings:
            raise InputError(
                f"step2_showings {self.step2_showings} with step1_showings {self.step1_showings}; the second practice "
                "repeats clips of the first and is at most as long."
            )


@dataclass(frozen=True)
class Assignment:
    """How videos are assigned to participants, and when the study stops by itself.

    Attributes:
        policy: "least_annotated": the videos with the fewest annotations; "adaptive": those whose next annotation
            lowers the error of the ranking most.
        short_term_reliability, long_term_reliability: Nobody is admitted any more once scores have these, from 0 to
            below 1; 0 for no limit.
    """

    policy: Literal["least_annotated", "adaptive"] = _with_source("least_annotated", "Sec. 3.2")
    short_term_reliability: float = _with_source(0.0, "no source: the paper's study does not stop by itself")
    long_term_reliability: float = _with_source(0.0, "no source: the paper's study does not stop by itself")

    @property
    def wanted(self) -> dict[Horizon, float]:
        """The reliabilities at which the study stops, without those of no limit."""
        given: dict[Horizon, float] = {
            "short_term": self.short_term_reliability,
            "long_term": self.long_term_reliability,
        }
        return {horizon: value for horizon, value in given.items() if value}

    @property
    def logged(self) -> bool:
        """Whether decisions depend on responses, so that each is kept in a log."""
        return self.policy == "adaptive" or bool(self.wanted)

    def __post_init__(self) -> None:
        check_types(self)
        for name in ("short_term_reliability", "long_term_reliability"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"{name} {getattr(self, name)}; a reliability is a number from 0 to below 1.")


@dataclass(frozen=True)
class StudyDesign:
    """A study: its two steps, how a video is shown, the controls, the practice, and how videos are assigned; raises
    InputError if they contradict each other."""

    step1: FirstStep = field(default_factory=FirstStep)
    step2: SecondStep = field(default_factory=SecondStep)
    presentation: Presentation = field(default_factory=Presentation)
    controls: Controls = field(default_factory=Controls)
    practice: Practice = field(default_factory=Practice)
    assignment: Assignment = field(default_factory=Assignment)

    @property
    def videos_needed(self) -> int:
        """Smallest number of videos of a study: those of step 1 and the new ones of step 2. 200 in the paper."""
        return self.step1.videos + self.step2.fillers

    def __post_init__(self) -> None:
        if self.step2.targets > self.step1.fillers:
            raise InputError(
                f"Step 2 has {self.step2.targets} targets, step 1 only {self.step1.fillers} fillers to take them from; "
                "lower step2.targets or raise step1.fillers."
            )

    def for_collection(self, videos: int) -> "StudyDesign":
        """This design for a collection of this size.

        Drawing from the least annotated evens out annotation counts only if they are a part of the collection. Where
        they would be all of it, `candidates` becomes a tenth of the collection, as in the paper (1,000 of 10,000), but
        at least the videos of one participant.
        """
        if self.step1.candidates < videos:
            return self
        candidates = max(self.step1.videos, videos // 10)
        return dataclasses.replace(self, step1=dataclasses.replace(self.step1, candidates=candidates))

    def check_collection(self, videos: int, clips: int | None = None) -> None:
        """Raise InputError for a collection with fewer videos than one participant sees in both steps.

        `clips` is their number with those of the instructions, for the command that plans a design.
        """
        if videos < self.videos_needed:
            enough = (clips or videos) >= FEWEST_CLIPS
            own = f"`videomem study plan --videos {clips or videos}` write a design for yours"
            least = f"`videomem study plan` write a smaller design, which takes {FEWEST_CLIPS} clips or more"
            raise InputError(
                f"{videos} videos; one participant sees {self.step1.videos} in step 1 and {self.step2.fillers} others "
                f"in step 2. Add {self.videos_needed - videos} videos, or let {own if enough else least}, and give its "
                "file with `--design FILE`."
            )


def load_design(path: Path | str) -> StudyDesign:
    """Read a design from YAML or JSON; missing numbers are as in the paper, which has no practice.

    Raises InputError, naming the file, if it is missing or is not a design that can work.
    """
    return build_design(read_yaml(Path(path)), str(path))


def build_design(stored: Mapping[str, Any], where: str) -> StudyDesign:
    """The design that `stored` says, as of `load_design`; one without a section `practice` has none."""
    no_practice = {"step1_showings": 0, "step2_showings": 0}
    parts = {name: part for name, part in stored.items() if part is not None}
    return build(StudyDesign, {"practice": no_practice} | parts, where)


def save_design(design: StudyDesign, path: Path | str) -> None:
    """Write a design: JSON if the name ends in .json, else YAML with the source of each number beside it."""
    path = Path(path)
    text = json.dumps(dataclasses.asdict(design), indent=2) + "\n" if path.suffix == ".json" else _yaml(design)
    with atomic_write(path) as partial:
        partial.write_text(text, encoding="utf-8")


def _yaml(design: StudyDesign) -> str:
    lines = []
    for part in fields(design):
        lines.append(f"{part.name}:")
        values = getattr(design, part.name)
        for entry in fields(values):
            value = getattr(values, entry.name)
            source = entry.metadata["source"]
            origin = source if value == entry.default else f"own choice; {entry.default!r} in {source}"
            lines.append(f"  {entry.name}: {json.dumps(value)}  # {origin}")
    return "\n".join(lines) + "\n"


class DesignName(NamedTuple):
    """A name in design.yaml: its section, value in the paper's design, meaning and source."""

    section: str
    name: str
    default: Any
    about: str
    source: str


def design_names() -> list[DesignName]:
    """Every name in design.yaml, from the dataclasses and their docstrings."""
    names = []
    for part in fields(StudyDesign):
        kind = part.default_factory
        about = _attributes(inspect.getdoc(kind) or "")
        names += [
            DesignName(part.name, entry.name, entry.default, about[entry.name], entry.metadata["source"])
            for entry in fields(kind)  # type: ignore[arg-type]
        ]
    return names


def _attributes(docstring: str) -> dict[str, str]:
    """The text of each name under "Attributes:"; several names may share one."""
    section = docstring.partition("Attributes:\n")[2]
    found = re.findall(r"^    (\w+(?:, \w+)*): (.*(?:\n {8}.*)*)", section, re.M)
    return {name: " ".join(text.split()) for names, text in found for name in names.split(", ")}


def check_types(part: Any) -> None:
    """Check that each value has the declared type of its field; an integer is converted where a float is declared."""
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "text, quote it"}
    for name, kind in get_type_hints(type(part)).items():
        value = getattr(part, name)
        if get_origin(kind) is Literal and value not in get_args(kind):
            raise InputError(f"{name} {value!r}; it is one of {', '.join(get_args(kind))}.")
        if kind not in names:
            continue
        fits: type | UnionType = int | float if kind is float else kind
        if not isinstance(value, fits) or (isinstance(value, bool) and kind is not bool):
            raise InputError(f"{name} {value!r}; it is {names[kind]}.")
        if isinstance(value, int) and abs(value) > _LARGEST:
            raise InputError(f"{name} is too large a number; it is at most {_LARGEST:,}.")
        if kind is float and isinstance(value, int):
            object.__setattr__(part, name, float(value))


def check_at_least(part: Any, lowest: float, *names: str) -> None:
    """Check that the values of these fields are not below the lowest."""
    for name in names:
        if not getattr(part, name) >= lowest:
            raise InputError(f"{name} {getattr(part, name)}; it must be {lowest} or more.")


def _check_showings(step: int, showings: int) -> None:
    if showings > _MOST_SHOWINGS:
        raise InputError(f"Step {step}: {showings:,} showings for each participant; at most {_MOST_SHOWINGS:,}.")


def _check_order(part: Any, low: str, high: str) -> None:
    if not getattr(part, low) <= getattr(part, high) < float("inf"):
        raise InputError(f"{low} {getattr(part, low)} is above {high} {getattr(part, high)}; exchange the two.")
