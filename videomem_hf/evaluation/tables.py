"""Metrics and reference values as lines of text."""

from collections.abc import Mapping
from typing import Any

from videomem_hf.protocol.paper import PAPER
from videomem_hf.schema import HORIZON_NAMES, HORIZONS, Horizon


def consistency_lines(ceilings: Mapping[Horizon, float]) -> str:
    """What to compare a correlation with: the data's own noise ceilings, and the paper's consistencies."""
    own = ", ".join(f"{HORIZON_NAMES[horizon]} {short_number(value)}" for horizon, value in ceilings.items())
    lines = f"Noise ceiling of these scores, by their annotation counts: {own}.\n"
    if set(ceilings) - set(HORIZONS):
        return lines
    human, annotation = (
        f"{kind} consistency {' / '.join(short_number(PAPER[f'{horizon}_{name}'].value) for horizon in HORIZONS)}"
        for kind, name in {"human": "human_consistency", "annotation": "consistency"}.items()
    )
    return f"{lines}The paper's, of VideoMem's annotations, short-term / long-term: {human}, {annotation}.\n"


def metrics_text(metrics: dict[str, dict[str, Any]], confidence: float) -> str:
    """Metrics of `compute_metrics` as lines of 80 characters (more with long names), a line each."""
    width = max([11, *(len(HORIZON_NAMES[horizon]) + 1 for horizon in metrics)])
    lines = [
        f"{'':{width}}{'':19}{'Spearman':>9}  {f'{confidence:.0%} interval':14}{'Pearson':>9}{'MSE':>9}{'clips':>7}"
    ]
    for horizon, predictors in metrics.items():
        for name, values in predictors.items():
            if "spearman" not in values:
                continue
            spearman, low, high, pearson = (
                short_number(values[key]) for key in ("spearman", "spearman_low", "spearman_high", "pearson")
            )
            figures = f"{spearman:>9}  {f'[{low}, {high}]':14}{pearson:>9}{values['mse']:>9.5f}{values['items']:>7}"
            lines.append(f"{HORIZON_NAMES[horizon]:{width}}{name.replace('_', ' '):19}{figures}")
    return "\n".join(lines) + "\n"


def chance_sentence(metrics: dict[str, dict[str, Any]]) -> str:
    """For which horizons the model's correlation cannot be told from 0, as a line; empty if for none."""
    found = {}
    for horizon, predictors in metrics.items():
        values = predictors.get("model", {})
        low, high = values.get("spearman_low"), values.get("spearman_high")
        if low is not None and high is not None and low <= 0 <= high:
            found[HORIZON_NAMES[horizon]] = values["items"]
    if not found:
        return ""
    counts = " and ".join(f"{count:,}" for count in dict.fromkeys(found.values()))
    return f"Not shown to be better than chance ({', '.join(found)}): {counts} clips are too few.\n"


def short_number(value: float | None) -> str:
    """Three decimals without the leading zero, as the paper writes correlations; a dash where there is none."""
    if value is None or value != value:
        return "-"
    return f"{value:.3f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.3f}"
