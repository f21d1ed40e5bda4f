"""ResMem, ViTMem, AMNet and the two-stream model against packages, other libraries, and formulas."""

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torchvision.models import vgg

from tests.common import score_frames
from tests.models import test_contract
from videomem_hf.models.configuration_amnet import AMNetConfig
from videomem_hf.models.configuration_resmem import ResMemConfig
from videomem_hf.models.configuration_squalli import SqualliConfig
from videomem_hf.models.configuration_vitmem import ViTMemConfig
from videomem_hf.models.convert import convert
from videomem_hf.models.convert_resmem import load_resmem
from videomem_hf.models.modeling_amnet import AMNetModel
from videomem_hf.models.modeling_resmem import ResMemModel
from videomem_hf.models.modeling_squalli import SqualliModel
from videomem_hf.models.modeling_vitmem import Block, ViTMemModel


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def test_resmem_equals_the_package_to_the_bit(caplog: pytest.LogCaptureFixture) -> None:
    package = pytest.importorskip("resmem")
    with caplog.at_level(logging.WARNING):
        ours, processor = load_resmem()
    peer = package.ResMem(pretrained=True).eval()
    converted = convert("resmem", Path(package.__file__).parent / "model.pt")
    pixels = torch.rand(2, 3, 227, 227)
    with torch.no_grad():
        expected = peer(pixels)
        assert torch.equal(ours(pixels[:, None]).scores, expected)
        assert torch.equal(converted.model(pixels[:, None]).scores, expected)
    assert converted.model.config.to_diff_dict() == ResMemConfig().to_diff_dict()
    assert converted.processor.to_dict() == processor.to_dict()


@pytest.mark.parametrize("horizons", [["short_term"], ["short_term", "long_term"]])
def test_vitmem_equals_timm_on_the_same_weights(horizons: list[str]) -> None:
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    sizes = {"img_size": 48, "patch_size": 16, "embed_dim": 64, "depth": 3, "num_heads": 4}
    peer = timm.models.VisionTransformer(**sizes, qkv_bias=False, num_classes=len(horizons)).eval()
    model = ViTMemModel(
        ViTMemConfig(
            horizons=horizons,
            image_size=48,
            hidden_size=64,
            num_hidden_layers=3,
            num_attention_heads=4,
            intermediate_size=256,
        )
    ).eval()
    model.vit.load_state_dict(peer.state_dict())
    pixels = torch.rand(3, 3, 48, 48)
    with torch.no_grad():
        torch.testing.assert_close(score_frames(model, pixels), peer(pixels).sigmoid(), atol=1e-6, rtol=1e-5)


def test_vitmem_layout_is_timms() -> None:
    timm = pytest.importorskip("timm")
    with torch.device("meta"):
        peer = timm.create_model("vit_base_patch16_224_miil", num_classes=1)
        model = ViTMemModel(ViTMemConfig())
    assert {n: t.shape for n, t in model.vit.state_dict().items()} == {n: t.shape for n, t in peer.state_dict().items()}


def test_vitmem_has_the_published_number_of_parameters() -> None:
    """ViT-B/16 with 1,000 classes: 86,567,656; less the classes, plus one output, less 12 x 2,304 biases."""
    with torch.device("meta"):
        assert parameters(ViTMemModel(ViTMemConfig())) == 86_567_656 - 769_000 + 769 - 12 * 2304


def test_a_block_equals_pytorchs_encoder_layer() -> None:
    torch.manual_seed(0)
    config = test_contract.TestViTMem().tiny_config(qkv_bias=True)
    block = Block(config).eval()
    peer = nn.TransformerEncoderLayer(24, 3, 48, 0.0, "gelu", 1e-6, batch_first=True, norm_first=True).eval()
    names = {
        "attn.qkv.weight": "self_attn.in_proj_weight",
        "attn.qkv.bias": "self_attn.in_proj_bias",
        "attn.proj.weight": "self_attn.out_proj.weight",
        "attn.proj.bias": "self_attn.out_proj.bias",
        "mlp.fc1.weight": "linear1.weight",
        "mlp.fc1.bias": "linear1.bias",
        "mlp.fc2.weight": "linear2.weight",
        "mlp.fc2.bias": "linear2.bias",
    }
    peer.load_state_dict({names.get(name, name): tensor for name, tensor in block.state_dict().items()})
    x = torch.randn(2, 7, 24)
    with torch.no_grad():
        torch.testing.assert_close(block(x)[0], peer(x), atol=1e-5, rtol=1e-5)
        _, weights = peer.self_attn(*[peer.norm1(x)] * 3)  # (batch, to, from), mean of the heads
        torch.testing.assert_close(block(x, with_map=True)[1], weights[:, 0])


def test_amnet_equals_its_equations_written_out() -> None:
    """Fajtl et al., Sec. 3: annotation vectors, LSTM, attention from hidden state and vectors, mean of the steps."""
    model = test_contract.TestAMNet().model(horizons=["short_term"], lstm_steps=3)
    w = {name: tensor.double() for name, tensor in model.state_dict().items()}
    pixels = torch.rand(2, 3, 48, 48)
    with torch.no_grad():
        scores = score_frames(model, pixels)
        _, maps = model.embed_frames(pixels, output_attentions=True)
        a = model.bn1(model.inconv(model.core_cnn(pixels))).clamp(min=0).double().flatten(2)  # (n, size, places)
    h, c = ((a.mean(2) @ w[f"{n}.weight"].T + w[f"{n}.bias"]).tanh() for n in ("hs1", "hc1"))
    e = torch.einsum("nsp,ts->ntp", a, w["e1.weight"]).clamp(min=0)
    outputs, weights = [], []
    for _ in range(3):
        match = (e + (h @ w["eh1.weight"].T + w["eh1.bias"])[:, None, :]).clamp(min=0)
        logits = torch.einsum("nsp,os->np", match, w["eh3.weight"]).exp()
        alpha = logits / logits.sum(1, keepdim=True)
        z = torch.einsum("nsp,np->ns", a, alpha)
        gates = z @ w["rnn.weight_ih_l0"].T + w["rnn.bias_ih_l0"] + h @ w["rnn.weight_hh_l0"].T + w["rnn.bias_hh_l0"]
        i, f, g, o = gates.chunk(4, dim=1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        hidden = (h @ w["regnet1.weight"].T + w["regnet1.bias"]).clamp(min=0)
        outputs.append(hidden @ w["regnet4.weight"].T + w["regnet4.bias"])
        weights.append(alpha)
    expected = torch.stack(outputs).mean(0) / 2 + 0.754
    np.testing.assert_allclose(scores, expected.clamp(0, 1), atol=1e-5)
    np.testing.assert_allclose(maps.flatten(1), torch.stack(weights).mean(0), atol=1e-5)


def test_amnets_published_sizes() -> None:
    """ResNet-50 has 25,557,032 parameters; its last stage and classes, 17,013,736 of them, are not used."""
    with torch.device("meta"):
        model = AMNetModel(AMNetConfig())
        assert model.core_cnn(torch.empty(1, 3, 224, 224)).shape == (1, 1024, 14, 14)
    assert parameters(model.core_cnn) == 25_557_032 - 14_964_736 - 2_049_000
    assert model.eh1.weight.shape == (196, 1024)


def test_vgg_streams_equal_torchvisions_layers_on_the_same_weights() -> None:
    model = test_contract.TestSqualli().model(image_size=32)
    peer = vgg.make_layers([4, "M", 4, "M", 8, "M", 8, "M", 8, "M"])
    peer.load_state_dict(model.vgg.features.state_dict())
    pixels = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        x = peer(pixels).flatten(1)
        w = model.vgg.classifier
        fc7 = functional.linear(functional.linear(x, w[0].weight, w[0].bias).relu(), w[3].weight, w[3].bias).relu()
        logits = functional.linear(fc7, w[6].weight, w[6].bias)
        other = model.caption_vgg(pixels)[0]
        caption = functional.linear(other, model.caption_projection.weight, model.caption_projection.bias)
        caption = caption / caption.norm(dim=1, keepdim=True)
        streams = [
            (s - s.mean(1, keepdim=True)) / (s.var(1, correction=0, keepdim=True) + 1e-5).sqrt()
            for s in (logits, caption)
        ]
        torch.testing.assert_close(model.embed_frames(pixels)[0], torch.cat(streams, dim=1), atol=1e-5, rtol=1e-4)


def test_the_two_streams_have_the_published_numbers_of_parameters() -> None:
    """VGG16: 138,357,544. VGG19: 143,667,240, of which its 4,097,000 of classes are not used."""
    with torch.device("meta"):
        model = SqualliModel(SqualliConfig())
        without = SqualliModel(SqualliConfig(vgg_features="fc7", caption_layers=[]))
    assert parameters(model.vgg) == 138_357_544
    assert parameters(model.caption_vgg) == 143_667_240 - 4_097_000
    assert parameters(without.vgg) == 138_357_544 - 4_097_000
    assert without.caption_vgg is None
    assert without.mlp[0].in_features == 4096 + 1024


def test_without_its_own_vgg_the_caption_stream_reads_the_first_ones() -> None:
    model = test_contract.TestSqualli().model(image_size=32, caption_layers=[])
    pixels = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        fc7, _ = model.vgg(pixels)
        caption = functional.normalize(model.caption_projection(fc7), dim=1)
        expected = functional.layer_norm(caption, caption.shape[1:])
        torch.testing.assert_close(model.embed_frames(pixels)[0][:, 12:], expected)


@pytest.mark.parametrize(
    "model",
    [
        ResMemModel(ResMemConfig(**test_contract.TestResMem().tiny_config().to_diff_dict())),
        ViTMemModel(test_contract.TestViTMem().tiny_config()),
        AMNetModel(test_contract.TestAMNet().tiny_config()),
        SqualliModel(test_contract.TestSqualli().tiny_config()),
    ],
    ids=lambda model: type(model).__name__,
)
def test_batches_in_half_precision_give_scores_in_single(model: nn.Module) -> None:
    side = model.config.image_size
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        scores = model.eval()(torch.rand(1, 2, 3, side, side)).scores
    assert scores.dtype == torch.float32
