"""The metric as the Hub has `evaluate` modules: a Space whose script `evaluate.load("USER/NAME")` fetches."""

import re
from pathlib import Path
from typing import Final

from huggingface_hub import SpaceCardData

from videomem_hf import __version__, statistics
from videomem_hf.metrics import metric_path
from videomem_hf.system import templates

REQUIREMENTS: Final = "evaluate>=0.4.6\nnumpy>=2.0\nscipy>=1.14\n"
_IMPORT: Final = "from videomem_hf import statistics\n"
_TEMPLATES: Final = templates("videomem_hf.hub")


def metric_files(repo: str) -> dict[str, Path | bytes]:
    """Everything that the metric's repository holds; it needs nothing of this package.

    `evaluate` looks for a script of the repository's name.
    """
    script = f"{repo.split('/')[-1]}.py"
    metric = Path(metric_path()) / "memorability.py"
    source = metric.read_text(encoding="utf-8")
    return {
        "README.md": _readme(repo, source).encode(),
        script: standalone(source, repo).encode(),
        "statistics.py": Path(str(statistics.__file__)),
        "app.py": _TEMPLATES.get_template("metric/app.py.j2").render(script=script).encode(),
        "requirements.txt": REQUIREMENTS.encode(),
    }


def standalone(source: str, repo: str) -> str:
    """The metric's script with the statistics from the file beside it: `evaluate` fetches what is named `from .FILE`.

    Raises ValueError if the script does not import the statistics as expected.
    """
    if source.count(_IMPORT) != 1:
        raise ValueError(f"the metric's script has no line {_IMPORT!r}")
    names = sorted(set(re.findall(r"\bstatistics\.(\w+)", source)))
    source = source.replace(_IMPORT, f"from .statistics import {', '.join(names)}\n")
    source = re.sub(r"\bstatistics\.(?=\w)", "", source)
    source = source.replace("    >>> from videomem_hf.metrics import metric_path\n", "")
    return source.replace("evaluate.load(metric_path())", f'evaluate.load("{repo}")')


def _readme(repo: str, source: str) -> str:
    data = SpaceCardData(
        title="Memorability",
        sdk="gradio",
        app_file="app.py",
        license="apache-2.0",
        tags=["evaluate", "metric", "video-memorability"],
        short_description="Agreement of predicted and measured memorability",
    )
    return _TEMPLATES.get_template("metric/README.md.j2").render(
        card_data=data.to_yaml(),
        repo=repo,
        version=__version__,
        arguments=_arguments(_text_of(source, "_KWARGS_DESCRIPTION")),
        citation=_text_of(source, "_CITATION").strip().replace("\\\\", "\\"),
    )


def _text_of(source: str, name: str) -> str:
    found = re.search(rf'^{name} = """(.*?)"""', source, re.MULTILINE | re.DOTALL)
    if found is None:
        raise ValueError(f"the metric's script has no text {name}")
    return found[1]


def _arguments(text: str) -> str:
    """The docstring's sections as a card's: a heading each, and a list."""
    sections = text.split("Examples:")[0].strip()
    for name, title in {"Args": "Arguments", "Returns": "Values", "Raises": "Errors"}.items():
        sections = re.sub(rf"^{name}:$", f"## {title}\n", sections, flags=re.MULTILINE)
    return re.sub(r"^    (?! )", "- ", sections, flags=re.MULTILINE).replace("\n        ", "\n  ")
