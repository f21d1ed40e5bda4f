"""Models in half precision through every way to a prediction, on the CPU."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from transformers import AutoModel

import videomem_hf
from tests.clips import write_clip
from videomem_hf.inference import Predictor
from videomem_hf.models import config_class, model_class
from videomem_hf.models.convert_resmem import load_resmem
from videomem_hf.models.video_processing_memorability import MemorabilityVideoProcessor

TOLERANCE = {torch.bfloat16: 0.005, torch.float16: 0.002}
TINY: dict[str, dict[str, Any]] = {
    "frame_attention": {"hidden_sizes": [4, 6], "feature_size": 8, "output_stride": 4},
    "memnet": {"image_size": 80, "crop_size": 67, "conv_channels": [8] * 5, "hidden_size": 12},
    "spatiotemporal": {"backbone_config": {"hidden_sizes": [4, 6], "output_stride": 4}, "spatial_attention": False},
}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds, each of other blocks of colour."""
    rng = np.random.default_rng(0)
    frames = [np.kron(rng.integers(0, 255, (6, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8) for _ in range(6)]
    return write_clip(tmp_path_factory.mktemp("clips") / "c.webm", frames, fps=2)


def _saved(kind: str, folder: Path, dtype: torch.dtype) -> Path:
    torch.manual_seed(0)
    model = model_class(kind)(config_class(kind)(**TINY[kind]))
    head = model.get_submodule(model.head_modules[-1])
    torch.nn.init.normal_(head.weight, std=0.02 if kind == "memnet" else 1.0)
    model.to(dtype).save_pretrained(folder)
    size = {"height": 80, "width": 80}
    MemorabilityVideoProcessor(size=size, do_normalize=kind != "memnet").save_pretrained(folder)
    return folder


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("kind", TINY)
def test_every_way_to_a_prediction_takes_half_precision(
    kind: str, dtype: torch.dtype, clip: Path, tmp_path: Path
) -> None:
    full, half = _saved(kind, tmp_path / "full", torch.float32), _saved(kind, tmp_path / "half", dtype)
    assert AutoModel.from_pretrained(half).dtype == dtype
    expected = videomem_hf.predict(clip, model=str(full), maps=True, stills=1)
    loaded = transformers.pipeline("video-memorability", model=str(full), dtype=dtype, device="cpu")
    assert loaded.model.dtype == dtype
    found = [
        videomem_hf.predict(clip, model=str(half), maps=True, stills=1).to_dict(),
        loaded(str(clip), maps=True),
        transformers.pipeline("video-memorability", model=str(half), device="cpu")(str(clip), maps=True),
    ]
    for each in found:
        for horizon, score in expected.scores.items():
            assert each[horizon] == pytest.approx(score, abs=TOLERANCE[dtype])
        maps = np.array(each["saliency"]["maps"])
        assert np.abs(maps - expected.saliency.maps).sum(axis=(1, 2)).max() < 0.2


@pytest.mark.slow
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_resmem_on_a_real_clip(dtype: torch.dtype) -> None:
    gradio = pytest.importorskip("gradio")
    pytest.importorskip("resmem")
    clip = Path(gradio.__file__).parent / "media_assets" / "videos" / "b.mp4"
    model, processor = load_resmem()
    expected = Predictor(model, processor, "resmem", device="cpu").predict(clip)
    found = Predictor(model.to(dtype), processor, "resmem", device="cpu").predict(clip)
    assert found.frame_scores.std() > 0.005
    np.testing.assert_allclose(found.frame_scores, expected.frame_scores, atol=TOLERANCE[dtype])
