"""Models without a network of torchvision load where there is only PyTorch, transformers and safetensors."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.common import PredictorContract
from tests.models.test_contract import TestResNet3DShortcutB
from tests.models.test_frame_attention import TestFrameAttention

LOAD = """
import sys
for name in ("torchvision", "timm", "videomem_hf", "av", "scipy", "datasets"):
    sys.modules[name] = None
import torch
from transformers import AutoModel
model = AutoModel.from_pretrained(sys.argv[1], trust_remote_code=True).eval()
with torch.no_grad():
    scores = model(torch.load(sys.argv[2])).scores
torch.save(scores, sys.argv[3])
"""


@pytest.mark.parametrize("case", [TestFrameAttention, TestResNet3DShortcutB])
def test_a_model_and_its_files_suffice(case: type[PredictorContract], tmp_path: Path) -> None:
    contract = case()
    model, pixels = contract.model(), contract.inputs()["pixel_values_videos"]
    model.save_pretrained(tmp_path / "model")
    torch.save(pixels, tmp_path / "pixels.pt")
    arguments = [str(tmp_path / name) for name in ("model", "pixels.pt", "scores.pt")]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {
        "HF_MODULES_CACHE": str(tmp_path / "code")
    }
    done = subprocess.run(
        [sys.executable, "-c", LOAD, *arguments],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with torch.no_grad():
        torch.testing.assert_close(torch.load(tmp_path / "scores.pt"), model(pixels).scores)
