"""ResNet3D and C3D against torchvision, formulas, and published sizes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional
from torchvision.models.video import r3d_18

from videomem_hf.models.configuration_c3d import C3DConfig
from videomem_hf.models.configuration_resnet3d import ResNet3DConfig
from videomem_hf.models.modeling_c3d import C3DModel
from videomem_hf.models.modeling_memorability import Conv3d
from videomem_hf.models.modeling_resnet3d import ResNet3DModel, ShortcutA


def parameters(model: torch.nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def test_shortcut_a_is_every_second_position_and_channels_of_zeros() -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 5, 6, 7))
    expected = np.zeros((2, 8, 3, 3, 4))
    for t in range(3):
        for y in range(3):
            for i in range(4):
                expected[:, :3, t, y, i] = x[:, :, 2 * t, 2 * y, 2 * i]
    found = ShortcutA(8, 2)(torch.from_numpy(x))
    np.testing.assert_array_equal(found, expected)
    pooled = functional.avg_pool3d(torch.from_numpy(x), kernel_size=1, stride=2)  # as it is often written
    assert torch.equal(found[:, :3], pooled)


def test_stages_equal_torchvisions_on_the_same_weights() -> None:
    """torchvision's r3d_18 has another stem and the same four stages, with shortcut B."""
    torch.manual_seed(0)
    ours = ResNet3DModel(ResNet3DConfig(depth=18, shortcut="B")).eval()
    peer = r3d_18().eval()
    inner = {"conv1": "conv1.0", "bn1": "conv1.1", "conv2": "conv2.0", "bn2": "conv2.1"}
    renamed = {}
    for name, tensor in ours.state_dict().items():
        stage, _, rest = name.partition(".")
        block, _, rest = rest.partition(".")
        part, _, rest = rest.partition(".")
        if stage.startswith("layer"):
            renamed[f"{stage}.{block}.{inner.get(part, part)}.{rest}"] = tensor
    result = peer.load_state_dict(renamed, strict=False)
    assert not result.unexpected_keys
    assert {name.split(".")[0] for name in result.missing_keys} == {"stem", "fc"}
    x = torch.rand(1, 64, 4, 8, 8)
    with torch.no_grad():
        expected, found = x, x
        for stage in ("layer1", "layer2", "layer3", "layer4"):
            expected, found = getattr(peer, stage)(expected), getattr(ours, stage)(found)
    torch.testing.assert_close(found, expected)
    # The stem's 7 x 7 x 7 against 3 x 7 x 7, and two outputs against 400 classes
    assert parameters(ours) - 2 * 513 == parameters(peer) - 400 * 513 + 4 * 7 * 7 * 3 * 64


@pytest.mark.parametrize(
    ("depth", "shortcut", "millions"), [(18, "A", 33.0), (34, "A", 63.3), (34, "B", 63.5), (50, "B", 46.2)]
)
def test_resnet3d_has_the_published_number_of_parameters(depth: int, shortcut: str, millions: float) -> None:
    """Millions of parameters without the classes: Hara et al., 2018, and the release's own listing."""
    with torch.device("meta"):
        model = ResNet3DModel(ResNet3DConfig(depth=depth, shortcut=shortcut))
    assert parameters(model) / 1e6 == pytest.approx(millions, abs=0.06)


def test_resnet3d_maps_a_clip_of_16_to_one_place_in_time() -> None:
    with torch.device("meta"):
        model = ResNet3DModel(ResNet3DConfig())
        x = model.maxpool(model.conv1(torch.empty(1, 3, 16, 112, 112)))
        assert x.shape == (1, 64, 8, 28, 28)
        x = model.layer4(model.layer3(model.layer2(model.layer1(x))))
        assert x.shape == (1, 512, 1, 4, 4)


def test_long_clips_are_averaged_over_stretches_and_incomplete_ones_do_not_count() -> None:
    model = ResNet3DModel(ResNet3DConfig(depth=10, hidden_sizes=[4, 4, 4, 4], segment_length=4)).eval()
    pixels = torch.rand(1, 12, 3, 16, 16)
    with torch.no_grad():
        alone = [model(pixels[:, i : i + 4]).scores for i in (0, 4, 8)]
        output = model(pixels)
        masked = model(pixels, frame_mask=torch.arange(12)[None] < 7)
    torch.testing.assert_close(output.scores, torch.stack(alone).mean(dim=0))
    torch.testing.assert_close(output.frame_scores[0, ::4], torch.cat(alone))
    torch.testing.assert_close(masked.scores, alone[0])
    with pytest.raises(ValueError, match="multiple of 4, got 6"):
        model(pixels[:, :6])


def test_c3d_has_the_published_number_of_parameters() -> None:
    """With the 101 classes of UCF-101, C3D is commonly given with 78.41 million."""
    with torch.device("meta"):
        assert parameters(C3DModel(C3DConfig(num_classes=101))) == 78_409_573
        assert parameters(C3DModel(C3DConfig())) == 78_409_573 + 386 * 4097


def test_c3d_equals_its_table_written_out() -> None:
    torch.manual_seed(0)
    config = C3DConfig(num_classes=7, hidden_sizes=[3, 4, 5, 6, 6], fc_size=10, image_size=32)
    model = C3DModel(config).eval()
    rgb = torch.rand(2, 32, 3, 32, 32) * 255 - 100
    weights = model.state_dict()

    def conv(x: torch.Tensor, name: str) -> torch.Tensor:
        return functional.conv3d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], padding=1).clamp(min=0)

    with torch.no_grad():
        x = rgb[:, :, [2, 1, 0]].transpose(1, 2).unfold(2, 16, 16)  # (batch, channels, segments, y, x, time)
        x = x.permute(0, 2, 1, 5, 3, 4).flatten(0, 1)
        x = functional.max_pool3d(conv(x, "conv1"), (1, 2, 2), (1, 2, 2))
        x = functional.max_pool3d(conv(x, "conv2"), 2, 2)
        x = functional.max_pool3d(conv(conv(x, "conv3a"), "conv3b"), 2, 2)
        x = functional.max_pool3d(conv(conv(x, "conv4a"), "conv4b"), 2, 2)
        x = functional.max_pool3d(conv(conv(x, "conv5a"), "conv5b"), 2, 2, padding=(0, 1, 1))
        fc6 = (x.flatten(1) @ weights["fc6.weight"].T + weights["fc6.bias"]).clamp(min=0)
        fc7 = (fc6 @ weights["fc7.weight"].T + weights["fc7.bias"]).clamp(min=0)
        logits = fc7 @ weights["fc8.weight"].T + weights["fc8.bias"]
        output = model(rgb)
    assert output.probabilities.shape == (2, 2, 7)
    torch.testing.assert_close(output.fc6.flatten(0, 1), fc6, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(output.logits.flatten(0, 1), logits, rtol=1e-4, atol=1e-3)
    exponential = np.exp(logits.double().numpy() - logits.double().numpy().max(axis=1, keepdims=True))
    expected = exponential / exponential.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(output.probabilities.flatten(0, 1), expected, rtol=1e-3, atol=1e-6)


def test_c3d_refuses_other_sizes() -> None:
    model = C3DModel(C3DConfig(num_classes=2, hidden_sizes=[2, 2, 2, 2, 2], fc_size=4, image_size=16))
    with pytest.raises(ValueError, match="16 x 16 pixels"):
        model(torch.rand(1, 16, 3, 32, 32))
    with pytest.raises(ValueError, match="multiple of 16"):
        model(torch.rand(1, 15, 3, 16, 16))


@pytest.mark.parametrize("config_class", [ResNet3DConfig, C3DConfig])
def test_a_configuration_with_the_former_name_of_the_segment_length_loads(config_class: Any, tmp_path: Path) -> None:
    config_class(segment_length=24).save_pretrained(tmp_path)
    file = tmp_path / "config.json"
    values = json.loads(file.read_text())
    values["clip_length"] = values.pop("segment_length")
    file.write_text(json.dumps(values))
    loaded = config_class.from_pretrained(tmp_path)
    assert loaded.segment_length == 24
    assert "clip_length" not in loaded.to_dict()


def test_half_precision_convolutions_on_the_cpu_are_those_of_single_precision() -> None:
    torch.manual_seed(0)
    conv = Conv3d(3, 8, kernel_size=3, padding=1)
    pixels = torch.rand(2, 3, 4, 9, 9)
    expected = conv.half().float()(pixels.half().float())
    seen: list[torch.dtype] = []

    class Recorder(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            if func is torch.nn.functional.conv3d:
                seen.append(args[0].dtype)
            return func(*args, **(kwargs or {}))

    with Recorder():
        found = conv.half()(pixels.half())
        conv.bfloat16()(pixels.bfloat16())
    assert seen == [torch.float32, torch.bfloat16]
    assert found.dtype == torch.float16
    torch.testing.assert_close(found.float(), expected, atol=1e-3, rtol=1e-3)
