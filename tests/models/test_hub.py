"""What the Hub needs: files that travel with the weights, Auto classes, and no download."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModel, AutoVideoProcessor

import videomem_hf
from tests.models import test_adapted, test_contract, test_frame_attention, test_multiview, test_spatiotemporal
from videomem_hf.models import MODELS, config_class, model_class
from videomem_hf.models.configuration_c3d import C3DConfig
from videomem_hf.models.modeling_c3d import C3DModel
from videomem_hf.models.video_processing_memorability import MemorabilityVideoProcessor

CASES = [
    *test_contract.CASES,
    test_frame_attention.TestFrameAttention,
    test_spatiotemporal.TestSpatioTemporal,
    test_spatiotemporal.TestSpatioTemporalGRU,
    test_multiview.TestMultiView,
    test_adapted.TestAdapted,
]

STRANGER = """
import importlib.abc, sys
from pathlib import Path

class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.split(".")[0] == "videomem_hf":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Refuse())
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoVideoProcessor

torch.set_num_threads(1)
for folder in sorted(Path(sys.argv[1]).iterdir()):
    model = AutoModel.from_pretrained(folder, trust_remote_code=True)
    with torch.no_grad():
        scores = model(**load_file(folder / "inputs.safetensors")).scores
    save_file({"scores": scores}, folder / "found.safetensors")
    model.save_pretrained(folder / "again")
    processor = AutoVideoProcessor.from_pretrained(folder, trust_remote_code=True)
    assert type(processor).__name__ == "MemorabilityVideoProcessor", processor
    assert processor.segment_length == 16
assert not any(name.split(".")[0] == "videomem_hf" for name in sys.modules)
"""


def test_a_process_without_the_package_gets_the_same_scores_to_the_bit(tmp_path: Path) -> None:
    expected = {}
    for case in CASES:
        contract, folder = case(), tmp_path / "models" / case.__name__
        model, inputs = contract.model(), contract.inputs()
        model.save_pretrained(folder)
        MemorabilityVideoProcessor(segment_length=16).save_pretrained(folder)
        save_file(inputs, folder / "inputs.safetensors")
        with torch.no_grad():
            expected[folder] = model(**inputs).scores
    environment = {**os.environ, "HF_MODULES_CACHE": str(tmp_path / "modules"), "HF_HUB_OFFLINE": "1"}
    environment.pop("PYTHONPATH", None)
    run = [sys.executable, "-c", STRANGER, str(tmp_path / "models")]
    result = subprocess.run(run, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert len(expected) == len(CASES) == 15
    for folder, scores in expected.items():
        assert torch.equal(load_file(folder / "found.safetensors")["scores"], scores), folder.name
        code = {path.name for path in folder.glob("*.py")}
        assert {path.name for path in (folder / "again").glob("*.py")} <= code
        assert any(name.startswith("modeling_") for name in code)


def test_with_the_package_no_flag_is_needed(tmp_path: Path) -> None:
    contract = test_contract.TestMemNet()
    contract.model().save_pretrained(tmp_path)
    MemorabilityVideoProcessor(fps=3.0).save_pretrained(tmp_path)
    assert "auto_map" in json.loads((tmp_path / "config.json").read_text())
    loaded = AutoModel.from_pretrained(tmp_path)
    assert type(loaded) is contract.model_class
    assert AutoVideoProcessor.from_pretrained(tmp_path).fps == 3.0
    with torch.no_grad():
        assert torch.equal(loaded(**contract.inputs()).scores, contract.model()(**contract.inputs()).scores)


@pytest.mark.parametrize("first", ["modeling_memnet", "video_processing_memorability"])
def test_any_file_can_be_imported_first(first: str) -> None:
    code = f"import videomem_hf.models.{first}; from transformers import AutoModel, AutoVideoProcessor"
    subprocess.run([sys.executable, "-W", "error::ImportWarning", "-c", code], check=True)


@pytest.mark.parametrize("name", MODELS)
def test_auto_classes_know_every_model(name: str) -> None:
    config = AutoConfig.for_model(name)
    assert type(config) is config_class(name)
    with torch.device("meta"):
        assert type(AutoModel.from_config(config)) is model_class(name)


def test_every_configuration_file_is_in_the_table() -> None:
    folder = Path(videomem_hf.__file__).parent / "models"
    names = {path.stem.removeprefix("configuration_") for path in folder.glob("configuration_*.py")}
    assert names - {"memorability"} == set(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_construction_opens_no_connection(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("construction tried to reach a network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with torch.device("meta"):
        model_class(name)(config_class(name)())


def test_c3d_travels_too(tmp_path: Path) -> None:
    config = C3DConfig(num_classes=5, hidden_sizes=[2, 2, 2, 2, 2], fc_size=8, image_size=16)
    model = C3DModel(config).eval()
    model.save_pretrained(tmp_path)
    pixels = torch.rand(1, 16, 3, 16, 16)
    with torch.no_grad():
        assert torch.equal(AutoModel.from_pretrained(tmp_path)(pixels).fc6, model(pixels).fc6)
    assert (tmp_path / "modeling_c3d.py").exists()
