"""What was pushed is loaded back by strangers: processes that have never heard of this package.

They run the code that the cards themselves show, against the stand-in Hub; and again on plain folders, with no network.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from datasets import load_dataset

import videomem_hf
from tests.hub.stand_in import Hub, running_hub
from videomem_hf.hub.metric_repository import standalone
from videomem_hf.hub.push import send
from videomem_hf.hub.shipments import dataset_shipment, metric_shipment, model_shipment
from videomem_hf.sample import SamplePaths
from videomem_hf.statistics import spearman

STRANGER = """
import importlib.abc, json, sys

class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.split(".")[0] == "videomem_hf":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Refuse())
names = {}
for code in json.load(sys.stdin):
    exec(compile(code, "card", "exec"), names)
assert not any(name.split(".")[0] == "videomem_hf" for name in sys.modules)
"""
NO_NETWORK = """
import socket

def refuse(*_, **__):
    raise AssertionError("a folder was loaded over the network")

socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
"""
MODEL, FEATURES, METRIC, DATASET = "ann/tiny", "ann/tiny-features", "ann/memorability", "ann/sample"
MEASURED = [0.55, 0.70, 0.65, 0.95, 0.80, 0.85, 0.60, 0.90]
PREDICTED = [0.2, 0.4, 0.6, 0.9, 0.7, 0.8, 0.3, 0.5]


@pytest.fixture(scope="module")
def published(run: Path, features_run: Path, prepared: Path) -> Iterator[Hub]:
    """A Hub with two models, the metric and the dataset, pushed as a user pushes them."""
    with running_hub() as hub, pytest.MonkeyPatch.context() as patch:
        patch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
        patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        patch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
        patch.setenv("HF_TOKEN", "hf_writer")
        for shipment in (
            model_shipment(run, MODEL), model_shipment(features_run, FEATURES), metric_shipment(METRIC, public=True),
            dataset_shipment(prepared, DATASET),
        ):  # fmt: skip
            send(shipment)
        yield hub


@pytest.fixture(scope="module")
def clip(sample: SamplePaths) -> Path:
    """A clip of the sample."""
    return sorted(sample.release.rglob("*.webm"))[0]


def own_code(hub: Hub, kind: str, repo: str) -> str:
    """The first Python code of a card, as it was pushed."""
    card = hub.repositories[kind, repo].files["README.md"].decode()
    return re.findall(r"```python\n(.*?)```", card, re.DOTALL)[0]


def stranger(codes: list[str], folder: Path, **environment: str) -> list[str]:
    """Run pieces of code one after the other in a process without this package; gives the lines printed."""
    inherited = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "HF_HUB_OFFLINE")}
    settings = {"HF_HOME": str(folder / "home"), "HF_DATASETS_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_XET": "1"}
    done = subprocess.run(
        [sys.executable, "-I", "-c", STRANGER], input=json.dumps(codes), cwd=folder, capture_output=True, text=True,
        env=inherited | settings | environment, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def expected_scores(run: Path, clip: Path) -> dict[str, float]:
    return {str(horizon): score for horizon, score in videomem_hf.predict(clip, model=str(run)).scores.items()}


def check(lines: list[str], run: Path, clip: Path, prepared: Path) -> None:
    """Compare what the strangers printed with what this process knows."""
    scores, of_features, agreement, first = (eval(line, {"nan": float("nan")}) for line in lines)
    assert scores == pytest.approx(expected_scores(run, clip), abs=1e-6)
    assert list(of_features) == ["short_term", "long_term"]
    assert all(0 <= score <= 1 for score in of_features.values())
    assert agreement["spearman"] == pytest.approx(spearman(PREDICTED, MEASURED))
    assert agreement["spearman_low"] < agreement["spearman"] < agreement["spearman_high"]
    assert first == load_dataset(str(prepared), "scores", split="train")[0]


def test_the_cards_own_code_runs_from_the_hub_and_from_folders(
    published: Hub, run: Path, prepared: Path, clip: Path, tmp_path: Path
) -> None:
    (tmp_path / "clip.mp4").write_bytes(clip.read_bytes())
    from_hub, from_folders = [], []
    for kind, repo in (("model", MODEL), ("model", FEATURES), ("space", METRIC), ("dataset", DATASET)):
        folder = tmp_path / "folders" / repo.split("/")[1]
        for name, content in published.repositories[kind, repo].files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        code = own_code(published, kind, repo) + ("print(scores['train'][0])\n" if kind == "dataset" else "")
        from_hub.append(code)
        from_folders.append(code.replace(f'"{repo}"', f'"{folder}"'))
        assert from_hub[-1] != from_folders[-1]
    codes = [*from_hub, NO_NETWORK, *from_folders]
    lines = stranger(codes, tmp_path, HF_ENDPOINT=published.url, HF_TOKEN="hf_reader")
    check(lines[:4], run, clip, prepared)
    check(lines[4:], run, clip, prepared)


def test_the_packages_own_code_in_the_card_runs(
    published: Hub, run: Path, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clip.mp4").write_bytes(clip.read_bytes())
    card = published.repositories["model", MODEL].files["README.md"].decode()
    _, second = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    exec(compile(second.replace(f'"{MODEL}"', f'"{run}"'), "card", "exec"), {})
    found = eval(capsys.readouterr().out.split("} {")[0] + "}")
    assert found == pytest.approx(expected_scores(run, clip))


def test_a_pushed_model_keeps_its_intervals_if_its_data_are_generated(
    published: Hub, run: Path, tmp_path: Path
) -> None:
    for name, content in published.repositories["model", MODEL].files.items():
        (tmp_path / name).write_bytes(content)
    assert (tmp_path / "predictions.csv").read_bytes() == (run / "predictions.csv").read_bytes()


def test_the_metrics_page_answers(published: Hub, tmp_path: Path) -> None:
    gradio = pytest.importorskip("gradio")
    for name, content in published.repositories["space", METRIC].files.items():
        (tmp_path / name).write_bytes(content)
    page: dict[str, object] = {"__name__": "app", "__file__": str(tmp_path / "app.py")}
    exec(compile((tmp_path / "app.py").read_text(), "app.py", "exec"), page)
    pairs = "\n".join(f"{p}, {m}" for p, m in zip(PREDICTED, MEASURED, strict=True))
    assert page["compute"](pairs)["spearman"] == pytest.approx(spearman(PREDICTED, MEASURED))  # type: ignore[operator]
    for wrong in ("", "0.5", "a, b", "0.1, 0.2"):
        with pytest.raises(gradio.Error, match="Give two numbers a line"):
            page["compute"](wrong)  # type: ignore[operator]


def test_a_metric_that_changed_is_not_pushed_half() -> None:
    with pytest.raises(ValueError, match="has no line 'from videomem_hf import statistics"):
        standalone("import evaluate\n", METRIC)


def test_weights_travel_to_the_bit(published: Hub, run: Path, tmp_path: Path) -> None:
    from safetensors.torch import load, load_file

    pushed = load(published.repositories["model", MODEL].files["model.safetensors"])
    here = load_file(run / "model.safetensors")
    assert pushed.keys() == here.keys()
    assert all(torch.equal(pushed[name], here[name]) for name in here)
