"""Exports in float16 and int8, and those that are refused because the network gives something else."""

import copy
import json
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.inference.exported import clip, save
from tests.models import test_frame_attention
from videomem_hf.inference.export import checks, export_onnx
from videomem_hf.inference.export.graph import part_to_onnx
from videomem_hf.inference.export.quantization import quantize
from videomem_hf.inference.export.reduction import WEIGHT_GROUPS
from videomem_hf.inference.export.weights import reduce_weights, weight_groups
from videomem_hf.inference.onnx import load_onnx_predictor
from videomem_hf.inference.onnx.facts import ExportFacts
from videomem_hf.models.configuration_frame_attention import FrameAttentionConfig
from videomem_hf.schema import InputError

__all__ = ["clip"]


class Wide(test_frame_attention.TestFrameAttention):
    """With weights that are worth fewer bits."""

    def tiny_config(self, **changes: Any) -> FrameAttentionConfig:
        return FrameAttentionConfig(**changes)


@pytest.fixture(scope="module")
def trace_wide() -> Any:
    """In place of `part_to_onnx`, for the wide model alone: its graph is traced once."""
    known: dict[str, Any] = {}

    def trace(part: Any) -> Any:
        if part.name not in known:
            known[part.name] = part_to_onnx(part)
        return copy.deepcopy(known[part.name])

    return trace


@pytest.fixture(scope="module")
def wide_folders(tmp_path_factory: pytest.TempPathFactory, trace_wide: Any) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("wide")
    save(Wide, folder / "run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("videomem_hf.inference.export.run.part_to_onnx", trace_wide)
        export_onnx(str(folder / "run"), folder / "onnx")
    return folder / "run", folder / "onnx"


@pytest.fixture
def wide(wide_folders: tuple[Path, Path], trace_wide: Any, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A model with weights that are worth fewer bits, and its export in float32."""
    monkeypatch.setattr("videomem_hf.inference.export.run.part_to_onnx", trace_wide)
    return wide_folders


@pytest.mark.parametrize(("dtype", "share"), [("float16", 0.65), ("int8", 0.5)])
def test_weights_in_fewer_bits_keep_the_ranks(
    dtype: str, share: float, wide: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In int8 this is what remains where computing in it changes ranks."""

    def spoil(proto: Any, batches: Any, first: int, last: int) -> Any:
        found = quantize(proto, batches, first, last)
        for tensor in found.graph.initializer:
            if tensor.name.endswith("_scale"):
                values = onnx.numpy_helper.to_array(tensor)
                tensor.CopyFrom(onnx.numpy_helper.from_array(np.asarray(values * 40, np.float32), tensor.name))
        return found

    monkeypatch.setattr("videomem_hf.inference.export.reduction.quantize", spoil)
    run, full = wide
    facts = export_onnx(str(run), tmp_path / "onnx", dtype)
    assert facts.checks["rank_correlation_with_float32"] >= 0.995
    assert not facts.quantized
    assert any(f"stored as {dtype}" in caveat for caveat in facts.caveats)
    assert facts.version.endswith(f"-{dtype}")
    sizes = [(folder / "model.onnx").stat().st_size for folder in (tmp_path / "onnx", full)]
    assert sizes[0] < share * sizes[1]


def test_int8_stores_what_changes_ranks_most_as_float16(
    wide: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One group of weights after the other, by how well ranks agree with this one alone in int8."""
    first, second, *others = weight_groups([onnx.load(wide[1] / "model.onnx")], WEIGHT_GROUPS)
    assert others
    alone = [0.993, 0.98, *[0.999] * len(others)]
    agreements = iter([0.9, 0.99, *alone, 0.9949, 0.996])  # computing, all, each alone; one and two in float16
    monkeypatch.setattr("videomem_hf.inference.export.reduction.rank_correlation", lambda *args: next(agreements))
    facts = export_onnx(str(wide[0]), tmp_path / "onnx", "int8")
    assert (facts.dtype, facts.quantized) == ("int8 and float16", False)
    assert any("stored as int8 and float16" in caveat and "by 0.9960" in caveat for caveat in facts.caveats)
    names = {each.name for each in onnx.load(tmp_path / "onnx/model.onnx").graph.initializer}
    assert {f"{name}.float16" for name in (*first, *second)} <= names
    assert {f"{name}.int8" for group in others for name in group} <= names


def test_groups_of_weights_are_of_neighbours_and_similar_size() -> None:
    sizes = {"a": 70, "b": 30, "c": 40, "tiny": 5, "d": 35, "e": 45}
    weights = [onnx.numpy_helper.from_array(np.ones((40, n), np.float32), name) for name, n in sizes.items() if n > 5]
    weights.insert(3, onnx.numpy_helper.from_array(np.ones((5, 5), np.float32), "tiny"))
    proto = onnx.helper.make_model(onnx.helper.make_graph([], "g", [], [], initializer=weights))
    assert weight_groups([proto], 3) == [["a"], ["b", "c"], ["d", "e"]]
    assert weight_groups([proto], 1) == [["a", "b", "c", "d", "e"]]


def test_int8_computes_in_it(wide: Any, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random weights give nearly equal scores, whose ranks need not agree as well as those of a trained model."""
    monkeypatch.setattr("videomem_hf.inference.export.reduction.LEAST_RANK_CORRELATION", 0.5)
    run, full = wide
    facts = export_onnx(str(run), tmp_path / "onnx", "int8")
    assert facts.quantized
    assert 0.5 <= facts.checks["rank_correlation_with_float32"] < 1
    assert any("Computes in int8, quantised on 32 generated clips" in caveat for caveat in facts.caveats)
    graph = onnx.load(tmp_path / "onnx/model.onnx").graph
    quantized = {node.output[0] for node in graph.node if node.op_type == "QuantizeLinear"}
    assert len(quantized) > 4  # activations; those of weights are stored so
    weights = {each.name: each.data_type for each in graph.initializer}
    assert any(kind == onnx.TensorProto.INT8 for kind in weights.values())
    assert ExportFacts.read(tmp_path / "onnx").quantized
    expected, found = (load_onnx_predictor(folder).predict(clip) for folder in (full, tmp_path / "onnx"))
    np.testing.assert_allclose(found.frame_scores, expected.frame_scores, atol=0.15)
    assert not np.array_equal(found.frame_scores, expected.frame_scores)


def test_weights_of_large_networks_lie_in_a_file_of_their_own(
    wide: Any, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("videomem_hf.inference.export.run.LARGEST_FILE", 100_000)
    monkeypatch.setattr("videomem_hf.inference.export.reduction.LEAST_RANK_CORRELATION", 0.5)
    expected = load_onnx_predictor(wide[1]).predict(clip)
    for dtype in ("float32", "int8"):
        out = tmp_path / dtype
        facts = export_onnx(str(wide[0]), out, dtype)
        assert (out / "model.onnx.data").stat().st_size > (out / "model.onnx").stat().st_size / 2
        metadata = onnxruntime.InferenceSession(str(out / "model.onnx")).get_modelmeta().custom_metadata_map
        assert json.loads(metadata["caveats"]) == list(facts.caveats)
        found = load_onnx_predictor(out).predict(clip)
        np.testing.assert_allclose(found.frame_scores, expected.frame_scores, atol=1e-6 if dtype == "float32" else 0.15)
    plain, reduced = (tmp_path / dtype / "model.onnx.data" for dtype in ("float32", "int8"))
    assert reduced.stat().st_size < 0.4 * plain.stat().st_size  # and not what was tried before


def test_ranks_that_change_are_refused(wide: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(proto: Any, dtype: str, in_half: Collection[str]) -> None:
        from onnx import numpy_helper

        reduce_weights(proto, dtype, in_half)
        for tensor in proto.graph.initializer:
            if tensor.name.endswith(".float16"):
                values = numpy_helper.to_array(tensor)
                noise = np.random.default_rng(0).normal(0, values.std() + 0.1, values.shape)
                tensor.CopyFrom(numpy_helper.from_array((values + noise).astype(np.float16), tensor.name))

    monkeypatch.setattr("videomem_hf.inference.export.reduction.reduce_weights", spoil)
    with pytest.raises(InputError, match=r"ranks of 48 generated clips .* take float16 or float32"):
        export_onnx(str(wide[0]), tmp_path / "onnx", "float16")
    assert not (tmp_path / "onnx").exists()


def test_a_network_that_differs_is_refused(wide: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "TOLERANCE", -1.0)
    with pytest.raises(InputError, match="differs from PyTorch by"):
        export_onnx(str(wide[0]), tmp_path / "onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_model_whose_scores_are_no_numbers_is_refused(wide: Any, tmp_path: Path) -> None:
    folder = shutil.copytree(wide[0], tmp_path / "run")
    weights = load_file(folder / "model.safetensors")
    damaged = {name: value * torch.nan for name, value in weights.items()}
    save_file(damaged, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match="the model's score is not a number"):
        export_onnx(str(folder), tmp_path / "onnx")
    assert not (tmp_path / "onnx").exists()
