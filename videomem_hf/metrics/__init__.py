"""The `evaluate` metric of memorability prediction; `evaluate.load(metric_path())` gives it."""

from pathlib import Path


def metric_path() -> str:
    """Folder of the metric's script, for `evaluate.load`; works without a network."""
    return str(Path(__file__).parent / "memorability")
