"""Weights that people have: networks of torchvision and of Hara et al., in any wrapping, and what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from huggingface_hub import save_torch_state_dict
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from tests.models.test_convert import layer, memnet_layout, norm, save, tensors
from videomem_hf.models.checkpoint_files import CheckpointError, read_checkpoint, read_tensors
from videomem_hf.models.convert import convert

Tensors = dict[str, torch.Tensor]


def vary_norms(network: nn.Module) -> nn.Module:
    """Give batch normalisations statistics that matter."""
    generator = torch.Generator().manual_seed(3)
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.copy_(torch.randn(module.running_mean.shape, generator=generator) * 0.1)
            module.running_var.copy_(torch.rand(module.running_var.shape, generator=generator) + 0.5)
    return network.eval()


@pytest.mark.parametrize("name", ["r3d_18", "mc3_18", "r2plus1d_18"])
def test_torchvisions_networks_of_clips(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    peer = vary_norms(getattr(torchvision.models.video, name)(weights=None))
    converted = convert("resnet3d", save(peer.state_dict(), tmp_path / "video.pth"), horizons=("short_term",))
    assert converted.model.config.network == name
    assert f"{name} of torchvision" in converted.notes[0]
    assert "400 classes was left out" in converted.notes[1]
    peer.fc = nn.Identity()
    clip = torch.rand(1, 3, 4, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(converted.model.embed_frames(clip)[0], peer(clip), atol=1e-5, rtol=1e-4)
    assert dict(converted.processor.crop_size) == {"height": 112, "width": 112}
    assert (converted.processor.size["height"], converted.processor.size["width"]) == (128, 171)


def split(name: str, n_in: int, n_out: int, side: int = 3) -> dict[str, tuple[int, ...]]:
    """Shapes of a convolution of R(2+1)D as its authors' code makes them."""
    middle = n_in * n_out * side * side * side // (n_in * side * side + side * n_out)
    space = layer(f"conv{name}_s", middle, n_in, 1, side, side, bias=False) | norm(f"bn{name}_s", middle)
    return space | layer(f"conv{name}_t", n_out, middle, side, 1, 1, bias=False) | norm(f"bn{name}_t", n_out)


def r2plus1d_layout() -> Tensors:
    """An R(2+1)D of depth 10, narrow."""
    widths = (4, 4, 6, 8, 10)
    shapes = split("1", 3, 4, side=7)
    for stage in range(1, 5):
        n_in, n_out = widths[stage - 1], widths[stage]
        parts = split("1", n_in, n_out) | split("2", n_out, n_out)
        if stage > 1:
            parts |= layer("downsample.0", n_out, n_in, 1, 1, 1, bias=False) | norm("downsample.1", n_out)
        shapes |= {f"layer{stage}.0.{name}": shape for name, shape in parts.items()}
    return tensors(shapes | layer("fc", 700, 10))


def r2plus1d_features(found: Tensors, x: torch.Tensor) -> torch.Tensor:
    """The authors' forward pass with plain functions."""

    def normed(x: torch.Tensor, name: str) -> torch.Tensor:
        parts = [found[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
        return functional.batch_norm(x, *parts)

    def both(x: torch.Tensor, name: str, stride: int, time_stride: int, side: int = 3) -> torch.Tensor:
        half, (prefix, number) = side // 2, name.rsplit(".", 1) if "." in name else ("", name)
        begin = f"{prefix}." if prefix else ""
        x = functional.conv3d(
            x, found[f"{begin}conv{number}_s.weight"], stride=(1, stride, stride), padding=(0, half, half)
        )
        x = normed(x, f"{begin}bn{number}_s").relu()
        x = functional.conv3d(
            x, found[f"{begin}conv{number}_t.weight"], stride=(time_stride, 1, 1), padding=(half, 0, 0)
        )
        return normed(x, f"{begin}bn{number}_t")

    x = functional.max_pool3d(both(x, "1", 2, 1, side=7).relu(), 3, 2, 1)
    for stage in range(1, 5):
        name, stride = f"layer{stage}.0", 1 if stage == 1 else 2
        shortcut = x
        if stage > 1:
            shortcut = normed(
                functional.conv3d(x, found[f"{name}.downsample.0.weight"], stride=stride), f"{name}.downsample.1"
            )
        x = (both(both(x, f"{name}.1", stride, stride).relu(), f"{name}.2", 1, 1) + shortcut).relu()
    return x.mean(dim=(2, 3, 4))


def test_r2plus1d_of_hara_is_named_for_what_it_is(tmp_path: Path) -> None:
    found = r2plus1d_layout()
    converted = convert("resnet3d", save({"arch": "resnet2p1d-10", "state_dict": found}, tmp_path / "r2p1d.pth"))
    assert converted.notes[0].startswith("R(2+1)D of Hara et al.: depth 10, shortcut B, preprocessing of 2020")
    assert converted.processor.image_mean[0] == 0.4345
    clip = torch.rand(1, 3, 4, 48, 48)
    with torch.no_grad():
        expected = r2plus1d_features(found, clip)
        torch.testing.assert_close(converted.model.embed_frames(clip)[0], expected, atol=1e-5, rtol=1e-4)


def bottlenecks(stem: int, middle: tuple[int, ...], expansion: int, groups: int) -> Tensors:
    """A 3D ResNet-50 of bottlenecks."""
    shapes = layer("conv1", stem, 3, 7, 7, 7, bias=False) | norm("bn1", stem)
    n_in = stem
    for stage, (n_mid, blocks) in enumerate(zip(middle, (3, 4, 6, 3), strict=True), start=1):
        for block in range(blocks):
            name, n_out = f"layer{stage}.{block}", n_mid * expansion
            shapes |= layer(f"{name}.conv1", n_mid, n_in, 1, 1, 1, bias=False) | norm(f"{name}.bn1", n_mid)
            shapes |= layer(f"{name}.conv2", n_mid, n_mid // groups, 3, 3, 3, bias=False) | norm(f"{name}.bn2", n_mid)
            shapes |= layer(f"{name}.conv3", n_out, n_mid, 1, 1, 1, bias=False) | norm(f"{name}.bn3", n_out)
            if block == 0:
                shapes |= layer(f"{name}.downsample.0", n_out, n_in, 1, 1, 1, bias=False)
                shapes |= norm(f"{name}.downsample.1", n_out)
            n_in = n_out
    return tensors(shapes | layer("fc", 400, n_in))


@pytest.mark.parametrize(
    ("groups", "expansion", "stem", "middle", "name"),
    [
        (1, 4, 4, (4, 6, 8, 10), "ResNet of Hara et al.: depth 50"),
        (2, 2, 4, (8, 12, 16, 20), "ResNeXt of Hara et al.: depth 50"),
        (1, 2, 4, (8, 12, 16, 20), "ResNet of Hara et al.: depth 50"),
    ],
    ids=["ResNet", "ResNeXt", "wide"],
)
def test_bottlenecks_of_hara(
    groups: int, expansion: int, stem: int, middle: tuple[int, ...], name: str, tmp_path: Path
) -> None:
    found = bottlenecks(stem, middle, expansion, groups)
    converted = convert("resnet3d", save({f"module.{n}": t for n, t in found.items()}, tmp_path / "r.pth"))
    config = converted.model.config
    assert converted.notes[0].startswith(name)
    assert (config.groups, config.expansion, list(config.hidden_sizes)) == (groups, expansion, list(middle))
    assert torch.equal(converted.model.state_dict()["layer3.2.conv2.weight"], found["layer3.2.conv2.weight"])
    assert converted.model.embed_frames(torch.rand(1, 3, 2, 32, 32))[0].shape == (1, middle[-1] * expansion)


WRAPS: dict[str, Callable[[Tensors], Any]] = {
    "Lightning": lambda t: {"epoch": 3, "state_dict": {f"model.{n}": v for n, v in t.items()}, "loops": {}},
    "compiled": lambda t: {f"_orig_mod.{n}": v for n, v in t.items()},
    "compiled, in parallel": lambda t: {"model_state_dict": {f"module._orig_mod.{n}": v for n, v in t.items()}},
    "net in a model": lambda t: {"state_dict": {f"model.net.{n}": v for n, v in t.items()}},
    "dictionaries in one another": lambda t: {"model": {"state_dict": t}, "optimizer": {"lr": 0.1}},
    "averaged": lambda t: {"n_averaged": torch.tensor(4)} | {f"module.{n}": v for n, v in t.items()},
    "parameters": lambda t: {n: nn.Parameter(v) for n, v in t.items()},
    "float16": lambda t: {n: v.half() for n, v in t.items()},
}


@pytest.mark.parametrize("wrap", WRAPS.values(), ids=WRAPS)
def test_whatever_wraps_the_weights_is_taken_off(wrap: Callable[[Tensors], Any], tmp_path: Path) -> None:
    found = memnet_layout()
    model = convert("memnet", save(wrap(found), tmp_path / "memnet.ckpt")).model
    for name, tensor in found.items():
        torch.testing.assert_close(model.state_dict()[name], tensor, atol=1e-3, rtol=1e-3)


UNUSABLE: dict[str, tuple[Callable[[torch.Tensor], torch.Tensor], str]] = {
    "quantised": (lambda t: (t * 127).to(torch.int8), "int8, not floating-point numbers"),
    "complex": (lambda t: t.to(torch.complex64), "complex64, not floating-point numbers"),
    "sparse": (lambda t: t.to_sparse(), "a sparse tensor"),
    "on no device": (lambda t: t.to("meta"), "saved without its numbers"),
    "diverged": (lambda t: t * torch.nan, "with NaN"),
}


@pytest.mark.parametrize(("change", "fault"), UNUSABLE.values(), ids=UNUSABLE)
def test_tensors_that_would_become_other_numbers_are_refused(
    change: Callable[[torch.Tensor], torch.Tensor], fault: str, tmp_path: Path
) -> None:
    found = memnet_layout()
    file = save(found | {"conv2.weight": change(found["conv2.weight"])}, tmp_path / "memnet.pth")
    with pytest.raises(CheckpointError, match=rf"not usable: conv2.weight \({fault}\)"):
        convert("memnet", file)


def test_changed_weights_are_told_by_their_checksum(tmp_path: Path) -> None:
    content = bytearray(save({"a": torch.ones(1000)}, tmp_path / "a.pth").read_bytes())
    content[content.index(torch.ones(8).numpy().tobytes()) + 2] ^= 1
    (tmp_path / "a.pth").write_bytes(content)
    assert not torch.equal(torch.load(tmp_path / "a.pth")["a"], torch.ones(1000))
    with pytest.raises(CheckpointError, match=r"is damaged, its part a/data/0 has another checksum; fetch it again"):
        read_tensors(tmp_path / "a.pth")


@pytest.mark.parametrize("new", [True, False], ids=["zip", "the format before 1.6"])
def test_whatever_is_damaged_is_told_in_a_sentence(new: bool, tmp_path: Path) -> None:
    torch.save({"a": torch.ones(20), "b": torch.ones(20)}, tmp_path / "a.pth", _use_new_zipfile_serialization=new)
    content = (tmp_path / "a.pth").read_bytes()
    told = 0
    for start in range(0, len(content) - 40, len(content) // 40):
        (tmp_path / "b.pth").write_bytes(content[:start] + content[start + 30 :])
        try:
            read_tensors(tmp_path / "b.pth")
        except CheckpointError as error:
            told += "b.pth: " in str(error)
    assert told > 20


def test_what_has_no_weights_by_name_is_told(tmp_path: Path) -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    with pytest.raises(CheckpointError, match="is the state of an optimizer"):
        read_tensors(save(optimizer.state_dict(), tmp_path / "optimizer.pth"))
    with pytest.raises(CheckpointError, match=r"holds optimizer, epoch, and no weights; save the weights"):
        read_tensors(save({"optimizer": optimizer.state_dict(), "epoch": 1}, tmp_path / "training.pth"))
    with pytest.raises(CheckpointError, match=r"holds no weights; save the weights"):
        read_tensors(save({}, tmp_path / "nothing.pth"))
    with pytest.raises(CheckpointError, match=r"is an adapter of PEFT, without the network.* merge_and_unload"):
        read_tensors(save({"base_model.model.fc.lora_A.weight": torch.ones(1, 2)}, tmp_path / "adapter.pth"))
    with pytest.raises(CheckpointError, match="weights are named by text, here 0, 1 stands for a name"):
        read_tensors(save({0: torch.zeros(1), 1: torch.zeros(1)}, tmp_path / "numbers.pth"))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda own: {"ema": own, "epoch": 1},
        lambda own: {"state_dict_ema": own, "args": None},
        lambda own: {"model_ema": {"module": own, "decay": 0.999}},
        lambda own: {"params_ema": own},
        lambda own: {"module": own, "global_steps": 7},
        lambda own: {"model": own, "ema": {name: value + 1 for name, value in own.items()}},
    ],
)
def test_weights_are_found_where_training_scripts_put_them(wrap: Any, tmp_path: Path) -> None:
    own = {"a.weight": torch.ones(2), "a.bias": torch.zeros(2)}
    found = read_tensors(save(wrap(own), tmp_path / "a.pth"))
    assert found.keys() == own.keys()
    assert torch.equal(found["a.weight"], own["a.weight"])


def test_heads_of_timms_huge_transformer(tmp_path: Path) -> None:
    timm = pytest.importorskip("timm")
    peer = timm.create_model("vit_huge_patch14_224", img_size=28, depth=1, mlp_ratio=0.1, num_classes=1).eval()
    converted = convert("vitmem", save(peer.state_dict(), tmp_path / "vit.pth"))
    pixels = torch.rand(1, 1, 3, 28, 28)
    with torch.no_grad():
        torch.testing.assert_close(converted.model(pixels).scores, peer(pixels[0]).sigmoid())


def test_prefixes_are_told_from_the_outside_in(tmp_path: Path) -> None:
    file = save({"module._orig_mod.net.a": torch.zeros(1)}, tmp_path / "x.pt")
    assert read_checkpoint(file).prefixes == ("module.", "_orig_mod.", "net.")
    mixed = save({"model.a": torch.zeros(1), "b": torch.zeros(1)}, tmp_path / "y.pt")
    assert read_tensors(mixed).keys() == {"model.a", "b"}


def test_checkpoints_in_parts(tmp_path: Path) -> None:
    found = memnet_layout()
    (tmp_path / "parts").mkdir()
    save_torch_state_dict(found, tmp_path / "parts", max_shard_size=8_000)
    for path in (tmp_path / "parts").glob("*-of-*.safetensors"):
        path.with_name(f"a[1]{path.name}").write_bytes(path.read_bytes())
    assert read_tensors(next((tmp_path / "parts").glob("a*"))).keys() == found.keys()
    shards = sorted((tmp_path / "parts").glob("model-*-of-*.safetensors"))
    assert len(shards) > 2
    for path in (tmp_path / "parts", tmp_path / "parts/model.safetensors.index.json", shards[1]):
        read = read_tensors(path)
        assert read.keys() == found.keys()
        assert all(torch.equal(read[name], tensor) for name, tensor in found.items())
    shards[0].unlink()
    with pytest.raises(
        CheckpointError, match=r"index.json: names the part model-00001.*, which does not lie beside it"
    ):
        read_tensors(tmp_path / "parts")
    with pytest.raises(CheckpointError, match=rf"is one of {len(shards)} parts, and {len(shards) - 1} lie here"):
        read_tensors(shards[1])
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match=r"a folder without weights; it needs one of model.safetensors"):
        read_tensors(tmp_path / "empty")
    (tmp_path / "parts/model.safetensors.index.json").write_text('{"weight_map": {"a": "../x.safetensors"}}')
    save_file({"a": torch.zeros(1)}, tmp_path / "x.safetensors")
    with pytest.raises(CheckpointError, match="does not lie beside it"):
        read_tensors(tmp_path / "parts")


def old_densenet_names(state: Tensors) -> Tensors:
    """Those of the published files, as torchvision's own loading says."""
    renamed = {}
    for name, value in state.items():
        for part in ("norm1", "conv1", "norm2", "conv2"):
            if "denselayer" in name:
                name = name.replace(f".{part}.", f".{part[:-1]}.{part[-1]}.")
        renamed[name] = value
    return renamed


@pytest.mark.parametrize("name", ["alexnet", "vgg11_bn", "inception_v3", "densenet121"])
def test_any_image_network_of_torchvision_is_a_backbone(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    options = {"init_weights": False, "transform_input": False} if name == "inception_v3" else {}
    peer = vary_norms(torchvision.models.get_model(name, weights=None, **options))
    state = {
        n: v if not n.startswith("classifier.") else v[:2, :2].clone() if v.ndim > 1 else v
        for n, v in peer.state_dict().items()
    }
    state = old_densenet_names(state) if name == "densenet121" else state
    converted = convert("backbone", save(state, tmp_path / "network.pth"), horizons=("week",))
    assert converted.model.config.trunk == name
    assert f"{name} of torchvision" in converted.notes[0]
    maps = []
    last = peer.features if hasattr(peer, "features") else peer.Mixed_7c
    last.register_forward_hook(lambda _, inputs, output: maps.append(output))
    pixels = torch.rand(1, 3, 96, 96)
    with torch.no_grad():
        peer(pixels)
        expected = maps[0].relu() if name == "densenet121" else maps[0]
        torch.testing.assert_close(converted.model.trunk(pixels), expected, atol=1e-5, rtol=1e-4)
    mean = [0.5] * 3 if name == "inception_v3" else [0.485, 0.456, 0.406]
    assert list(converted.processor.image_mean) == mean


def test_a_timm_network_is_named_beside_its_file(tmp_path: Path) -> None:
    timm = pytest.importorskip("timm")
    peer = vary_norms(timm.create_model("test_resnet", pretrained=False))
    file = save(peer.state_dict(), tmp_path / "timm.pth")
    converted = convert("backbone", file, network="timm/test_resnet", attention=True)
    pixels = torch.rand(1, 3, 96, 64)
    with torch.no_grad():
        torch.testing.assert_close(converted.model.trunk(pixels), peer.forward_features(pixels))
    assert converted.model.has_attention
    assert dict(converted.processor.crop_size)["height"] == peer.pretrained_cfg["input_size"][-1]
    deeper = save(peer.state_dict() | {"layer1.7.conv1.weight": torch.zeros(1)}, tmp_path / "deeper.pth")
    with pytest.raises(CheckpointError, match=r"does not fit timm/test_resnet; not known: layer1\.7\.conv1\.weight"):
        convert("backbone", deeper, network="timm/test_resnet")
    with pytest.raises(CheckpointError, match="timm has no network 'no_such'"):
        convert("backbone", file, network="timm/no_such")
    with pytest.raises(CheckpointError, match=r"holds no classification network of torchvision.*--network timm/NAME"):
        convert("backbone", file)


def video_file(folder: Path) -> Path:
    with torch.device("meta"):
        shapes = {n: tuple(v.shape) for n, v in torchvision.models.video.r3d_18(weights=None).state_dict().items()}
    narrow = {n: tuple(min(2, side) if i < 2 else side for i, side in enumerate(s)) for n, s in shapes.items()}
    return save(tensors(narrow), folder / "r3d_18.pth")


@pytest.mark.parametrize(
    ("kind", "layout", "message"),
    [
        ("memnet", None, r"the file holds a 3D ResNet of torchvision \(R3D or MC3\): convert it as resnet3d"),
        ("resnet3d", memnet_layout, "the file holds MemNet: convert it as memnet"),
        ("c3d", r2plus1d_layout, r"the file holds an R\(2\+1\)D of Hara et al.: convert it as resnet3d"),
        (
            "resnet3d",
            lambda: tensors({"Mixed_3b.b0.conv3d.weight": (2, 2, 1, 1, 1)}),
            "the file holds I3D, which no kind",
        ),
        ("memnet", lambda: tensors({"a.weight": (1,)}), "a network that is not known here, with a.weight"),
        (
            "vgg16",
            lambda: {n: v for n, v in torchvision.models.alexnet().state_dict().items() if "classifier" not in n},
            "the file holds alexnet of torchvision: convert it as backbone",
        ),
        (
            "memnet",
            lambda: {f"student.{n}": v for n, v in torchvision.models.resnet18().state_dict().items()},
            "what begins with student. in the file is resnet18 of torchvision: save that alone",
        ),
    ],
)
def test_refusals_name_the_network_and_what_fits(kind: str, layout: Any, message: str, tmp_path: Path) -> None:
    file = video_file(tmp_path) if layout is None else save(layout(), tmp_path / "weights.pth")
    with pytest.raises(CheckpointError, match=message):
        convert(kind, file)


def test_other_formats_are_named(tmp_path: Path) -> None:
    class Net(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    torch.jit.script(Net()).save(str(tmp_path / "script.pt"))
    with pytest.raises(
        CheckpointError, match=r"a TorchScript program and is refused.*torch.jit.load\(FILE\).state_dict"
    ):
        read_tensors(tmp_path / "script.pt")
    contents = {
        "keras.h5": (b"\x89HDF\r\n", "an HDF5 file, as Keras writes; where it comes from, save the weights"),
        "page.pth": (b"<!doctype html><html>", "a web page; download the file itself$"),
        "pointer.pt": (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
        "net.onnx": (b"\x08\x08\x12\x07pytorch", "an ONNX graph"),
        "net.caffemodel": (b"\n\x07AlexNet", "a Caffe model"),
        "pointer.safetensors": (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
        "empty.safetensors": (b"", "is empty; fetch it again"),
        "empty.pt": (b"", "is empty; fetch it again"),
        "log.pth": (b"epoch,loss\n1,2\n", "is no file of torch.save, or damaged, and is refused; save the weights"),
    }
    for name, (content, message) in contents.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(CheckpointError, match=message):
            read_tensors(tmp_path / name)
