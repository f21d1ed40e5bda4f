"""Damaged and hostile files: each gives frames or one sentence, and never ends the process, hangs or fills the memory.

`VIDEOMEM_FUZZ_FILES` sets how many files the slow test damages, and `VIDEOMEM_FUZZ_SEED` which.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from .fuzzing import damage, draw_recipe, make_bases
from .reading_worker import Outcome, read_files

FILES = int(os.environ.get("VIDEOMEM_FUZZ_FILES", "10000"))
SEED = int(os.environ.get("VIDEOMEM_FUZZ_SEED", "0"))
LIMIT_S, LIMIT_MB = 30, 2000


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return make_bases(tmp_path_factory.mktemp("bases"))


def fuzz(bases: dict[str, bytes], folder: Path, numbers: range, seed: int, processor: bool = False) -> list[Outcome]:
    """Damage files, read them, and keep those with a fault."""

    def paths() -> Iterator[Path]:
        for number in numbers:
            base, operations = draw_recipe(seed, number, bases)
            path = folder / f"{number}-{base}"
            path.write_bytes(damage(base, operations, bases))
            yield path

    outcomes, faults = [], []
    for outcome in read_files(paths(), LIMIT_S, LIMIT_MB, processor):
        outcomes.append(outcome)
        if outcome.fault:
            number = int(outcome.path.name.split("-")[0])
            base, operations = draw_recipe(seed, number, bases)
            faults.append(f"seed {seed}, file {number}: damage({base!r}, {operations}, bases): {outcome.fault}")
        else:
            outcome.path.unlink()
    print(summarise(outcomes, seed))
    assert not faults, f"{len(faults)} of {len(outcomes)} files, kept in {folder}\n" + "\n".join(faults)
    return outcomes


def summarise(outcomes: list[Outcome], seed: int) -> str:
    """Counts by what is said, the longest time and the largest memory."""
    good = [outcome for outcome in outcomes if not outcome.fault]
    kinds = Counter(
        re.sub(r"\d[\d,.x]*|\(.*\)", "#", outcome.message.removeprefix(f"{outcome.path}: "))
        for outcome in good
        if outcome.message
    )
    slowest, largest = (max(good, key=lambda outcome: getattr(outcome, key)) for key in ("seconds", "peak_mb"))
    lines = [
        f"seed {seed}: {len(outcomes)} files, {sum(outcome.frames > 0 for outcome in good)} scored, "
        f"{sum(kinds.values())} refused, {len(outcomes) - len(good)} with a fault",
        f"longest {slowest.seconds:.1f} s ({slowest.path.name}); largest {largest.peak_mb:.0f} MB ({largest.path.name})",
        *(f"{count:6} {kind}" for kind, count in kinds.most_common()),
    ]
    return "\n".join(lines)


def test_damaged_files_are_read_or_refused(bases: dict[str, bytes], tmp_path: Path) -> None:
    outcomes = fuzz(bases, tmp_path, range(150), seed=0)
    assert len(outcomes) == 150
    assert sum(outcome.frames > 0 for outcome in outcomes) > 50
    assert sum(outcome.message is not None for outcome in outcomes) > 10


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_many_damaged_files_are_read_or_refused(bases: dict[str, bytes], tmp_path: Path) -> None:
    assert len(fuzz(bases, tmp_path, range(FILES), SEED, processor=True)) == FILES
