"""The benchmark compares like with like: its plain implementations give what our models give."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import torch

from tests.common import PredictorContract
from tests.models import test_contract
from videomem_hf.models.configuration_c3d import C3DConfig
from videomem_hf.models.modeling_c3d import C3DModel
from videomem_hf.models.scoring import scores_around_mean

FILE = Path(__file__).parents[2] / "benchmarks" / "plain_networks.py"


@pytest.fixture(scope="module")
def plain() -> ModuleType:
    spec = importlib.util.spec_from_file_location("plain_networks", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("name", "case", "gives"),
    [
        ("memnet", test_contract.TestMemNet, "scores"),
        ("resmem", test_contract.TestResMem, "scores"),
        ("vitmem", test_contract.TestViTMem, "scores"),
        ("amnet", test_contract.TestAMNet, "scores"),
        ("squalli", test_contract.TestSqualli, "offsets"),
        ("semantic_embedding", test_contract.TestSemanticEmbedding, "offsets"),
        ("semantic_embedding", test_contract.TestSemanticEmbeddingWithAttention, "offsets"),
        ("resnet3d", test_contract.TestResNet3DShortcutA, "offsets"),
        ("feature_mlp", test_contract.TestFeatureMLP, "offsets"),
    ],
)
def test_plain_implementation_gives_the_same(
    plain: ModuleType, name: str, case: type[PredictorContract], gives: str
) -> None:
    contract = case()
    model = contract.model(horizons=["short_term"])
    inputs = contract.inputs()
    (batch,) = inputs.values()
    if name == "resnet3d":
        flat = batch.unflatten(1, (-1, 2)).transpose(2, 3).flatten(0, 1)
    else:
        flat = batch.flatten(0, 1) if batch.ndim == 5 else batch
    with torch.no_grad():
        found = getattr(plain, name)(model, flat)
        if gives == "offsets":
            found = scores_around_mean(found, model.config.score_means, model.config.score_stds)
        clips = found.clamp(0, 1).unflatten(0, (len(batch), -1)).mean(dim=1)
        torch.testing.assert_close(model(**inputs).scores, clips, atol=1e-5, rtol=1e-5)


def test_plain_c3d_gives_the_same(plain: ModuleType) -> None:
    torch.manual_seed(0)
    config = C3DConfig(num_classes=5, hidden_sizes=[2, 2, 2, 2, 2], fc_size=8, image_size=16)
    model, pixels = C3DModel(config).eval(), torch.rand(1, 16, 3, 16, 16)
    with torch.no_grad():
        expected = model(pixels).probabilities[:, 0]
        torch.testing.assert_close(plain.c3d(model, pixels.transpose(1, 2)), expected, atol=1e-6, rtol=1e-5)
