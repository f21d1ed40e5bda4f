"""The course of a training run."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from videomem_hf.analysis.clip_figure import COLOURS
from videomem_hf.schema import HORIZON_NAMES, HORIZONS


def training_figure(results: Mapping[str, Any]) -> Figure:
    """Draw the training loss and the validation correlations of a run's `results.json` over the epochs."""
    validation = results["validation"]
    figure = Figure(figsize=(9.0 if validation else 4.8, 3.6), layout="constrained")
    panels = figure.subplots(1, 2 if validation else 1, squeeze=False)[0]
    epochs = range(1, len(results["losses"]) + 1)
    panels[0].plot(epochs, results["losses"], color="#444444", linewidth=1.6, marker="." if len(epochs) < 40 else "")
    panels[0].set_ylabel("training loss")
    start = 0.5
    for number, stage in enumerate(results["config"]["stages"]):
        if number:
            panels[0].axvline(start, color="#999999", linewidth=1, linestyle="--")
        start += stage["epochs"]
    if validation:
        _draw_validation(panels[1], results)
    for axes in panels:
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.25)
    return figure


def _draw_validation(axes: Any, results: Mapping[str, Any]) -> None:
    validation = results["validation"]
    for horizon in HORIZONS:
        known = [(row["epoch"], row[horizon]) for row in validation if row.get(horizon) is not None]
        if known:
            style = {"color": COLOURS[horizon], "label": HORIZON_NAMES[horizon], "linewidth": 1.6, "marker": "."}
            axes.plot(*zip(*known, strict=True), **style)
    if results["kept_by"] != "last":
        axes.axvline(results["kept_epoch"], color="#999999", linewidth=1, linestyle=":", label="epoch kept")
    axes.set_ylabel(f"Spearman on {results['split']}")
    axes.legend(fontsize=8, frameon=False)
