"""Gradient checkpointing changes neither scores, gradients nor running statistics, and keeps fewer activations."""

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import nn

from videomem_hf.models import config_class, model_class

NETWORKS: dict[str, tuple[dict[str, Any], int, int]] = {
    "resmem": ({"resnet_layers": [1, 1, 1, 1]}, 1, 227),
    "semantic_embedding": ({"trunk": "resnet18", "map_size": 8, "embedding_size": 8}, 1, 64),
    "resnet3d": ({"depth": 18}, 16, 32),
    "vitmem": ({"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 64}, 1, 224),
    "frame_attention": ({}, 1, 48),
    "memnet": ({}, 1, 256),
    "amnet": ({}, 1, 224),
    "spatiotemporal": ({"temporal": "attention"}, 2, 48),
}
"""Fields of the configuration, frames of a clip, and the side of a frame."""


def network(kind: str) -> Any:
    torch.manual_seed(0)
    config = config_class(kind)
    fields = {name: value for name, value in NETWORKS[kind][0].items() if hasattr(config(), name)}
    return model_class(kind)(config(**fields)).train()


def enable(model: Any) -> None:
    getattr(model, "activation_checkpointing_enable", model.gradient_checkpointing_enable)()


def step(model: Any, kind: str) -> tuple[torch.Tensor, int]:
    """Scores of a batch after whose loss the model has gradients; and the bytes that were kept for them."""
    _, frames, side = NETWORKS[kind]
    pixels = torch.rand(3, frames, 3, side, side, generator=torch.Generator().manual_seed(1))
    labels = torch.rand(3, len(model.config.horizons), generator=torch.Generator().manual_seed(2))
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    torch.manual_seed(3)  # of dropout and crops
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = model(pixel_values_videos=pixels, labels=labels)
    output.loss.backward()
    weights = {each.untyped_storage().data_ptr() for each in (*model.parameters(), *model.buffers())}
    return output.scores.detach(), sum(size for pointer, size in kept.items() if pointer not in weights)


@pytest.mark.parametrize("kind", NETWORKS)
def test_the_same_with_less_memory(kind: str) -> None:
    plain, sparing = network(kind), network(kind)
    enable(sparing)
    assert sparing.gradient_checkpointing
    (expected, kept), (found, fewer) = step(plain, kind), step(sparing, kind)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
    for (name, one), two in zip(plain.named_parameters(), sparing.parameters(), strict=True):
        if one.grad is not None:
            torch.testing.assert_close(two.grad, one.grad, atol=1e-6, rtol=1e-3, msg=name)
    for (name, one), two in zip(plain.named_buffers(), sparing.buffers(), strict=True):
        torch.testing.assert_close(two, one, atol=1e-6, rtol=1e-5, msg=name)
    assert fewer < 0.8 * kept


@pytest.mark.parametrize("kind", ["resnet3d", "vitmem", "memnet"])  # blocks with batch statistics, without; frames
def test_compiled_it_has_the_same_gradients(kind: str) -> None:
    plain, sparing = network(kind), network(kind)
    enable(sparing)
    sparing.compile(backend="eager")
    (expected, _), (found, _) = step(plain, kind), step(sparing, kind)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
    for (name, one), two in zip(plain.named_parameters(), sparing.parameters(), strict=True):
        torch.testing.assert_close(two.grad, one.grad, atol=1e-6, rtol=1e-3, msg=name)


def test_off_again_it_is_the_network_that_it_was() -> None:
    model = network("semantic_embedding")
    kinds = [type(each) for each in model.modules()]
    enable(model)
    assert [type(each) for each in model.modules()] != kinds
    getattr(model, "activation_checkpointing_disable", model.gradient_checkpointing_disable)()
    assert [type(each) for each in model.modules()] == kinds
    assert not model.gradient_checkpointing


def test_a_copy_recomputes_its_own_weights() -> None:
    model = network("semantic_embedding")
    enable(model)
    copied = copy.deepcopy(model)
    nn.init.zeros_(copied.trunk[4][0].conv1.weight)
    step(copied, "semantic_embedding")
    assert model.trunk[4][0].conv1.weight.grad is None
    assert copied.trunk[4][0].conv1.weight.grad is not None


def test_a_pickled_model_recomputes_too() -> None:
    model = network("semantic_embedding")
    enable(model)
    loaded = pickle.loads(pickle.dumps(model))
    assert [type(each) for each in loaded.modules()] == [type(each) for each in model.modules()]
    (expected, kept), (found, same) = step(model, "semantic_embedding"), step(loaded, "semantic_embedding")
    torch.testing.assert_close(found, expected)
    assert same == kept


def test_a_network_that_would_keep_everything_is_refused() -> None:
    model = network("memnet")
    model.normalisation = nn.BatchNorm2d(3)
    with pytest.raises(ValueError, match=r"^MemNetModel has no gradient checkpointing: no blocks, and batch norm"):
        enable(model)
    assert not model.gradient_checkpointing


def test_a_frozen_backbone_gets_no_gradient() -> None:
    model = network("semantic_embedding")
    enable(model)
    model.freeze_backbone()
    step(model, "semantic_embedding")
    assert all((each.grad is not None) == model.in_head(name) for name, each in model.named_parameters())
