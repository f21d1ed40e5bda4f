"""A run's folder: what it holds before, during and after training, and the checkpoint a stopped run goes on from."""

import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from videomem_hf.schema import InputError
from videomem_hf.training.config import TrainingConfig

if TYPE_CHECKING:
    from accelerate import Accelerator

CONFIG_FILE: Final = "training_config.yaml"
RESULTS_FILE: Final = "results.json"
_PREFIX: Final = "checkpoint-"
_MAY_DIFFER: Final = {"data", "output", "frame_cache", "loader_workers", "checkpoint_every"}
"""Where things lie and how fast they go: no part of what a resumed run computes."""


@dataclass
class Progress:
    """How far a run is; saved with each checkpoint.

    Attributes:
        epochs: Epochs that are finished.
        losses: Mean training loss of each.
    """

    epochs: int = 0
    losses: list[float] = field(default_factory=list)

    def state_dict(self) -> dict[str, Any]:
        """For the checkpoint."""
        return asdict(self)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """From the checkpoint."""
        self.epochs, self.losses = state["epochs"], state["losses"]


def check_run_folder(config: TrainingConfig, resume: bool) -> None:
    """See that the run may begin, or go on, in its output folder. Writes nothing.

    Raises:
        InputError: Work of another run would be lost, or there is nothing to resume, or it had another configuration.
    """
    output = Path(config.output)
    if output.exists() and not output.is_dir():
        raise InputError(f"{output} is a file; the output must be a folder")
    if (output / RESULTS_FILE).exists():
        raise InputError(f"{output} holds a finished run; choose another output or remove the folder")
    if output.exists() and any(output.iterdir()) and not (output / CONFIG_FILE).exists():
        raise InputError(f"{output} is not empty and holds no training run; choose another output")
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
        raise InputError(f"{output}: a run goes on with the configuration it began with: {'; '.join(changed)}")


def latest_checkpoint(output: Path) -> Path | None:
    """The newest complete checkpoint in a run's folder."""
    return max(output.glob(f"{_PREFIX}[0-9]*"), default=None)


def save_checkpoint(accelerator: "Accelerator", output: Path, epochs: int) -> None:
    """Save everything that `accelerator` knows of. Until the new checkpoint is complete the one before it stays."""
    target = output / f"{_PREFIX}{epochs:06d}"
    partial = output / f".{target.name}.partial"
    accelerator.save_state(str(partial))
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        partial.replace(target)
        for old in output.glob(f"{_PREFIX}[0-9]*"):
            if old != target:
                shutil.rmtree(old)
    accelerator.wait_for_everyone()


def remove_checkpoints(output: Path) -> None:
    """Remove what a finished run needs no more, and what an interrupted save left."""
    for folder in (*output.glob(f"{_PREFIX}[0-9]*"), *output.glob(f".{_PREFIX}*.partial")):
        shutil.rmtree(folder)
