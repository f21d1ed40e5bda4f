"""`videomem score`: from the annotations of a memory game to a data set."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from videomem_hf.cli.analyse_measurement import fit_detection_model
from videomem_hf.cli.options import (
    AnnotationFiles,
    Design,
    Ignore,
    LagCorrection,
    OutFolder,
    ScoreModel,
    python_line,
    quote,
    say_next,
    uses_detection,
)
from videomem_hf.schema import HORIZON_NAMES, HORIZONS, Horizon
from videomem_hf.system import quantity

if TYPE_CHECKING:
    from videomem_hf.protocol.annotations import Annotations
    from videomem_hf.protocol.detection.combined import Combined
    from videomem_hf.protocol.detection.measure import Measurement
    from videomem_hf.protocol.scoring import StudyScores


def score(
    annotations: AnnotationFiles,
    out: OutFolder,
    design: Design = None,
    clips: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the study's clips; adds them to OUT/release.")
    ] = None,
    ignore: Ignore = None,
    lag_correction: LagCorrection = "significant",
    model: ScoreModel = None,
) -> None:
    """Turn annotations into scores: screen participants, score videos, and write a data set to OUT/release.

    Also writes scores.csv (raw scores, standard errors, response times), screening.csv (rates and failed controls of
    every participant) and summary.json. The table must fit the design: what does not is an error that names line and
    participant, and the name for --ignore. Where assignment was adaptive, the scores are those of the detection model.

    Example: [bold]videomem score annotations.csv scores/ --clips clips/[/bold]
    """
    from videomem_hf.protocol.design import load_design
    from videomem_hf.protocol.detection.combined import combine, combined_scores
    from videomem_hf.protocol.mediaeval_tables import score_tables
    from videomem_hf.protocol.score_files import write_scores
    from videomem_hf.protocol.scoring import summary

    plan = None if design is None else load_design(design)
    table, scores = score_tables(annotations, plan, ignore=ignore or (), lag_correction=lag_correction)
    adaptive = scores.design.assignment.policy == "adaptive"
    measured = fit_detection_model(table, scores) if uses_detection(model, scores.design.assignment.policy) else None
    combined = None if measured is None else combine(measured, scores.annotations)
    if adaptive and combined is not None:
        scores = combined_scores(scores, combined)
    for step in scores.screening.steps():
        if step.guessing is not None:
            false_alarms, hits = step.guessing
            typer.echo(
                f"step {step.step}: participants press at {hits:.0%} of the repeats and {false_alarms:.0%} of the new "
                "videos, as if all guessed, so the scores say little; check which key means 'seen before', and give "
                "the design controls that leave out who guesses",
                err=True,
            )
    release = write_scores(scores, out, clips)
    _print(summary(scores))
    if measured is not None and combined is not None:
        _write_measurement(table, scores, measured, combined, out)
    elif adaptive:
        typer.echo("adaptive assignment: plain scores of the least memorable videos are too low; leave --model out")
    say_next(
        f"videomem analyse {' '.join(map(quote, annotations))} {quote(out / 'analysis')}"
        + (f" --design {quote(design)}" if design else "")
        + "".join(f" --ignore {name}" for name in ignore or ())
        + (f" --model {model}" if model else ""),
        f"videomem train --recipe frame_attention --data {quote(release)} --output {quote(out / 'run')}"
        if clips
        else f"videomem describe {quote(release)}",
        python=python_line(f'load_dataset("videomem", "scores", data_dir={str(release)!r})'),
    )


def _write_measurement(
    table: "Annotations",
    scores: "StudyScores",
    measured: "dict[Horizon, Measurement]",
    combined: "Combined",
    out: Path,
) -> None:
    """Write the measures of the detection model, and print what they are worth."""
    from tqdm import tqdm

    from videomem_hf.protocol.detection.measure import REPORTED
    from videomem_hf.protocol.detection.reliability import SPLITS, reliabilities
    from videomem_hf.protocol.detection.tables import write_measurement

    with tqdm(total=SPLITS * len(measured), desc="split halves", unit="split") as bar:
        found = {horizon: reliabilities(part, progress=bar.update) for horizon, part in measured.items()}
    written = write_measurement(measured, found, scores.videos, table.participants, out, combined)
    for horizon, part in measured.items():
        fit, name = part.detection, HORIZON_NAMES[horizon]
        left_out = [
            f"{quantity(int(who.sum()), 'participant')} {what}"
            for who, what in ((part.attention.guessing, "guess"), (part.attention.asleep, "stopped responding"))
            if who.any()
        ]
        typer.echo(
            f"{name}: mean d' {fit.mean[1] - fit.mean[0]:.2f}, {quantity(len(part.responses), 'response')}"
            + (f"; left out: {', '.join(left_out)}" if left_out else "")
            + ("" if fit.converged else f"; not converged after {fit.iterations} iterations")
        )
        rows = []
        for measure, label in REPORTED.items():
            each = found[horizon][measure]
            halves = f"halves of participants {each.split_half:.2f}, projected to all {each.spearman_brown:.2f}"
            rows.append(f"{label} {each.model:.2f} ({halves})")
        typer.echo(f"{name} reliability: {'; '.join(rows)}")
    typer.echo(f"{written}: written")


def _print(content: dict[str, Any]) -> None:
    """The summary of a scored study in sentences."""
    for horizon in HORIZONS:
        part = content[horizon]
        if not part["participants"]:
            typer.echo(f"{HORIZON_NAMES[horizon]}: not part of this study")
            continue
        by_check = part["participants_failed"]
        failed = ", ".join(f"{count:,} by {name}" for name, count in by_check.items())
        if sum(by_check.values()) > part["participants"] - part["participants_passed"]:
            failed += "; some by more than one"
        typer.echo(
            f"{HORIZON_NAMES[horizon]}: {part['participants_passed']:,} of {part['participants']:,} participants "
            f"passed{f' (failed: {failed})' if failed else ''}; {quantity(part['videos_scored'], 'video')}"
            + (
                f", {part['annotations_mean']:.1f} annotations per video, mean score {part['score_mean']:.3f}"
                if part["videos_scored"]
                else ""
            )
        )
    if content["model"] == "detection":
        typer.echo(
            "scores: hit rates by the detection model, combined from all responses, since plain scores of adaptively "
            "assigned videos are biased (raw has these; --model plain makes them the scores); compare the two steps by "
            "hit_rate in measurement.csv"
        )
    elif correction := content.get("lag_correction"):
        done = f"corrected to lag {correction['to_lag']}" if correction["applied"] else "not corrected"
        typer.echo(
            f"lag correction: hit rates change by {correction['slope_per_video']:+.6f} with each video between the two "
            "showings of a clip (standard error by participant "
            f"{correction['slope_standard_error']:.6f}); scores {done}"
        )
    elif content["short_term"]["annotations"]:
        typer.echo("lag correction: does not apply, the study has no lags")
    if missing := content["showings_missing"]:
        reasons = ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in missing.items())
        typer.echo(f"missing responses, left out: {reasons}")
    for name, count in content["ignored_checks"].items():
        typer.echo(f"ignored: {name} of {quantity(count, 'participant')}")
