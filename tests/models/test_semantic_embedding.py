"""The semantic embedding model against torchvision, a sort, and its figure written out."""

import numpy as np
import pytest
import torch
import torchvision
from torch.nn import functional

from tests.models.test_contract import TestSemanticEmbedding as Plain
from videomem_hf.models.configuration_semantic_embedding import SemanticEmbeddingConfig
from videomem_hf.models.modeling_semantic_embedding import SemanticEmbeddingModel, weldon_pool
from videomem_hf.models.trunks import build_trunk


def test_resnet152_trunk_equals_torchvisions_on_the_same_weights() -> None:
    trunk, channels = build_trunk("resnet152", {})
    with torch.device("meta"):
        peer = torchvision.models.resnet152()
    names = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4"}
    for theirs, ours in {names[n]: m for n, m in trunk.named_children() if n in names}.items():
        peer.add_module(theirs, ours)
    pooled = []
    peer.avgpool.register_forward_pre_hook(lambda _, inputs: pooled.append(inputs[0]))
    peer.fc = torch.nn.Identity()
    pixels = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        map_ = trunk.eval()(pixels)
        peer.eval()(pixels)
    assert channels == 2048
    assert map_.shape == (1, 2048, 2, 3)
    assert torch.equal(map_, pooled[0])
    # ResNet-152 has 60,192,808 parameters, 2,049,000 of them in its layer of classes
    assert sum(p.numel() for p in trunk.parameters()) == 60_192_808 - 2_049_000


def test_the_papers_sizes() -> None:
    with torch.device("meta"):
        model = SemanticEmbeddingModel(SemanticEmbeddingConfig(attention=True))
        assert model.trunk(torch.empty(1, 3, 400, 400)).shape == (1, 2048, 13, 13)
    assert model.last_conv.weight.shape == (2400, 2048, 1, 1)
    assert model.projection.weight.shape == (2400, 2400)
    assert model.attention_conv.weight.shape == (1, 2048, 1, 1)


@pytest.mark.parametrize("k", [1, 3, 15, 20, 99])
def test_weldon_pooling_equals_a_sort(k: int) -> None:
    maps = np.random.default_rng(0).normal(size=(2, 5, 4, 5))
    ordered = np.sort(maps.reshape(2, 5, 20), axis=2)
    count = min(k, 20)
    expected = ordered[..., -count:].mean(axis=2) + ordered[..., :count].mean(axis=2)
    np.testing.assert_allclose(weldon_pool(torch.from_numpy(maps), k), expected, rtol=1e-12)


def test_weldon_pooling_sends_gradients_to_the_positions_that_count() -> None:
    maps = torch.arange(12.0).view(1, 1, 3, 4).requires_grad_()
    weldon_pool(maps, 2).sum().backward()
    assert maps.grad is not None
    assert maps.grad.flatten().tolist() == [0.5, 0.5, *[0.0] * 8, 0.5, 0.5]


def test_embeddings_have_length_one() -> None:
    embeddings, attention = Plain().model().embed_frames(torch.rand(5, 3, 32, 48))
    np.testing.assert_allclose(embeddings.detach().norm(dim=1), 1, rtol=1e-6)
    assert attention is None


def test_attention_equals_the_figure_written_out() -> None:
    """Fig. 7: a parallel convolution, softmax over the positions, times the last map; scaled by their number."""
    model = Plain().model(attention=True)
    torch.nn.init.normal_(model.attention_conv.weight, std=0.5)
    torch.nn.init.normal_(model.projection.bias)  # or the scale of the map would not show in a vector of length 1
    pixels = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        shared = model.trunk(pixels)
        exponential = torch.einsum("nchw,c->nhw", shared, model.attention_conv.weight[0, :, 0, 0]).exp()
        weights = exponential / exponential.sum(dim=(1, 2), keepdim=True)
        positions = weights[0].numel()
        weighed = model.last_conv(shared) * weights[:, None] * positions
        ordered = weighed.flatten(2).sort(dim=2).values
        pooled = ordered[..., -3:].mean(dim=2) + ordered[..., :3].mean(dim=2)
        expected = functional.normalize(pooled @ model.projection.weight.T + model.projection.bias)
        embedded, maps = model.embed_frames(pixels, output_attentions=True)
    torch.testing.assert_close(maps, weights)
    torch.testing.assert_close(embedded, expected, atol=1e-5, rtol=1e-4)


def test_attention_starts_as_if_it_were_not_there() -> None:
    with_branch, without = Plain().model(attention=True), Plain().model()
    with_branch.load_state_dict(without.state_dict(), strict=False)
    pixels = torch.rand(1, 2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(with_branch(pixels).scores, without(pixels).scores)


def test_trunks_of_torchvision_by_name() -> None:
    with torch.device("meta"):
        for name, channels, side in (
            ("mobilenet_v3_small", 576, 7),
            ("swin_t", 768, 7),
            ("shufflenet_v2_x0_5", 1024, 7),
        ):
            trunk, found = build_trunk(name, {})
            assert found == channels
            assert trunk(torch.empty(2, 3, 224, 224)).shape == (2, channels, side, side)


@pytest.mark.parametrize(("name", "side"), [("test_resnet", 5), ("test_vit", 10), ("test_efficientnet", 5)])
def test_trunks_of_timm_by_name(name: str, side: int) -> None:
    timm = pytest.importorskip("timm")
    trunk, channels = build_trunk(f"timm/{name}", {})
    peer = timm.create_model(name, pretrained=False).eval()
    peer.load_state_dict(trunk.model.state_dict(), strict=False)
    pixels = torch.rand(1, 3, 160, 160)
    with torch.no_grad():
        map_ = trunk.eval()(pixels)
        expected = peer.forward_features(pixels)
    assert map_.shape == (1, channels, side, side)
    if expected.ndim == 4:
        assert torch.equal(map_, expected)
    else:  # class token first
        assert torch.equal(map_.flatten(2).transpose(1, 2), expected[:, 1:])


def test_a_timm_trunk_in_the_model() -> None:
    pytest.importorskip("timm")
    model = Plain().model(trunk="timm/test_resnet", trunk_kwargs=None, attention=True).eval()
    output = model(torch.rand(1, 2, 3, 96, 64), output_attentions=True)
    assert output.attentions.shape == (1, 2, 3, 2)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet153", "torchvision has no classification network 'resnet153'"),
        ("vit_b_16", "not a chain of layers that ends with a map"),
        ("maxvit_t", "not a chain of layers that ends with a map"),
        ("regnet_y_400mf", "cannot be built without memory"),
    ],
)
def test_trunks_that_do_not_work_are_refused(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_trunk(name, {})


def test_missing_timm_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ModuleNotFoundError, match=r"trunk 'timm/resnet50' needs the timm package: pip install timm"):
        build_trunk("timm/resnet50", {})
