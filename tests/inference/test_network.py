"""Networks prepared for prediction give the scores that they gave before."""

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

from videomem_hf.inference.network import for_inference
from videomem_hf.models import config_class, model_class
from videomem_hf.schema import InputError

NETWORKS = {
    "resmem": ({"resnet_layers": [1, 1, 1, 1]}, 1, 227),
    "semantic_embedding": ({"trunk": "resnet18", "map_size": 8, "embedding_size": 8}, 1, 64),
    "resnet3d": ({"depth": 18}, 16, 32),
    "frame_attention": ({}, 1, 48),
}


def network_with_statistics(kind: str) -> nn.Module:
    """A network whose batch normalisations do something, unlike new ones."""
    torch.manual_seed(0)
    model = model_class(kind)(config_class(kind)(**NETWORKS[kind][0])).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    return model


def clips(kind: str) -> torch.Tensor:
    _, length, side = NETWORKS[kind]
    return torch.rand(2, length, 3, side, side, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("kind", NETWORKS)
def test_prepared_network_gives_equal_scores(kind: str) -> None:
    model, pixels = network_with_statistics(kind), clips(kind)
    with torch.no_grad():
        expected = model(pixel_values_videos=pixels).scores
        found = for_inference(copy.deepcopy(model), "cpu")(pixel_values_videos=pixels).scores
    assert expected.std() > 1e-5
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", ["resmem", "semantic_embedding", "resnet3d"])
def test_batch_normalisations_are_folded(kind: str) -> None:
    prepared = for_inference(network_with_statistics(kind), "cpu")
    assert not any(isinstance(each, nn.BatchNorm2d | nn.BatchNorm3d) for each in prepared.modules())


def test_half_precision_is_not_rounded_twice() -> None:
    prepared = for_inference(network_with_statistics("resmem").to(torch.bfloat16), "cpu")
    assert any(isinstance(each, nn.BatchNorm2d) for each in prepared.modules())


@pytest.mark.parametrize("kind", ["resmem", "resnet3d"])
def test_bfloat16_stays_near_float32(kind: str) -> None:
    model, pixels = network_with_statistics(kind), clips(kind)
    with torch.no_grad():
        expected = model(pixel_values_videos=pixels).scores
        prepared = for_inference(model, "cpu", "bfloat16")
        found = prepared(pixel_values_videos=pixels).scores
    assert prepared.dtype == torch.bfloat16
    assert (found - expected).abs().max() < 0.005
    assert not torch.equal(found, expected)


@pytest.mark.parametrize(
    ("device", "supported", "saved", "expected"),
    [
        ("cuda", True, torch.float32, torch.bfloat16),
        ("cuda", False, torch.float32, torch.float32),
        ("cuda", True, torch.float16, torch.float16),
        ("cpu", True, torch.float32, torch.float32),
    ],
)
def test_auto_takes_bfloat16_for_float32_on_a_gpu_that_computes_in_it(
    monkeypatch: pytest.MonkeyPatch, device: str, supported: bool, saved: torch.dtype, expected: torch.dtype
) -> None:
    # A GPU that only emulates bfloat16 counts as one without it.
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or supported
    )
    model = network_with_statistics("frame_attention").to(saved)
    to = model.to
    monkeypatch.setattr(model, "to", lambda device, *dtype: to("cpu", *dtype))  # there need be no GPU
    assert for_inference(model, device).dtype == expected


def test_unknown_precision() -> None:
    with pytest.raises(InputError, match="precision is 'half'; it must be one of auto, float32, bfloat16, float16"):
        for_inference(network_with_statistics("frame_attention"), "cpu", "half")


class OwnNetwork(nn.Module):
    """Structures in which a normalisation does not follow the convolution that stands before it."""

    def __init__(self) -> None:
        super().__init__()
        relu, shared = nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1)
        self.repeated = nn.Sequential(nn.Conv2d(3, 4, 3), relu, shared, relu, nn.BatchNorm2d(4))
        self.shared = nn.Sequential(shared, nn.BatchNorm2d(4))
        self.normed = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 4, 1)), nn.BatchNorm2d(4))
        self.apart = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        between = self.apart[0](self.normed(self.shared(self.repeated(x))))
        return between + self.apart[1](between)


def test_networks_of_others_are_left_as_they_are() -> None:
    torch.manual_seed(0)
    model = OwnNetwork().eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2)
    x = torch.rand(2, 3, 9, 9)
    with torch.no_grad():
        expected = model(x)
        torch.testing.assert_close(for_inference(model, "cpu")(x), expected, atol=1e-6, rtol=0)


def test_a_prepared_network_is_not_saved(tmp_path: Path) -> None:
    prepared = for_inference(network_with_statistics("resmem"), "cpu")
    with pytest.raises(InputError, match="save the one that it was loaded from"):
        prepared.save_pretrained(tmp_path)
