"""The run's folder: nothing is overwritten, and a checkpoint is whole or not there."""

from pathlib import Path
from typing import Any

import pytest

from tests.training.conftest import MakeConfig
from videomem_hf.run_files import CONFIG_FILE, RESULTS_FILE
from videomem_hf.schema import InputError
from videomem_hf.training.checkpoint import (
    Progress,
    check_training_folder,
    latest_checkpoint,
    remove_checkpoints,
    save_checkpoint,
)


class Saver:
    """Stands for accelerate in one process: saves a folder, or stops in the middle."""

    is_main_process = True

    def __init__(self, fails: bool = False) -> None:
        self.fails = fails

    def save_state(self, folder: str) -> None:
        Path(folder).mkdir(exist_ok=True)
        (Path(folder) / "first").touch()
        if self.fails:
            raise KeyboardInterrupt
        (Path(folder) / "second").touch()

    def wait_for_everyone(self) -> None:
        pass


def _save(output: Path, epochs: int, fails: bool = False) -> None:
    saver: Any = Saver(fails)
    save_checkpoint(saver, output, Progress(epochs, [0.5] * epochs))


def test_the_newest_checkpoint_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    assert latest_checkpoint(tmp_path) is None
    for epochs in (9, 10):
        _save(tmp_path, epochs)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-000010-000000"]
    assert latest_checkpoint(tmp_path) == tmp_path / "checkpoint-000010-000000"


def test_an_interrupted_save_leaves_the_one_before(tmp_path: Path) -> None:
    _save(tmp_path, 1)
    with pytest.raises(KeyboardInterrupt):
        _save(tmp_path, 2, fails=True)
    assert latest_checkpoint(tmp_path) == tmp_path / "checkpoint-000001-000000"
    _save(tmp_path, 2)
    assert latest_checkpoint(tmp_path) == tmp_path / "checkpoint-000002-000000"
    assert (tmp_path / "checkpoint-000002-000000" / "second").exists()
    with pytest.raises(KeyboardInterrupt):
        _save(tmp_path, 3, fails=True)
    remove_checkpoints(tmp_path)
    assert not list(tmp_path.iterdir())


def test_progress_survives(tmp_path: Path) -> None:
    done = Progress(3, [0.9, 0.8, 0.7], 5, 4.5, [{"epoch": 3, "short_term": 0.4}])
    again = Progress()
    again.load_state_dict(done.state_dict())
    assert again == done
    saver: Any = Saver()
    save_checkpoint(saver, tmp_path, done)
    read = Progress()
    read.read(tmp_path / "checkpoint-000003-000005")
    assert read == done


def test_a_new_folder_or_an_empty_one_is_fine(make_config: MakeConfig) -> None:
    config = make_config()
    check_training_folder(config, resume=False)
    Path(config.output).mkdir()
    check_training_folder(config, resume=False)


def test_other_work_is_never_overwritten(make_config: MakeConfig) -> None:
    config = make_config()
    output = Path(config.output)
    output.mkdir()
    (output / "thesis.tex").touch()
    with pytest.raises(InputError, match="is not empty and holds no training run"):
        check_training_folder(config, resume=False)
    config.save(output / CONFIG_FILE)
    check_training_folder(config, resume=False)  # stopped before its first checkpoint
    _save(output, 1)
    with pytest.raises(InputError, match="holds an unfinished run; give --resume"):
        check_training_folder(config, resume=False)
    check_training_folder(config, resume=True)
    (output / RESULTS_FILE).touch()
    for resume in (False, True):
        with pytest.raises(InputError, match="holds a finished run"):
            check_training_folder(config, resume)


def test_a_file_is_no_folder(make_config: MakeConfig) -> None:
    config = make_config()
    Path(config.output).touch()
    with pytest.raises(InputError, match="is a file"):
        check_training_folder(config, resume=False)


def test_there_must_be_something_to_resume(make_config: MakeConfig) -> None:
    with pytest.raises(InputError, match="holds no checkpoint to resume"):
        check_training_folder(make_config(), resume=True)


def test_a_run_goes_on_with_its_own_configuration(make_config: MakeConfig) -> None:
    config = make_config()
    output = Path(config.output)
    output.mkdir()
    config.save(output / CONFIG_FILE)
    _save(output, 1)
    check_training_folder(make_config("checkpoint_every=2", "frame_cache=elsewhere"), resume=True)
    check_training_folder(make_config("gradient_checkpointing=true"), resume=True)
    with pytest.raises(InputError, match=r"stages was .*'learning_rate': 0\.003.* is .*'learning_rate': 0\.5"):
        check_training_folder(make_config("stages.*.learning_rate=0.5"), resume=True)
