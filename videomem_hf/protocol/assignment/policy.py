"""Policies of assignment, and when scores are reliable enough: pure functions of the design, the tallies and a seed.

**Adaptive.** A video's score has a beta posterior: a prior of the mean `m` and the weight `w` (in annotations), which
are estimated from all videos, and its hits. Of a video with `n` annotations given, `q` under way and the posterior mean
`p`, one more annotation lowers the squared error of its rank in proportion to

    gain = (f(p) / (w + n + q + 1))^2

where f is the density of the videos at p, as far as the errors let it be told: in a dense region an error moves a video
past many others. The variance of one annotation, p (1 - p), would be a factor too; it is left out, as it rises towards
the lowest scores, whose ranks are the easiest to tell, and rankings of simulated studies are better without.

The next participant gets the videos with the largest gains; what is under way counts, so that many participants at once
get different videos. Videos with less than half the mean count come first, so that none is left out.

Long-term annotations are of fillers that the participant saw in step 1, and not everyone returns. So when fillers are
chosen, each participant who may still return to a video counts as a part of an annotation of it: `RETURN_SHARE` times
the share of fillers that become targets. Else a video that is a filler for few could never be made up for.

**Stopping.** The reliability of scores is the mean of (n + q) / (n + q + w), over the videos and what is known of w.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, special

from videomem_hf.protocol.design import StudyDesign
from videomem_hf.protocol.paper import PARTICIPANTS, RETURNING
from videomem_hf.protocol.schedule import (
    Video,
    choose_step1_videos,
    choose_step2_videos,
    permutation,
    random_stream,
    step1_filler_slots,
)
from videomem_hf.schema import Horizon
from videomem_hf.statistics import Floats

Counts = NDArray[np.int64]

FEWEST: Final = 0.5
"""Videos with less than this share of the mean annotation count come before all others."""
RETURN_SHARE: Final = RETURNING / PARTICIPANTS
"""Of those who pass step 1, the paper's share who return."""
_WEIGHTS: Final = np.geomspace(2, 500, 28)
"""Possible weights of the prior, in annotations; each is as likely before the first response."""
_FIRST_WEIGHT: Final = 20.0
_BINS: Final = 512
_DIGITS: Final = 9
"""To which gains are rounded, so that the last bits of a processor's arithmetic decide nothing."""


@dataclass(frozen=True, eq=False)
class Tally:
    """What is known of each video in one horizon, `(videos,)` each.

    Attributes:
        counts: Annotations given and under way.
        given: Annotations of participants who passed the controls.
        hits: Those of them in which the video was recognised.
        waiting: Long term: participants to whom the video was a filler of step 1, and who have not started step 2.
    """

    counts: Counts
    given: Counts
    hits: Counts
    waiting: Counts


Tallies = Mapping[Horizon, Tally]


@dataclass(frozen=True, eq=False)
class Prior:
    """What the responses say of all videos: the mean score, and the chance of each weight in `_WEIGHTS`."""

    mean: float
    chances: Floats

    @property
    def weight(self) -> float:
        """The weight of the prior in annotations, its geometric mean."""
        return float(np.exp(self.chances @ np.log(_WEIGHTS)))


def empty_tally(videos: int) -> Tally:
    """The tally before the first participant."""
    return Tally(*(np.zeros(videos, dtype=np.int64) for _ in fields(Tally)))


def fit_prior(tally: Tally) -> Prior:
    """Estimate the prior by the beta-binomial likelihood of all videos."""
    codes, number = np.unique(tally.given * (tally.given.max(initial=0) + 1) + tally.hits, return_counts=True)
    n, k = np.divmod(codes, tally.given.max(initial=0) + 1)
    weight = _FIRST_WEIGHT
    for _ in range(2):
        share = number / (weight + n)
        mean = float((share @ k + 0.5) / (share @ n + 1))
        a, b = mean * _WEIGHTS[:, None], (1 - mean) * _WEIGHTS[:, None]
        likelihood = (special.betaln(a + k, b + n - k) - special.betaln(a, b)) @ number
        prior = Prior(mean, special.softmax(likelihood))
        weight = prior.weight
    return prior


def expected_gains(tally: Tally, prior: Prior, counts: Floats | Counts) -> Floats:
    """How much one more annotation of each video lowers the error of the ranking, `(videos,)`, the largest 1.

    `counts` are the annotations given and to be expected.
    """
    weight = prior.weight
    total = weight + tally.given
    mean = (weight * prior.mean + tally.hits) / total
    variance = mean * (1 - mean) / (total + 1)
    density = _density(mean, float(np.sqrt(2 * variance.mean())))
    gain = (density / (weight + counts + 1)) ** 2
    return np.round(gain / gain.max(), _DIGITS)


def _density(values: Floats, width: float) -> Floats:
    """The density of values in [0, 1] at each of them, smoothed by a normal distribution of this width."""
    index = np.minimum((values * _BINS).astype(np.int64), _BINS - 1)
    number = np.bincount(index, minlength=_BINS).astype(np.float64)
    smooth = ndimage.gaussian_filter1d(number, width * _BINS, mode="constant")
    return smooth[index]


def order_by_need(tally: Tally, noise: Floats, returning: float = 0.0) -> Counts:
    """Indices of the videos, the one that needs an annotation most first.

    Args:
        tally: Of one horizon.
        noise: `(videos,)` breaks ties.
        returning: Annotations to expect for each participant of `tally.waiting`.
    """
    counts = tally.counts + np.round(returning * tally.waiting, _DIGITS)
    gains = expected_gains(tally, fit_prior(tally), counts)
    behind = np.maximum(np.ceil(FEWEST * counts.mean()) - counts, 0)
    return np.lexsort((noise, -gains, -behind))


def reliability(tally: Tally) -> float:
    """The reliability of the scores, in [0, 1], once what is under way is given; 0 while a video has nothing."""
    if not tally.counts.all():
        return 0.0
    weights = _WEIGHTS[:, None]
    of_each = (tally.counts / (tally.counts + weights)).mean(axis=1)
    return float(fit_prior(tally).chances @ of_each)


def reached(design: StudyDesign, tallies: Tallies) -> bool:
    """Whether the study has the reliabilities at which it stops; never without one."""
    wanted = design.assignment.wanted
    return bool(wanted) and all(reliability(tallies[horizon]) >= value for horizon, value in wanted.items())


def assign_step1(design: StudyDesign, videos: Sequence[Video], tallies: Tallies, seed: int) -> list[Video]:
    """Choose the video of each slot of a participant's step 1 by the design's policy.

    The adaptive one takes as targets the videos whose short-term score gains most, and draws the others from the
    `candidates` whose long-term score gains most, since the targets of step 2 come from them; the fillers are those of
    them that gain most.

    Args:
        design, videos, seed: As `schedule.choose_step1_videos` takes them.
        tallies: Of both horizons.

    Raises:
        InputError: As `schedule.choose_step1_videos`.
    """
    if design.assignment.policy == "least_annotated":
        return choose_step1_videos(design, videos, tallies["short_term"].counts, seed)
    design.check_collection(len(videos))
    step, generator = design.step1, random_stream(seed, "videos 1")
    noise = generator.random(len(videos))
    targets = order_by_need(tallies["short_term"], noise)[: step.targets]
    by_long = order_by_need(tallies["long_term"], noise, RETURN_SHARE * design.step2.targets / max(step.fillers, 1))
    others = by_long[~np.isin(by_long, targets)]
    fillers = others[: step.fillers]
    rest = others[step.fillers : max(step.candidates, step.videos) - step.targets]
    vigilance = rest[permutation(len(rest), generator)[: step.vigilance_fillers]]
    return [videos[index] for index in [*targets.tolist(), *vigilance.tolist(), *fillers.tolist()]]


def assign_step2(
    design: StudyDesign,
    videos: Sequence[Video],
    tallies: Tallies,
    step1_videos: Sequence[Video],
    seed: int,
    unseen: Collection[Video] = (),
) -> list[Video]:
    """Choose the video of each slot of a participant's step 2 by the design's policy.

    The adaptive one takes as targets the step-1 fillers whose long-term score gains most; otherwise as
    `schedule.choose_step2_videos`.
    """
    tally = tallies["long_term"]
    chosen = choose_step2_videos(design, videos, step1_videos, seed, tally.counts, unseen)
    if design.assignment.policy == "least_annotated":
        return chosen
    fillers = [step1_videos[slot] for slot in step1_filler_slots(design.step1)]
    order = order_by_need(tally, random_stream(seed, "videos 2").random(len(videos)))
    place = dict(zip((videos[index] for index in order.tolist()), range(len(order)), strict=True))
    first = sorted(fillers, key=lambda video: (video in unseen, place[video]))[: design.step2.targets]
    return [*first, *chosen[design.step2.targets :]]
