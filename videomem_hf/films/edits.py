"""Edits of a clip that are tried: which parts are shown, in which order, and how the picture is changed."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations
from math import comb
from typing import Final

import numpy as np
from PIL import Image

from videomem_hf.films.shots import Shot
from videomem_hf.films.span import Span
from videomem_hf.inference.saliency import Area

WHOLE: Final[Area] = (0.0, 0.0, 1.0, 1.0)
_TRIMS: Final = (0.1, 0.25)
"""Shares of the clip by which it starts later, or ends earlier."""
_LEAST_S: Final = 2.0
_LEAST_SHARE: Final = 0.25
"""What an edit keeps at least, in seconds and of the clip."""
_CROPS: Final = (0.75,)
"""Sides of the part that is kept, as shares of the picture's."""
_GAMMAS: Final = (0.8, 1.25)
_CONTRASTS: Final = (1.3,)
_TITLE_S: Final = 1.5
_FEWEST_FOR_HALF: Final = 4
_MOST_SHOTS: Final = 8
"""Shots that are dropped, or put first, one at a time: the longest ones of a clip with more."""


@dataclass(frozen=True)
class Look:
    """A change of the picture that lasts for the whole clip.

    Attributes:
        crops: For each shot of the clip what is kept of the picture and enlarged: left, top, right and bottom as shares
            of width and height. Empty: all of it.
        gamma: Exponent of the grey levels as shares of white; below 1 is brighter.
        contrast: Factor on the distance of grey levels from the clip's mean.
    """

    crops: tuple[Area, ...] = ()
    gamma: float = 1.0
    contrast: float = 1.0

    def crop(self, image: np.ndarray, shot: int) -> np.ndarray:
        """Cut an image `(height, width, 3)` of a shot."""
        if not self.crops:
            return image
        height, width = image.shape[:2]
        left, top, right, bottom = self.crops[shot]
        return image[round(top * height) : round(bottom * height), round(left * width) : round(right * width)]

    def levels(self, mean_level: float) -> np.ndarray:
        """The grey level that takes the place of each, `(256,)` uint8; `mean_level` is the clip's, from 0 to 255."""
        levels = 255 * (np.arange(256) / 255) ** self.gamma
        centre = 255 * (mean_level / 255) ** self.gamma
        return (centre + self.contrast * (levels - centre)).round().clip(0, 255).astype(np.uint8)

    def change(self, image: np.ndarray, shot: int, mean_level: float) -> np.ndarray:
        """Change an image `(height, width, 3)` uint8 of a shot; a cropped one is enlarged to its former size."""
        part = self.crop(image, shot)
        if part.shape != image.shape:
            part = np.asarray(Image.fromarray(part).resize(image.shape[1::-1], Image.Resampling.BICUBIC))
        return part if (self.gamma, self.contrast) == (1.0, 1.0) else self.levels(mean_level)[part]


@dataclass(frozen=True)
class Edit:
    """One edit of a clip.

    Attributes:
        kinds: What is done; several of an edit that combines others.
        name: In words, for people.
        spans: The parts of the clip in the order in which they are shown.
        look: How the picture is changed.
        poster_s: Time of the frame that is shown before the clip is played; None: its first one.
        ways: How many edits it was chosen from by their scores.
    """

    kinds: tuple[str, ...]
    name: str
    spans: tuple[Span, ...]
    look: Look = field(default_factory=Look)
    poster_s: float | None = None
    ways: int = 1

    @cached_property
    def length_s(self) -> float:
        return sum(span.length_s for span in self.spans)

    def frames(self, times_s: np.ndarray) -> np.ndarray:
        """Indices of the frames with these times that are shown, in the order in which they are."""
        return np.concatenate(
            [np.flatnonzero((times_s >= span.start_s - 1e-6) & (times_s < span.end_s - 1e-6)) for span in self.spans]
        )


def single_edits(
    shots: Sequence[Shot], crop_centres: Sequence[tuple[float, float]], title_end_s: float | None, orders: bool
) -> list[Edit]:
    """The edits that are tried one by one.

    Args:
        shots: Of the clip.
        crop_centres: For each shot the point that stands out, as shares of width and height; none where nothing does.
        title_end_s: When a still title card at the beginning ends; None where there is none.
        orders: Whether the model can tell orders of shots apart.
    """
    whole = Span(shots[0].start_s, shots[-1].end_s)
    edits = [*_drops(shots), *_trims(whole)]
    if title_end_s is not None and title_end_s > _TITLE_S:
        kept = Span(title_end_s - _TITLE_S, whole.end_s)
        edits.append(Edit(("shorter title card",), f"show the still opening for {_TITLE_S:g} s only", (kept,)))
    if orders:
        edits += _openings(shots)
    edits = [each for each in edits if _keeps_enough(each, whole)]
    looks = [(f"crop to {share:.0%} of the picture", "crop", Look(_crops(crop_centres, share))) for share in _CROPS]
    looks = looks if crop_centres else []
    looks += [("brighter" if gamma < 1 else "darker", "brightness", Look(gamma=gamma)) for gamma in _GAMMAS]
    looks += [(f"{factor - 1:.0%} more contrast", "contrast", Look(contrast=factor)) for factor in _CONTRASTS]
    return edits + [Edit((kind,), name, (whole,), look) for name, kind, look in looks]


def best_half(shots: Sequence[Shot], scores: np.ndarray) -> Edit | None:
    """Keep the half of the shots, 4 or more, with the highest scores `(shots,)`; None with fewer."""
    if len(shots) < _FEWEST_FOR_HALF:
        return None
    kept = sorted(np.argsort(-scores, kind="stable")[: (len(shots) + 1) // 2].tolist())
    numbers = [str(index + 1) for index in kept]
    spans = _spans(shots, kept)
    times = ", ".join(f"{span.start_s:.1f} to {span.end_s:.1f} s" for span in spans)
    name = f"keep shots {', '.join(numbers[:-1])} and {numbers[-1]} ({times})"
    return Edit(("drop shots",), name, spans, ways=comb(len(shots), len(kept)))


def pairs_of(edits: Sequence[Edit], whole: Span) -> list[Edit]:
    """Every two of these edits together, where that is another edit than each alone."""
    pairs = []
    for first, second in combinations(edits, 2):
        together = _combine(first, second)
        if together is not None and _keeps_enough(together, whole):
            pairs.append(together)
    return pairs


def _trims(whole: Span) -> list[Edit]:
    edits = []
    for share in _TRIMS:
        cut = max(0.5, round(2 * share * whole.length_s) / 2)
        later, earlier = Span(whole.start_s + cut, whole.end_s), Span(whole.start_s, whole.end_s - cut)
        edits.append(Edit(("start later",), f"start {cut:g} s later", (later,)))
        edits.append(Edit(("end earlier",), f"end {cut:g} s earlier", (earlier,)))
    return edits


def _longest(shots: Sequence[Shot]) -> list[int]:
    by_length = sorted(range(len(shots)), key=lambda index: shots[index].start_s - shots[index].end_s)
    return sorted(by_length[:_MOST_SHOTS])


def _spans(shots: Sequence[Shot], order: Sequence[int]) -> tuple[Span, ...]:
    """The parts of some shots in an order; those that follow each other are one."""
    spans: list[Span] = []
    for index in order:
        shot = shots[index]
        if spans and abs(spans[-1].end_s - shot.start_s) < 1e-6:
            spans[-1] = Span(spans[-1].start_s, shot.end_s)
        else:
            spans.append(Span(shot.start_s, shot.end_s))
    return tuple(spans)


def _named(shots: Sequence[Shot], index: int) -> str:
    return f"shot {index + 1} ({shots[index].start_s:.1f} to {shots[index].end_s:.1f} s)"


def _drops(shots: Sequence[Shot]) -> list[Edit]:
    if len(shots) < 2:
        return []
    rest = {index: [i for i in range(len(shots)) if i != index] for index in _longest(shots)}
    return [Edit(("drop a shot",), f"drop {_named(shots, i)}", _spans(shots, order)) for i, order in rest.items()]


def _openings(shots: Sequence[Shot]) -> list[Edit]:
    orders = {index: [index, *(i for i in range(len(shots)) if i != index)] for index in _longest(shots) if index}
    return [
        Edit(("another opening shot",), f"open with {_named(shots, i)}", _spans(shots, order))
        for i, order in orders.items()
    ]


def _crops(centres: Sequence[tuple[float, float]], share: float) -> tuple[Area, ...]:
    """For each shot the part with these sides about its centre, within the picture."""
    corners = [tuple(min(max(at - share / 2, 0.0), 1 - share) for at in centre) for centre in centres]
    return tuple((left, top, left + share, top + share) for left, top in corners)


def _keeps_enough(edit: Edit, whole: Span) -> bool:
    return edit.length_s >= max(min(_LEAST_S, 0.6 * whole.length_s), _LEAST_SHARE * whole.length_s)


def _combine(first: Edit, second: Edit) -> Edit | None:
    """Both edits; None where they change the same, or one is what both are."""
    same = set(first.kinds) & set(second.kinds)
    if same - {"drop a shot"} or {"another opening shot"} <= set(first.kinds) & set(second.kinds):
        return None
    if "another opening shot" in second.kinds:  # its order is kept
        first, second = second, first
    spans = tuple(
        Span(max(a.start_s, b.start_s), min(a.end_s, b.end_s))
        for a in first.spans
        for b in sorted(second.spans, key=lambda span: span.start_s)
        if min(a.end_s, b.end_s) - max(a.start_s, b.start_s) > 1e-6
    )
    look = Look(
        first.look.crops or second.look.crops,
        first.look.gamma * second.look.gamma,
        first.look.contrast * second.look.contrast,
    )
    if (spans, look) in ((first.spans, first.look), (second.spans, second.look)):
        return None
    kinds = tuple(dict.fromkeys((*first.kinds, *second.kinds)))
    name = f"{first.name}, and {second.name}"
    return replace(first, kinds=kinds, name=name, spans=spans, look=look, ways=first.ways * second.ways)
