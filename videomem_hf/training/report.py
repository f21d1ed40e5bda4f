"""What a person reads at the end of a run."""

import os
from typing import Any


def is_main_process() -> bool:
    """Whether this is the process that speaks, by what the launcher set; true where there is only one."""
    return os.environ.get("RANK", "0") == "0"


def result_table(results: dict[str, Any]) -> str:
    """The metrics of `results.json` as lines of text, one a horizon and predictor."""
    confidence = results["config"]["evaluation"]["confidence"]
    lines = [
        f"{results['split_clips']} clips of the split {results['split']!r}, trained on {results['train_clips']}:",
        f"{'':12}{'':18}{'Spearman':>9}  {f'{confidence:.0%} interval':14}{'Pearson':>9}{'MSE':>9}",
    ]
    for horizon, predictors in results["metrics"].items():
        for name, metrics in predictors.items():
            if "spearman" in metrics:
                lines.append(f"{horizon:12}{name.replace('_', ' '):18}{_row(metrics)}")
    return "\n".join(lines) + "\n"


def _row(metrics: dict[str, float | None]) -> str:
    interval = f"[{_number(metrics['spearman_low'])}, {_number(metrics['spearman_high'])}]"
    return f"{_number(metrics['spearman']):>9}  {interval:14}{_number(metrics['pearson']):>9}{metrics['mse']:>9.5f}"


def _number(value: float | None) -> str:
    """Three decimals without the leading zero, as the paper writes correlations; a dash where there is none."""
    return "-" if value is None else f"{value:.3f}".replace("0.", ".", 1)
