"""A result of a benchmark as text for a terminal."""

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, Final

from videomem_hf.benchmark.page import NOT_APART
from videomem_hf.evaluation.tables import short_number
from videomem_hf.schema import HORIZON_NAMES

_WIDTH: Final = 80
_NAME: Final = 34


def result_text(result: Mapping[str, Any]) -> str:
    """Version, correlations under each protocol, verdicts and leaks, in lines of at most 80 characters."""
    version = result["ground_truth"]["version"]
    state = "" if version["verified"] else " (not verified)"
    lines = [*_wrap(f"Ground truth: {version['title']}{state}, by {version['evidence']}.")]
    numbers = {each["name"]: str(number) for number, each in enumerate(result["predictors"], 1)}
    lines += [f"{number}  {_short(name, _WIDTH - 4)}" for name, number in numbers.items()]
    lines += _coverage(result, numbers)
    for protocol in result["protocols"]:
        for horizon in protocol["horizons"]:
            lines += ["", *_table(protocol, horizon, numbers)]
    lines += ["", *_leaks(result)]
    return "\n".join(lines) + "\n"


def _coverage(result: Mapping[str, Any], numbers: Mapping[str, str]) -> Iterator[str]:
    """What predictors lack of all scored clips, and have beside them."""
    for protocol in result["protocols"]:
        for name, found in protocol["coverage"].items() if protocol["name"] == "all" else ():
            words = [f"{found['missing']:,} missing ({', '.join(found['missing_first'])})"] if found["missing"] else []
            if found["extra"]:
                words.append(f"{found['extra']:,} of its clips are not in the data ({', '.join(found['extra_first'])})")
            if words:
                first = f"{numbers[name]} scores {found['covered']:,} of {found['clips']:,} clips"
                yield from _wrap("; ".join([first, *words]) + ".", "   ")


def _table(protocol: Mapping[str, Any], horizon: Mapping[str, Any], numbers: Mapping[str, str]) -> Iterator[str]:
    head = f"{protocol['name']}, {HORIZON_NAMES[horizon['horizon']]}, {horizon['clips']:,} clips"
    yield f"{head:38}{'Spearman':>9}  {'interval':13}{'of ceiling':>11}{'RMSE':>7}"
    for each in horizon["predictors"]:
        spearman = each["spearman"]
        ends = f"[{short_number(spearman['low'])}, {short_number(spearman['high'])}]"
        share = "-" if each["share"] is None else f"{each['share']:.0%}"
        name = f"{numbers[each['name']]}  {_short(each['name'], _NAME)}"
        rmse = short_number(each["rmse"]["value"])
        yield f"{name:38}{short_number(spearman['value']):>9}  {ends:13}{share:>11}{rmse:>7}"
    for pair in horizon["pairs"]:
        verdict = f"{numbers[pair['better']]} is better" if pair["better"] else NOT_APART
        yield f"   {numbers[pair['first']]} and {numbers[pair['second']]}: {verdict}"


def _leaks(result: Mapping[str, Any]) -> Iterator[str]:
    if not result["leaks"]:
        yield f"No leak was found; copies were looked for by {', '.join(result['checked_for_copies'])}."
        return
    yield "Leaks:"
    for leak in result["leaks"]:
        yield from _wrap(f"- {leak['kind'].replace('_', ' ')} ({leak['where']}): {leak['words']}", "  ")


def _wrap(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(text, _WIDTH, subsequent_indent=indent, break_on_hyphens=False)


def _short(name: str, width: int) -> str:
    return name if len(name) <= width else f"...{name[3 - width :]}"
