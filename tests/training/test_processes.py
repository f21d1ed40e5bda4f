"""`train.py` as it is launched: two processes give what one gives, and a user's mistake is one sentence."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from transformers import AutoModel

from tests.training.conftest import TINY, MakeConfig
from videomem_hf.schema import InputError
from videomem_hf.training.setup import make_accelerator

ROOT = Path(__file__).parents[2]
SCRIPT = str(ROOT / "train.py")


def _launch(*command: str, more: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    environment |= more or {}
    return subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        env=environment,
        cwd=ROOT,
        timeout=600,
        check=False,
    )


def _arguments(release: Path, frames: Path, output: Path, *overrides: str) -> list[str]:
    values = [*TINY, f"frame_cache={frames}", *overrides]
    return ["--recipe", "frame_attention", "--data", str(release), "--output", str(output), "--set", *values]


def _predictions(folder: Path) -> dict[str, list[float]]:
    with (folder / "predictions.csv").open(newline="") as file:
        return {
            row["video_id"]: [float(row["short_term_model"]), float(row["long_term_model"])]
            for row in csv.DictReader(file)
        }


def test_two_processes_give_what_one_gives(release: Path, tmp_path: Path) -> None:
    """Both decode their share into an empty cache; weights and predictions agree to rounding, ranks included."""
    stages = "[{epochs: 1, learning_rate: 0.003}, {epochs: 1, loss: {type: sodeep, sorter: exact}}]"
    changes = [f"stages={stages}", "evaluation.keep=mean"]
    distributed = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    two = _launch(*distributed, SCRIPT, *_arguments(release, tmp_path / "frames", tmp_path / "two", *changes))
    assert two.returncode == 0, two.stderr
    assert two.stdout.count("6 clips of the split 'validation'") == 1
    one = _launch(SCRIPT, *_arguments(release, tmp_path / "frames", tmp_path / "one", *changes))
    assert one.returncode == 0, one.stderr

    models = [AutoModel.from_pretrained(tmp_path / name) for name in ("one", "two")]
    for first, second in zip(*(model.parameters() for model in models), strict=True):
        np.testing.assert_allclose(first.detach(), second.detach(), atol=2e-4)
    alone, shared = _predictions(tmp_path / "one"), _predictions(tmp_path / "two")
    assert list(alone) == list(shared)
    np.testing.assert_allclose(list(alone.values()), list(shared.values()), atol=1e-4)


def test_a_mistake_in_two_processes_is_one_sentence(release: Path, frames: Path, tmp_path: Path) -> None:
    arguments = _arguments(release, frames, tmp_path / "out", "batch_size=7")
    distributed = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    run = _launch(*distributed, SCRIPT, *arguments)
    assert run.returncode != 0
    assert run.stderr.count("train.py: batch_size=7 must be divisible by the 2 processes") == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--recipe", "none"], "train.py: no recipe 'none'; there are backbone, best, c3d, c3d_hmp, frame_attention"),
        (
            ["--set", "batchsize=2"],
            "train.py: recipe frame_attention: unknown key 'batchsize' (did you mean 'batch_size'?)",
        ),
        (["--resume"], "holds no checkpoint to resume"),
    ],
)
def test_a_mistake_is_one_sentence_without_a_trace(tmp_path: Path, change: list[str], message: str) -> None:
    usual = ["--recipe", "frame_attention", "--data", str(tmp_path), "--output", str(tmp_path / "out")]
    run = _launch(SCRIPT, *usual, *change)
    assert run.returncode == 1
    assert message in run.stderr
    assert "Traceback" not in run.stderr


def test_help_tells_the_arguments() -> None:
    run = _launch(SCRIPT, "--help")
    assert run.returncode == 0
    for argument in ("--recipe", "--data", "--output", "--set", "--resume"):
        assert argument in run.stdout


def test_processes_that_do_not_know_of_each_other_are_refused(
    make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_config()
    assert make_accelerator(config).num_processes == 1
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert make_accelerator(config).num_processes == 1
    monkeypatch.setenv("WORLD_SIZE", "2")
    message = r"2 processes were started, .*`accelerate launch (--cpu )?--num_processes 2 train.py"
    with pytest.raises(InputError, match=message):
        make_accelerator(config)


def test_torchrun_without_what_accelerate_reads_is_one_sentence(release: Path, frames: Path, tmp_path: Path) -> None:
    """On a machine without a GPU, Accelerate takes each process for a whole run unless it is told to use the CPU."""
    distributed = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    run = _launch(
        *distributed, SCRIPT, *_arguments(release, frames, tmp_path / "out"),
        more={"ACCELERATE_USE_CPU": "false", "CUDA_VISIBLE_DEVICES": ""},
    )  # fmt: skip
    assert run.returncode != 0
    assert run.stderr.count("train.py: 2 processes were started, and Accelerate takes each for a whole run") == 1
    assert not (tmp_path / "out" / "results.json").exists()
