"""What was measured of an adapted model: as lines of text, and as its card."""

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from videomem_hf.inference.claims import OF_GENERATED
from videomem_hf.inference.intervals import LEVEL
from videomem_hf.models.configuration_adapted import AdaptedConfig
from videomem_hf.multiview.adapt_support import HorizonResult, Verdict
from videomem_hf.run_files import without_nan
from videomem_hf.schema import HORIZON_NAMES, Horizon
from videomem_hf.system import quantity, templates

CARD_FILE: Final = "README.md"
_TEMPLATES: Final = templates("videomem_hf.multiview")


def result_lines(results: Mapping[Horizon, HorizonResult]) -> list[str]:
    """A block of lines for each horizon, of at most 80 characters."""
    lines = []
    for horizon, each in results.items():
        annotations = "" if math.isnan(each.annotations) else f", median {each.annotations:.0f} annotations"
        spearman, error = each.spearman_gain, each.mse_gain
        of_ranks, of_errors = each.findings.values()
        lines += [
            f"{HORIZON_NAMES[horizon]}: {quantity(each.clips, 'clip')}{annotations}",
            f"  {'clips left out':<20}{'before':>8}{'adapted':>9}   difference, 95% interval",
            f"  {'Spearman':<20}{_number(each.base_spearman):>8}{_number(each.spearman):>9}   "
            + f"{_difference(spearman.difference, spearman.interval.low, spearman.interval.high, 3)} {of_ranks}",
            f"  {'mean squared error':<20}{each.base_rmse**2:>8.4f}{each.rmse**2:>9.4f}   "
            + f"{_difference(error.difference, error.interval.low, error.interval.high, 4)} {of_errors}",
            f"  {LEVEL:.0%} prediction intervals: hold {each.coverage:.0%} of scores; mean width {each.width:.3f}",
        ]
        if each.supported and not each.ranks_clips:
            alone = _difference(each.spearman, each.ranks.low, each.ranks.high, 3)
            lines.insert(-1, f"  Spearman, adapted alone: {alone}, not clearly above 0")
    return lines


def _number(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.3f}"


def _difference(value: float | None, low: float, high: float, digits: int) -> str:
    if value is None or math.isnan(value):
        return "-"
    one, least, most = (f"{round(each, digits) + 0.0:+.{digits}f}" for each in (value, low, high))  # no -0.0000
    return f"{one} ({least} to {most})"


def _supported(verdict: Verdict, ranks: Mapping[str, float | None]) -> str:
    if verdict == "better":
        return "yes" if (ranks["low"] or 0) > 0 else "in level, not in order"
    return "no: worse" if verdict == "worse" else "no"


def write_card(folder: Path, results: Mapping[str, Any], config: AdaptedConfig) -> None:
    """Write the card of an adapted model from its `results.json`."""
    left_out: dict[str, Any] = without_nan(results["left_out"])
    name = f"{config.adapted_from}-on-{config.adapted_to}"
    text = _TEMPLATES.get_template("adapted_card.md.j2").render(
        card_data=_card_data(name, left_out, config).to_yaml(),
        config=config,
        results=results,
        clips=quantity(config.clips, "clip"),
        table="\n".join(["| " + " | ".join(row) + " |" for row in _rows(left_out)]),
        notes=[*results["notes"], *([OF_GENERATED] if config.trained_on_generated else [])],
    )
    ModelCard(re.sub(r"\n{3,}", "\n\n", text)).save(folder / CARD_FILE)


def _card_data(name: str, left_out: Mapping[str, Any], config: AdaptedConfig) -> ModelCardData:
    results = [
        EvalResult(
            task_type="video-classification",
            task_name="video memorability",
            dataset_type="own",
            dataset_name=f"{config.adapted_to}, each clip predicted from others",
            metric_type="spearmanr",
            metric_name=f"Spearman's rank correlation, {HORIZON_NAMES[horizon]}",
            metric_value=each["spearman"],
        )
        for horizon, each in left_out.items()
        if each["spearman"] is not None
    ]
    return ModelCardData(
        model_name=name,
        license="other",
        license_name="see-the-section-licences",
        library_name="transformers",
        pipeline_tag="video-classification",
        tags=["video-memorability", "memorability", *(["synthetic-data"] if config.trained_on_generated else [])],
        metrics=["spearmanr", "mse"],
        eval_results=results or None,
    )


def _rows(left_out: Mapping[str, Any]) -> Iterator[list[str]]:
    """The card's table: heads, a line, and a row for each horizon."""
    heads = ["horizon", "clips", "annotations", "Spearman before", "adapted", "difference", "RMSE before", "adapted"]
    heads += [f"{LEVEL:.0%} intervals cover", "supported"]
    yield heads
    yield ["---"] * len(heads)
    for horizon, each in left_out.items():
        gain = each["spearman_gain"]
        ends = gain["difference"], gain["interval"]["low"], gain["interval"]["high"]
        yield [
            HORIZON_NAMES[horizon],
            str(each["clips"]),
            "unknown" if each["annotations"] is None else f"{each['annotations']:.0f}",
            *(_number(each[name]) for name in ("base_spearman", "spearman")),
            _difference(*ends, digits=3),
            *(f"{each[name]:.3f}" for name in ("base_rmse", "rmse")),
            f"{each['coverage']:.0%}",
            _supported(each["verdict"], each["ranks"]),
        ]
