"""Checkpoints synthesised in the published layouts, name by name, and files that must be refused."""

import argparse
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn
from transformers import AutoModel, AutoVideoProcessor

from tests.models import test_contract
from videomem_hf.cli.convert import convert as command
from videomem_hf.models.checkpoint_files import CheckpointError, read_tensors
from videomem_hf.models.convert import KINDS, convert
from videomem_hf.schema import InputError

Tensors = dict[str, torch.Tensor]


def tensors(shapes: dict[str, tuple[int, ...]], seed: int = 0) -> Tensors:
    """Random weights; variances of batch normalisation are positive."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.rand(shape, generator=generator) + 0.5
        if name.endswith("running_var")
        else torch.randn(shape, generator=generator) * 0.1
        for name, shape in shapes.items()
    }


def layer(name: str, *weight: int, bias: bool = True) -> dict[str, tuple[int, ...]]:
    """Shapes of a convolution or linear layer."""
    return {f"{name}.weight": weight} | ({f"{name}.bias": weight[:1]} if bias else {})


def norm(name: str, size: int) -> dict[str, tuple[int, ...]]:
    """Shapes of a batch normalisation as PyTorch wrote it before version 0.4.1."""
    return {f"{name}.{part}": (size,) for part in ("weight", "bias", "running_mean", "running_var")}


def save(content: Any, path: Path) -> Path:
    torch.save(content, path)
    return path


def memnet_layout() -> Tensors:
    """The public ports': convolutions 1 to 5 (2, 4, 5 in two groups), fc6 to fc8; narrow."""
    convolutions = [(6, 3, 11, 11), (8, 3, 5, 5), (6, 8, 3, 3), (6, 3, 3, 3), (4, 3, 3, 3)]
    shapes = {}
    for i, shape in enumerate(convolutions, start=1):
        shapes |= layer(f"conv{i}", *shape)
    return tensors(shapes | layer("fc6", 12, 4 * 36) | layer("fc7", 12, 12) | layer("fc8", 1, 12))


def resnet3d_layout(shortcut: str, classes: int, prefix: str = "") -> Tensors:
    """A narrow ResNet-18 in three dimensions."""
    widths = (4, 4, 6, 8, 10)
    shapes = layer("conv1", 4, 3, 7, 7, 7, bias=False) | norm("bn1", 4)
    for stage in range(1, 5):
        n_in, n_out = widths[stage - 1], widths[stage]
        for block in range(2):
            name = f"layer{stage}.{block}"
            shapes |= layer(f"{name}.conv1", n_out, n_in if block == 0 else n_out, 3, 3, 3, bias=False)
            shapes |= layer(f"{name}.conv2", n_out, n_out, 3, 3, 3, bias=False)
            shapes |= norm(f"{name}.bn1", n_out) | norm(f"{name}.bn2", n_out)
        if shortcut == "B" and stage > 1:
            shapes |= layer(f"layer{stage}.0.downsample.0", n_out, n_in, 1, 1, 1, bias=False)
            shapes |= norm(f"layer{stage}.0.downsample.1", n_out)
    return {f"{prefix}{name}": tensor for name, tensor in tensors(shapes | layer("fc", classes, 10)).items()}


def c3d_layout(classes: int) -> Tensors:
    sizes = {
        "1": (2, 3),
        "2": (3, 2),
        "3a": (4, 3),
        "3b": (4, 4),
        "4a": (5, 4),
        "4b": (5, 5),
        "5a": (6, 5),
        "5b": (6, 6),
    }
    shapes = {}
    for name, (n_out, n_in) in sizes.items():
        shapes |= layer(f"conv{name}", n_out, n_in, 3, 3, 3)
    return tensors(shapes | layer("fc6", 16, 6 * 16) | layer("fc7", 16, 16) | layer("fc8", classes, 16))


def semantic_layout() -> tuple[Tensors, nn.Module]:
    """The authors': the ResNet as a list, DataParallel around image branch and projection, the text branch beside."""
    resnet = torchvision.models.resnet18().eval()
    names = {"conv1": 0, "bn1": 1, "layer1": 4, "layer2": 5, "layer3": 6, "layer4": 7}
    found = {}
    for name, tensor in resnet.state_dict().items():
        part, _, rest = name.partition(".")
        if part in names and not rest.endswith("num_batches_tracked"):
            found[f"img_emb.module.base_layer.0.{names[part]}.{rest}"] = tensor
    found |= tensors(layer("img_emb.module.base_layer.1", 24, 512, 1, 1) | layer("fc.module", 20, 24))
    return found | tensors({"cap_emb.rnn.rnn_lst.0.weight": (5, 3), "cap_emb.rnn.rnn_lst.0.bias": (4,)}), resnet


def test_memnet(tmp_path: Path) -> None:
    found = memnet_layout()
    mean = np.random.default_rng(0).uniform(0, 255, (3, 256, 256)).astype(np.float32)
    np.save(tmp_path / "mean.npy", mean)
    file = save({f"module.{name}": tensor for name, tensor in found.items()}, tmp_path / "memnet.pth")
    converted = convert("memnet", file, mean_image=tmp_path / "mean.npy")
    model = converted.model
    assert (model.config.crop_size, list(model.config.horizons)) == (227, ["short_term"])
    assert all(torch.equal(tensor, model.state_dict()[name]) for name, tensor in found.items())
    assert np.array_equal(model.mean_image, mean)
    assert (model.config.output_mean, model.config.output_scale, model.config.output_bias) == (0.7626, 2.0, 0.65)
    frame = np.random.default_rng(0).integers(0, 256, (1, 50, 80, 3), dtype=np.uint8)
    scores = model(**converted.processor(videos=[frame], return_tensors="pt")).scores
    assert scores.shape == (1, 1)
    assert "channel means" in convert("memnet", file).notes[0]


@pytest.mark.parametrize(
    ("shortcut", "classes", "prefix", "mean", "rescaled"),
    [("A", 400, "module.", 114.7748, False), ("B", 400, "module.", 114.7748, False), ("B", 700, "", 0.4345, True)],
    ids=["2018", "2018 with convolutions", "2020"],
)
def test_both_generations_of_resnet3d(
    shortcut: str, classes: int, prefix: str, mean: float, rescaled: bool, tmp_path: Path
) -> None:
    found = resnet3d_layout(shortcut, classes, prefix)
    file = save({"arch": "resnet-18", "epoch": 3, "state_dict": found, "optimizer": {"lr": 0.1}}, tmp_path / "r.pth")
    converted = convert("resnet3d", file, horizons=("long_term",))
    model, processor = converted.model, converted.processor
    assert (model.config.depth, model.config.shortcut, list(model.config.horizons)) == (18, shortcut, ["long_term"])
    own = model.state_dict()
    for name, tensor in found.items():
        if ".fc." not in f".{name}":
            assert torch.equal(tensor, own[name.removeprefix("module.")])
    assert processor.image_mean[0] == mean
    assert processor.do_rescale is rescaled
    assert processor.segment_length == 16
    assert f"{classes} classes was left out" in converted.notes[1]
    frames = np.zeros((16, 120, 160, 3), dtype=np.uint8)
    pixels = processor(videos=[frames], return_tensors="pt")["pixel_values_videos"]
    assert pixels.shape == (1, 16, 3, 112, 112)
    assert float(pixels[0, 0, 0, 0, 0]) == pytest.approx(-mean if not rescaled else -mean / 0.2768, rel=1e-5)


@pytest.mark.parametrize("classes", [487, 101])
def test_c3d_in_both_layouts(classes: int, tmp_path: Path) -> None:
    found = c3d_layout(classes)
    named = convert("c3d", save(found, tmp_path / "c3d.pickle")).model
    layers = {"conv1": 0, "conv2": 3, "conv3a": 6, "conv3b": 8, "conv4a": 11, "conv4b": 13, "conv5a": 16, "conv5b": 18}
    linear = {"fc6": 0, "fc7": 3, "fc8": 6}
    listed = {}
    for name, tensor in found.items():
        part, kind = name.split(".")
        place = f"features.{layers[part]}" if part in layers else f"classifier.{linear[part]}"
        listed[f"{place}.{kind}"] = tensor
    converted = convert("c3d", save(listed, tmp_path / "listed.pth"))
    assert named.config.num_classes == classes
    assert named.config.image_size == 112
    for name, tensor in found.items():
        assert torch.equal(named.state_dict()[name], tensor)
        assert torch.equal(converted.model.state_dict()[name], tensor)
    assert (converted.processor.max_segments, converted.processor.segment_length) == (1, 16)
    assert tuple(converted.processor.image_mean) == (107.76, 102.86, 95.14)


def test_semantic_embedding(tmp_path: Path) -> None:
    found, resnet = semantic_layout()
    checkpoint = {
        "epoch": 1,
        "state_dict": found,
        "best_rec": np.float64(0.5),
        "args_dict": argparse.Namespace(sru=4, dimemb=2400),
    }
    file = save(checkpoint, tmp_path / "best_model.pth.tar")
    converted = convert("semantic-embedding", file, attention=True)
    model = converted.model
    assert (model.config.trunk, model.config.map_size, model.config.embedding_size) == ("resnet18", 24, 20)
    pixels = torch.rand(2, 3, 96, 64)
    with torch.no_grad():
        x = resnet.maxpool(resnet.relu(resnet.bn1(resnet.conv1(pixels))))
        map_ = resnet.layer4(resnet.layer3(resnet.layer2(resnet.layer1(x))))
        map_ = nn.functional.conv2d(
            map_, found["img_emb.module.base_layer.1.weight"], found["img_emb.module.base_layer.1.bias"]
        )
        pooled = map_.flatten(2).mean(2) * 2  # 6 positions, fewer than 15: all are among largest and smallest
        embedding = pooled @ found["fc.module.weight"].T + found["fc.module.bias"]
        embedding = embedding / embedding.square().sum(1, keepdim=True).sqrt()
        torch.testing.assert_close(model.embed_frames(pixels)[0], embedding, atol=1e-5, rtol=1e-4)
    assert model.has_attention
    assert "attention_conv" in converted.notes[1]
    assert converted.processor.size["height"] == 400


def test_torchvision_resnet(tmp_path: Path) -> None:
    resnet = torchvision.models.resnet18().eval()
    converted = convert("resnet", save(resnet.state_dict(), tmp_path / "resnet18.pth"))
    pixels = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        map_ = nn.Sequential(*list(resnet.children())[:-2])(pixels)
        assert torch.equal(converted.model.trunk(pixels), map_)
    assert not converted.model.has_attention


def vgg_layout(repeats: tuple[int, ...]) -> Tensors:
    """torchvision's names, narrow, for frames of 32 pixels."""
    shapes: dict[str, tuple[int, ...]] = {}
    place, n_in = 0, 3
    for n_out, times in zip((2, 3, 4, 5, 6), repeats, strict=True):
        for _ in range(times):
            shapes |= layer(f"features.{place}", n_out, n_in, 3, 3)
            place, n_in = place + 2, n_out
        place += 1
    return tensors(shapes | layer("classifier.0", 8, 6) | layer("classifier.3", 8, 8) | layer("classifier.6", 7, 8))


def test_the_vgg_layout_is_torchvisions() -> None:
    for repeats, peer in (((2, 2, 3, 3, 3), torchvision.models.vgg16), ((2, 2, 4, 4, 4), torchvision.models.vgg19)):
        with torch.device("meta"):
            assert list(peer().state_dict()) == list(vgg_layout(repeats))


def test_vgg(tmp_path: Path) -> None:
    vgg16, vgg19 = vgg_layout((2, 2, 3, 3, 3)), vgg_layout((2, 2, 4, 4, 4))
    first, second = save(vgg16, tmp_path / "vgg16.pth"), save(vgg19, tmp_path / "vgg19.pth")
    shared = convert("vgg16", first).model
    assert shared.caption_vgg is None
    assert shared.config.image_size == 32
    both = convert("vgg16", first, caption_vgg=second).model
    for name, tensor in vgg16.items():
        assert torch.equal(both.vgg.state_dict()[name], tensor)
    for name, tensor in vgg19.items():
        if not name.startswith("classifier.6"):
            assert torch.equal(both.caption_vgg.state_dict()[name], tensor)
    with pytest.raises(CheckpointError, match=r"has features\.17\.weight"):
        convert("vgg16", second)


@pytest.mark.parametrize(
    ("kind", "case", "wrap"),
    [
        ("resmem", test_contract.TestResMem, lambda t: t),
        ("vitmem", test_contract.TestViTMem, lambda t: t),
        ("vitmem", test_contract.TestViTMem, lambda t: {n.removeprefix("vit."): v for n, v in t.items()}),
        ("amnet", test_contract.TestAMNet, lambda t: {"model": t | {"core_cnn.core_cnn.fc.bias": torch.zeros(1000)}}),
    ],
    ids=["ResMem", "ViTMem", "ViTMem, timm's own names", "AMNet"],
)
def test_image_networks(kind: str, case: type, wrap: Any, tmp_path: Path) -> None:
    contract = case()
    changes = {"horizons": ["short_term"]}
    if kind == "vitmem":
        changes |= {"hidden_size": 128, "num_attention_heads": 2}
    model = contract.model(**changes)
    converted = convert(kind, save(wrap(model.state_dict()), tmp_path / "weights.pkl"))
    pixels = contract.inputs()["pixel_values_videos"]
    with torch.no_grad():
        assert torch.equal(converted.model(pixels).scores, model(pixels).scores)
    assert converted.model.config.to_diff_dict() == model.config.to_diff_dict()


def test_a_vision_transformer_of_classes_gets_a_new_head(tmp_path: Path) -> None:
    found = test_contract.TestViTMem().model(horizons=["short_term"]).state_dict()
    found |= tensors(layer("vit.head", 50, 24))
    converted = convert("vitmem", save(found, tmp_path / "vit.pth"))
    assert "50 classes" in converted.notes[0]
    assert converted.model.vit.head.out_features == 1


def test_command_writes_a_folder_that_loads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "weights.safetensors"
    save_file(resnet3d_layout("B", 700), file)
    command("resnet3d", file, tmp_path / "out", horizon=["short_term"])
    assert "ResNet3DModel" in capsys.readouterr().out
    model = AutoModel.from_pretrained(tmp_path / "out")
    assert torch.equal(model.state_dict()["conv1.weight"], resnet3d_layout("B", 700)["conv1.weight"])
    assert AutoVideoProcessor.from_pretrained(tmp_path / "out").segment_length == 16
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "weights.safetensors"]
    with pytest.raises(InputError, match="exists and is not an empty folder"):
        command("resnet3d", file, tmp_path / "out")
    with pytest.raises(InputError, match="checkpoints of kind resnet3d have no option attention"):
        command("resnet3d", file, tmp_path / "other", attention=True)
    with pytest.raises(InputError, match="no kind of checkpoint is called 'resnet4d'"):
        command("resnet4d", file, tmp_path / "other")
    with pytest.raises(InputError, match="'1 day' cannot name a horizon"):
        command("resnet3d", file, tmp_path / "other", horizon=["1 day"])
    assert not (tmp_path / "other").exists()


def test_names_that_do_not_match_are_named(tmp_path: Path) -> None:
    found = memnet_layout()
    del found["fc7.bias"]
    found["fc9.weight"] = torch.zeros(1)
    found["conv1.bias"] = torch.zeros(5)
    with pytest.raises(CheckpointError) as error:
        convert("memnet", save(found, tmp_path / "memnet.pth"))
    message = str(error.value)
    assert "missing: fc7.bias" in message
    assert "not known: fc9.weight" in message
    assert "conv1.bias (5,) instead of (6,)" in message
    for kind in set(KINDS) - {"memnet"}:
        with pytest.raises(CheckpointError, match=r"memnet\.pth"):
            convert(kind, tmp_path / "memnet.pth")


class Hostile:
    """Runs a command when it is unpickled."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.witness}",)


def test_files_with_code_are_refused_and_nothing_runs(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    hostile = Hostile(witness)
    files = [
        save({"state_dict": memnet_layout() | {"x": hostile}}, tmp_path / "zip.pth"),
        save(nn.Linear(2, 2), tmp_path / "module.pth"),
    ]
    torch.save({"x": hostile}, tmp_path / "legacy.pth", _use_new_zipfile_serialization=False)
    for protocol in (2, 4):
        (tmp_path / f"{protocol}.pkl").write_bytes(pickle.dumps({"x": hostile}, protocol))
        files.append(tmp_path / f"{protocol}.pkl")
    for file in [*files, tmp_path / "legacy.pth"]:
        with pytest.raises(CheckpointError, match="is refused") as error:
            read_tensors(file)
        assert "\n" not in str(error.value)
    with pytest.raises(CheckpointError, match=r"posix\.system"):
        read_tensors(files[0])
    assert not witness.exists()


def test_damaged_and_foreign_files(tmp_path: Path) -> None:
    whole = save(memnet_layout(), tmp_path / "whole.pth").read_bytes()
    save_file(memnet_layout(), tmp_path / "whole.safetensors")
    safe = (tmp_path / "whole.safetensors").read_bytes()
    contents = {
        "empty.pth": b"",
        "text.pth": b"hello world",
        "half.pth": whole[: len(whole) // 2],
        "half.safetensors": safe[: len(safe) // 2],
        "zeros.safetensors": bytes(100),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(CheckpointError, match=name):
            read_tensors(tmp_path / name)
    with pytest.raises(CheckpointError, match="no such file"):
        read_tensors(tmp_path / "missing.pth")
    with pytest.raises(CheckpointError, match="holds a list, not weights by name"):
        read_tensors(save([1, 2], tmp_path / "list.pth"))
    with pytest.raises(CheckpointError, match="epoch is something else"):
        read_tensors(save({"a": torch.zeros(1), "epoch": 3}, tmp_path / "mixed.pth"))
    with pytest.raises(CheckpointError, match="not a NumPy file"):
        convert("memnet", save(memnet_layout(), tmp_path / "m.pth"), mean_image=tmp_path / "text.pth")
