"""The text of a preregistration, made from a study's design: procedure, sample size, exclusions, analysis."""

from math import sqrt
from typing import Any, Final

from jinja2 import Environment, PackageLoader

from videomem_hf import __version__
from videomem_hf.protocol.design import StudyDesign
from videomem_hf.protocol.plan import annotations_for_precision
from videomem_hf.protocol.time_checks import RT_MIN_MS
from videomem_hf.schema import HORIZON_NAMES, HORIZONS, InputError

MARKDOWN: Final = Environment(loader=PackageLoader("videomem_hf.protocol.server"), keep_trailing_newline=True)
"""Templates of texts that are not shown in a browser."""
_ERROR: Final = 0.1
"""Any standard error: the noise of one annotation follows from the annotations that it takes."""


def preregistration_text(design: StudyDesign, videos: int, participants: int, returning: int) -> str:
    """The preregistration in Markdown, for `participants` who pass step 1 and `returning` who pass step 2.

    Raises InputError if the design does not fit this number of videos, or more return than pass.
    """
    if not 0 <= returning <= participants or not participants:
        raise InputError(
            f"{participants} participants, {returning} returning; give at least one, and no more that return than pass."
        )
    return rules_text(design, videos, _sample(design, videos, participants, returning))


def rules_text(design: StudyDesign, videos: int, sample: list[dict[str, Any]] | None = None) -> str:
    """The same without the sample size unless that is given. Raises InputError if design and videos do not fit."""
    design.check_collection(videos)
    template = MARKDOWN.get_template("preregistration.md.j2")
    return template.render(design=design, videos=videos, sample=sample, rt_min_ms=RT_MIN_MS, version=__version__)


def _sample(design: StudyDesign, videos: int, participants: int, returning: int) -> list[dict[str, Any]]:
    """Participants, annotations per video and standard error of each horizon that has participants."""
    planned = zip(HORIZONS, (participants, returning), (design.step1.targets, design.step2.targets), strict=True)
    found = []
    for horizon, people, targets in planned:
        if people:
            count = people * targets / videos
            error = sqrt(annotations_for_precision(horizon, _ERROR) * _ERROR**2 / count)
            name = HORIZON_NAMES[horizon].capitalize()
            found.append({"horizon": name, "people": people, "annotations": count, "error": error})
    return found
