"""A run's folder: what it holds before, during and after training, and the checkpoint a stopped run goes on from."""

import json
import shutil
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from videomem_hf.run_files import CONFIG_FILE, check_new_run_folder
from videomem_hf.schema import InputError
from videomem_hf.training.config import TrainingConfig

if TYPE_CHECKING:
    from accelerate import Accelerator

_PREFIX: Final = "checkpoint-"
_PROGRESS_FILE: Final = "progress.json"
_MAY_DIFFER: Final = {
    "data", "output", "lamem", "frame_cache", "frame_cache_gb", "loader_workers", "checkpoint_every",
    "checkpoint_minutes", "trackers",
}  # fmt: skip
"""Where things lie and how fast they go: no part of what a resumed run computes."""


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
        """For the checkpoint."""
        values = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "scheduler"}
        return values | {"scheduler": None if self.scheduler is None else self.scheduler.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """From the checkpoint."""
        for name, value in state.items():
            if name != "scheduler":
                setattr(self, name, value)
            elif self.scheduler is not None:
                self.scheduler.load_state_dict(value)

    def read(self, checkpoint: Path) -> None:
        """Take how far a run was from its checkpoint, before the stage that it was in has a scheduler."""
        values = json.loads((checkpoint / _PROGRESS_FILE).read_text(encoding="utf-8"))
        self.load_state_dict(values)


def check_run_folder(config: TrainingConfig, resume: bool) -> None:
    """See that the run may start, or go on, in its output folder. Writes nothing.

    Raises:
        InputError: Work of another run would be lost, or there is nothing to resume, or it had another configuration.
    """
    output = Path(config.output)
    check_new_run_folder(output)
    before = latest_checkpoint(output)
    if not resume:
        if before is not None:
            raise InputError(f"{output} holds an unfinished run; give --resume to go on, or choose another output")
        return
    if before is None:
        raise InputError(f"{output} holds no checkpoint to resume; start without --resume")
    old, new = asdict(TrainingConfig.from_file(output / CONFIG_FILE)), asdict(config)
    changed = [f"{key} was {old[key]}, is {new[key]}" for key in old if key not in _MAY_DIFFER and old[key] != new[key]]
    if changed:
        raise InputError(f"{output}: a run goes on with the configuration that it started with: {'; '.join(changed)}")


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
        values = {name: value for name, value in done.state_dict().items() if name != "scheduler"}
        (partial / _PROGRESS_FILE).write_text(json.dumps(values), encoding="utf-8")
        if target.exists():  # written again after a resume that had nothing left to do
            shutil.rmtree(target)
        partial.replace(target)
        for old in output.glob(f"{_PREFIX}[0-9]*"):
            if old != target:
                shutil.rmtree(old)
    accelerator.wait_for_everyone()


def remove_checkpoints(output: Path) -> None:
    """Remove what a finished run needs no more, and what an interrupted save left."""
    for folder in (*output.glob(f"{_PREFIX}[0-9]*"), *output.glob(f".{_PREFIX}*.partial"), output / "best"):
        shutil.rmtree(folder, ignore_errors=folder.name == "best")
