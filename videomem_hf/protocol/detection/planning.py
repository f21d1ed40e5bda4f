"""How many participants give which reliability of hits, false alarms and d', in closed form.

A response informs of its tendency with the Fisher information of a probit at it, averaged over videos and participants,
less what it takes to know the participant's own effect from all their responses. With `n` responses of a
kind per video, a tendency of variance s2 over videos and the information w of one response,

    reliability = n w s2 / (1 + n w s2)

and for d' the same with both tendencies and their correlation.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from scipy import special

from videomem_hf.protocol.design import StudyDesign
from videomem_hf.protocol.simulate import MemoryModel
from videomem_hf.schema import Horizon, InputError
from videomem_hf.statistics import Floats

FALSE_ALARMS: Final = 0.06
"""Mean false-alarm rate of the simulator's attentive participants."""
_MOST_PARTICIPANTS: Final = 10_000_000


@dataclass(frozen=True, eq=False)
class Spread:
    """Parameters of the detection model that a plan needs: of new videos and of repeats, `(2,)` or `(2, 2)` each."""

    mean: Floats
    videos: Floats
    participants: Floats


def assumed_spread(horizon: Horizon) -> Spread:
    """The spread without a pilot: hits as in the simulator, and false alarms that vary over videos as hits do.

    The correlation of the two tendencies is taken as 0. These are assumptions: a pilot study gives its own figures.
    """
    model = MemoryModel()
    mean, sd = getattr(model, f"{horizon}_mean"), getattr(model, f"{horizon}_sd")
    hit = special.ndtri(mean)
    density = math.exp(-(hit**2) / 2) / math.sqrt(2 * math.pi)
    people = model.ability_sd * mean * (1 - mean) / density
    return Spread(
        np.array([special.ndtri(FALSE_ALARMS), hit]),
        np.eye(2) * (sd / density) ** 2,
        np.eye(2) * max(people, 0.01) ** 2,
    )


def read_pilot(path: Path, horizon: Horizon) -> Spread | None:
    """The spread in a pilot's `measurement.json`; None where it has no such step.

    Raises:
        InputError: The file is missing or another.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise TypeError
        if horizon not in content:
            return None
        part = content[horizon]
        d_prime, criterion = float(part["mean_d_prime"]), float(part["mean_criterion"])
        mean = np.array([-criterion - d_prime / 2, -criterion + d_prime / 2])
        return Spread(mean, _covariance(part["videos"]), _covariance(part["participants_spread"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: not the measurement.json of a pilot study ({type(error).__name__}); videomem score --model "
            "detection writes one."
        ) from None


def _covariance(spread: dict[str, Any]) -> Floats:
    sd = np.array([spread["false_alarm_sd"], spread["hit_sd"]])
    shared = spread["correlation"] * sd.prod()
    return np.array([[sd[0] ** 2, shared], [shared, sd[1] ** 2]])


def expected_reliability(spread: Spread, participants: int, each: tuple[int, int], videos: int) -> dict[str, float]:
    """The reliability of hits, false alarms and d'; participants give `each` responses to new videos and to repeats."""
    one = np.array([_information(spread, kind) for kind in range(2)])
    one *= 1 - one / (one * np.array(each) + 1 / np.diag(spread.participants))
    information = one * np.array(each) * participants / videos
    posterior = np.linalg.inv(np.linalg.inv(spread.videos) + np.diag(information))
    found = {}
    for name, weights in (("hit_rate", [0, 1]), ("false_alarm_rate", [1, 0]), ("d_prime", [-1, 1])):
        row = np.array(weights, dtype=np.float64)
        found[name] = float(1 - row @ posterior @ row / (row @ spread.videos @ row))
    return found


def responses_per_participant(design: StudyDesign, horizon: Horizon) -> tuple[int, int]:
    """Responses to new videos and to repeats that a participant gives in a step."""
    if horizon == "short_term":
        return design.step1.videos, design.step1.targets
    return design.step2.fillers, design.step2.targets


def participants_for(
    spread: Spread, design: StudyDesign, videos: int, horizon: Horizon, measure: str, reliability: float
) -> int:
    """The fewest participants (who pass the controls) with at least this reliability, above 0 and below 1."""
    each = responses_per_participant(design, horizon)

    def enough(people: int) -> bool:
        return expected_reliability(spread, people, each, videos)[measure] >= reliability

    high = 1
    while not enough(high):
        high *= 2
        if high > _MOST_PARTICIPANTS:
            raise InputError(
                f"A reliability of {reliability:g} of {measure} takes over {_MOST_PARTICIPANTS:,} people; lower it."
            )
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _information(spread: Spread, kind: int) -> float:
    """Mean Fisher information of one response, over videos and participants, by Gauss-Hermite quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(41)
    eta = spread.mean[kind] + nodes * np.sqrt(spread.videos[kind, kind] + spread.participants[kind, kind])
    density = np.exp(-(eta**2) / 2) / np.sqrt(2 * np.pi)
    chance = np.clip(special.ndtr(eta), 1e-12, 1 - 1e-12)
    return float(weights @ (density**2 / (chance * (1 - chance))) / weights.sum())
