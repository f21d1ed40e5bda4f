"""What `transformers` checks of every model: outputs, arguments, initialisation, types; on all predictors."""

import copy
import inspect
import pickle
from typing import Any

import pytest
import torch
from transformers import AutoModel, PreTrainedModel

from tests.common import BATCH
from tests.models.subjects import Subject, subject, tensors
from tests.models.test_contract import TestFeatureMLP as Features
from tests.models.test_contract import TestViTMem as ViTMem
from videomem_hf.models.configuration_c3d import C3DConfig
from videomem_hf.models.modeling_c3d import C3DModel

__all__ = ["subject"]


def assert_equal(found: Any, expected: Any, atol: float = 0.0) -> None:
    """The same tensors by name, up to so much."""
    found, expected = tensors(found), tensors(expected)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, atol=atol, rtol=atol, equal_nan=True, msg=name)


def test_a_tuple_has_the_values_in_their_order(subject: Subject) -> None:
    extras = {"labels": subject.labels, "output_hidden_states": True}
    named = subject.run(**extras)
    assert next(iter(named)) == "loss"
    for plain in (subject.run(**extras, return_dict=False), copy.deepcopy(subject.model)):
        if isinstance(plain, PreTrainedModel):
            plain.config.return_dict = False
            assert subject.run(plain, return_dict=True).scores is not None
            plain = subject.run(plain, **extras)
        assert type(plain) is tuple
        assert len(plain) == len(named)
        for value, expected in zip(plain, named.values(), strict=True):
            torch.testing.assert_close(value, expected, atol=0, rtol=0, equal_nan=True)


def test_hidden_states_are_of_clips(subject: Subject) -> None:
    assert "hidden_states" not in subject.run()
    plain, found = subject.run(), subject.run(output_hidden_states=True)
    torch.testing.assert_close(found.scores, plain.scores, atol=0, rtol=0)
    model = copy.deepcopy(subject.model)
    model.config.output_hidden_states = True
    by_config = subject.run(model)
    assert len(found.hidden_states) == len(by_config.hidden_states) >= 1
    rows = subject.inputs[next(iter(subject.inputs))].shape[1] // subject.segment_length
    for state, same in zip(found.hidden_states, by_config.hidden_states, strict=True):
        assert torch.equal(state, same)
        assert state.shape[0] == BATCH
        assert not subject.reads_frames or state.shape[1] == rows
        assert state.isfinite().all()
    assert "hidden_states" not in subject.run(model, output_hidden_states=False)


def test_hidden_states_of_vitmem_are_those_of_its_blocks() -> None:
    model, pixels = ViTMem().model(), ViTMem().inputs()["pixel_values_videos"]
    with torch.no_grad():
        states = model(pixels, output_hidden_states=True).hidden_states
        assert len(states) == model.config.num_hidden_layers + 1
        x = model.vit.patch_embed(pixels.flatten(0, 1)) + model.vit.pos_embed[:, 1:]
        torch.testing.assert_close(states[0][:, :, 1:].flatten(0, 1), x)
        last = model.vit.norm(states[-1])[:, :, 0]
        torch.testing.assert_close(model(features=last).scores, model(pixels).scores)


def test_hidden_states_of_features_are_the_hidden_units() -> None:
    model, features = Features().model(), Features().inputs()["features"]
    with torch.no_grad():
        states = model(features, output_hidden_states=True).hidden_states
        first = model.layers[0](features).tanh()
        torch.testing.assert_close(states[0], first)
        torch.testing.assert_close(states[1], model.layers[1](first).tanh())
    assert len(states) == 2


def test_attentions_by_the_configuration(subject: Subject) -> None:
    """Asked for by the configuration they are given where they are; by the argument they are refused elsewhere."""
    config = subject.contract.tiny_config(output_attentions=True)
    torch.manual_seed(0)
    model = type(subject.model)(config).eval()
    assert ("attentions" in subject.run(model)) == model.has_attention
    assert "attentions" not in subject.run(model, output_attentions=False)
    later = copy.deepcopy(subject.model)
    later.config.output_attentions = True
    if model.has_attention:
        expected = subject.run(output_attentions=True)
        assert torch.equal(subject.run(later).attentions, expected.attentions)
        features = torch.zeros(1, 2, 3)
        with pytest.raises(ValueError, match="output_attentions=True needs pixels"):
            model(features=features, output_attentions=True)


def test_positions_equal_keywords(subject: Subject) -> None:
    forward = inspect.signature(subject.model.forward)
    given = subject.padded(padding=0.0) | {"labels": subject.labels, "output_hidden_states": True}
    last = max(list(forward.parameters).index(name) for name in given)
    positions = [given.get(name) for name in list(forward.parameters)[: last + 1]]
    with torch.no_grad():
        assert_equal(subject.model(*positions), subject.model(**given))


def test_a_batch_with_padding_equals_single_clips(subject: Subject) -> None:
    asked: dict[str, Any] = {"output_hidden_states": True}
    if subject.model.has_attention:
        asked["output_attentions"] = True
    with torch.no_grad():
        together = tensors(subject.model(**subject.padded(), **asked))
        for clip in range(BATCH):
            alone = tensors(subject.model(**subject.alone(clip), **asked))
            assert alone.keys() == together.keys()
            for name, value in alone.items():
                found = together[name][clip : clip + 1]
                if subject.reads_frames and value.ndim > 1:
                    assert not found[:, value.shape[1] :].any() or name in ("scores", "intervals"), name
                    found = found[:, : value.shape[1]]
                torch.testing.assert_close(found, value, atol=2e-5, rtol=1e-4, msg=name)


def test_it_is_deterministic(subject: Subject) -> None:
    before = subject.model.config.to_dict()
    assert_equal(subject.run(output_hidden_states=True), subject.run(output_hidden_states=True))
    assert subject.model.config.to_dict() == before


def test_a_seed_gives_the_weights(subject: Subject) -> None:
    models = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        models.append(AutoModel.from_config(subject.contract.tiny_config()).state_dict())
    first, again, other = models
    assert all(torch.equal(first[name].nan_to_num(9), again[name].nan_to_num(9)) for name in first)
    assert any(not torch.equal(first[name].nan_to_num(9), other[name].nan_to_num(9)) for name in first)


def test_copies_and_pickles_are_independent(subject: Subject) -> None:
    subject.run(output_hidden_states=True)
    expected = subject.run(output_hidden_states=True)
    for twin in (copy.deepcopy(subject.model), pickle.loads(pickle.dumps(subject.model))):
        assert_equal(subject.run(twin, output_hidden_states=True), expected)
        for parameter in twin.parameters():
            parameter.data.zero_()
    assert_equal(subject.run(output_hidden_states=True), expected)


def test_bfloat16_arithmetic_changes_scores_little(subject: Subject) -> None:
    model = subject.contract.varied_model()
    inputs = {name: values.abs() % 1 for name, values in subject.inputs.items()}
    with torch.no_grad():
        expected = model(**inputs).scores
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = model(**inputs).scores
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, atol=0.0 if model.stays_float32 else 0.01, rtol=0)


def test_both_implementations_of_attention_are_equal() -> None:
    contract = ViTMem()
    by_default = contract.model()
    assert by_default.config._attn_implementation == "sdpa"
    torch.manual_seed(0)
    eager = AutoModel.from_config(contract.tiny_config(), attn_implementation="eager").eval()
    assert eager.config._attn_implementation == "eager"
    asked = {"output_hidden_states": True, "output_attentions": True}
    with torch.no_grad():
        expected = by_default(**contract.inputs(), **asked)
        assert_equal(eager(**contract.inputs(), **asked), expected, atol=1e-5)
        eager.set_attn_implementation("sdpa")
        assert eager.vit.blocks[0].attn.config._attn_implementation == "sdpa"
        assert_equal(eager(**contract.inputs(), **asked), expected)


def test_eager_attention_is_what_runs_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("scaled_dot_product_attention")

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", refuse)
    contract = ViTMem()
    eager = AutoModel.from_config(contract.tiny_config(), attn_implementation="eager").eval()
    assert eager(**contract.inputs()).scores.isfinite().all()
    with pytest.raises(AssertionError, match="scaled_dot_product"):
        contract.model()(**contract.inputs())


def test_features_of_c3d_come_as_a_tuple_and_with_hidden_states() -> None:
    model = C3DModel(C3DConfig(num_classes=5, hidden_sizes=[2, 2, 2, 2, 2], fc_size=8, image_size=16)).eval()
    pixels = torch.rand(2, 32, 3, 16, 16)
    with torch.no_grad():
        named = model(pixels, output_hidden_states=True)
        plain = model(pixel_values_videos=pixels, output_hidden_states=True, return_dict=False)
        assert "hidden_states" not in model(pixels)
    assert len(named.hidden_states) == 8
    assert {state.shape[:2] for state in named.hidden_states} == {(2, 2)}
    for value, expected in zip(plain, named.values(), strict=True):
        torch.testing.assert_close(value, expected, atol=0, rtol=0)
