"""`videomem doctor`: what is installed and found on this machine, and what to do about what is not."""

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from videomem_hf.cli.examinations import Finding, examine, runs_exports
from videomem_hf.cli.exit_codes import FAILED

MARKS = {"ok": "[green]ok[/green]", "missing": "[yellow]--[/yellow]", "bad": "[red]!![/red]"}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    all_: Annotated[bool, typer.Option("--all", help="List every package that is in order as well.")] = False,
) -> None:
    """Check the installation: versions of packages, weights, GPU, codecs, programs, disk.

    Nothing is downloaded or changed. For everything that is missing it says how to install it. The exit code is 0 if
    the core works, even if optional parts are missing.

    Examples: [bold]videomem doctor[/bold], [bold]videomem doctor --json[/bold]
    """
    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    findings: list[Finding] = []
    for group, found in groupby(examine(), key=lambda finding: finding.group):
        if as_json:
            findings += found
            continue
        console.print(group, style="bold")  # before what takes a moment, such as loading torch
        findings += (in_group := list(found))
        _print(console, in_group if all_ else _sum_up(in_group))
    bad = [finding.name for finding in findings if finding.state == "bad"]
    if as_json:
        content = {"core_works": not bad, "findings": [asdict(finding) for finding in findings]}
        sys.stdout.write(json.dumps(content, indent=1) + "\n")
    else:
        alone = " Exported models of frames work as it is: videomem predict --engine onnx." if runs_exports(bad) else ""
        console.print(
            f"The core does not work: first fix {', '.join(bad)} (marked !!).{alone}"
            if bad
            else "The core works; what is marked -- is only for what its line says. Next:\n  videomem quickstart",
            markup=False,
        )
    if bad:
        raise typer.Exit(FAILED)


def _sum_up(findings: Sequence[Finding]) -> list[Finding]:
    """Put what is in order of the packages into one line; what is not keeps its own."""
    if findings[0].group not in ("Core", "Extras"):
        return list(findings)
    working = [finding for finding in findings if finding.state == "ok"]
    names = ", ".join(
        f"{each.name} {each.found}" if each.group == "Core" else each.name.split()[0].strip("[]") for each in working
    )
    summary = [Finding(findings[0].group, f"{len(working)} of {len(findings)}", "ok", names)] if working else []
    return summary + [finding for finding in findings if finding.state != "ok"]


def _print(console: Console, findings: Iterable[Finding]) -> None:
    table = Table(show_header=False, box=None, padding=(0, 1))
    for _ in range(3):
        table.add_column(overflow="fold")
    for finding in findings:
        text = "; ".join(filter(None, (finding.found, finding.remedy)))
        table.add_row(MARKS[finding.state], escape(finding.name), escape(text))
    console.print(table)
