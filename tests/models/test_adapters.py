"""PEFT's adapters of low rank and torchao's int8 weights, on the predictors."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoModel

from tests.common import BATCH
from tests.models.subjects import Subject, subject
from tests.models.test_contract import TestViTMem as ViTMem

__all__ = ["subject"]

LAYERS = (nn.Linear, nn.Conv2d, nn.Conv3d)
RANK = 4
"""PEFT adapts only convolutions whose number of groups divides it."""


def layers_of(model: Any, kinds: Any = LAYERS) -> list[str]:
    """Names of the layers of a model."""
    return [name for name, module in model.named_modules() if isinstance(module, kinds)]


def test_adapters_train_every_layer(subject: Subject, tmp_path: Path) -> None:
    """They start as the model, train on scores, and are saved and loaded beside it."""
    peft = pytest.importorskip("peft")
    model = copy.deepcopy(subject.contract.model())
    names = [name for name in layers_of(model) if RANK % getattr(model.get_submodule(name), "groups", 1) == 0]
    if not names:
        pytest.skip("it has no layers of weights")
    config = peft.LoraConfig(r=RANK, target_modules=names)
    tuned = peft.get_peft_model(model, config).eval()
    torch.testing.assert_close(subject.run(tuned).scores, subject.run().scores, atol=1e-6, rtol=0)
    trainable = {name: each for name, each in tuned.named_parameters() if each.requires_grad}
    assert all("lora_" in name for name in trainable)
    optimizer = torch.optim.Adam(trainable.values(), lr=0.05)
    for _ in range(2):
        tuned(**subject.inputs, labels=subject.labels).loss.backward()
        optimizer.step()
    outside = [name for name, each in trainable.items() if "lora_B" in name and each.grad is None]
    assert not outside  # every adapted layer is called as a module
    changed = subject.run(tuned).scores
    assert not torch.allclose(changed, subject.run().scores, atol=1e-5)
    tuned.save_pretrained(tmp_path)
    again = peft.PeftModel.from_pretrained(subject.contract.model(), tmp_path).eval()
    torch.testing.assert_close(subject.run(again).scores, changed, atol=1e-6, rtol=0)


def test_adapters_beside_a_saved_model_load_by_its_name(tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    contract = ViTMem()
    contract.model().save_pretrained(tmp_path / "model")
    base = AutoModel.from_pretrained(tmp_path / "model")
    tuned = peft.get_peft_model(base, peft.LoraConfig(r=2, target_modules=["qkv"], init_lora_weights=False))
    tuned.eval().save_pretrained(tmp_path / "adapter")
    with torch.no_grad():
        expected = tuned(**contract.inputs()).scores
        found = AutoModel.from_pretrained(tmp_path / "adapter")(**contract.inputs()).scores
        merged = tuned.merge_and_unload()(**contract.inputs()).scores
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(merged, expected, atol=1e-5, rtol=0)


def test_int8_weights_change_scores_little(subject: Subject) -> None:
    quantization = pytest.importorskip("torchao.quantization")
    model = copy.deepcopy(subject.contract.varied_model()).requires_grad_(False)
    expected = subject.run(model).scores
    names = layers_of(model, nn.Linear)
    quantization.quantize_(model, quantization.Int8WeightOnlyConfig())
    assert all(type(model.get_submodule(name).weight) is not nn.Parameter for name in names)
    found = subject.run(model).scores
    assert found.shape == (BATCH, 2)
    torch.testing.assert_close(found, expected, atol=0.01, rtol=0)


def test_int8_weights_by_the_arguments_of_loading(tmp_path: Path) -> None:
    quantization = pytest.importorskip("torchao.quantization")
    from transformers import TorchAoConfig

    contract = ViTMem()
    model = contract.model()
    model.save_pretrained(tmp_path)
    config = TorchAoConfig(quantization.Int8WeightOnlyConfig())
    loaded = AutoModel.from_pretrained(tmp_path, quantization_config=config)
    with torch.no_grad():
        expected, found = (each(**contract.inputs()).scores for each in (model, loaded))
    assert not torch.equal(found, expected)
    torch.testing.assert_close(found, expected, atol=0.01, rtol=0)
