"""`videomem study plan` and `preview`: a design for one's clips, and how it plays."""

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from videomem_hf.cli.options import quote, require_study_extra, say_next
from videomem_hf.schema import HORIZON_NAMES, HORIZONS, Horizon, InputError

if TYPE_CHECKING:
    from videomem_hf.protocol.plan import Plan
    from videomem_hf.protocol.plan_adaptive import AdaptivePlan

_MONEY = re.compile(r"(\d+(?:\.\d+)?) *([A-Za-z]{3}|[€$£])?(/h)?")
_RELIABILITY = 0.7
"""Wanted by default."""
_SIGNS = {"€": "EUR", "$": "USD", "£": "GBP"}

Pilot = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="measurement.json of a pilot: how much hits and false alarms vary. (default: assumed)"
    ),
]


def plan(
    videos: Annotated[int, typer.Option(min=1, help="Number of clips that you have; two serve in the instructions.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Design to write.")] = Path("design.yaml"),
    reliability: Annotated[
        float | None, typer.Option(help="Reliability that both scores should have, from 0 to 1. (default: 0.7)")
    ] = None,
    precision: Annotated[
        float | None, typer.Option(help="Standard error that both scores should have, such as 0.03.")
    ] = None,
    budget: Annotated[str | None, typer.Option(metavar="MONEY", help="All that may be paid, such as 900EUR.")] = None,
    pay: Annotated[str, typer.Option(metavar="MONEY", help="Pay per hour, without the platform's fee.")] = "12EUR/h",
    return_rate: Annotated[
        float, typer.Option(help="Share of those who pass step 1 who will pass step 2 (the paper: 0.35).")
    ] = 0.5,
    clip_seconds: Annotated[float, typer.Option(help="Length of your clips, which the response window gets.")] = 7.0,
    seed: Annotated[int, typer.Option(min=0, help="Random seed of the simulation.")] = 0,
    pilot: Pilot = None,
    policy: Annotated[
        Literal["least_annotated", "adaptive"],
        typer.Option(help="How videos are assigned: by the paper's rule, or adaptively, with fewer participants."),
    ] = "least_annotated",
    force: Annotated[bool, typer.Option("--force", help="Replace the design in FILE, if there is one.")] = False,
) -> None:
    """Plan a study: a design for your number of clips by the paper's rules, participants, minutes, cost, and what to
    expect of the scores.

    Give one of --reliability, --precision and --budget. Figures come in closed form and from simulated studies. With
    --policy adaptive the design has more targets in the same minutes, and as few participants as give the same scores.

    Examples: [bold]videomem study plan --videos 60 --reliability .7[/bold],
    [bold]videomem study plan --videos 60 --budget 900EUR --pay 12EUR/h[/bold]
    """
    from tqdm import tqdm

    from videomem_hf.protocol import plan as planning
    from videomem_hf.protocol.design import save_design
    from videomem_hf.protocol.plan_adaptive import plan_adaptive

    if sum(given is not None for given in (reliability, precision, budget)) > 1:
        raise InputError("--reliability, --precision and --budget; give one of them.")
    if out.exists() and not force:
        raise InputError(f"{out} exists; name another file with --out, or replace it with --force.")
    per_hour, currency = _money("--pay", pay)
    currency = currency or (_money("--budget", budget)[1] if budget else "")
    wanted = _wanted(reliability, precision)
    hours = None if budget is None else _hours(budget, pay)
    with tqdm(desc="simulated participants", unit="participant") as bar:
        given: dict[str, Any] = {"return_rate": return_rate, "seed": seed, "progress": bar.update}
        given["design"] = planning.with_window(planning.plan_design(videos), clip_seconds)
        if hours is None:
            paper = planning.plan_study(videos, wanted, **given)
        else:
            paper = planning.plan_for_budget(videos, hours, **given)
        adaptive = plan_adaptive(paper, seed, bar.update) if policy == "adaptive" else None
    found = paper if adaptive is None else adaptive.plan
    save_design(found.design, out)
    _print(paper, adaptive, per_hour, currency)
    _print_measures(found, _RELIABILITY if reliability is None else reliability, pilot)
    typer.echo(f"{out}: written")
    _say_next(found, out)


def _wanted(reliability: float | None, precision: float | None) -> dict[Horizon, float]:
    """Annotations per video of each horizon."""
    from videomem_hf.protocol.plan import annotations_for_precision, annotations_for_reliability

    if precision is not None:
        return {horizon: annotations_for_precision(horizon, precision) for horizon in HORIZONS}
    value = _RELIABILITY if reliability is None else reliability
    return {horizon: annotations_for_reliability(horizon, value) for horizon in HORIZONS}


def _hours(budget: str, pay: str) -> float:
    """The paid hours of a budget."""
    (per_hour, currency), (money, other) = _money("--pay", pay), _money("--budget", budget)
    if currency and other and currency != other:
        raise InputError(f"--budget {budget} and --pay {pay}; give both in the same currency.")
    return money / per_hour


def _money(option: str, text: str) -> tuple[float, str]:
    """An amount above 0 and its currency, empty without one."""
    match = _MONEY.fullmatch(text.strip())
    if match is None or not float(match[1]) > 0 or (match[3] and option != "--pay"):
        raise InputError(f"{option} {text}; give an amount above 0 with a currency, such as 900EUR or 12EUR/h.")
    currency = (match[2] or "").upper()
    return float(match[1]), _SIGNS.get(currency, currency)


def _print(paper: "Plan", adaptive: "AdaptivePlan | None", per_hour: float, currency: str) -> None:
    if adaptive is None:
        _print_cost(paper, per_hour, currency)
        _print_scores(paper)
    else:
        _print_cost(adaptive.plan, per_hour, currency)
        _print_adaptive(paper, adaptive, per_hour, currency)


def _say_next(found: "Plan", out: Path) -> None:
    passing = [found.expected[horizon].participants for horizon in HORIZONS]
    say_next(
        f"videomem study preview {quote(out)}",
        f"videomem study simulate played --videos {found.videos} --participants {passing[0]} --returning {passing[1]} "
        f"--design {quote(out)}",
        f"videomem study init mystudy CLIPS... --design {quote(out)}",
    )


def _print_cost(found: "Plan", per_hour: float, currency: str) -> None:
    for number, step in ((1, found.design.step1), (2, found.design.step2)):
        expected = found.expected[HORIZONS[number - 1]]
        typer.echo(
            f"step {number}: {step.showings} showings, with the practice at most "
            f"{found.minutes[number - 1]:.0f} minutes; recruit "
            f"{found.invited[number - 1]:,} participants, of whom {expected.participants:,} pass the controls"
        )
    typer.echo(f"cost: {_cost(found, per_hour, currency)} at {per_hour:g} per hour, without fees")


def _cost(found: "Plan", per_hour: float, currency: str) -> str:
    return f"{found.cost(per_hour):,.0f} {currency}".rstrip()


def _print_scores(found: "Plan") -> None:
    for horizon in HORIZONS:
        part = found.expected[horizon]
        agreement = "-" if math.isnan(part.consistency) else f"{part.consistency:.2f}"
        typer.echo(
            f"{HORIZON_NAMES[horizon]}: {part.annotations:.0f} annotations per video; standard error of a score "
            f"{part.error[0]:.3f} (simulated {part.error[1]:.3f}), reliability {part.reliability[0]:.2f} (simulated "
            f"{part.reliability[1]:.2f}), consistency with another such study {agreement}"
        )


def _print_adaptive(paper: "Plan", found: "AdaptivePlan", per_hour: float, currency: str) -> None:
    """What the design changes and why, and how the share of the participants was found."""
    from videomem_hf.protocol.plan_adaptive import SHARES

    first, before = found.plan.design.step1, paper.design.step1
    if first.targets > before.targets:
        typer.echo(
            f"design: {first.targets} targets and {first.fillers} fillers in step 1 in place of {before.targets} and "
            f"{before.fillers}, in {first.showings} showings ({before.showings}) and at the same lags: adaptive "
            f"assignment chooses the fillers, so that {found.plan.design.step2.targets} targets of step 2 need none to "
            f"spare, and each participant gives {first.targets / before.targets - 1:.0%} more short-term annotations"
        )
    invited = f"({paper.invited[0]:,} and {paper.invited[1]:,}, {_cost(paper, per_hour, currency)})"
    if found.reached:
        at_most = "at most " if found.share <= SHARES[0] else ""
        typer.echo(
            f"participants: {at_most}{found.share:.0%} of those of the paper's rule {invited} give scores with the "
            "same rank correlation with the truth, in simulated studies scored by the combined score:"
        )
    else:
        typer.echo(
            f"participants: as many as by the paper's rule {invited}; simulated studies, scored by the combined score, "
            "did not reach its rank correlation with the truth, so adaptive assignment saves nothing here:"
        )
    for horizon in HORIZONS:
        values = ", ".join(
            f"{value:.2f} with {share:.0%}" for share, value in zip(SHARES, found.adaptive[horizon], strict=False)
        )
        part = found.plan.expected[horizon]
        typer.echo(
            f"{HORIZON_NAMES[horizon]}: {part.annotations:.0f} annotations per video; the paper's rule and score "
            f"{found.paper[horizon]:.2f}; adaptive and combined {values}"
        )


def _print_measures(found: "Plan", reliability: float, pilot: Path | None) -> None:
    """What the detection model would make of the study, and how many participants each of its measures takes."""
    from videomem_hf.protocol.detection import planning
    from videomem_hf.protocol.detection.measure import REPORTED

    for horizon in HORIZONS:
        spread = planning.assumed_spread(horizon) if pilot is None else planning.read_pilot(pilot, horizon)
        if spread is None:
            continue
        each = planning.responses_per_participant(found.design, horizon)
        expected = planning.expected_reliability(spread, found.expected[horizon].participants, each, found.videos)
        parts = []
        for measure, name in REPORTED.items():
            needed = planning.participants_for(spread, found.design, found.videos, horizon, measure, reliability)
            parts.append(f"{name} {expected[measure]:.2f} ({needed:,} participants for {reliability:g})")
        typer.echo(f"{HORIZON_NAMES[horizon]} reliability by the detection model: {', '.join(parts)}")
    if pilot is None:
        typer.echo("assumed: false alarms vary over videos as hits do; --pilot FILE takes what a pilot measured")


def preview(
    source: Annotated[Path, typer.Argument(metavar="DESIGN|DIR", help="Design (YAML), or the folder of a study.")],
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
) -> None:
    """Play a design in your browser in two minutes: short clips, and at each the role that participants never see.

    Step 2 opens at once. A design is played with generated, numbered clips, a study with its own. Nothing is kept.

    Example: [bold]videomem study preview design.yaml[/bold]
    """
    require_study_extra()
    from tempfile import TemporaryDirectory

    from tqdm import tqdm

    from videomem_hf.protocol.design import load_design
    from videomem_hf.protocol.server.preview import preview_study
    from videomem_hf.protocol.server.serve import run_server
    from videomem_hf.protocol.server.study import open_study

    given = open_study(source) if source.is_dir() else None
    design = load_design(source) if given is None else given.design
    with TemporaryDirectory(prefix="videomem-preview-") as folder:
        clips = None if given is None else list(given.clips.values())
        with tqdm(desc="clips", unit="clip") as bar:
            study = preview_study(Path(folder) / "study", design, clips, progress=bar.update)
        run_server(
            study,
            host="127.0.0.1",
            port=port,
            preview=True,
            announce=lambda: typer.echo(f"Preview: http://127.0.0.1:{port}/ (Ctrl-C ends it)"),
        )
