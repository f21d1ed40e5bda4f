"""A study beside the paper: one row a statistic, with its definition."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Final

from videomem_hf.protocol.consistency import ConsistencyCurve
from videomem_hf.protocol.scoring import summary
from videomem_hf.protocol.study_analysis import Correlation, HorizonAnalysis, StudyAnalysis
from videomem_hf.schema import HORIZONS, PAPER_MEANS, Horizon

_NAMES: Final[dict[Horizon, str]] = {"short_term": "Short-term", "long_term": "Long-term"}

PAPER: Final[dict[str, tuple[float, str]]] = {
    "short_term_participants": (9402, "3.3"),
    "long_term_participants": (3246, "3.3"),
    "short_term_annotations": (38, "3.3"),
    "long_term_annotations": (13, "3.3"),
    "short_term_raw_mean": (0.875, "3.3"),
    "short_term_mean": (PAPER_MEANS["short_term"], "3.3"),
    "long_term_mean": (PAPER_MEANS["long_term"], "3.3"),
    "mean_correction": (0.016, "3.3"),
    "short_term_human_consistency": (0.481, "4.1"),
    "long_term_human_consistency": (0.192, "4.1"),
    "short_term_consistency": (0.616, "4.1"),
    "long_term_consistency": (0.364, "4.1"),
    "short_term_consistency_each": (0.616, "4.1"),
    "long_term_consistency_each": (0.364, "4.1"),
    "short_with_long": (0.305, "4.2"),
    "short_with_long_500": (0.333, "4.2"),
    "short_with_long_100": (0.303, "4.2"),
    "short_with_long_pearson": (0.329, "4.3"),
    "short_term_rt_with_score": (-0.307, "4.3"),
    "long_term_rt_with_score": (-0.176, "4.3"),
    "short_term_rt_s": (1.43, "4.3"),
    "long_term_rt_s": (3.37, "4.3"),
    "short_term_false_rt_s": (3.17, "4.3"),
    "long_term_false_rt_s": (3.53, "4.3"),
    "rt_short_with_long": (0.291, "4.3"),
    "rt_t": (-122.59, "4.3"),
}
"""The paper's values, and the sections that give them.

It prints the two correlations of response time with score without their sign, and calls them negative.
"""


@dataclass(frozen=True)
class Row:
    """One statistic.

    Attributes:
        name: A key for machines.
        statistic: What it is.
        value: This study's; NaN where it cannot be computed.
        definition: How it is computed here.
        p_value: Of the test that belongs to it, if any.
        decimals: To print.
    """

    name: str
    statistic: str
    value: float
    definition: str
    p_value: float | None = None
    decimals: int = 3

    @property
    def paper(self) -> float | None:
        """The paper's value; None where it gives none."""
        return PAPER[self.name][0] if self.name in PAPER else None

    @property
    def section(self) -> str:
        """The section that gives the paper's value."""
        return PAPER[self.name][1] if self.name in PAPER else ""


def study_rows(analysis: StudyAnalysis) -> list[Row]:
    """The statistics of Sec. 3.3 and 4, the paper's beside the study's."""
    rows = [*_score_rows(analysis), *_decay_rows(analysis)]
    for horizon, part in analysis.horizons.items():
        rows += _consistency_rows(horizon, part, analysis)
    return [*rows, *_agreement_rows(analysis), *_rt_rows(analysis)]


def study_content(analysis: StudyAnalysis) -> dict[str, Any]:
    """All of it as plain data, for JSON; NaN is None."""
    return {
        "study": _plain(summary(analysis.scores)),
        "table": [_plain({**asdict(row), "paper": row.paper, "section": row.section}) for row in study_rows(analysis)],
        "retention": {horizon: _retention(part) for horizon, part in analysis.horizons.items()},
        "annotation_consistency": {
            horizon: {"most_annotated": _curve(part.curve), "thinned": _curve(part.thinned)}
            for horizon, part in analysis.horizons.items()
        },
    }


def study_markdown(analysis: StudyAnalysis, figures: dict[str, str]) -> str:
    """The report in Markdown.

    Args:
        analysis: The analysis.
        figures: File name of each figure's picture, by its caption.
    """
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
    lines += ["", "| | This study | p | VideoMem | Section | Definition |", "|---|---:|---:|---:|---|---|"]
    for row in study_rows(analysis):
        paper = "" if row.paper is None else _number(row.paper, row.decimals)
        p_value = "" if row.p_value is None else _p(row.p_value)
        cells = (row.statistic, _number(row.value, row.decimals), p_value, paper, row.section, row.definition)
        lines.append(f"| {' | '.join(cells)} |")
    for caption, file in figures.items():
        lines += ["", f"![{caption}]({file})", "", caption]
    return "\n".join(lines) + "\n"


def _score_rows(analysis: StudyAnalysis) -> list[Row]:
    definitions = {"short_term": "corrected to the longest lag", "long_term": "hits of answers, not corrected"}
    rows = []
    for horizon in analysis.horizons:
        part, name = summary(analysis.scores)[horizon], _NAMES[horizon]
        rows += [
            Row(
                f"{horizon}_participants", f"{name} participants", part["participants_passed"], "who passed", decimals=0
            ),
            Row(
                f"{horizon}_annotations",
                f"{name} annotations",
                part["annotations_mean"],
                "mean over videos",
                decimals=1,
            ),
            Row(f"{horizon}_raw_mean", f"{name} raw score, mean", part["raw_mean"], "hits of answers"),
            Row(f"{horizon}_mean", f"{name} score, mean", part["score_mean"], definitions[horizon]),
            Row(f"{horizon}_sd", f"{name} score, standard deviation", part["score_sd"], "over videos"),
        ]
    return [row for row in rows if row.name != "long_term_raw_mean"]


def _decay_rows(analysis: StudyAnalysis) -> list[Row]:
    rows, correction = [], analysis.scores.correction
    short, long = (analysis.horizons.get(horizon) for horizon in HORIZONS)
    if short is not None and correction is not None:
        mean, p_value = summary(analysis.scores)["lag_correction"]["mean_correction"], _slope_p(short)
        rows += [
            Row("mean_correction", "Mean lag correction", mean, "raw less corrected score, mean over videos"),
            Row(
                "lag_slope",
                "Recognition, change with each video of lag (Fig. 3a)",
                correction.slope,
                "least squares with an intercept a video; p of one line through all answers",
                p_value,
                6,
            ),
        ]
    if long is not None and long.retention.line is not None:
        definition = "least squares over answers; the paper finds no significant change"
        text = "Recognition, change with each hour of delay (Fig. 3b)"
        rows.append(Row("delay_slope", text, long.retention.line.slope, definition, _slope_p(long), 6))
    return rows


def _consistency_rows(horizon: Horizon, part: HorizonAnalysis, analysis: StudyAnalysis) -> list[Row]:
    name, mean = _NAMES[horizon], summary(analysis.scores)[horizon]["annotations_mean"]
    how = "measured on the most annotated videos" if part.expected.measured else "projected by Spearman-Brown"
    return [
        Row(
            f"{horizon}_human_consistency",
            f"{name} human consistency",
            part.human.spearman,
            f"Spearman between random halves of the participants, mean of {part.human.splits} splits; each half has "
            "half of the annotations",
        ),
        Row(
            f"{horizon}_consistency",
            f"{name} annotation consistency at {mean:.0f}, both halves together",
            part.curve.at(mean),
            "Spearman between balanced halves of each video's annotations, which together have so many",
        ),
        Row(
            f"{horizon}_consistency_each",
            f"{name} annotation consistency at {mean:.0f} in each half",
            part.expected.spearman,
            f"the same with so many in each half: how well another study of this size would agree; {how}",
        ),
        Row(
            f"{horizon}_reliability",
            f"{name} reliability",
            part.reliability,
            "share of the scores' variance that is not the noise of counting",
        ),
    ]


def _correlation_row(name: str, statistic: str, found: Correlation, definition: str) -> Row:
    return Row(name, statistic, found.value, f"{definition}, {found.videos:,} videos", found.p_value)


def _agreement_rows(analysis: StudyAnalysis) -> list[Row]:
    text, most = "Short- with long-term score", "Spearman; the most annotated in the long term"
    return [
        _correlation_row("short_with_long", text, analysis.short_with_long, "Spearman"),
        *(
            _correlation_row(f"short_with_long_{size}", f"{text}, {size} videos", found, most)
            for size, found in analysis.short_with_long_most.items()
        ),
        _correlation_row("short_with_long_pearson", f"{text}, Pearson", analysis.short_with_long_pearson, "Pearson"),
    ]


def _rt_rows(analysis: StudyAnalysis) -> list[Row]:
    rows = []
    for horizon, part in analysis.horizons.items():
        name, definition = _NAMES[horizon], "Pearson of a video's mean response time and score"
        hits, false = part.rt_ms / 1000, part.false_rt_ms / 1000
        text = f"{name} response time of"
        rows += [
            _correlation_row(
                f"{horizon}_rt_with_score", f"{name} response time with score", part.rt_with_score, definition
            ),
            Row(f"{horizon}_rt_s", f"{text} correct detections, s", hits, "mean over answers", decimals=2),
            Row(f"{horizon}_false_rt_s", f"{text} false alarms, s", false, "mean over answers", decimals=2),
        ]
    test, definition = analysis.rt_test, "Pearson of a video's mean response times"
    by_step = f"Student's t for paired samples, {test.degrees_of_freedom} degrees of freedom"
    return [
        *rows,
        _correlation_row(
            "rt_short_with_long", "Short- with long-term response time", analysis.rt_short_with_long, definition
        ),
        Row("rt_t", "Short- less long-term response time, t", test.t, by_step, test.p_value, 2),
    ]


def _slope_p(part: HorizonAnalysis) -> float:
    return part.retention.line.p_value if part.retention.line is not None else math.nan


def _retention(part: HorizonAnalysis) -> dict[str, Any]:
    shown = part.retention
    return {"interval": shown.interval.tolist(), "rate": shown.rate.tolist(), "answers": shown.answers.tolist()}


def _curve(curve: ConsistencyCurve) -> dict[str, Any]:
    return {key: _plain(getattr(curve, key).tolist()) for key in curve.__dataclass_fields__}


def _number(value: float, decimals: int) -> str:
    return "-" if math.isnan(value) else f"{value:,.{decimals}f}"


def _p(value: float) -> str:
    if math.isnan(value):
        return "-"
    return "< .0001" if value < 0.0001 else f"{value:.4f}".lstrip("0")


def _plain(value: Any) -> Any:
    """The same with None for NaN, which JSON has no word for."""
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    return None if isinstance(value, float) and math.isnan(value) else value
