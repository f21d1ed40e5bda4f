"""Training a sorter by SoDeep's recipe, and measuring its rank error.

Engilberge et al., CVPR 2019: sequences of n = 100 drawn from simple families, batches of 256, Adam at 1e-3 halved every
70 epochs, 400 epochs, absolute error on the ranks. The number of steps in an epoch is ours.
"""

import json
import math
import platform
import time
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Final

import torch
from tqdm.auto import tqdm

from videomem_hf.losses.base import is_number
from videomem_hf.losses.ranking import ranks
from videomem_hf.losses.sequences import HELD_OUT_FAMILIES, TRAINING_FAMILIES, training_batch
from videomem_hf.losses.sorter_files import CONFIG_FILE, build_sorter, save_sorter
from videomem_hf.losses.sorter_networks import ExactSorter, Sorter
from videomem_hf.recipes import require, require_least
from videomem_hf.run_files import check_run_folder, refuse_changed_settings
from videomem_hf.schema import InputError
from videomem_hf.system import atomic_write, cause_of_failed_write

CHECKPOINT_FILE: Final = "checkpoint.pt"
TEST_SEED: Final = 1_000_003
TEST_ITEMS: Final = 12_800
TEST_LENGTHS: Final = (10, 32, 100, 300)


@dataclass(frozen=True)
class SorterTraining:
    """Everything a trained sorter depends on.

    Attributes:
        architecture, options: Name in `ARCHITECTURES`, and its options except the length.
        length: Items in a sequence.
        shortest: Each batch's length is drawn log-uniformly from here to `length`; only sorters of any length take
            a value below `length`.
        steps, batch_size: Steps in an epoch, and sequences in a step.
        learning_rate, halve_every: Initial rate of Adam, and the epochs after which it is halved.
        seed: Of the initial weights and the sequences.
    """

    architecture: str
    options: dict[str, Any] = field(default_factory=dict)
    length: int = 100
    shortest: int = 100
    epochs: int = 400
    steps: int = 100
    batch_size: int = 256
    learning_rate: float = 1e-3
    halve_every: int = 70
    seed: int = 0

    def __post_init__(self) -> None:
        require_least(self, 1, "epochs", "steps", "batch_size", "halve_every")
        require_least(self, 0, "seed")
        require_least(self, 2, "length")
        require(2 <= self.shortest <= self.length, "shortest", f"from 2 to length={self.length}", self.shortest)
        require(is_number(self.learning_rate, above=0), "learning_rate", "above 0", self.learning_rate)

    def all_options(self) -> dict[str, Any]:
        """Options of the architecture, its length among them if it has one."""
        return self.options if self.architecture == "comparison" else {"length": self.length} | self.options


@dataclass
class _State:
    sorter: Sorter
    optimizer: torch.optim.Optimizer
    generator: torch.Generator
    losses: list[float]
    seconds: float


def train_sorter(
    training: SorterTraining,
    output: Path,
    *,
    resume: bool = False,
    max_minutes: float | None = None,
    device: str = "cpu",
    progress: bool = True,
) -> dict[str, Any] | None:
    """Train a sorter and write it with its measured rank error; see `save_sorter` for the folder.

    The state is saved at most every ten seconds after an epoch, and when stopped: on a CPU, a resumed run gives the
    same weights to the bit as one that was never stopped. `max_minutes` stops after the first epoch that ends later.

    Returns:
        What `results.json` holds; None if the time was up before the last epoch.

    Raises:
        InputError: The recipe or the folder cannot be used, the loss is not finite, or the disk is full.
        KeyboardInterrupt: Ctrl-C; the last finished epoch is saved.
    """
    state = _initial_state(training, device)
    checkpoint = output / CHECKPOINT_FILE
    check_run_folder(output, checkpoint if checkpoint.exists() else None, resume, CONFIG_FILE)
    if resume:
        _load_checkpoint(checkpoint, training, state)
    output.mkdir(parents=True, exist_ok=True)
    if not _fit(training, state, output, max_minutes, device, progress):
        return None
    sorter = state.sorter.cpu().eval().requires_grad_(False)
    results = {
        "rank_error": rank_errors(sorter),
        "rank_error_exact": rank_errors(ExactSorter(), [sorter.length] if sorter.length else TEST_LENGTHS),
        "parameters": sum(each.numel() for each in sorter.parameters()),
        "training": asdict(training),
        "losses": [round(loss, 6) for loss in state.losses],
        "training_seconds": round(state.seconds, 1),
        "versions": {"torch": torch.__version__, "python": platform.python_version()},
        "device": device,
    }
    save_sorter(sorter, output, training.architecture, training.all_options(), results)
    checkpoint.unlink()
    return results


@torch.no_grad()
def rank_errors(sorter: Sorter, lengths: Iterable[int] | None = None) -> dict[str, dict[str, float]]:
    """Mean absolute error of a sorter's ranks (which are in (0, 1]), for each length and family.

    The sequences are fixed and never trained on; `HELD_OUT_FAMILIES` are of other kinds than those of training.
    """
    errors: dict[str, dict[str, float]] = {}
    for length in lengths or ([sorter.length] if sorter.length else TEST_LENGTHS):
        generator = torch.Generator().manual_seed(TEST_SEED)
        errors[str(length)] = {}
        for name, family in (TRAINING_FAMILIES | HELD_OUT_FAMILIES).items():
            values = family(-(-TEST_ITEMS // length), length, generator)
            error = (sorter(values) - ranks(values)).abs().mean().item()
            errors[str(length)][name] = float(f"{error:.4g}")
    return errors


def _initial_state(training: SorterTraining, device: str) -> _State:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.seed)
        sorter = build_sorter(training.architecture, **training.all_options()).to(device)
    if not list(sorter.parameters()):
        raise InputError(f"the {training.architecture} sorter has nothing to train")
    if sorter.length is not None and training.shortest != training.length:
        raise InputError(
            f"shortest={training.shortest}: a sorter of architecture {training.architecture} has one length; "
            f"leave shortest at {training.length}, or take the architecture comparison"
        )
    optimizer = torch.optim.Adam(sorter.parameters(), lr=training.learning_rate)
    generator = torch.Generator().manual_seed(training.seed)
    return _State(sorter, optimizer, generator, [], 0.0)


def _fit(
    training: SorterTraining, state: _State, output: Path, max_minutes: float | None, device: str, progress: bool
) -> bool:
    """Train to the last epoch; False if the time was up before it."""
    started = saved = time.monotonic()
    before = state.seconds
    checkpoint = output / CHECKPOINT_FILE
    snapshot = _snapshot(training, state)
    count: dict[str, Any] = {"total": training.epochs, "initial": len(state.losses), "unit": "epoch"}
    try:
        with tqdm(desc="training sorter", disable=not progress, **count) as bar:
            while len(state.losses) < training.epochs:
                _train_epoch(training, state, device)
                now = time.monotonic()
                state.seconds = before + now - started
                snapshot = _snapshot(training, state)
                bar.set_postfix(rank_error=f"{state.losses[-1]:.4f}", refresh=False)
                bar.update()
                if now - saved > 10:
                    _save_checkpoint(snapshot, checkpoint)
                    saved = now
                if max_minutes is not None and now - started > 60 * max_minutes:
                    break
    except KeyboardInterrupt:
        _save_checkpoint(snapshot, checkpoint)
        raise
    _save_checkpoint(snapshot, checkpoint)
    return len(state.losses) == training.epochs


def _train_epoch(training: SorterTraining, state: _State, device: str) -> None:
    for group in state.optimizer.param_groups:
        group["lr"] = training.learning_rate * 0.5 ** (len(state.losses) // training.halve_every)
    total = torch.zeros((), device=device)
    state.sorter.train()
    for _ in range(training.steps):
        length = training.length
        if training.shortest < length:
            share = torch.rand((), generator=state.generator).item()
            length = round(training.shortest * (length / training.shortest) ** share)
        values = training_batch(training.batch_size, length, state.generator).to(device)
        loss = (state.sorter(values) - ranks(values)).abs().mean()
        state.optimizer.zero_grad()
        loss.backward()
        state.optimizer.step()
        total += loss.detach()
    mean = total.item() / training.steps
    if not math.isfinite(mean):
        raise InputError(
            f"the loss of epoch {len(state.losses) + 1} is {mean}; "
            f"start again with a learning_rate below {training.learning_rate}"
        )
    state.losses.append(mean)


def _snapshot(training: SorterTraining, state: _State) -> dict[str, Any]:
    """Copy of everything that a resumed run needs."""
    return {
        "sorter": deepcopy(state.sorter.state_dict()),
        "optimizer": deepcopy(state.optimizer.state_dict()),
        "generator": state.generator.get_state(),
        "losses": list(state.losses),
        "seconds": state.seconds,
        "training": json.dumps(asdict(training)),
    }


def _save_checkpoint(snapshot: dict[str, Any], path: Path) -> None:
    try:
        with atomic_write(path) as partial:
            torch.save(snapshot, partial)
    except (OSError, RuntimeError) as error:
        if (cause := cause_of_failed_write(error)) is None:
            raise
        remedy = "that of an earlier epoch is kept: make room and --resume" if path.exists() else "make room"
        raise InputError(f"{path}: cannot be written ({cause}); {remedy}") from None


def _load_checkpoint(path: Path, training: SorterTraining, state: _State) -> None:
    try:
        saved = torch.load(path, weights_only=True, map_location="cpu")
    except (RuntimeError, EOFError, UnpicklingError) as error:
        message = str(error).splitlines()[0]
        raise InputError(f"{path}: cannot be read ({message}); remove {path.parent} and start again") from None
    refuse_changed_settings(path.parent, json.loads(saved["training"]), json.loads(json.dumps(asdict(training))))
    state.sorter.load_state_dict(saved["sorter"])
    state.optimizer.load_state_dict(saved["optimizer"])
    state.generator.set_state(saved["generator"])
    state.losses, state.seconds = saved["losses"], saved["seconds"]
