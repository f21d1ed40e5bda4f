"""A study's statistics beside the paper's: one row each, with its definition."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from videomem_hf.protocol.consistency import ConsistencyCurve
from videomem_hf.protocol.paper import PAPER
from videomem_hf.protocol.scoring import summary
from videomem_hf.protocol.study_analysis import Correlation, HorizonAnalysis, Retention, StudyAnalysis
from videomem_hf.run_files import without_nan
from videomem_hf.schema import HORIZONS, Horizon

_RELATIVE: Final = "p relative to the participants' own means"
_NAMES: Final[dict[Horizon, str]] = {"short_term": "Short-term", "long_term": "Long-term"}


@dataclass(frozen=True)
class StudyRow:
    """One statistic.

    Attributes:
        name: Its key in `paper.PAPER` and in analysis.json.
        statistic: Its name in the report.
        value: NaN where undefined.
        unit: What it is counted or averaged over.
        p_value: By participant where a participant's responses could make it too small.
    """

    name: str
    statistic: str
    value: float
    definition: str
    unit: str
    p_value: float | None = None
    decimals: int = 3

    @property
    def paper(self) -> float | None:
        """The paper's value; None where it gives none."""
        return PAPER[self.name].value if self.name in PAPER else None

    @property
    def section(self) -> str:
        """The section that gives the paper's value."""
        return PAPER[self.name].section if self.name in PAPER else ""


def study_rows(analysis: StudyAnalysis) -> list[StudyRow]:
    """The statistics of Sec. 3.3 and 4, in the order of the report."""
    rows = [*_score_rows(analysis), *_decay_rows(analysis)]
    for horizon, part in analysis.horizons.items():
        rows += _consistency_rows(horizon, part, analysis)
    return [*rows, *_agreement_rows(analysis), *_rt_rows(analysis)]


def study_content(analysis: StudyAnalysis) -> dict[str, Any]:
    """The whole analysis as plain data for JSON; NaN becomes None."""
    return {
        "study": without_nan(summary(analysis.scores)),
        "table": [
            without_nan({**asdict(row), "paper": row.paper, "section": row.section}) for row in study_rows(analysis)
        ],
        "retention": {horizon: _lists(part.retention) for horizon, part in analysis.horizons.items()},
        "annotation_consistency": {
            horizon: {"most_annotated": _lists(part.curve), "thinned": _lists(part.thinned)}
            for horizon, part in analysis.horizons.items()
        },
    }


def study_markdown(analysis: StudyAnalysis, figures: dict[str, str]) -> str:
    """The report in Markdown; `figures` has the picture file of each figure by its caption."""
    content = summary(analysis.scores)
    lines = ["# Memorability annotations", ""]
    for horizon in HORIZONS:
        part = content[horizon]
        if not part["videos_scored"]:
            lines.append(f"- {_NAMES[horizon]}: no annotations.")
            continue
        lines.append(
            f"- {_NAMES[horizon]}: {part['participants_passed']:,} of {part['participants']:,} participants passed the "
            f"controls; {part['videos_scored']:,} videos with {part['annotations_mean']:.1f} annotations on average "
            f"({part['annotations_min']} to {part['annotations_max']})."
        )
    lines += ["", "| | This study | p | VideoMem | Section | Over | Definition |", "|---|---:|---:|---:|---|---|---|"]
    for row in study_rows(analysis):
        paper = "" if row.paper is None else _format_number(row.paper, row.decimals)
        p_value = "" if row.p_value is None else _format_p(row.p_value)
        value = _format_number(row.value, row.decimals)
        cells = (row.statistic, value, p_value, paper, row.section, row.unit, row.definition)
        lines.append(f"| {' | '.join(cells)} |")
    for caption, file in figures.items():
        lines += ["", f"![{caption}]({file})", "", caption]
    return "\n".join(lines) + "\n"


def _score_rows(analysis: StudyAnalysis) -> list[StudyRow]:
    corrected = "corrected to the longest lag" if analysis.scores.corrected else "hit rate, not corrected for the lag"
    definitions = {"short_term": corrected, "long_term": "hit rate, not corrected"}
    rows, content = [], summary(analysis.scores)
    for horizon in analysis.horizons:
        part, name = content[horizon], _NAMES[horizon]
        passed, mean = part["participants_passed"], part["annotations_mean"]
        rows += [
            StudyRow(
                f"{horizon}_participants",
                f"{name} participants",
                passed,
                "who passed the controls",
                "participants",
                decimals=0,
            ),
            StudyRow(f"{horizon}_annotations", f"{name} annotations", mean, "mean per video", "videos", decimals=1),
            StudyRow(f"{horizon}_raw_mean", f"{name} raw score, mean", part["raw_mean"], "hit rate", "videos"),
            StudyRow(f"{horizon}_mean", f"{name} score, mean", part["score_mean"], definitions[horizon], "videos"),
            StudyRow(f"{horizon}_sd", f"{name} score, standard deviation", part["score_sd"], "of the scores", "videos"),
        ]
    return [row for row in rows if row.name != "long_term_raw_mean"]


def _decay_rows(analysis: StudyAnalysis) -> list[StudyRow]:
    rows, correction = [], analysis.scores.correction
    short, long = (analysis.horizons.get(horizon) for horizon in HORIZONS)
    if short is not None and correction is not None:
        mean = summary(analysis.scores)["lag_correction"]["mean_correction"]
        definition = "least squares with one intercept per video; p by participant"
        text = "Hit rate, change per unit of lag (Fig. 3a)"
        rows += [
            StudyRow("mean_correction", "Mean lag correction", mean, "raw less corrected score", "videos"),
            StudyRow("lag_slope", text, correction.slope, definition, "annotations", correction.p_value, 6),
        ]
    if long is not None and long.retention.line is not None:
        definition = "least squares; p by participant; the paper finds no significant change"
        text, line = "Hit rate, change per hour of delay (Fig. 3b)", long.retention.line
        rows.append(StudyRow("delay_slope", text, line.slope, definition, "annotations", line.p_value, 6))
    return rows


def _consistency_rows(horizon: Horizon, part: HorizonAnalysis, analysis: StudyAnalysis) -> list[StudyRow]:
    mean = summary(analysis.scores)[horizon]["annotations_mean"]
    how = "measured on the most annotated videos" if part.expected.measured else "projected by Spearman-Brown"
    rows = {
        "human_consistency": (
            "human consistency",
            part.human.spearman,
            f"Spearman between random halves of the participants, mean of {part.human.splits} splits; each half has "
            "half of the annotations",
        ),
        "consistency": (
            f"annotation consistency at {mean:.0f}, both halves together",
            part.curve.at(mean),
            "Spearman between equal halves of each video's annotations; this count is of both halves together",
        ),
        "consistency_each": (
            f"annotation consistency at {mean:.0f} in each half",
            part.expected.spearman,
            f"the same with this count in each half: the agreement with another study of this size; {how}",
        ),
        "reliability": ("reliability", part.reliability, "share of the scores' variance that is not sampling noise"),
    }
    return [
        StudyRow(f"{horizon}_{key}", f"{_NAMES[horizon]} {statistic}", value, definition, "videos")
        for key, (statistic, value, definition) in rows.items()
    ]


def _correlation_row(name: str, statistic: str, found: Correlation, definition: str) -> StudyRow:
    return StudyRow(name, statistic, found.value, definition, f"{found.videos:,} videos", found.p_value)


def _agreement_rows(analysis: StudyAnalysis) -> list[StudyRow]:
    text = "Short- with long-term score"
    most = f"Spearman; the videos with the most long-term annotations; {_RELATIVE}"
    return [
        _correlation_row("short_with_long", text, analysis.short_with_long, f"Spearman; {_RELATIVE}"),
        *(
            _correlation_row(f"short_with_long_{size}", f"{text}, {size} videos", found, most)
            for size, found in analysis.short_with_long_most.items()
        ),
        _correlation_row(
            "short_with_long_pearson",
            f"{text}, Pearson",
            analysis.short_with_long_pearson,
            f"Pearson; {_RELATIVE}",
        ),
    ]


def _rt_rows(analysis: StudyAnalysis) -> list[StudyRow]:
    rows = []
    for horizon, part in analysis.horizons.items():
        text = f"{_NAMES[horizon]} response time"
        definition = f"Pearson of a video's mean response time and score; {_RELATIVE}"
        hits, false = part.rt_ms / 1000, part.false_rt_ms / 1000
        rows += [
            _correlation_row(f"{horizon}_rt_with_score", f"{text} with score", part.rt_with_score, definition),
            StudyRow(f"{horizon}_rt_s", f"{text} of hits, s", hits, "mean", "hits", None, 2),
            StudyRow(f"{horizon}_false_rt_s", f"{text} of false alarms, s", false, "mean", "false alarms", None, 2),
        ]
    test, both = analysis.rt_test, analysis.rt_short_with_long
    text, definition = "Short- with long-term response time", f"Pearson of a video's mean response times; {_RELATIVE}"
    by_step = f"Student's t for paired samples, {test.degrees_of_freedom} degrees of freedom; p by participant"
    return [
        *rows,
        _correlation_row("rt_short_with_long", text, both, definition),
        StudyRow("rt_t", "Short- less long-term response time, t", test.t, by_step, "videos", test.p_value, 2),
    ]


def _lists(part: Retention | ConsistencyCurve) -> dict[str, Any]:
    """The arrays of a part as lists."""
    return {name: without_nan(value.tolist()) for name, value in vars(part).items() if isinstance(value, np.ndarray)}


def _format_number(value: float, decimals: int) -> str:
    return "-" if math.isnan(value) else f"{value:,.{decimals}f}"


def _format_p(value: float) -> str:
    return "< .0001" if value < 0.0001 else _format_number(value, 4).lstrip("0")
