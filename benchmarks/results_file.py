"""How the benchmarks name the machine and write their results."""

import json
import platform
import re
import sys
from pathlib import Path
from typing import Any

from videomem_hf.run_files import without_nan
from videomem_hf.system import available_cpus

_NUMBERS = re.compile(r'\[\n[^][{}"]*\]')
"""A list of numbers, which stands on one line; no text of JSON has a line end in it."""


def machine() -> str:
    """The machine that this runs on, as the results name it."""
    return f"{platform.machine()}, {available_cpus()} CPUs available, {platform.system()}"


def write_results(results: dict[str, Any], out: Path | None) -> None:
    """Print the results as JSON, with null for NaN, and write them to a file if one is given."""
    text = json.dumps(without_nan(results), indent=1)
    text = _NUMBERS.sub(lambda found: re.sub(r"\s+", " ", found[0]).replace("[ ", "[").replace(" ]", "]"), text) + "\n"
    sys.stdout.write(text)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
