"""`videomem doctor`: what is installed and found on this machine, and what to do about what is not."""

import json
import sys
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from videomem_hf.cli.examinations import Finding, examine

MARKS = {"ok": "[green]ok[/green]", "missing": "[yellow]--[/yellow]", "bad": "[red]!![/red]"}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check the installation: versions of packages, weights, GPU, codecs, programs, disk.

    Nothing is downloaded or changed. For everything that is missing it says how to install it. The exit code is 0 if
    the core works, even if optional parts are missing.

    Examples: [bold]videomem doctor[/bold], [bold]videomem doctor --json[/bold]
    """
    findings = examine()
    works = not any(finding.state == "bad" for finding in findings)
    if as_json:
        content = {"core_works": works, "findings": [asdict(finding) for finding in findings]}
        sys.stdout.write(json.dumps(content, indent=1) + "\n")
    else:
        _print(findings, works)
    if not works:
        raise typer.Exit(1)


def _print(findings: list[Finding], works: bool) -> None:
    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    for group in dict.fromkeys(finding.group for finding in findings):
        table = Table(
            title=group, title_justify="left", show_header=False, box=None, padding=(0, 1), title_style="bold"
        )
        for _ in range(3):
            table.add_column(overflow="fold")
        for finding in findings:
            if finding.group == group:
                text = "; ".join(filter(None, (finding.found, finding.remedy)))
                table.add_row(MARKS[finding.state], escape(finding.name), escape(text))
        console.print(table)
    bad = [finding.name for finding in findings if finding.state == "bad"]
    console.print(
        "The core works. What is marked -- is needed only for what its line says."
        if works
        else f"The core does not work: first fix {', '.join(bad)} (marked !!).",
        markup=False,
    )
