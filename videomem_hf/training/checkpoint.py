"""A run's folder: what it holds before, during and after training, and the checkpoint a stopped run goes on from."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from safetensors import SafetensorError

from videomem_hf.run_files import CONFIG_FILE, check_run_folder, refuse_changed_settings
from videomem_hf.schema import InputError
from videomem_hf.system import cause_of_failed_write
from videomem_hf.training.config import TrainingConfig

if TYPE_CHECKING:
    from accelerate import Accelerator

_PREFIX: Final = "checkpoint-"
_PROGRESS_FILE: Final = "progress.json"


class TrainingError(InputError):
    """Training that cannot go on; the message says what was kept and what to change."""


@dataclass
class Progress:
    """How far a run is; saved with each checkpoint.

    Attributes:
        epochs: Epochs that are finished, over all stages.
        losses: Mean training loss of each.
        steps: Steps of the next epoch that are done.
        loss_sum: Sum of their losses, averaged over the processes.
        validation: `epoch` and Spearman's correlation for each horizon, of each evaluation while training.
        scheduler: Of the learning rate in the present stage.
    """

    epochs: int = 0
    losses: list[float] = field(default_factory=list)
    steps: int = 0
    loss_sum: float = 0.0
    validation: list[dict[str, float]] = field(default_factory=list)
    scheduler: Any = None

    def state_dict(self) -> dict[str, Any]:
        return vars(self) | {"scheduler": self.scheduler and self.scheduler.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if self.scheduler is not None:
            self.scheduler.load_state_dict(state["scheduler"])
        vars(self).update(state | {"scheduler": self.scheduler})

    def read(self, checkpoint: Path) -> None:
        """Take how far a run was from its checkpoint, before the stage that it was in has a scheduler."""
        vars(self).update(json.loads((checkpoint / _PROGRESS_FILE).read_text(encoding="utf-8")))


def check_training_folder(config: TrainingConfig, resume: bool) -> None:
    """See that the run may start, or go on, in its output folder. Writes nothing.

    Raises:
        InputError: Work of another run would be lost, or there is nothing to resume, or it had another configuration.
    """
    output = Path(config.output)
    check_run_folder(output, latest_checkpoint(output), resume)
    if resume:
        refuse_changed_settings(output, asdict(TrainingConfig.from_file(output / CONFIG_FILE)), asdict(config))


def latest_checkpoint(output: Path) -> Path | None:
    """The newest complete checkpoint in a run's folder."""
    return max(output.glob(f"{_PREFIX}[0-9]*"), default=None)


def save_checkpoint(accelerator: "Accelerator", output: Path, done: Progress) -> None:
    """Save everything that `accelerator` knows of. Until the new checkpoint is complete the one before it stays."""
    target = output / f"{_PREFIX}{done.epochs:06d}-{done.steps:06d}"
    partial = output / f".{target.name}.partial"
    accelerator.save_state(str(partial))
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        values = {name: value for name, value in vars(done).items() if name != "scheduler"}
        (partial / _PROGRESS_FILE).write_text(json.dumps(values), encoding="utf-8")
        if target.exists():  # written again after a resume that had nothing left to do
            shutil.rmtree(target)
        partial.replace(target)
        for old in output.glob(f"{_PREFIX}[0-9]*"):
            if old != target:
                shutil.rmtree(old)
    accelerator.wait_for_everyone()


@contextmanager
def report_full_disk(output: Path, what: str) -> Iterator[None]:
    """Say in one sentence that `what` cannot be written, and which checkpoint is kept.

    Raises:
        TrainingError: The block could not write a file.
    """
    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        cause, kept = cause_of_failed_write(error), latest_checkpoint(output)
        if cause is None:
            raise
        remedy = f"{kept.name} is kept: make room and --resume" if kept else "make room and start again"
        raise TrainingError(f"{output}: {what} cannot be written ({cause}); {remedy}") from None


def remove_checkpoints(output: Path) -> None:
    """Remove what a finished run needs no more, and what an interrupted save left."""
    for folder in (*output.glob(f"{_PREFIX}[0-9]*"), *output.glob(f".{_PREFIX}*.partial"), output / "best"):
        shutil.rmtree(folder, ignore_errors=folder.name == "best")
