"""Tiny models of frames and their exports, which the tests of ONNX share."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.clips import write_clip
from tests.models import test_backbones, test_frame_attention, test_spatiotemporal
from tests.models import test_contract as contract
from videomem_hf.inference.export import export_onnx
from videomem_hf.models.video_processing_memorability import MemorabilityVideoProcessor

OF_FRAMES = {
    "memnet": contract.TestMemNet,
    "resmem": contract.TestResMem,
    "vitmem": contract.TestViTMem,
    "amnet": contract.TestAMNet,
    "squalli": contract.TestSqualli,
    "semantic embedding": contract.TestSemanticEmbedding,
    "semantic embedding with attention": contract.TestSemanticEmbeddingWithAttention,
    "resnet3d": contract.TestResNet3DShortcutA,
    "frame attention": test_frame_attention.TestFrameAttention,
    "spatiotemporal": test_spatiotemporal.TestSpatioTemporal,
    "spatiotemporal gru": test_spatiotemporal.TestSpatioTemporalGRU,
    "spatiotemporal mean": test_spatiotemporal.TestSpatioTemporalMean,
    "semantic embedding of transformers": test_backbones.TestSemanticHeadOnSigLIP,
    "spatiotemporal on a network of videos": test_backbones.TestSpatioTemporalOnVJEPA2,
}


ATTEND = ("vitmem", "amnet", "semantic embedding with attention", "frame attention", "spatiotemporal")


def save(kind: Any, folder: Path) -> Path:
    """A tiny model and a processor that gives it frames of its size."""
    test = kind()
    model = test.varied_model()
    model.save_pretrained(folder)
    _, height, width = test.frame_shape
    processor = MemorabilityVideoProcessor(
        size={"height": height, "width": width}, segment_length=getattr(model.config, "segment_length", None) or 1
    )
    processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    frames = [np.kron(rng.integers(0, 255, (6, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8) for _ in range(14)]
    return write_clip(tmp_path_factory.mktemp("clips") / "c.webm", frames, fps=4)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """From the name of a model to its folder and that of its export, which is made once."""

    @cache
    def export(name: str) -> tuple[Path, Path]:
        folder = tmp_path_factory.mktemp("model")
        save(OF_FRAMES[name], folder / "run")
        export_onnx(str(folder / "run"), folder / "onnx")
        return folder / "run", folder / "onnx"

    return export


@pytest.fixture(scope="module")
def attention(exported: Any) -> tuple[Path, Path]:
    """A model with attention, and its export."""
    found: tuple[Path, Path] = exported("frame attention")
    return found
