"""Which videos a participant sees, and in which order: pure functions of the design, the annotation counts and a seed.

A step's videos have slots: in step 1 first the targets, then the vigilance fillers, then the fillers; in step 2 first
the targets, then the new videos. An order gives the slot shown at each position; `choose_step1_videos` and
`choose_step2_videos` give the video of each slot. So `videos[showing.slot]` is what is shown.

Lags are drawn first, one from each of as many equal parts of the range as there are repeats, so that they are spread as
evenly as possible; then the positions, longest lags first, since these have the least choice. The paper's design never
needs a second draw.
"""

from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from typing import Final, Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from videomem_hf.protocol.design import FirstStep, SecondStep, StudyDesign
from videomem_hf.schema import InputError

Role = Literal["target", "vigilance", "filler"]
ROLES: Final[tuple[Role, Role, Role]] = ("target", "vigilance", "filler")

Slots = NDArray[np.int64]
Video = TypeVar("Video")

_ATTEMPTS: Final = 8
_SEARCH_NODES: Final = 20_000
"""Nodes of the systematic search before a design counts as impossible: about a tenth of a second."""

_PURPOSES: Final = {"order 1": 1, "order 2": 2, "videos 1": 3, "videos 2": 4}

_Option = tuple[Role, int]
"""What a position can hold: a role and the lag to its repeat (0: none)."""
_Choice = tuple[Role, int, int, Iterator[_Option]]
"""An option taken by the search: role, position, lag, and the options left at the position."""


class Showing(NamedTuple):
    """One showing of a video.

    Attributes:
        position: In the step, from 1.
        slot: Index among the step's videos, from 0.
        role: Of the video; in step 2 a target or a filler.
        repeat: Whether the participant has seen the video before, so that a press is a hit.
        lag: Of a repeat in step 1, the difference of the positions of its two showings.
    """

    position: int
    slot: int
    role: Role
    repeat: bool
    lag: int | None


def draw_step1(design: StudyDesign, seed: int) -> list[Showing]:
    """Draw the showings of step 1 in order: every lag within its range, every video as often as its role requires.

    Raises InputError if no order satisfies the design, or the seed is below 0.
    """
    first: dict[int, int] = {}
    showings = []
    for position, slot in enumerate(step1_slots(design.step1, seed).tolist(), start=1):
        lag = position - first[slot] if slot in first else None
        first.setdefault(slot, position)
        showings.append(Showing(position, slot, step1_role(design.step1, slot), lag is not None, lag))
    return showings


def draw_step2(design: StudyDesign, seed: int) -> list[Showing]:
    """Draw the order of step 2: targets and new videos mixed at random, each shown once; otherwise as `draw_step1`."""
    targets = design.step2.targets
    return [
        Showing(position, slot, "target" if slot < targets else "filler", slot < targets, None)
        for position, slot in enumerate(step2_slots(design.step2, seed).tolist(), start=1)
    ]


def step1_role(step: FirstStep, slot: int) -> Role:
    """The role of a slot of step 1."""
    if slot < step.targets:
        return "target"
    return "vigilance" if slot < step.targets + step.vigilance_fillers else "filler"


def step1_filler_slots(step: FirstStep) -> range:
    """The slots of the fillers that step 2's targets are taken from."""
    return range(step.targets + step.vigilance_fillers, step.videos)


def step1_slots(step: FirstStep, seed: int) -> Slots:
    """The slot at each position of step 1, `(showings,)`: `draw_step1` as an array, with the same errors."""
    generator = random_stream(seed, "order 1")
    for _ in range(_ATTEMPTS):
        slots = _try_drawn_lags(step, generator)
        if slots is not None:
            return slots
    slots = _search(step, generator)
    if slots is None:
        raise InputError(
            f"No order found for step 1: {step.targets} targets repeated {step.target_lag_min} to "
            f"{step.target_lag_max} and {step.vigilance_fillers} vigilance fillers {step.vigilance_lag_min} to "
            f"{step.vigilance_lag_max} positions later leave no room in {step.showings} showings. Widen a range of "
            "lags, or add fillers."
        )
    return slots


def step2_slots(step: SecondStep, seed: int) -> Slots:
    """The slot at each position of step 2, `(showings,)`: `draw_step2` as an array."""
    return permutation(step.showings, random_stream(seed, "order 2"))


def choose_step1_videos(design: StudyDesign, videos: Sequence[Video], counts: ArrayLike, seed: int) -> list[Video]:
    """Choose the video of each slot of a participant's step 1 from those with the fewest annotations (Sec. 3.2).

    The paper does not say which of them become targets. Here those with the fewest annotations do, which evens out the
    annotation counts.

    Args:
        design: Of the study.
        videos: The collection, in a fixed order.
        counts: `(videos,)` short-term annotation counts, including showings under way.
        seed: A whole number of 0 or more; it also breaks ties.

    Raises:
        InputError: The collection is smaller than the design needs, or there is not one count per video.
    """
    counts = _check_counts(videos, counts)
    design.check_collection(len(videos))
    generator = random_stream(seed, "videos 1")
    candidates = min(design.step1.candidates, len(videos))
    keys = counts + generator.random(len(videos))
    least = np.sort(np.argpartition(keys, candidates - 1)[:candidates])
    chosen = least[permutation(candidates, generator)[: design.step1.videos]]
    by_count = chosen[np.argsort(keys[chosen], kind="stable")]
    targets, others = by_count[: design.step1.targets], by_count[design.step1.targets :]
    slots = [*targets, *others[permutation(len(others), generator)]]
    return [videos[index] for index in slots]


def choose_step2_videos(
    design: StudyDesign,
    videos: Sequence[Video],
    step1_videos: Sequence[Video],
    seed: int,
    counts: ArrayLike | None = None,
    unseen: Collection[Video] = (),
) -> list[Video]:
    """Choose the video of each slot of a participant's step 2: targets from the step-1 fillers, others never seen.

    Args:
        design, videos, seed: As in `choose_step1_videos`.
        step1_videos: The participant's videos of step 1, as `choose_step1_videos` gave them.
        counts: `(videos,)` long-term annotation counts; required if `targets_by` is "least_annotated".
        unseen: Videos of step 1 that the participant did not see; they become targets only if there are too few others.

    Raises:
        InputError: The collection is too small, or counts are required and there is not one per video.
    """
    design.check_collection(len(videos))
    generator = random_stream(seed, "videos 2")
    fillers = [step1_videos[slot] for slot in step1_filler_slots(design.step1)]
    keys = generator.random(len(fillers))
    if design.step2.targets_by == "least_annotated":
        number = dict(zip(videos, _check_counts(videos, [] if counts is None else counts).tolist(), strict=True))
        keys = keys + np.array([number[video] for video in fillers])
    order = np.lexsort((keys, np.array([video in unseen for video in fillers])))
    targets = [fillers[index] for index in order[: design.step2.targets].tolist()]
    seen = set(step1_videos)
    new = (video for index in permutation(len(videos), generator).tolist() if (video := videos[index]) not in seen)
    return [*targets, *islice(new, design.step2.fillers)]


def random_stream(seed: int, purpose: str) -> np.random.Generator:
    """A random stream for one purpose, used for uniform numbers only: NumPy guarantees that these stay the same."""
    if seed < 0:
        raise InputError(f"Seed {seed}; a seed is a whole number from 0.")
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, _PURPOSES[purpose]])))


def permutation(count: int, generator: np.random.Generator) -> Slots:
    """The numbers below `count` in random order."""
    return np.argsort(generator.random(count), kind="stable")


def _check_counts(videos: Sequence[Video], counts: ArrayLike) -> NDArray[np.int64]:
    array = np.asarray(counts, dtype=np.int64)
    if array.shape != (len(videos),):
        raise InputError(
            f"Annotation counts of shape {array.shape} for {len(videos)} videos; give one count per video."
        )
    return array


def _even_lags(count: int, shortest: int, longest: int, generator: np.random.Generator) -> Slots:
    """One lag from each of `count` equal parts of the range, in random order; each lag is as likely as any other."""
    parts = (np.arange(count) + generator.random(count)) * (longest - shortest + 1) / max(count, 1)
    return (shortest + parts.astype(np.int64))[permutation(count, generator)]


def _draw_pairs(step: FirstStep, generator: np.random.Generator) -> list[tuple[int, int]]:
    """Slot and lag of every repeat, longest lags first."""
    targets = _even_lags(step.targets, step.target_lag_min, step.target_lag_max, generator)
    vigilance = _even_lags(step.vigilance_fillers, step.vigilance_lag_min, step.vigilance_lag_max, generator)
    lags = np.concatenate([targets, vigilance]).tolist()
    return sorted(enumerate(lags), key=lambda pair: -pair[1])


def _try_drawn_lags(step: FirstStep, generator: np.random.Generator) -> Slots | None:
    """Put every repeat at a drawn lag where there is room; None if there is none for one of them."""
    slots = np.full(step.showings, -1)
    free = np.ones(step.showings, dtype=bool)
    parts = np.linspace(0, step.showings, step.vigilance_fillers + 1)
    for slot, lag in _draw_pairs(step, generator):
        positions = np.flatnonzero(free[:-lag] & free[lag:])
        if slot >= step.targets:
            part = slot - step.targets
            within = positions[(positions >= parts[part]) & (positions < parts[part + 1])]
            positions = within if len(within) else positions
        if not len(positions):
            return None
        position = positions[int(generator.random() * len(positions))]
        slots[[position, position + lag]] = slot
        free[[position, position + lag]] = False
    slots[free] = step.targets + step.vigilance_fillers + permutation(step.fillers, generator)
    return slots


def _search(step: FirstStep, generator: np.random.Generator) -> Slots | None:
    """Backtracking search that fills the first free position each time, for designs with little room."""
    slots = np.full(step.showings, -1)
    left = _videos_of_roles(step)
    trail: list[_Choice] = []
    position, options = 0, _options(step, slots, left, 0, generator)
    for _ in range(_SEARCH_NODES):
        option = next(options, None)
        if option is None:
            if not trail:
                return None
            role, position, lag, options = trail.pop()
            slots[[position, position + lag]] = -1
            left[role] += 1
            continue
        role, lag = option
        trail.append((role, position, lag, options))
        slots[[position, position + lag]] = ROLES.index(role)
        left[role] -= 1
        if not any(left.values()):
            return _number_slots(step, trail, generator)
        position = int(np.argmax(slots < 0))
        options = _options(step, slots, left, position, generator)
    return None


def _options(
    step: FirstStep, slots: Slots, left: dict[Role, int], position: int, generator: np.random.Generator
) -> Iterator[_Option]:
    """What the first free position can hold, in random order."""
    ranges: dict[Role, range] = {
        "target": range(step.target_lag_min, step.target_lag_max + 1),
        "vigilance": range(step.vigilance_lag_min, step.vigilance_lag_max + 1),
        "filler": range(1),
    }
    fitting: list[_Option] = [
        (role, lag)
        for role in ROLES
        if left[role]
        for lag in ranges[role]
        if position + lag < len(slots) and slots[position + lag] < 0
    ]
    return (fitting[index] for index in permutation(len(fitting), generator).tolist())


def _number_slots(step: FirstStep, trail: list[_Choice], generator: np.random.Generator) -> Slots:
    """The slots of a complete search: the videos of each role in random order."""
    numbers, start = {}, 0
    for role, count in _videos_of_roles(step).items():
        numbers[role] = iter(start + permutation(count, generator))
        start += count
    slots = np.full(step.showings, -1)
    for role, position, lag, _ in trail:
        slots[[position, position + lag]] = next(numbers[role])
    return slots


def _videos_of_roles(step: FirstStep) -> dict[Role, int]:
    return {"target": step.targets, "vigilance": step.vigilance_fillers, "filler": step.fillers}
