"""Training a sorter: it learns, resumes to the bit, survives Ctrl-C, and refuses what it cannot use."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from videomem_hf.cli import app
from videomem_hf.losses import load_sorter
from videomem_hf.losses import sorter_training as module
from videomem_hf.losses.sorter_networks import ExactSorter
from videomem_hf.losses.sorter_training import SorterTraining, rank_errors, train_sorter
from videomem_hf.schema import InputError

TINY = SorterTraining(
    "mlp", {"hidden_size": 16, "layers": 1}, length=5, shortest=5, epochs=6, steps=4, batch_size=32, learning_rate=0.01
)


def _train(output: Path, training: SorterTraining = TINY, **options: object) -> dict | None:
    return train_sorter(training, output, progress=False, **options)  # type: ignore[arg-type]


def _weights(folder: Path) -> torch.Tensor:
    return torch.cat([each.flatten() for each in load_sorter(folder).parameters()])


def test_a_network_learns_to_sort(tmp_path: Path) -> None:
    results = _train(tmp_path / "long", replace(TINY, epochs=60, steps=10))
    assert results is not None
    assert results["losses"][-1] < 0.3 * results["losses"][0]
    assert len(results["losses"]) == 60
    untrained = rank_errors(module.build_sorter("mlp", length=5, hidden_size=16, layers=1))
    assert results["rank_error"]["5"]["normal"] < 0.5 * untrained["5"]["normal"]
    assert results["rank_error_exact"] == rank_errors(ExactSorter(), [5])
    assert json.loads((tmp_path / "long" / "results.json").read_text()) == results
    assert rank_errors(load_sorter(tmp_path / "long")) == results["rank_error"]
    assert sorted(path.name for path in (tmp_path / "long").iterdir()) == [
        "config.json",
        "model.safetensors",
        "results.json",
    ]


def test_a_run_in_pieces_ends_where_a_whole_one_does(tmp_path: Path) -> None:
    _train(tmp_path / "whole")
    torch.manual_seed(99)  # the state of the process around it is no part of a run
    assert _train(tmp_path / "pieces", max_minutes=0) is None
    pieces = 1
    while _train(tmp_path / "pieces", max_minutes=0, resume=True) is None:
        pieces += 1
    assert pieces == TINY.epochs - 1
    assert torch.equal(_weights(tmp_path / "pieces"), _weights(tmp_path / "whole"))


def test_ctrl_c_keeps_the_last_finished_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _train(tmp_path / "whole")
    real = module.training_batch
    calls = 0

    def interrupted(*arguments: object) -> torch.Tensor:
        nonlocal calls
        calls += 1
        if calls == 4 * 3 + 2:  # in the middle of the fourth epoch, after a step
            raise KeyboardInterrupt
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "training_batch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _train(tmp_path / "stopped")
    results = _train(tmp_path / "stopped", resume=True)
    assert results is not None
    assert len(results["losses"]) == 6
    assert calls == 14 + 4 * 3
    assert torch.equal(_weights(tmp_path / "stopped"), _weights(tmp_path / "whole"))


def test_every_value_of_the_recipe_matters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "rank_errors", lambda *_: {})
    short = replace(TINY, architecture="comparison", options={}, length=12, shortest=12, epochs=3, halve_every=2)
    _train(tmp_path / "before", short)
    changes = {
        "shortest": 3,
        "length": 13,
        "epochs": 4,
        "steps": 5,
        "batch_size": 33,
        "learning_rate": 0.02,
        "halve_every": 1,
        "seed": 1,
    }
    for name, value in changes.items():
        changed = replace(short, **{name: value}, **({"shortest": 13} if name == "length" else {}))  # type: ignore[arg-type]
        _train(tmp_path / name, changed)
        assert not torch.equal(_weights(tmp_path / name), _weights(tmp_path / "before")), name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"architecture": "tree"}, "no sorter architecture 'tree'"),
        ({"architecture": "exact", "options": {}}, "unknown key 'length'|nothing to train"),
        ({"options": {"width": 3}}, "unknown key 'width'"),
        ({"options": {"layers": 0}}, "layers must be"),
        ({"shortest": 3}, "has one length"),
        ({"shortest": 9}, "shortest must be from 2 to length=5"),
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"learning_rate": -1.0}, "learning_rate must be above 0"),
        ({"learning_rate": 1e30}, "start again with a learning_rate below"),
    ],
)
def test_recipes_that_cannot_be_used(tmp_path: Path, change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        _train(tmp_path / "run", replace(TINY, **change))
    assert not (tmp_path / "run" / "config.json").exists()


def test_nothing_is_written_over(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no checkpoint to resume"):
        _train(tmp_path / "run", resume=True)
    _train(tmp_path / "run", max_minutes=0)
    with pytest.raises(InputError, match="give --resume"):
        _train(tmp_path / "run")
    with pytest.raises(InputError, match="seed was 0, is 1"):
        _train(tmp_path / "run", replace(TINY, seed=1), resume=True)
    checkpoint = tmp_path / "run" / "checkpoint.pt"
    whole = checkpoint.read_bytes()
    checkpoint.write_bytes(whole[:300])
    with pytest.raises(InputError, match=r"checkpoint.pt: cannot be read"):
        _train(tmp_path / "run", resume=True)
    checkpoint.write_bytes(whole)
    _train(tmp_path / "run", resume=True)
    with pytest.raises(InputError, match="holds a finished run"):
        _train(tmp_path / "run")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("all of it")
    with pytest.raises(InputError, match="not empty"):
        _train(tmp_path / "other")
    with pytest.raises(InputError, match="is a file"):
        _train(tmp_path / "other" / "thesis.txt")


def test_a_full_disk_is_one_sentence_and_the_epoch_before_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _train(tmp_path / "whole")
    _train(tmp_path / "run", max_minutes=0)
    real = torch.save

    def full(content: dict, path: Path) -> None:
        path.write_bytes(b"half of it")
        raise RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos 64 vs 0")

    monkeypatch.setattr(torch, "save", full)
    message = r"checkpoint.pt: cannot be written \(the disk is full\); that of an earlier epoch is kept: make room"
    with pytest.raises(InputError, match=message):
        _train(tmp_path / "run", resume=True)
    monkeypatch.setattr(torch, "save", real)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["checkpoint.pt"]
    _train(tmp_path / "run", resume=True)
    assert torch.equal(_weights(tmp_path / "run"), _weights(tmp_path / "whole"))


def _run(*arguments: str) -> tuple[int, str, object]:
    result = CliRunner().invoke(app, ["train-sorter", "--device", "cpu", *arguments])
    return result.exit_code, result.output, result.exception


def test_the_command(tmp_path: Path) -> None:
    out = str(tmp_path / "sorter")
    tiny = [out, "--length", "6", "--epochs", "2", "--steps", "2", "--batch-size", "8"]
    code, output, _ = _run(*tiny, "--shortest", "3", "-o", "stages=2", "--max-minutes", "0")
    assert code == 0
    assert "--resume continues" in output
    code, output, _ = _run(*tiny, "--shortest", "3", "-o", "stages=2", "--resume")
    assert code == 0
    assert "comparison, 2 parameters" in output
    assert "300 items" in output
    results = json.loads((tmp_path / "sorter" / "results.json").read_text())
    assert results["training"]["shortest"] == 3
    assert len(results["losses"]) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--option", "stages"], "not of the form key=value"),
        (["-o", "stages=many"], "stages must be a whole number of at least 1, got 'many'"),
        (["-o", "stages=1.5"], "stages must be a whole number"),
        (["--device", "abacus"], "device 'abacus' cannot be used"),
    ],
)
def test_the_commands_mistakes(tmp_path: Path, arguments: list[str], message: str) -> None:
    _, _, error = _run(str(tmp_path / "sorter"), *arguments)
    assert isinstance(error, InputError)
    assert message in str(error)
