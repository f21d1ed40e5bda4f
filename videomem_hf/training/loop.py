"""The training loop: stage after stage, stopped at any step without loss."""

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from tqdm.auto import tqdm

from videomem_hf.losses import Criterion
from videomem_hf.models.folders import save_model
from videomem_hf.schema import InputError
from videomem_hf.system import handle_signal
from videomem_hf.training.accumulation import Batch, accumulate_gradients
from videomem_hf.training.checkpoint import (
    Progress,
    TrainingError,
    latest_checkpoint,
    report_full_disk,
    save_checkpoint,
)
from videomem_hf.training.config import StageConfig, TrainingConfig
from videomem_hf.training.examples import Collator, EpochBatches, TrainingClips
from videomem_hf.training.stages import l2_penalty, make_optimizer, make_scheduler

_CHECK_EVERY: Final = 10
"""Steps between checks of the loss and, with several processes, of whether one of them has to stop."""


class TrainingStopped(Exception):  # noqa: N818 - not an error
    """Training that was stopped by its time limit or a signal, after saving a checkpoint."""


class StopRequest:
    """Whether the run has to stop: by its time limit, or by SIGTERM, which schedulers send before they kill."""

    def __init__(self, max_seconds: float | None = None) -> None:
        """Set a time limit from now on, if one is given."""
        self._deadline = None if max_seconds is None else time.monotonic() + max_seconds
        self._signalled = False

    @property
    def reason(self) -> str | None:
        """Why to stop, or None to go on."""
        if self._signalled:
            return "by a signal"
        if self._deadline is not None and time.monotonic() >= self._deadline:
            return "after its time limit"
        return None

    def on_signal(self, *_: object) -> None:
        """Take a signal as a request; see `signal.signal`."""
        self._signalled = True


@dataclass
class TrainingLoop:
    """All that a run needs to train, once its data and model are there.

    Attributes:
        config, accelerator: The run's.
        model: The bare model; it is trained in place.
        examples: The training clips, as many as `clips`.
        collate: Puts them into batches.
        validate: Called with the prepared model after an epoch that is due; gives Spearman's correlations.
        stop: When to stop before the end.
        progress: Whether to show a progress bar.
    """

    config: TrainingConfig
    accelerator: Accelerator
    model: Any
    examples: TrainingClips
    clips: int
    collate: Collator
    validate: Callable[[Any], dict[str, float]]
    stop: StopRequest
    progress: bool = True
    done: Progress = field(default_factory=Progress)

    def __post_init__(self) -> None:
        config, accelerator = self.config, self.accelerator
        self._output = Path(config.output)
        self._batches = EpochBatches(
            self.clips, config.batch_size, config.seed, accelerator.process_index, accelerator.num_processes
        )
        self._loader: Any = torch.utils.data.DataLoader(
            self.examples,
            batch_sampler=self._batches,
            num_workers=config.loader_workers,
            collate_fn=self.collate,
            pin_memory=accelerator.device.type == "cuda",
            generator=torch.Generator(),  # a loader that starts would draw from dropout's otherwise
        )

    def run(self, resume: bool) -> Progress:
        """Train all stages, or those that are left.

        Raises:
            TrainingError: The loss is not finite, or a checkpoint cannot be written.
            TrainingStopped: The run had to stop.
        """
        self.accelerator.register_for_checkpointing(self.done)
        checkpoint = latest_checkpoint(self._output) if resume else None
        if checkpoint is not None:
            self.done.read(checkpoint)
        set_seed(self.config.seed, device_specific=True)  # dropout differs from process to process
        before = 0
        size, steps = self.config.batch_size, len(self._batches)
        bar = tqdm(
            total=self.config.epochs * steps * size,
            initial=(self.done.epochs * steps + self.done.steps) * size,
            desc="training",
            unit="clip",
            disable=not (self.progress and self.accelerator.is_main_process),
        )
        with bar, handle_signal(signal.SIGTERM, self.stop.on_signal):
            for stage in self.config.stages:
                end = before + stage.epochs
                # A checkpoint at the end of a stage is loaded by that stage: it holds the state of its optimiser.
                at_its_end = (self.done.epochs, self.done.steps) == (end, 0)
                if self.done.epochs < end or (checkpoint is not None and at_its_end):
                    self._run_stage(stage, before, checkpoint, bar)
                    checkpoint = None
                before = end
        return self.done

    def _run_stage(self, stage: StageConfig, before: int, checkpoint: Path | None, bar: tqdm) -> None:
        self.model.freeze_backbone(stage.train == "head")
        optimizer = make_optimizer(stage, self.model)
        steps = 1 if stage.optimizer == "lbfgs" else len(self._batches)
        self.done.scheduler = make_scheduler(stage, optimizer, steps, before)
        criterion = Criterion(stage.loss).to(self.accelerator.device)
        model, optimizer = self.accelerator.prepare(self.model, optimizer)
        if checkpoint is not None:
            self.accelerator.load_state(str(checkpoint))
        self._saved_at = time.monotonic()
        lbfgs = stage.optimizer == "lbfgs"
        every = self._inputs(self.collate([self.examples[0, index] for index in range(self.clips)])) if lbfgs else {}
        for epoch in range(self.done.epochs, before + stage.epochs):
            if lbfgs:
                loss = self._lbfgs_epoch(stage, every, model, optimizer, criterion, bar)
            else:
                loss = self._epoch(stage, epoch, model, optimizer, criterion, bar)
            self._finish_epoch(epoch, loss, model)
        self.accelerator.unwrap_model(model, keep_fp32_wrapper=False)
        self.accelerator.free_memory()

    def _epoch(
        self, stage: StageConfig, epoch: int, model: Any, optimizer: Any, criterion: Criterion, bar: tqdm
    ) -> float:
        """One pass over the training clips, or what is left of it; returns the mean loss over all processes."""
        model.train()
        self._batches.epoch, self._batches.done = epoch, self.done.steps
        total = torch.full((), self.done.loss_sum, device=self.accelerator.device)
        for step, batch in enumerate(self._loader, start=self.done.steps + 1):
            total += self._step(stage, self._inputs(batch), model, optimizer, criterion)
            bar.update(self.config.batch_size)
            if step == len(self._batches) or step % _CHECK_EVERY == 0:
                mean = total.item() / step
                self._refuse_bad(mean, epoch)
                bar.set_postfix(loss=f"{mean:.3f}", epoch=f"{epoch + 1}/{self.config.epochs}", refresh=False)
            if step < len(self._batches):
                self._save_within(step, total)
        return float(self.accelerator.reduce(total, reduction="mean")) / len(self._batches)

    def _step(self, stage: StageConfig, batch: Batch, model: Any, optimizer: Any, criterion: Criterion) -> torch.Tensor:
        """One step of the optimiser; returns the loss."""
        loss = accumulate_gradients(self.accelerator, model, criterion, batch, self.config.gradient_accumulation)
        if stage.max_grad_norm is not None:
            self.accelerator.clip_grad_norm_(model.parameters(), stage.max_grad_norm)
        optimizer.step()
        if not optimizer.step_was_skipped:  # half precision skips a step whose gradient overflowed
            self.done.scheduler.step()
        self.model.zero_grad()  # the prepared optimiser looks its signature up at each step
        return loss

    def _lbfgs_epoch(
        self, stage: StageConfig, every: Batch, model: Any, optimizer: Any, criterion: Criterion, bar: tqdm
    ) -> float:
        """One step of L-BFGS over all training clips at once; returns the loss before it."""
        model.train()
        losses: list[torch.Tensor] = []

        def closure() -> torch.Tensor:
            optimizer.zero_grad()
            loss = criterion(model, every)
            if stage.weight_decay:
                loss = loss + l2_penalty(stage, model)
            self.accelerator.backward(loss)
            losses.append(loss.detach())
            return loss

        optimizer.step(closure)
        loss = float(losses[0])
        bar.update(self.config.batch_size * len(self._batches))
        bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
        return loss

    def _finish_epoch(self, epoch: int, loss: float, model: Any) -> None:
        self._refuse_bad(loss, epoch)
        done, config = self.done, self.config
        done.losses.append(loss)
        done.epochs, done.steps, done.loss_sum = epoch + 1, 0, 0.0
        every = config.evaluation.every
        if every and (done.epochs % every == 0 or done.epochs == config.epochs):
            found = self.validate(model)
            done.validation.append({"epoch": done.epochs} | found)
            self._keep_best()
        logged = {"loss": loss, "learning_rate": done.scheduler.get_last_lr()[0]}
        logged |= {f"validation/{name}": value for name, value in (done.validation or [{}])[-1].items()}
        self.accelerator.log(logged, step=done.epochs)
        stopping = self._stopping()
        if stopping or done.epochs % config.checkpoint_every == 0 or done.epochs == config.epochs:
            self._save()
        if stopping and done.epochs < config.epochs:
            raise TrainingStopped(stopping)

    def _keep_best(self) -> None:
        """Save the model whenever it is the best so far on the validation split."""
        keep, validation = self.config.evaluation.keep, self.done.validation
        if keep == "last" or best_epoch(validation, keep) != validation[-1]["epoch"]:
            return
        if self.accelerator.is_main_process:
            with report_full_disk(self._output, "the best model"):
                save_model(self.model, self._output / "best")
        self.accelerator.wait_for_everyone()

    def _save_within(self, step: int, total: torch.Tensor) -> None:
        """Save within an epoch when it is time, or when the run has to stop."""
        if self.accelerator.num_processes > 1 and step % _CHECK_EVERY:
            return
        stopping = self._stopping()
        overdue = time.monotonic() - self._saved_at > 60 * self.config.checkpoint_minutes
        if not stopping and not self._any_process(overdue):
            return
        self.done.steps = step
        self.done.loss_sum = float(self.accelerator.reduce(total, reduction="mean"))
        self._refuse_bad(self.done.loss_sum, self.done.epochs)
        self._save()
        if stopping:
            raise TrainingStopped(stopping)

    def _stopping(self) -> str | None:
        """Why all processes have to stop now, if one has to."""
        reason = self.stop.reason
        return (reason or "with another process") if self._any_process(reason is not None) else None

    def _any_process(self, wanted: bool) -> bool:
        if self.accelerator.num_processes == 1:
            return wanted
        return bool(self.accelerator.reduce(torch.tensor(float(wanted), device=self.accelerator.device)) > 0)

    def _save(self) -> None:
        with report_full_disk(self._output, "the checkpoint"):
            save_checkpoint(self.accelerator, self._output, self.done)
        self._saved_at = time.monotonic()

    def _refuse_bad(self, loss: float, epoch: int) -> None:
        if np.isfinite(loss):
            return
        kept = f"{path} is kept; " if (path := latest_checkpoint(self._output)) else ""
        rates = ", ".join(f"{stage.learning_rate:g}" for stage in self.config.stages)
        raise TrainingError(
            f"the loss of epoch {epoch + 1} is {loss}; {kept}start again with a learning_rate below {rates}"
        )

    def _inputs(self, batch: Batch) -> Batch:
        inputs = {name: value.to(self.accelerator.device, non_blocking=True) for name, value in batch.items()}
        binomial = any(stage.loss["type"] == "binomial" for stage in self.config.stages)
        if not (binomial or self.config.weigh_by_annotations):
            del inputs["annotation_counts"]
        return inputs


def best_epoch(validation: list[dict[str, float]], keep: str) -> int | None:
    """The epoch of the highest correlation of a horizon, or "mean" of all; the earliest of equals, None of nothing."""

    def value(row: dict[str, float]) -> float:
        values = [row[name] for name in row if name != "epoch"] if keep == "mean" else [row[keep]]
        mean = float(np.mean(values))
        return -np.inf if np.isnan(mean) else mean

    best = max(validation, key=value, default=None)
    return None if best is None else int(best["epoch"])


def check_trackers(names: list[str]) -> None:
    """Raise InputError for an experiment tracker that Accelerate does not know or that is not installed."""
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers

    available = [str(getattr(name, "value", name)) for name in get_available_trackers()]
    known = [str(getattr(name, "value", name)) for name in LOGGER_TYPE_TO_CLASS]
    for name in names:
        if name not in known:
            raise InputError(f"trackers: no tracker {name!r}; there are {', '.join(known)}")
        if name not in available:
            raise InputError(f"trackers: {name} is not installed; run `pip install {name}`")
