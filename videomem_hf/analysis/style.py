"""How every picture of this package looks: colours, sizes of text, ticks and words that recur."""

import textwrap
from collections.abc import Iterable
from itertools import cycle
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from videomem_hf.schema import HORIZON_NAMES, HORIZONS, Horizon
from videomem_hf.system import printable


class _Colours(dict[Horizon, str]):
    """A colour for each horizon; one of another name than VideoMem's gets the next one."""

    def __missing__(self, horizon: Horizon) -> str:
        self[horizon] = _MORE_COLOURS[(len(self) - 2) % len(_MORE_COLOURS)]
        return self[horizon]

    def fix(self, horizons: Iterable[Horizon]) -> None:
        """Give colours by the order of a configuration's horizons, whatever was drawn before."""
        self.update(zip((each for each in horizons if each not in HORIZONS), cycle(_MORE_COLOURS), strict=False))


_MORE_COLOURS: Final = ("#2a7f62", "#b8651b", "#6b5fb5", "#8a6d1d", "#2b7a91", "#a4457f")
COLOURS: Final = _Colours({"short_term": "#1f6feb", "long_term": "#d1495b"})
"""Of each horizon, whatever its name."""
BOTH_COLOUR: Final = "#5b4a8a"
"""Of points that belong to both horizons."""
FIT_COLOUR: Final = "#1a1a1a"
GREY: Final = "#555555"
GUIDE_COLOUR: Final = "#8a8a8a"
"""Of lines that help to read a panel: a mean, the diagonal, an epoch."""
BAND_COLOUR: Final = "#dddddd"
SALIENCY_COLOURS: Final = "inferno"
CHANGE_COLOURS: Final = "PuOr"
"""Diverging, with white at 0, and none of the horizons' colours."""
SALIENCY_OPACITY: Final = 0.65
CHANGE_OPACITY: Final = 0.75
"""Of a map's peak, and of the largest change, over the grey frame."""
TITLE_PT: Final = 10
LABEL_PT: Final = 9
TICK_PT: Final = 8
DPI: Final = 130
_STEPS: Final = [1, 2, 2.5, 5, 10]
_INTEGER_STEPS: Final = [1, 2, 5, 10]
_SECONDS: Final = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200]


def style_axes(axes: Axes, title: str = "", x: str = "", y: str = "", integers: str = "") -> None:
    """Give a panel its words, a light grid and round, equal ticks.

    Args:
        axes: The panel.
        title, x, y: Its title and the labels of its axes.
        integers: The axes that count something, such as "y" or "xy".
    """
    axes.set_title(escape(title), fontsize=TITLE_PT if len(title) < 40 else LABEL_PT)
    axes.set_xlabel(escape(x), fontsize=LABEL_PT)
    axes.set_ylabel(escape(y), fontsize=LABEL_PT)
    axes.tick_params(labelsize=TICK_PT)
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)
    for name, axis in (("x", axes.xaxis), ("y", axes.yaxis)):
        whole = name in integers
        axis.set_major_locator(MaxNLocator(6, steps=_INTEGER_STEPS if whole else _STEPS, integer=whole, min_n_ticks=1))
        if whole:
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def style_legend(axes: Axes, loc: str = "best", **options: Any) -> None:
    """Draw the legend of a panel, on a background that keeps what is behind it from its words."""
    given: dict[str, Any] = {"fontsize": TICK_PT, "loc": loc, "framealpha": 0.85, "edgecolor": "none"} | options
    axes.legend(**given)


def legend_below(axes: Axes, columns: int = 1, below: float = 0.2) -> None:
    """Draw the legend of a panel below it, where it covers nothing; for a figure whose layout is constrained.

    `below` is how far, as a share of the panel's height: clear of the label of its axis.
    """
    axes.legend(fontsize=TICK_PT, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -below), ncols=columns)


def style_time_axis(axes: Axes, first_s: float, last_s: float, most: int = 9) -> None:
    """Tick seconds, or minutes and seconds, at equal round steps; from 2 minutes on as m:ss."""
    axes.set_xticks(time_ticks(first_s, last_s, most))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda s, _: clock(s, last_s >= 120)))


def time_ticks(first_s: float, last_s: float, most: int = 9) -> list[float]:
    """Round times at equal steps, at most about so many."""
    step = next((s for s in _SECONDS if (last_s - first_s) / s <= most), 3600 * max(1, round(last_s / 3600 / most)))
    start = -(-first_s // step) * step
    return [start + i * step for i in range(int((last_s - start) // step + 1))]


def score_ticks(low: float, high: float) -> list[float]:
    """Round scores at equal steps between two."""
    return [float(tick) for tick in MaxNLocator(6, steps=_STEPS).tick_values(low, high) if low <= tick <= high]


def clock(time_s: float, minutes: bool | None = None) -> str:
    """A time as people read it: "3.5 s", or "2:05" from one minute on or where minutes are wanted, or "1:02:05"."""
    if minutes if minutes is not None else time_s >= 60:
        whole = round(time_s)
        if whole >= 3600:
            return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
        return f"{whole // 60}:{whole % 60:02}"
    return f"{round(time_s, 1):g} s"


def score_text(horizon: Horizon, score: float) -> str:
    """A score with its horizon: "short-term .812"."""
    return f"{HORIZON_NAMES[horizon]} {score:.3f}"


def interval_text(low: float, high: float) -> str:
    """The ends of an interval."""
    return f"{low:.2f} to {high:.2f}"


def interval_name(level: float) -> str:
    """What intervals about predicted scores are called."""
    return f"{100 * level:g}% prediction interval"


def escape(text: str) -> str:
    """Keep a dollar sign from starting matplotlib's mathematics, and what is not UTF-8 from failing."""
    return "\n".join(printable(line) for line in text.split("\n")).replace("$", r"\$")


def wrap(text: str, width: int) -> str:
    """Break a text or a name into lines of so many characters, at spaces and hyphens where there are some."""
    return "\n".join(textwrap.wrap(printable(text), max(width, 12), break_on_hyphens=True)) or ""
