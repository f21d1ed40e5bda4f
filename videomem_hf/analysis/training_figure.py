"""The course of a training run."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from videomem_hf.analysis.style import COLOURS, GREY, GUIDE_COLOUR, style_axes, style_legend
from videomem_hf.schema import HORIZON_NAMES, sort_horizons
from videomem_hf.system import quantity


def training_figure(results: Mapping[str, Any]) -> Figure:
    """Draw the training loss and the validation correlations of a run's `results.json` over the epochs."""
    validation = results["validation"]
    COLOURS.fix(results["metrics"])
    figure = Figure(figsize=(9.0 if validation else 4.8, 3.6), layout="constrained")
    panels = figure.subplots(1, 2 if validation else 1, squeeze=False)[0]
    epochs = range(1, len(results["losses"]) + 1)
    panels[0].plot(epochs, results["losses"], color=GREY, linewidth=1.6, marker="." if len(epochs) < 40 else "")
    horizons = " and ".join(HORIZON_NAMES[horizon] for horizon in sort_horizons(results["metrics"]))
    title = f"{horizons}, {quantity(results['train_clips'], 'training clip')}"
    style_axes(panels[0], title, "epoch", "training loss", "x")
    start = 0.5
    for number, stage in enumerate(results["config"]["stages"]):
        if number:
            panels[0].axvline(start, color=GUIDE_COLOUR, linewidth=1, linestyle="--")
        start += stage["epochs"]
    if validation:
        _draw_validation(panels[1], results)
    return figure


def _draw_validation(axes: Any, results: Mapping[str, Any]) -> None:
    validation = results["validation"]
    for horizon in sort_horizons(dict.fromkeys(name for row in validation for name in row if name != "epoch")):
        known = [(row["epoch"], row[horizon]) for row in validation if row.get(horizon) is not None]
        if known:
            style = {"color": COLOURS[horizon], "label": HORIZON_NAMES[horizon], "linewidth": 1.6, "marker": "."}
            axes.plot(*zip(*known, strict=True), **style)
    if results["kept_by"] != "last":
        axes.axvline(results["kept_epoch"], color=GUIDE_COLOUR, linewidth=1, linestyle=":", label="epoch kept")
    title = f"{quantity(results['split_clips'], 'clip')} of the split {results['split']}"
    style_axes(axes, title, "epoch", "Spearman", "x")
    style_legend(axes)
