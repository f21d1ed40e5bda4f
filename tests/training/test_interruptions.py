"""Runs that are told to stop, killed, or run out of disk, and go on to the same bits."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError
from transformers import AutoModel

from tests.training.conftest import TINY, MakeConfig
from videomem_hf.training import TrainingConfig, TrainingError, TrainingStopped, checkpoint, loop, run, train
from videomem_hf.training.checkpoint import Progress, latest_checkpoint

ROOT = Path(__file__).parents[2]
DROPOUT = "model.dropout=0.3"


def _equal(first: Path, second: Path) -> bool:
    one, other = (AutoModel.from_pretrained(folder).state_dict() for folder in (first, second))
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture
def stop_at(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let the time be over at a step, counted over the run."""

    def at(step: int) -> None:
        seen = iter(range(1, 1000))
        monkeypatch.setattr(loop.StopRequest, "reason", property(lambda _: "here" if next(seen) == step else None))

    return at


@pytest.mark.parametrize("step", [2, 3, 5])  # within the first epoch of 3 steps, at its end, within the second
def test_stopped_within_an_epoch_it_goes_on_to_the_same_bits(make_config: MakeConfig, stop_at: Any, step: int) -> None:
    whole = train(make_config(DROPOUT, output="whole"), progress=False)
    config = make_config(DROPOUT, output="stopped")
    stop_at(step)
    with pytest.raises(TrainingStopped, match="here"):
        train(config, progress=False)
    saved = Progress()
    saved.read(latest_checkpoint(Path(config.output)))  # type: ignore[arg-type]
    assert (saved.epochs, saved.steps) == divmod(step, 3)
    resumed = train(config, resume=True, progress=False)
    assert _equal(whole.output, resumed.output)
    assert resumed.results["losses"] == pytest.approx(whole.results["losses"], rel=1e-6)


@pytest.mark.parametrize("step", [6, 8])  # at the end of the first stage, within the second
def test_stopped_between_stages_or_in_the_second(make_config: MakeConfig, stop_at: Any, step: int) -> None:
    stages = "stages=[{epochs: 2, train: head}, {epochs: 2, schedule: step, loss: {type: l1}}]"
    whole = train(make_config(DROPOUT, stages, output="whole"), progress=False)
    assert len(whole.results["losses"]) == 4
    config = make_config(DROPOUT, stages, output="stopped")
    stop_at(step)
    with pytest.raises(TrainingStopped):
        train(config, progress=False)
    assert _equal(whole.output, train(config, resume=True, progress=False).output)


def test_a_time_limit(make_config: MakeConfig) -> None:
    config = make_config()
    with pytest.raises(TrainingStopped, match="after its time limit"):
        train(config, progress=False, max_seconds=0.0)
    assert latest_checkpoint(Path(config.output)) is not None
    assert not (Path(config.output) / "results.json").exists()


def test_checkpoints_are_written_when_minutes_have_passed(
    make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[tuple[int, int]] = []
    original = checkpoint.save_checkpoint

    def recording(accelerator: Any, output: Path, done: Progress) -> None:
        saved.append((done.epochs, done.steps))
        original(accelerator, output, done)

    monkeypatch.setattr(loop, "save_checkpoint", recording)
    train(make_config("checkpoint_minutes=1e-9", "stages.*.epochs=1"), progress=False)
    assert saved == [(0, 1), (0, 2), (1, 0)]
    saved.clear()
    train(make_config("stages.*.epochs=1", output="other"), progress=False)
    assert saved == [(1, 0)]


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (OSError(28, "No space left on device"), "no space left on device"),
        (RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos 64 vs 0"), "the disk is full"),
        (SafetensorError("Error while serializing: I/O error: No space left on device"), "no space left on device"),
    ],
)
def test_a_full_disk_is_one_error_and_keeps_the_checkpoint_before(
    make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch, error: Exception, cause: str
) -> None:
    config = make_config()
    original = checkpoint.save_checkpoint

    def full(accelerator: Any, output: Path, done: Progress) -> None:
        if done.epochs == 2:
            raise error
        original(accelerator, output, done)

    monkeypatch.setattr(loop, "save_checkpoint", full)
    message = rf"cannot be written \({cause}\); checkpoint-000001-000000 is kept: make room and --resume"
    with pytest.raises(TrainingError, match=message):
        train(config, progress=False)
    monkeypatch.undo()
    whole = train(make_config(output="whole"), progress=False)
    assert _equal(whole.output, train(config, resume=True, progress=False).output)


def test_a_disk_that_is_full_at_the_end_loses_nothing(make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    config = make_config()

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    for module, name, what in ((run, "save_model", "the model"), (run.run_files, "write_predictions", "the results")):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, full)
            message = rf"{what} cannot be written \(no space left on device\); checkpoint-000004-000000 is kept"
            with pytest.raises(TrainingError, match=message):
                train(config, resume=what == "the results", progress=False)
    result = train(config, resume=True, progress=False)
    assert _equal(train(make_config(output="whole"), progress=False).output, result.output)


def test_another_error_while_saving_is_not_taken_for_a_full_disk(
    make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("NCCL communicator was aborted")

    monkeypatch.setattr(loop, "save_checkpoint", broken)
    with pytest.raises(RuntimeError, match="NCCL"):
        train(make_config(), progress=False)


def test_a_limit_of_the_system_on_files_is_one_sentence(release: Path, frames: Path, tmp_path: Path) -> None:
    """The checkpoint is larger than any file may be; all else that a run writes is smaller."""
    big = "model.hidden_sizes=[64, 256]"
    arguments = ["--recipe", "frame_attention", "--data", str(release), "--output", str(tmp_path / "run")]
    run = subprocess.run(
        [sys.executable, str(ROOT / "train.py"), *arguments, "--set", *TINY, f"frame_cache={frames}", big],
        env=os.environ | {"PYTHONPATH": str(ROOT), "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (250_000, 250_000)),
    )
    assert run.returncode == 1, run.stderr
    assert "Traceback" not in run.stderr
    assert "run: the checkpoint cannot be written (" in run.stderr
    assert "make room and start again" in run.stderr


def _launch(*arguments: str) -> "subprocess.Popen[str]":
    environment = os.environ | {"PYTHONPATH": str(ROOT), "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, str(ROOT / "train.py"), *arguments],
        env=environment,
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("kill", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_run_ends_as_one_that_was_not(release: Path, frames: Path, tmp_path: Path, kill: int) -> None:
    overrides = [*TINY, f"frame_cache={frames}", DROPOUT, "stages.*.epochs=30"]

    def arguments(name: str) -> list[str]:
        fixed = ["--recipe", "frame_attention", "--data", str(release), "--output", str(tmp_path / name)]
        return [*fixed, "--set", *overrides]

    config = TrainingConfig.from_recipe("frame_attention", data=release, output=tmp_path / "whole", overrides=overrides)
    whole = train(config, progress=False)
    running = _launch(*arguments("killed"))
    limit = time.monotonic() + 300
    while latest_checkpoint(tmp_path / "killed") is None and time.monotonic() < limit:
        time.sleep(0.01)
    running.send_signal(kill)
    said = running.communicate(timeout=300)[1]
    if kill == signal.SIGTERM:
        assert running.returncode == 3
        assert "train.py: stopped by a signal; --resume goes on" in said
    assert not (tmp_path / "killed" / "results.json").exists()
    resumed = _launch(*arguments("killed"), "--resume")
    resumed.communicate(timeout=300)
    assert resumed.returncode == 0
    assert _equal(whole.output, tmp_path / "killed")
    assert json.loads((tmp_path / "killed" / "results.json").read_text())["metrics"] == whole.results["metrics"]
    assert (tmp_path / "killed" / "training.png").stat().st_size > 5000
