"""What `transformers` checks of saving and loading: types, devices, shards, sizes and horizons, on all predictors."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.utils import compute_module_sizes
from huggingface_hub.errors import StrictDataclassError
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModel, PreTrainedModel

from tests.models.subjects import Subject, subject
from tests.models.test_contract import TestMemNet as MemNet
from tests.models.test_contract import TestViTMem as ViTMem
from tests.models.test_multiview import TestMultiView as MultiView
from videomem_hf.models.configuration_memorability import DEFAULT_SCORES, OTHER_SCORES, MemorabilityConfig
from videomem_hf.models.configuration_semantic_embedding import SemanticEmbeddingConfig
from videomem_hf.models.configuration_vitmem import ViTMemConfig
from videomem_hf.models.modeling_multiview import MultiViewModel
from videomem_hf.models.modeling_semantic_embedding import SemanticEmbeddingModel
from videomem_hf.models.modeling_vitmem import ViTMemModel

__all__ = ["subject"]


@pytest.fixture(scope="module")
def folder(subject: Subject, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The common model, saved."""
    path = tmp_path_factory.mktemp("saved")
    subject.model.save_pretrained(path)
    return path


def assert_scores_of(model: Any, subject: Subject, atol: float = 0.0) -> None:
    """The scores of the common model, with and without padding."""
    with torch.no_grad():
        for inputs in (subject.inputs, subject.padded()):
            expected, found = subject.model(**inputs), model(**inputs)
            torch.testing.assert_close(found.scores, expected.scores, atol=atol, rtol=0)


def test_shards_are_put_together(subject: Subject, tmp_path: Path) -> None:
    subject.model.save_pretrained(tmp_path, max_shard_size="4KB")
    shards = list(tmp_path.glob("model-*.safetensors"))
    assert len(shards) > 1 or sum(each.numel() for each in subject.model.state_dict().values()) < 1000
    assert_scores_of(AutoModel.from_pretrained(tmp_path), subject)


@pytest.mark.parametrize("dtype", [torch.bfloat16, "float16", "auto"])
def test_it_is_loaded_in_a_type(subject: Subject, folder: Path, dtype: Any) -> None:
    model = AutoModel.from_pretrained(folder, dtype=dtype)
    wanted = torch.float32 if dtype == "auto" or model.stays_float32 else getattr(torch, str(dtype).split(".")[-1])
    assert model.dtype == wanted
    scores = subject.run(model).scores
    assert scores.dtype == torch.float32
    assert scores.isfinite().all()


@pytest.mark.parametrize("buffers", [False, True])
def test_weights_that_lie_on_a_disk_give_the_same_scores(
    subject: Subject, folder: Path, tmp_path: Path, buffers: bool
) -> None:
    size = compute_module_sizes(subject.model)[""]
    places: list[dict[str, Any]] = [
        {"device_map": "auto", "max_memory": {"cpu": 10 * size}},
        {"device_map": "auto", "max_memory": {"cpu": size // 2}},
        {"device_map": {"": "disk"}},
    ]
    if buffers and isinstance(subject.model, MultiViewModel):
        with pytest.raises(ValueError, match="tensors of one module must lie in one place, and not all of them fit"):
            AutoModel.from_pretrained(folder, **places.pop(1), offload_folder=tmp_path / "no", offload_buffers=True)
    for number, place in enumerate(places):
        offload = tmp_path / str(number)
        model = AutoModel.from_pretrained(folder, **place, offload_folder=offload, offload_buffers=buffers)
        if place is places[-1]:
            assert all(parameter.is_meta for parameter in model.parameters())
        assert_scores_of(model, subject, atol=1e-6)
        if model.has_attention:
            expected = subject.run(output_attentions=True).attentions
            torch.testing.assert_close(subject.run(model, output_attentions=True).attentions, expected)


def test_a_class_token_and_positions_lie_together_where_memory_ends_between_them(tmp_path: Path) -> None:
    model = ViTMem().model()
    model.save_pretrained(tmp_path / "model")
    memory = {"cpu": model.vit.cls_token.nbytes + model.vit.pos_embed.nbytes // 2}
    loaded = AutoModel.from_pretrained(
        tmp_path / "model", device_map="auto", max_memory=memory, offload_folder=tmp_path / "disk"
    )
    assert loaded.vit.blocks[0].mlp.fc1.weight.is_meta
    with torch.no_grad():
        torch.testing.assert_close(loaded(**ViTMem().inputs()).scores, model(**ViTMem().inputs()).scores)


def test_weights_of_a_timm_network_itself_are_fetched_from_a_disk(tmp_path: Path) -> None:
    pytest.importorskip("timm")
    sizes = {"map_size": 6, "pool_size": 2, "embedding_size": 5, "mlp_size": 4}
    config = SemanticEmbeddingConfig(trunk="timm/test_vit", **sizes)
    model = SemanticEmbeddingModel(config).eval()
    model.save_pretrained(tmp_path / "model")
    loaded = AutoModel.from_pretrained(tmp_path / "model", device_map={"": "disk"}, offload_folder=tmp_path / "disk")
    assert loaded.trunk.model.pos_embed.is_meta
    pixels = torch.rand(1, 2, 3, 160, 160)
    with torch.no_grad():
        torch.testing.assert_close(loaded(pixels).scores, model(pixels).scores)
        torch.testing.assert_close(copy.deepcopy(model)(pixels).scores, model(pixels).scores)


def test_blocks_are_not_split(subject: Subject) -> None:
    kinds = {type(each).__name__ for each in subject.model.modules()}
    assert set(subject.model._no_split_modules) <= kinds


def test_blocks_of_vitmem_are_not_split() -> None:
    assert "Block" in ViTMem().model()._no_split_modules


def test_nothing_is_tied(subject: Subject) -> None:
    model = copy.deepcopy(subject.model)
    model.tie_weights()
    assert model.all_tied_weights_keys == {}
    pointers = [each.data_ptr() for each in model.parameters()]
    assert len(set(pointers)) == len(pointers)
    for name, value in subject.model.state_dict().items():
        assert torch.equal(model.state_dict()[name], value) or value.isnan().any()


def test_weights_that_are_missing_start_as_those_of_a_new_model(
    subject: Subject, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A seed before each module, as the order of modules differs."""
    initialize = PreTrainedModel._initialize_weights

    def seeded(self: Any, module: Any, *args: Any) -> None:
        torch.manual_seed(0)
        initialize(self, module, *args)

    monkeypatch.setattr(PreTrainedModel, "_initialize_weights", seeded)
    config = AutoConfig.from_pretrained(folder)
    config.save_pretrained(tmp_path)
    save_file({"nothing": torch.zeros(1)}, tmp_path / "model.safetensors", metadata={"format": "pt"})
    new, loaded = AutoModel.from_config(config), AutoModel.from_pretrained(tmp_path)
    values = dict(loaded.named_parameters()) | dict(loaded.named_buffers())
    for name, value in (*new.named_parameters(), *new.named_buffers()):
        torch.testing.assert_close(values[name], value, atol=0, rtol=0, equal_nan=True, msg=name)


def test_one_missing_tensor_leaves_the_others(subject: Subject, folder: Path, tmp_path: Path) -> None:
    config = AutoConfig.from_pretrained(folder)
    config.save_pretrained(tmp_path)
    weights = load_file(folder / "model.safetensors")
    for missing in list(weights)[:: max(1, len(weights) // 4)]:
        rest = {name: value for name, value in weights.items() if name != missing}
        save_file(rest, tmp_path / "model.safetensors", metadata={"format": "pt"})
        found = AutoModel.from_pretrained(tmp_path).state_dict()
        for name, value in rest.items():
            torch.testing.assert_close(found[name], value, atol=0, rtol=0, equal_nan=True, msg=f"{missing}: {name}")


@pytest.mark.parametrize("horizons", [["short_term"], ["week", "month"], ["long_term", "short_term"]])
def test_other_horizons_are_refused(subject: Subject, folder: Path, horizons: list[str]) -> None:
    for load in (AutoModel.from_pretrained, type(subject.model).from_pretrained):
        if hasattr(subject.model.config, "base") and "week" in horizons:
            with pytest.raises((ValueError, StrictDataclassError), match=r"predicts no week|saved model predicts"):
                load(folder, horizons=horizons)
        else:
            with pytest.raises(ValueError, match=r"^the saved model predicts .*; give ignore_mismatched_sizes=True"):
                load(folder, horizons=horizons)


@pytest.mark.parametrize("horizons", [["short_term"], ["long_term", "short_term"], ["week", "month"]])
def test_other_horizons_start_untrained_where_that_is_asked_for(
    subject: Subject, folder: Path, horizons: list[str]
) -> None:
    if hasattr(subject.model.config, "base") and "week" in horizons:
        pytest.skip("its base predicts no such horizon")
    torch.manual_seed(1)
    with pytest.warns(UserWarning, match=rf"start untrained for {', '.join(horizons)}$"):
        model = AutoModel.from_pretrained(folder, horizons=horizons, ignore_mismatched_sizes=True)
    assert list(model.config.horizons) == horizons
    known = dict(zip(("short_term", "long_term"), subject.model.config.score_means, strict=True))
    assert list(model.config.score_means) == [known.get(name, OTHER_SCORES[0]) for name in horizons]
    output = subject.run(model, labels=subject.labels[:, : len(horizons)])
    assert output.scores.shape == (len(subject.labels), len(horizons))
    assert output.scores.isfinite().all()
    assert output.loss.isfinite()
    anew = model.horizon_tensors()
    assert anew
    before = subject.model.state_dict()
    for name, value in model.state_dict().items():
        if name not in anew:
            torch.testing.assert_close(value, before[name], atol=0, rtol=0, equal_nan=True, msg=name)


def test_a_configuration_with_other_horizons_is_refused_too(tmp_path: Path) -> None:
    ViTMem().model().save_pretrained(tmp_path)
    config = AutoConfig.from_pretrained(tmp_path)
    config.horizons = ["week", "month"]
    with pytest.raises(ValueError, match=r"^the saved model predicts short_term, long_term, and week, month is asked"):
        AutoModel.from_pretrained(tmp_path, config=config)
    config.horizons = ["week"]
    with pytest.raises(ValueError, match="score_means and score_stds must have one value for each of"):
        ViTMemModel(config)


def test_the_head_of_the_same_size_is_made_anew(tmp_path: Path) -> None:
    model = MemNet().model()
    torch.nn.init.normal_(model.fc8.weight)
    model.save_pretrained(tmp_path)
    with pytest.warns(UserWarning, match=r"fc8\.bias, fc8\.weight start untrained for week, month"):
        loaded = AutoModel.from_pretrained(tmp_path, horizons=["week", "month"], ignore_mismatched_sizes=True)
    assert loaded.fc8.weight.std() < 0.01 < model.fc8.weight.std()
    torch.testing.assert_close(loaded.fc8.bias, torch.tensor([0.5, 0.5]))


def test_score_statistics_follow_the_horizons_by_name(tmp_path: Path) -> None:
    saved = ViTMemConfig(horizons=["short_term", "week"], score_means=[0.6, 0.3], score_stds=[0.11, 0.12])
    saved.save_pretrained(tmp_path)
    config = AutoConfig.from_pretrained(tmp_path, horizons=["week", "long_term"])
    assert list(config.score_means) == [0.3, DEFAULT_SCORES["long_term"][0]]
    assert list(config.score_stds) == [0.12, DEFAULT_SCORES["long_term"][1]]
    given = MemorabilityConfig.from_pretrained(tmp_path, horizons=["week"], score_means=[0.4])
    assert (list(given.score_means), list(given.score_stds)) == ([0.4], [0.12])


def test_other_sizes_are_refused_or_start_untrained(tmp_path: Path) -> None:
    model = ViTMem().model()
    model.save_pretrained(tmp_path)
    with pytest.raises(RuntimeError, match="ignore_mismatched_sizes"):
        AutoModel.from_pretrained(tmp_path, intermediate_size=40)
    loaded = AutoModel.from_pretrained(tmp_path, intermediate_size=40, ignore_mismatched_sizes=True)
    assert loaded(**ViTMem().inputs()).scores.isfinite().all()
    assert torch.equal(loaded.vit.pos_embed, model.vit.pos_embed)
    assert 0.01 < loaded.vit.blocks[0].mlp.fc1.weight.std() < 0.03


def test_an_older_multi_view_model_keeps_its_kernels(tmp_path: Path) -> None:
    model = MultiView().model()
    model.gammas.copy_(torch.tensor([0.5, 1.5, 2.5]))
    model.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["count_factors"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    assert torch.equal(AutoModel.from_pretrained(tmp_path).gammas, model.gammas)


def test_tables_of_timms_networks_that_are_not_saved_are_made_again(tmp_path: Path) -> None:
    pytest.importorskip("timm")
    swin = {"img_size": 64, "patch_size": 4, "window_size": 4, "embed_dim": 8, "depths": [1, 1], "num_heads": [1, 1]}
    sizes = {"map_size": 6, "pool_size": 2, "embedding_size": 5, "mlp_size": 4}
    config = SemanticEmbeddingConfig(trunk="timm/swin_tiny_patch4_window7_224", trunk_kwargs=swin, **sizes)
    model = SemanticEmbeddingModel(config).eval()
    model.save_pretrained(tmp_path)
    pixels = torch.rand(1, 2, 3, 64, 64)
    with torch.no_grad():
        expected = model(pixels).scores
        torch.testing.assert_close(AutoModel.from_pretrained(tmp_path)(pixels).scores, expected, atol=0, rtol=0)


def test_saved_files_name_their_shards(tmp_path: Path) -> None:
    ViTMem().model().save_pretrained(tmp_path, max_shard_size="10KB")
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    assert set(index["weight_map"]) == set(ViTMem().model().state_dict())
