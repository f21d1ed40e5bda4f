"""`videomem analyse`: the analyses of the paper's Sec. 4 for another study."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from videomem_hf.cli.analyse_measurement import CAPTIONS as MEASUREMENT_CAPTIONS
from videomem_hf.cli.analyse_measurement import measure_and_draw
from videomem_hf.cli.options import (
    FIGURE_FORMATS,
    AnnotationFiles,
    Design,
    Ignore,
    LagCorrection,
    OutFolder,
    ScoreModel,
    quote,
    say_next,
    uses_detection,
)
from videomem_hf.schema import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from videomem_hf.protocol.study_analysis import StudyAnalysis

PNG_DPI = 300
CAPTIONS = {
    "figure3_retention": "Hit rate against the retention interval (the paper's Fig. 3).",
    "figure4_consistency": (
        "Annotation consistency against the mean annotation count, both halves together (the paper's Fig. 4)."
    ),
    "figure5_agreement": "Short- against long-term scores and mean response times (the paper's Fig. 5).",
    "figure6_response_time": "Mean response time of hits against the score (the paper's Fig. 6).",
}


def analyse(
    annotations: AnnotationFiles,
    out: OutFolder,
    design: Design = None,
    splits: Annotated[
        int, typer.Option(min=1, help="Number of random splits that each consistency is averaged over.")
    ] = 25,
    seed: Annotated[int, typer.Option(min=0, help="Random seed of the splits.")] = 0,
    ignore: Ignore = None,
    lag_correction: LagCorrection = "significant",
    model: ScoreModel = None,
) -> None:
    """Analyse a study: consistency, retention and response times beside the paper's values, and the paper's Figures 3
    to 6.

    Writes OUT/report.md (a table with definitions), OUT/analysis.json (the same with the figures' data), and each
    figure as PNG (300 dpi), PDF and SVG. With --model detection also figures of the measurement: reliability, videos,
    participants, lags, and both steps; OUT/measurement.json has their data. Adaptive studies have these by default.

    Example: [bold]videomem analyse annotations.csv analysis/[/bold]
    """
    from tqdm import tqdm

    from videomem_hf.protocol.design import load_design
    from videomem_hf.protocol.mediaeval_tables import score_tables
    from videomem_hf.protocol.study_analysis import analyse_study, splits_in_all
    from videomem_hf.protocol.study_table import study_content, study_markdown

    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / "analysis.json").is_file())):
        raise InputError(f"{out} exists and holds no analysis; give a new folder.")
    plan = None if design is None else load_design(design)
    table, scores = score_tables(annotations, plan, ignore=ignore or (), lag_correction=lag_correction)
    with tqdm(total=splits_in_all(scores, splits), desc="consistency", unit="split") as bar:
        analysis = analyse_study(table, scores, splits=splits, seed=seed, progress=bar.update)
    out.mkdir(parents=True, exist_ok=True)
    figures = _figures(analysis)
    captions = CAPTIONS
    policy = scores.design.assignment.policy
    if policy == "adaptive":
        typer.echo("adaptive assignment: the paper's figures are of plain scores, which are biased")
    if uses_detection(model, policy):
        more, content_of_model, notes = measure_and_draw(table, scores, splits, seed)
        figures |= more
        captions = CAPTIONS | MEASUREMENT_CAPTIONS
        (out / "measurement.json").write_text(json.dumps(content_of_model, indent=2) + "\n", encoding="utf-8")
        for note in notes:
            typer.echo(note)
    for name, figure in figures.items():
        for suffix in FIGURE_FORMATS:
            figure.savefig(out / f"{name}.{suffix}", dpi=PNG_DPI)
            figure.set_layout_engine("none")  # Keep the layout of the first drawing in the other formats.
    pictures = {captions[name]: f"{name}.png" for name in figures}
    (out / "report.md").write_text(study_markdown(analysis, pictures), encoding="utf-8")
    content = json.dumps(study_content(analysis), indent=2) + "\n"
    (out / "analysis.json").write_text(content, encoding="utf-8")
    typer.echo(f"{out / 'report.md'}, analysis.json and {len(figures)} figures ({', '.join(FIGURE_FORMATS)})")
    say_next(what_is_next(annotations, out, design))


def what_is_next(annotations: list[Path], out: Path, design: Path | None) -> str:
    """Describe, or train on, the scores that `videomem score` wrote to the folder around `out`; without any, score."""
    release = out.parent / "release"
    if not ((out.parent / "summary.json").is_file() and release.is_dir()):
        given = f" --design {quote(design)}" if design else ""
        return f"videomem score {' '.join(map(quote, annotations))} scores{given}"
    if not (release / "videos").is_dir():
        return f"videomem describe {quote(release)}"
    run = quote(out.parent / "run")
    return f"videomem train --recipe frame_attention --data {quote(release)} --output {run}"


def _figures(analysis: "StudyAnalysis") -> dict[str, "Figure"]:
    """The figures by the names of their files."""
    from videomem_hf.analysis import study_figures as draw

    parts, scores = analysis.horizons, analysis.scores.scores
    means = {h: float(values[values > 0].mean()) for h in parts if len(values := scores[h].annotations)}
    figures = {
        "figure3_retention": draw.retention_figure({h: part.retention for h, part in parts.items()}),
        "figure4_consistency": draw.consistency_figure(
            {h: part.curve for h, part in parts.items()}, {h: part.thinned for h, part in parts.items()}, means
        ),
    }
    if len(parts) == len(scores):
        correlations = analysis.short_with_long.value, analysis.rt_short_with_long.value
        figures["figure5_agreement"] = draw.agreement_figure(scores["short_term"], scores["long_term"], *correlations)
    figures["figure6_response_time"] = draw.response_time_figure(
        {h: scores[h] for h in parts}, {h: part.rt_with_score.value for h, part in parts.items()}
    )
    return figures
