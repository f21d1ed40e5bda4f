"""What `transformers` checks of compilers: compiled and exported predictors, and gradient checkpointing."""

import copy
from typing import Any

import pytest
import torch

from tests.models.subjects import Subject, subject, tensors
from videomem_hf.models.modeling_spatiotemporal import BidirectionalGRU

__all__ = ["subject"]


def test_it_compiles_without_a_break(subject: Subject) -> None:
    """Plainly, and with padding, maps and hidden states; `eager` runs what was traced, without a compiler."""
    torch._dynamo.reset()
    compiled = torch.compile(copy.deepcopy(subject.model), backend="eager", fullgraph=True)
    asked: dict[str, Any] = {"output_hidden_states": True}
    if subject.model.has_attention:
        asked["output_attentions"] = True
    for inputs in (subject.inputs, subject.padded() | asked):
        with torch.no_grad():
            assert_equal(compiled(**inputs), subject.model(**inputs))


def assert_equal(found: Any, expected: Any) -> None:
    found, expected = tensors(found), tensors(expected)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, atol=1e-5, rtol=1e-4, equal_nan=True, msg=name)


def test_it_is_exported_with_any_batch_and_frames(subject: Subject) -> None:
    inputs = subject.padded(padding=0.0)
    batch, frames = torch.export.Dim("batch", min=1, max=64), torch.export.Dim("frames", min=1, max=256)
    length = subject.segment_length
    axes = {0: batch, 1: length * frames if length > 1 else frames} if subject.reads_frames else {0: batch}
    program = torch.export.export(subject.model, (), inputs, dynamic_shapes=dict.fromkeys(inputs, axes))
    graph = program.module()
    many = {name: values.repeat(2, 3, *[1] * (values.ndim - 2)) for name, values in inputs.items()}
    if not subject.reads_frames:
        many = {name: values.repeat(2, 1) for name, values in inputs.items()}
    for given in (inputs, many):
        with torch.no_grad():
            assert_equal(graph(**given), subject.model(**given))


def test_gradient_checkpointing_changes_nothing(subject: Subject) -> None:
    if not subject.model.supports_gradient_checkpointing:
        pytest.skip("it is fitted, not trained, or small")
    plain = subject.contract.model().train()
    sparing = copy.deepcopy(plain)
    sparing.gradient_checkpointing_enable()
    outputs = []
    for model in (plain, sparing):
        torch.manual_seed(0)
        outputs.append(model(**subject.inputs, labels=subject.labels, output_hidden_states=True))
        outputs[-1].loss.backward()
    assert torch.equal(outputs[0].scores, outputs[1].scores)
    assert len(outputs[0].hidden_states) == len(outputs[1].hidden_states)
    for (name, one), two in zip(plain.named_parameters(), sparing.parameters(), strict=True):
        if one.grad is not None:
            torch.testing.assert_close(two.grad, one.grad, atol=1e-6, rtol=1e-4, msg=name)


def test_without_a_loop_of_torch_the_recurrence_is_exported_for_as_many_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """`scan`, which gives any number of steps, is not public yet."""
    monkeypatch.setattr("videomem_hf.models.modeling_spatiotemporal.scan", None)
    torch.manual_seed(0)
    own, x = BidirectionalGRU(5, 4), torch.randn(3, 6, 5)
    for parameter in own.parameters():
        torch.nn.init.normal_(parameter)
    torch.testing.assert_close(torch.export.export(own, (x,)).module()(x), own(x))


def test_the_recurrence_is_that_of_torch() -> None:
    """Both directions, with sequences of different lengths packed by torch."""
    torch.manual_seed(0)
    peer = torch.nn.GRU(5, 4, batch_first=True, bidirectional=True)
    own = BidirectionalGRU(5, 4)
    own.load_state_dict(peer.state_dict())
    x, lengths = torch.randn(3, 6, 5), torch.tensor([6, 2, 4])
    packed = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    expected, _ = torch.nn.utils.rnn.pad_packed_sequence(peer(packed)[0], batch_first=True)
    found = own(x, lengths)
    for clip, length in enumerate(lengths):
        torch.testing.assert_close(found[clip, :length], expected[clip, :length])
    torch.testing.assert_close(own(x), peer(x)[0])
