"""Several clips beside each other: ranks, scores with their intervals on one axis, and curves over each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cards import NAMES, RIBBON, caveats, interval_words, notes, own_colours, percentile_words, text
from charts import SERIES, GaugeAxis, horizons_of, several_curves
from pictures import picture_uri

from videomem_hf.inference.ranking import equal_scores, shared_ranks
from videomem_hf.schema import HORIZON_NAMES, Horizon
from videomem_hf.system import quantity

if TYPE_CHECKING:
    from scoring import Scored

    from videomem_hf.inference import Prediction

MOST_CURVES = 12
"""More curves over each other cannot be told apart."""
STILL_SIDE = 128


@dataclass(frozen=True)
class Row:
    """A clip of several: its result, or why there is none."""

    name: str
    scored: "Scored | None" = None
    error: str = ""


def ranking(rows: Sequence[Row], waiting: int = 0) -> str:
    """Clips from the most to the least memorable, short-term first; `ranking.js` sorts by what is clicked.

    A rank counts the clips that are clearly above. Once all are done, their curves follow.
    """
    done = [row.scored for row in rows if row.scored]
    predictions = [scored.prediction for scored in done]
    horizons = horizons_of(predictions)
    heads = "".join(
        f'<th scope="col" aria-sort="{"descending" if h == horizons[0] else "none"}"><button type="button" '
        f'class="vm-sort" data-horizon="{h}">{NAMES[h]}</button></th>'
        for h in horizons
    )
    state = "vm-small vm-waiting" if waiting else "vm-small"
    told = f"{waiting} more to come …" if waiting else f"{len(done)} of {quantity(len(rows), 'clip')} scored."
    known = predictions[0] if predictions else None
    model = done[0].model if done else ""
    return (
        f'<div class="vm-result" data-model="{text(model)}">{RIBBON}{own_colours(horizons)}'
        '<div class="vm-scroll vm-list">'
        f'<table class="vm-ranking"><caption>{_caption(known, model)}</caption><thead><tr><th scope="col">Rank</th>'
        f'<th scope="col">Clip</th>{heads}</tr></thead><tbody>{_body(rows, horizons)}</tbody></table></div>'
        f'<p class="{state}" role="status">{told}</p>'
        f"{_equal(predictions, horizons)}{caveats(known, len(done)) if known else ''}"
        f"{'' if waiting else curves(done)}</div>"
    )


def _equal(predictions: "Sequence[Prediction]", horizons: Sequence[Horizon]) -> str:
    sentence = equal_scores(predictions, horizons)
    return f'<p class="vm-note" role="note">{sentence}</p>' if sentence else ""


def _caption(known: "Prediction | None", model: str) -> str:
    from videomem_hf.analysis.style import interval_name

    if known is None:
        return "No clip could be scored."
    tested = bool(known.reference and known.reference.difference_error)
    shared = "rank: 1 + the number of clips that are clearly above" if tested else "differences are not tested"
    bars = f"; bars: {interval_name(known.interval_level)}s" if known.intervals else ""
    return f"{text(model)}: most memorable first; {shared}{bars}. A heading sorts by it."


def _body(rows: Sequence[Row], horizons: Sequence[Horizon]) -> str:
    done = [row for row in rows if row.scored]
    predictions = [row.scored.prediction for row in done if row.scored]
    ranks = {h: shared_ranks(predictions, h) for h in horizons}
    axis = GaugeAxis.of(predictions)
    order = sorted(range(len(done)), key=lambda i: -predictions[i].scores[horizons[0]])
    body = [_row(done[i], i, horizons, {h: _rank_words(ranks[h], i) for h in horizons}, axis) for i in order]
    return "".join(body) + "".join(_failed_row(row, len(horizons)) for row in rows if not row.scored)


def _rank_words(ranks: Sequence[int | None], index: int) -> str:
    """A rank, with a sign where others share it."""
    return f"{ranks[index]}{'=' if ranks.count(ranks[index]) > 1 else ''}"


def _failed_row(row: Row, columns: int) -> str:
    return (
        f'<tr class="vm-failed"><td>-</td><td colspan="{1 + columns}"><strong>{text(row.name)}</strong>'
        f"<span>{text(row.error)}</span></td></tr>"
    )


def _row(row: Row, index: int, horizons: Sequence[Horizon], ranks: dict[Horizon, str], axis: GaugeAxis) -> str:
    assert row.scored is not None
    prediction = row.scored.prediction
    cells = "".join(_score_cell(h, prediction, axis) for h in horizons)
    data = " ".join(
        f'data-{h.replace("_", "-")}="{prediction.scores[h]:.6f}" data-rank-{h.replace("_", "-")}="{ranks[h]}"'
        for h in horizons
    )
    picture = f'<img src="{picture_uri(prediction.stills[0].image, STILL_SIDE)}" alt="">' if prediction.stills else ""
    key = f'<i class="{_series(index)}" aria-hidden="true"></i>'
    return (
        f'<tr {data}><td class="vm-rank">{ranks[horizons[0]]}</td><td class="vm-name">{picture}<span>{key}'
        f"{text(row.name)}</span>{notes(prediction)}</td>{cells}</tr>"
    )


def _series(index: int) -> str:
    dashed = " vm-dashed" if index % MOST_CURVES >= SERIES else ""
    return f"vm-swatch vm-series-{index % MOST_CURVES % SERIES}{dashed}"


def _score_cell(horizon: Horizon, prediction: "Prediction", axis: GaugeAxis) -> str:
    """The score as a dot, and its interval as a bar, on the axis that all rows share."""
    score, ends = prediction.scores[horizon], (prediction.intervals or {}).get(horizon)
    bar = ""
    if ends:
        low, high = (100 * axis.share(end) for end in ends)
        bar = f'<i class="vm-range" style="left:{low:.1f}%;width:{high - low:.1f}%"></i>'
    words = " · ".join(filter(None, [interval_words(prediction, horizon), percentile_words(prediction, horizon)]))
    return (
        f'<td><div class="vm-bar vm-{horizon}" title="{text(words)}"><strong>{score:.3f}</strong>'
        f'<div class="vm-track" aria-hidden="true">{bar}<i class="vm-at" style="left:{100 * axis.share(score):.1f}%">'
        f'</i></div></div><span class="vm-small vm-among">{_ends(ends)}</span></td>'
    )


def _ends(ends: tuple[float, float] | None) -> str:
    from videomem_hf.analysis.style import interval_text

    return interval_text(*ends) if ends else ""


def curves(done: "Sequence[Scored]") -> str:
    """The clips' scores over time over each other, a drawing per horizon, with the moments that stand out."""
    indices = [i for i, scored in enumerate(done) if len(scored.prediction.times_s) > 1][:MOST_CURVES]
    shown = [done[i] for i in indices]
    if len(shown) < 2 or len(done) > MOST_CURVES:
        return ""
    predictions = [scored.prediction for scored in shown]
    drawings = "".join(
        f'<section class="vm-curve" aria-label="{NAMES[h]} scores over time"><h2>{NAMES[h]} score over time</h2>'
        f"{several_curves(predictions, h, indices)}</section>"
        for h in horizons_of(predictions)
    )
    items = "".join(
        f'<li><i class="{_series(i)}" aria-hidden="true"></i><strong>{text(scored.name)}</strong> '
        f"<span>{_moments(scored.prediction)}</span></li>"
        for i, scored in zip(indices, shown, strict=True)
    )
    moments = f'<h2>The moment that stands out</h2><ul class="vm-legend-list">{items}</ul>'
    return f'<div class="vm-over">{drawings}</div>{moments}'


def _moments(prediction: "Prediction") -> str:
    from videomem_hf.inference.drawing import moment_text

    return " · ".join(f"{HORIZON_NAMES[h]}: {moment_text(prediction, h)}" for h in prediction.scores)
