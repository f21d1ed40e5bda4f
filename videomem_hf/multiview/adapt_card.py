"""What was measured of an adapted model: as lines of text, and as its card."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from videomem_hf.inference.claims import OF_GENERATED
from videomem_hf.models.configuration_adapted import AdaptedConfig
from videomem_hf.multiview.adapt_support import HorizonResult
from videomem_hf.schema import HORIZON_NAMES, Horizon
from videomem_hf.system import quantity

CARD_FILE: Final = "README.md"
_LEVEL: Final = 0.9


def result_lines(results: Mapping[Horizon, HorizonResult]) -> list[str]:
    """A block of lines for each horizon, of at most 80 characters."""
    lines = []
    for horizon, each in results.items():
        name = HORIZON_NAMES.get(horizon, str(horizon))
        annotations = "" if math.isnan(each.annotations) else f", median {each.annotations:.0f} annotations"
        spearman, error = each.spearman_gain, each.mse_gain
        lines += [
            f"{name}: {quantity(each.clips, 'clip')}{annotations}",
            f"  {'each left out in turn':<24}{'before':>8}{'adapted':>9}   difference, 95% interval",
            f"  {'Spearman':<24}{_number(each.base_spearman):>8}{_number(each.spearman):>9}   "
            + _difference(spearman.difference, spearman.interval.low, spearman.interval.high, 3),
            f"  {'mean squared error':<24}{each.base_rmse**2:>8.4f}{each.rmse**2:>9.4f}   "
            + _difference(error.difference, error.interval.low, error.interval.high, 4),
            f"  90% prediction intervals: {each.coverage:.0%} of the measured scores in them, mean",
            f"  width {each.width:.3f}",
        ]
    return lines


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


def _difference(value: float, low: float, high: float, digits: int) -> str:
    if math.isnan(value):
        return "-"
    return f"{value:+.{digits}f} ({low:+.{digits}f} to {high:+.{digits}f})"


def write_card(folder: Path, results: Mapping[str, Any], config: AdaptedConfig) -> None:
    """Write the card of an adapted model from its `results.json`."""
    left_out: dict[str, Any] = results["left_out"]
    data = ModelCardData(
        model_name=f"{config.adapted_from}-on-{config.adapted_to}",
        license="other",
        license_name="see-the-section-licences",
        library_name="transformers",
        pipeline_tag="video-classification",
        tags=["video-memorability", "memorability", *(["synthetic-data"] if config.trained_on_generated else [])],
        metrics=["spearmanr", "mse"],
        eval_results=[
            EvalResult(
                task_type="video-classification", task_name="video memorability", dataset_type="own",
                dataset_name=f"{config.adapted_to}, each clip left out in turn", metric_type="spearmanr",
                metric_name=f"Spearman's rank correlation, {HORIZON_NAMES.get(horizon, horizon)}",  # type: ignore[call-overload]
                metric_value=each["spearman"],
            )
            for horizon, each in left_out.items()
            if each["spearman"] is not None and not math.isnan(each["spearman"])
        ] or None,
    )  # fmt: skip
    text = f"---\n{data.to_yaml()}\n---\n\n{_text(results, left_out, config)}\n"
    ModelCard(text).save(folder / CARD_FILE)


def _text(results: Mapping[str, Any], left_out: Mapping[str, Any], config: AdaptedConfig) -> str:
    notes = [*results["notes"], *([OF_GENERATED] if config.trained_on_generated else [])]
    rows = [_row(horizon, each) for horizon, each in left_out.items()]
    warning = f"> **{config.warning}**\n\n" if config.warning else ""
    return f"""# `{config.adapted_from}`, adapted to `{config.adapted_to}`

{warning}A predictor of video memorability (`{config.base}`) moved to a new domain by Gaussian-process transfer, with
{quantity(config.clips, "clip")} of it. Its score is the base model's, with a fitted slope and offset, and what a Gaussian
process over the base model's own features adds.

## Use

```python
import videomem_hf

prediction = videomem_hf.predict("clip.mp4", model="USER/NAME")
print(prediction.scores, prediction.intervals, prediction.notes)
```

## What was measured

Each clip was predicted from all others, with hyper-parameters that were fitted without a tenth of the clips that it is in.
Brackets: 95 % bootstrap intervals of the difference.

| horizon | clips | annotations | Spearman before | adapted | difference | RMSE before | adapted | {_LEVEL:.0%} intervals cover | supported |
|---|---|---|---|---|---|---|---|---|---|
{chr(10).join(rows)}

*Supported*: clearly better than the base model by correlation or squared error (5 %, corrected for two tests), clearly
worse by neither, and a correlation above 0. {"".join(f"{chr(10)}- {note}" for note in notes)}

## Limits

- It was measured on clips of `{config.adapted_to}` alone. What the domain does not show is as uncertain as before.
- Prediction intervals hold for clips like these (conformal, by the errors on clips left out); a clip unlike them is noted.
- Nearly equal clips in the data make the figures too good, as each is predicted from the others.

## Licences

The base model's weights are inside: their licence binds these as well, and that of the data of `{config.adapted_to}` may.

{results["finished"]}, videomem_hf {results["package"]}; data {results["seconds"]["data"]:.0f} s, fit {results["seconds"]["fit"]:.0f} s."""


def _row(horizon: str, each: Mapping[str, Any]) -> str:
    gain = each["spearman_gain"]
    count = each["annotations"]
    cells = [
        HORIZON_NAMES.get(horizon, horizon),  # type: ignore[call-overload]
        str(each["clips"]),
        "unknown" if count is None or math.isnan(count) else f"{count:.0f}",
        _cell(each["base_spearman"]),
        _cell(each["spearman"]),
        "-" if _missing(gain["difference"])
        else _difference(gain["difference"], gain["interval"]["low"], gain["interval"]["high"], 3),
        f"{each['base_rmse']:.3f}",
        f"{each['rmse']:.3f}",
        f"{each['coverage']:.0%}",
        "yes" if each["supported"] else "no",
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _missing(value: float | None) -> bool:
    return value is None or math.isnan(value)


def _cell(value: float | None) -> str:
    return "-" if value is None else _number(value)
