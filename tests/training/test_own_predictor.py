"""A predictor from a file of the user's: trained, evaluated, scored and described like those of the package."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import Trainer, TrainingArguments

from videomem_hf.registration import import_code
from videomem_hf.schema import InputError

ROOT = Path(__file__).parents[2]
RECIPE = """\
model: {type: colours, bins: 3}
processor: {size: {height: 18, width: 32}}
batch_size: 8
stages: [{epochs: 1, learning_rate: 0.05}]
evaluation: {resamples: 20}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that docs/extend.md shows, under a name of its own, and a recipe."""
    page = (ROOT / "docs/extend.md").read_text()
    code = re.search(r"<!-- test: file colours.py -->\n```python\n(.*?)```", page, re.DOTALL)
    assert code is not None
    path = tmp_path_factory.mktemp("own")
    (path / "own_colours.py").write_text(code[1])
    (path / "colours.yaml").write_text(RECIPE)
    return path


def _run(folder: Path, *command: object) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "ACCELERATE_USE_CPU": "true", "COLUMNS": "300"}
    return subprocess.run(
        [sys.executable, *map(str, command)], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def run(folder: Path, release: Path, frames: Path) -> Path:
    """A run of train.py on it."""
    command = [ROOT / "train.py", "--recipe", "colours.yaml", "--data", release, "--output", "run"]
    options = ["--set", f"frame_cache={frames}"]
    unknown = _run(folder, *command, *options)
    assert unknown.returncode == 1
    assert "no type 'colours'" in unknown.stderr
    assert "--import FILE" in unknown.stderr
    done = _run(folder, *command, *options, "--import", "own_colours.py")
    assert done.returncode == 0, done.stderr
    return folder / "run"


@pytest.mark.parametrize("option", [["--import", "own_colours.py"], ["--trust-remote-code"]])
def test_commands_take_it(run: Path, release: Path, frames: Path, option: list[str]) -> None:
    evaluated = _run(
        run.parent, "-m", "videomem_hf", "evaluate", run, "--frame-cache", frames, "--csv", "scores.csv", *option
    )
    assert evaluated.returncode == 0, evaluated.stderr
    assert len((run.parent / "scores.csv").read_text().splitlines()) == 7
    clip = next(release.rglob("*.webm"))
    predicted = _run(run.parent, "-m", "videomem_hf", "predict", clip, "--model", run, "--csv", "clip.csv", *option)
    assert predicted.returncode == 0, predicted.stderr
    carded = _run(run.parent, "-m", "videomem_hf", "card", run, *option)
    assert carded.returncode == 0, carded.stderr
    card = (run / "README.md").read_text()
    assert "of type colours" in card
    assert "| bins | 3 |" in card


def test_code_in_a_folder_runs_only_when_it_is_trusted(run: Path, frames: Path) -> None:
    refused = _run(run.parent, "-m", "videomem_hf", "evaluate", run, "--frame-cache", frames)
    assert refused.returncode == 1
    assert "comes with code of its own" in refused.stderr
    assert "say --trust-remote-code" in refused.stderr


def test_what_cannot_be_imported_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.py: no such file"):
        import_code([str(tmp_path / "gone.py")])
    with pytest.raises(InputError, match="no_such_module: cannot be imported"):
        import_code(["no_such_module"])
    (tmp_path / "json.py").write_text("")
    with pytest.raises(InputError, match="a module 'json' is loaded already"):
        import_code([str(tmp_path / "json.py")])


def test_trainer_trains_it(folder: Path, tmp_path: Path) -> None:
    import_code([str(folder / "own_colours.py")])
    from own_colours import ColoursConfig, ColoursModel  # type: ignore[import-not-found]

    clips = torch.randn(8, 2, 3, 18, 32, generator=torch.Generator().manual_seed(0))
    labels = torch.rand(8, 2, generator=torch.Generator().manual_seed(1))
    examples = [{"pixel_values_videos": clip, "labels": scores} for clip, scores in zip(clips, labels, strict=True)]
    model = ColoursModel(ColoursConfig())
    before = model.head.weight.clone()
    arguments = TrainingArguments(tmp_path, max_steps=2, report_to=[], use_cpu=True, disable_tqdm=True)
    result = Trainer(model, arguments, train_dataset=examples).train()
    assert result.training_loss > 0
    assert not torch.equal(model.head.weight, before)
