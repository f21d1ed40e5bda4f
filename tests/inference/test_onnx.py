"""Every predictor as ONNX: equal to PyTorch, by itself and as a predictor of clips."""

import copy
import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel

from tests.clips import write_clip
from tests.features.media import moving_frames
from tests.inference import test_feature_predictor
from tests.models import test_adapted, test_backbones, test_frame_attention, test_multiview, test_spatiotemporal
from tests.models import test_contract as contract
from videomem_hf.inference import load_predictor
from videomem_hf.inference.export import checks, export_onnx
from videomem_hf.inference.export.graph import part_to_onnx
from videomem_hf.inference.export.quantization import quantize
from videomem_hf.inference.export.weights import reduce_weights
from videomem_hf.inference.onnx import load_onnx_predictor
from videomem_hf.inference.onnx.facts import ExportFacts
from videomem_hf.inference.onnx.processing import FrameProcessor
from videomem_hf.inference.typicality import Typicality
from videomem_hf.models.configuration_frame_attention import FrameAttentionConfig
from videomem_hf.models.video_processing_memorability import MemorabilityVideoProcessor
from videomem_hf.run_files import REFERENCE_FILE, TYPICALITY_FILE
from videomem_hf.schema import InputError
from videomem_hf.training.initial import initial_config

OF_FRAMES = {
    "memnet": contract.TestMemNet,
    "resmem": contract.TestResMem,
    "vitmem": contract.TestViTMem,
    "amnet": contract.TestAMNet,
    "squalli": contract.TestSqualli,
    "semantic embedding": contract.TestSemanticEmbedding,
    "semantic embedding with attention": contract.TestSemanticEmbeddingWithAttention,
    "resnet3d": contract.TestResNet3DShortcutA,
    "frame attention": test_frame_attention.TestFrameAttention,
    "spatiotemporal": test_spatiotemporal.TestSpatioTemporal,
    "spatiotemporal gru": test_spatiotemporal.TestSpatioTemporalGRU,
    "spatiotemporal mean": test_spatiotemporal.TestSpatioTemporalMean,
    "semantic embedding of transformers": test_backbones.TestSemanticHeadOnSigLIP,
    "spatiotemporal on a network of videos": test_backbones.TestSpatioTemporalOnVJEPA2,
}
ATTEND = ("vitmem", "amnet", "semantic embedding with attention", "frame attention", "spatiotemporal")


class Wide(test_frame_attention.TestFrameAttention):
    """With weights that are worth fewer bits."""

    def tiny_config(self, **changes: Any) -> FrameAttentionConfig:
        return FrameAttentionConfig(**changes)


def save(kind: Any, folder: Path) -> Path:
    """A tiny model and a processor that gives it frames of its size."""
    test = kind()
    model = test.varied_model()
    model.save_pretrained(folder)
    _, height, width = test.frame_shape
    processor = MemorabilityVideoProcessor(
        size={"height": height, "width": width}, segment_length=getattr(model.config, "segment_length", None) or 1
    )
    processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    frames = [np.kron(rng.integers(0, 255, (6, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8) for _ in range(14)]
    return write_clip(tmp_path_factory.mktemp("clips") / "c.webm", frames, fps=4)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """From the name of a model to its folder and that of its export, which is made once."""

    @cache
    def export(name: str) -> tuple[Path, Path]:
        folder = tmp_path_factory.mktemp("model")
        save(OF_FRAMES[name], folder / "run")
        export_onnx(str(folder / "run"), folder / "onnx")
        return folder / "run", folder / "onnx"

    return export


@pytest.fixture(scope="module")
def attention(exported: Any) -> tuple[Path, Path]:
    """A model with attention, and its export."""
    found: tuple[Path, Path] = exported("frame attention")
    return found


@pytest.mark.parametrize("name", OF_FRAMES)
def test_clips_get_the_scores_and_maps_of_pytorch(name: str, exported: Any, clip: Path) -> None:
    run, export = exported(name)
    assert ExportFacts.read(export).checks["largest_difference_from_pytorch"] <= 1e-4
    expected = load_predictor(str(run), "cpu").predict(clip, maps=name in ATTEND)
    found = load_onnx_predictor(export).predict(clip, maps=name in ATTEND)
    assert found.scores.keys() == expected.scores.keys()
    np.testing.assert_allclose(found.frame_scores, expected.frame_scores, atol=1e-5)
    assert list(found.scores.values()) == pytest.approx(list(expected.scores.values()), abs=1e-5)
    assert (found.caveats, found.model_version, found.notes) == (
        expected.caveats,
        expected.model_version,
        expected.notes,
    )
    if expected.temporal_weights is not None:
        np.testing.assert_allclose(found.temporal_weights, expected.temporal_weights, atol=1e-5)
    if name in ATTEND:
        np.testing.assert_allclose(found.saliency.maps, expected.saliency.maps, atol=1e-5)
        assert (found.saliency.seen, found.saliency.covered) == (expected.saliency.seen, expected.saliency.covered)


def test_the_file_names_what_it_takes_and_gives_and_what_it_is(attention: tuple[Path, Path]) -> None:
    session = onnxruntime.InferenceSession(str(attention[1] / "model.onnx"), providers=["CPUExecutionProvider"])
    (pixels,) = session.get_inputs()
    assert (pixels.name, pixels.shape) == ("pixel_values_videos", ["batch", "frames", 3, "height", "width"])
    assert {each.name: each.shape for each in session.get_outputs()} == {
        "scores": ["batch", 2],
        "frame_scores": ["batch", "frames", 2],
        "attentions": ["batch", "frames", "map_height", "map_width"],
    }
    about = session.get_modelmeta().custom_metadata_map
    assert json.loads(about["horizons"]) == ["short_term", "long_term"]
    assert json.loads(about["processor"])["fps"] == 1.0
    assert json.loads((attention[1] / "export.json").read_text())["opset"] == 20


@pytest.fixture(scope="module")
def of_columns(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    """A model of features and one of views, each with its export."""
    folder = tmp_path_factory.mktemp("columns")
    test_feature_predictor.save_model(folder / "features", ["colorhistogram", "hmp"], [2304, 6075])
    torch.manual_seed(0)
    names, sizes = ["hmp", "colorhistogram"], [6075, 2304]
    layers = {
        "view_roots": [True] * 2, "view_units": [False] * 2, "view_kernels": ["rbf"] * 2, "summands": [[0], [1]],
        "patterns": [[0, 1], [0], [1]],
    }  # fmt: skip
    model = test_multiview.TestMultiView().model(view_names=names, view_sizes=sizes, **layers)
    model.save_pretrained(folder / "views")
    found = {kind: (folder / kind, folder / f"{kind}-onnx") for kind in ("features", "views")}
    for run, export in found.values():
        export_onnx(str(run), export)
    return found


@pytest.mark.parametrize("argument", ["features", "views"])
def test_columns_are_named_inputs(argument: str, of_columns: Any) -> None:
    run, export = of_columns[argument]
    model = AutoModel.from_pretrained(run)
    session = onnxruntime.InferenceSession(str(export / "model.onnx"), providers=["CPUExecutionProvider"])
    names = list(getattr(model.config, "view_names", None) or model.config.feature_names)
    assert [each.name for each in session.get_inputs()] == names
    rng = np.random.default_rng(1)
    columns = {each.name: rng.random((5, each.shape[1]), np.float32) for each in session.get_inputs()}
    if argument == "views":
        columns[names[0]][:2] = np.nan  # clips that lack a view
    with torch.no_grad():
        expected = model(**{argument: {name: torch.from_numpy(each) for name, each in columns.items()}})
    np.testing.assert_allclose(session.run(["scores"], columns)[0], expected.scores, atol=1e-5)
    if argument == "views":
        np.testing.assert_allclose(session.run(["intervals"], columns)[0], expected.intervals, atol=1e-5)


def test_claims_travel_and_typicality_is_that_of_pytorch(clip: Path, tmp_path: Path) -> None:
    run = save(OF_FRAMES["frame attention"], tmp_path / "run")
    predictor = load_predictor(str(run), "cpu")
    groups = describe(predictor, clip)
    rng = np.random.default_rng(0)
    made_up = [
        {
            name: rows.mean(axis=0) + rng.normal(0, rows.std() + 0.1, (60, rows.shape[1]))
            for name, rows in groups.items()
        }
        for _ in range(2)
    ]
    Typicality.fit(*made_up).save(run / TYPICALITY_FILE)
    quantiles = {"short_term": list(np.linspace(0, 1, 101)), "long_term": list(np.linspace(0, 1, 101))}
    stored = {"data": "a test", "clips": 60, "quantiles": quantiles, "fits": {}, "difference_error": {}}
    (run / REFERENCE_FILE).write_text(json.dumps(stored))
    export_onnx(str(run), tmp_path / "onnx")
    expected = load_predictor(str(run), "cpu").predict(clip)
    found = load_onnx_predictor(tmp_path / "onnx").predict(clip)
    assert expected.typicality is not None
    assert found.typicality == pytest.approx(expected.typicality, abs=1e-9)
    assert found.percentiles == pytest.approx(expected.percentiles, abs=0.01)
    assert found.to_dict()["among"] == "of 60 held-out clips of a test"


def describe(predictor: Any, clip: Path) -> dict[str, np.ndarray]:
    """What describes the frames of a clip, with a model that has no typicality yet."""
    from videomem_hf.inference.frame_statistics import FrameStatistics

    statistics = FrameStatistics(predictor.model)
    pixels = torch.from_numpy(predictor.extract(clip)[0]["pixel_values_videos"])[:, None]
    with torch.no_grad():
        predictor.model(pixel_values_videos=pixels)
    found = {name: values.numpy() for name, values in statistics.describe(pixels).items()}
    statistics.close()
    return found


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

    monkeypatch.setattr("videomem_hf.inference.export.run.quantize", spoil)
    run, full = wide
    facts = export_onnx(str(run), tmp_path / "onnx", dtype)
    assert facts.checks["rank_correlation_with_float32"] >= 0.995
    assert not facts.quantized
    assert any(f"stored as {dtype}" in caveat for caveat in facts.caveats)
    assert facts.version.endswith(f"-{dtype}")
    sizes = [(folder / "model.onnx").stat().st_size for folder in (tmp_path / "onnx", full)]
    assert sizes[0] < share * sizes[1]


def test_int8_stores_tensors_as_float16_until_ranks_agree(
    wide: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agreements = iter([0.9, 0.99, 0.996])  # computing in int8, all tensors in it, three quarters of them
    monkeypatch.setattr("videomem_hf.inference.export.run.rank_correlation", lambda *args: next(agreements))
    facts = export_onnx(str(wide[0]), tmp_path / "onnx", "int8")
    assert (facts.dtype, facts.quantized) == ("int8 and float16", False)
    assert any("stored as int8 and float16" in caveat and "by 0.9960" in caveat for caveat in facts.caveats)
    kinds = [each.data_type for each in onnx.load(tmp_path / "onnx/model.onnx").graph.initializer]
    assert {onnx.TensorProto.INT8, onnx.TensorProto.FLOAT16} <= set(kinds)


def test_the_tensors_that_8_bits_change_most_become_float16() -> None:
    rng = np.random.default_rng(0)
    even, uneven = (rng.normal(size=(40, 40)).astype(np.float32) for _ in range(2))
    uneven[:, 0] *= 500  # leaves few levels to the others of a channel
    weights = [onnx.numpy_helper.from_array(each, name) for name, each in (("even", even), ("uneven", uneven))]
    graph = onnx.helper.make_graph([], "g", [], [], initializer=weights)
    proto = onnx.helper.make_model(graph)
    reduce_weights(proto, "int8", 0.5)
    stored = {each.name: each.data_type for each in proto.graph.initializer}
    assert stored["uneven.float16"] == onnx.TensorProto.FLOAT16
    assert stored["even.int8"] == onnx.TensorProto.INT8


def test_int8_computes_in_it(wide: Any, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random weights give nearly equal scores, whose ranks need not agree as well as those of a trained model."""
    monkeypatch.setattr("videomem_hf.inference.export.run.LEAST_RANK_CORRELATION", 0.5)
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


def test_an_adapted_model_has_its_intervals(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = save(test_adapted.TestAdapted, tmp_path / "run")
    export_onnx(str(run), tmp_path / "onnx")
    expected = load_predictor(str(run), "cpu").predict(clip)
    predictor, ran = load_onnx_predictor(tmp_path / "onnx"), []
    run_part = predictor.model.run
    monkeypatch.setattr(predictor.model, "run", lambda part, inputs: (ran.append(part), run_part(part, inputs))[1])
    found = predictor.predict(clip)
    assert ran.count("clip") == 1
    assert expected.intervals is not None
    assert found.intervals is not None
    for horizon, (low, high) in expected.intervals.items():
        assert found.intervals[horizon] == pytest.approx((low, high), abs=1e-5)
        assert low < high
    assert found.interval_level == expected.interval_level


def test_a_model_of_features_extracts_them_of_a_clip(of_columns: Any, tmp_path: Path) -> None:
    longer = write_clip(tmp_path / "c.webm", moving_frames(12, seed=1))
    run, export = of_columns["features"]
    expected, found = load_predictor(str(run), "cpu").predict(longer), load_onnx_predictor(export).predict(longer)
    assert list(found.scores.values()) == pytest.approx(list(expected.scores.values()), abs=1e-6)
    assert found.scores.keys() == expected.scores.keys()


def test_a_model_of_views_takes_those_that_a_clip_has(of_columns: Any, tmp_path: Path) -> None:
    longer = write_clip(tmp_path / "c.webm", moving_frames(12, seed=1))
    run, export = of_columns["views"]
    expected, found = load_predictor(str(run), "cpu").predict(longer), load_onnx_predictor(export).predict(longer)
    assert list(found.scores.values()) == pytest.approx(list(expected.scores.values()), abs=1e-5)
    assert found.intervals.keys() == expected.intervals.keys()
    for horizon, ends in expected.intervals.items():
        assert found.intervals[horizon] == pytest.approx(ends, abs=1e-5)


def test_weights_of_large_networks_lie_in_a_file_of_their_own(
    wide: Any, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("videomem_hf.inference.export.run.LARGEST_FILE", 100_000)
    monkeypatch.setattr("videomem_hf.inference.export.run.LEAST_RANK_CORRELATION", 0.5)
    expected = load_onnx_predictor(wide[1]).predict(clip)
    for dtype in ("float32", "int8"):
        out = tmp_path / dtype
        facts = export_onnx(str(wide[0]), out, dtype)
        assert (out / "model.onnx.data").stat().st_size > (out / "model.onnx").stat().st_size / 2
        metadata = onnxruntime.InferenceSession(str(out / "model.onnx")).get_modelmeta().custom_metadata_map
        assert json.loads(metadata["caveats"]) == list(facts.caveats)
        found = load_onnx_predictor(out).predict(clip)
        np.testing.assert_allclose(found.frame_scores, expected.frame_scores, atol=1e-6 if dtype == "float32" else 0.15)


def test_ranks_that_change_are_refused(wide: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(proto: Any, dtype: str, in_half: float) -> None:
        from onnx import numpy_helper

        reduce_weights(proto, dtype, in_half)
        for tensor in proto.graph.initializer:
            if tensor.name.endswith(".float16"):
                values = numpy_helper.to_array(tensor)
                noise = np.random.default_rng(0).normal(0, values.std() + 0.1, values.shape)
                tensor.CopyFrom(numpy_helper.from_array((values + noise).astype(np.float16), tensor.name))

    monkeypatch.setattr("videomem_hf.inference.export.run.reduce_weights", spoil)
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


@pytest.mark.parametrize(
    "settings",
    [
        {"size": {"height": 40, "width": 50}, "do_normalize": False},
        {"size": {"shortest_edge": 41}, "do_center_crop": True, "crop_size": {"height": 32, "width": 37}},
        {"size": {"height": 20, "width": 21}, "do_center_crop": True, "crop_size": {"height": 25, "width": 24}},
        {"size": {"height": 30, "width": 30}, "do_rescale": False, "image_mean": [90, 98, 102], "image_std": [1, 1, 1]},
    ],
)
def test_pixels_are_those_of_the_video_processor(settings: dict[str, Any]) -> None:
    processor = MemorabilityVideoProcessor(**settings)
    stored = {name: getattr(processor, name) for name in FrameProcessor.__dataclass_fields__}
    ours = FrameProcessor.of(stored | {name: dict(stored[name]) for name in ("size", "crop_size")})
    frames = np.random.default_rng(0).integers(0, 256, (3, 60, 80, 3), dtype=np.uint8)
    expected = processor(videos=[frames], do_sample_frames=False, return_tensors="np")["pixel_values_videos"][0]
    found = ours.normalize(np.stack([ours.resize_frame(frame) for frame in frames]))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=2e-7, atol=1e-6)


def test_an_export_is_refused_where_weights_are_needed(attention: Any) -> None:
    message = r"is an exported model \(ONNX\), which `videomem predict --engine onnx` alone takes"
    with pytest.raises(InputError, match=message):
        load_predictor(str(attention[1]))
    with pytest.raises(InputError, match=message):
        initial_config(str(attention[1]), "frame_attention")


def test_folders_that_are_no_export_are_named(attention: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no export.json.*videomem export"):
        load_onnx_predictor(attention[0])
    (tmp_path / "export.json").write_text("{")
    with pytest.raises(InputError, match="is damaged"):
        load_onnx_predictor(tmp_path)
    (tmp_path / "export.json").write_text("[" * 100_000)
    with pytest.raises(InputError, match="is damaged"):
        load_onnx_predictor(tmp_path)
    written = json.loads((attention[1] / "export.json").read_text())
    (tmp_path / "export.json").write_text(json.dumps(written | {"format": 2}))
    with pytest.raises(InputError, match=r"export.json: was written by a later version of videomem_hf; update.*one$"):
        load_onnx_predictor(tmp_path)
    (tmp_path / "export.json").write_text(json.dumps(written))
    with pytest.raises(InputError, match=r"lacks model.onnx"):
        load_onnx_predictor(tmp_path)
    with pytest.raises(InputError, match="is not an empty folder"):
        export_onnx(str(attention[0]), tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"parts": []}, "export.json: is damaged"),
        ({"parts": {"model": {}}}, "export.json: is damaged"),
        ({"config": {"horizons": ["short_term"]}}, "is damaged .1 horizon, and 2 scores of a clip"),
        ({"processor": {"fps": 1}}, "is, by its processor, of another model than export.json"),
        ({"maps": {"size": 1}}, "export.json: is damaged"),
        ({"processor": {}}, "is, by its processor, of another model than export.json"),
        ({"parts": {"model": {"file": "model.onnx", "outputs": {"scores": []}}}}, "export.json: is damaged"),
        ({"caveats": "None."}, "export.json: is damaged .caveats must be a list of texts"),
        ({"maps": {}}, "is, by its maps, of another model"),
        ({"version": "of another run"}, "model.onnx: is, by its version, of another model than export.json beside it"),
    ],
)
def test_a_damaged_description_is_told(attention: Any, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    shutil.copytree(attention[1], tmp_path / "onnx")
    path = tmp_path / "onnx/export.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(InputError, match=message):
        load_onnx_predictor(tmp_path / "onnx")


@pytest.mark.parametrize(
    ("section", "field", "value"), [("config", "horizons", ["long_term", "short_term"]), ("processor", "fps", 2.0)]
)
def test_a_description_of_another_model_is_told(
    attention: Any, tmp_path: Path, section: str, field: str, value: Any
) -> None:
    shutil.copytree(attention[1], tmp_path / "onnx")
    path = tmp_path / "onnx/export.json"
    content = json.loads(path.read_text())
    assert content[section][field] != value
    content[section][field] = value
    path.write_text(json.dumps(content))
    load_onnx_predictor(attention[1])
    with pytest.raises(InputError, match=rf"by its {field if section == 'config' else section}, of another"):
        load_onnx_predictor(tmp_path / "onnx")


def test_a_model_that_weighs_frames_needs_what_weighs_them(exported: Any, tmp_path: Path) -> None:
    folder = shutil.copytree(exported("spatiotemporal")[1], tmp_path / "onnx")
    path = folder / "export.json"
    content = json.loads(path.read_text())
    del content["parts"]["clip"]
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"is damaged .a part 'clip' and the output 'features' belong together"):
        load_onnx_predictor(folder)
    del content["parts"]["model"]["outputs"]["features"]
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"model.onnx: has the outputs .*features .*, and export.json says scores"):
        load_onnx_predictor(folder)


def test_another_network_under_the_description_is_told(attention: Any, tmp_path: Path) -> None:
    shutil.copytree(attention[1], tmp_path / "onnx")
    pixels = onnx.helper.make_tensor_value_info("frames", onnx.TensorProto.FLOAT, ["batch", 3, 224, 224])
    scores = onnx.helper.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, None)
    node = onnx.helper.make_node("Identity", ["frames"], ["scores"])
    graph = onnx.helper.make_graph([node], "other", [pixels], [scores])
    other = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10)
    (tmp_path / "onnx/model.onnx").write_bytes(other.SerializeToString())
    with pytest.raises(InputError, match=r"model.onnx: has the inputs frames .*, and export.json says pixel_values"):
        load_onnx_predictor(tmp_path / "onnx")


@pytest.mark.slow
def test_published_resmem(clip: Path, tmp_path: Path) -> None:
    pytest.importorskip("resmem")
    export_onnx("resmem", tmp_path / "onnx")
    expected = load_predictor("resmem", "cpu").predict(clip)
    found = load_onnx_predictor(tmp_path / "onnx").predict(clip)
    np.testing.assert_allclose(found.frame_scores, expected.frame_scores, atol=1e-4)


WITHOUT = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {absent}:
            raise ImportError(f"No module named {{name!r}}")
sys.meta_path.insert(0, Absent())
sys.argv = {argv}
from videomem_hf.cli import main
main()
"""
ABSENT = (
    "torch", "torchvision", "transformers", "datasets", "accelerate", "evaluate", "huggingface_hub", "scipy", "pyarrow",
    "matplotlib", "jinja2", "pandas", "onnx",
)  # fmt: skip


def test_the_command_needs_neither_pytorch_nor_transformers(attention: Any, clip: Path, tmp_path: Path) -> None:
    argv = ["videomem", "predict", str(clip), "--model", str(attention[1]), "--engine", "onnx"]
    argv += ["--json", str(tmp_path / "out.json"), "--csv", str(tmp_path / "out.csv")]
    code = WITHOUT.format(absent=ABSENT, argv=argv)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | {"COLUMNS": "120"}, check=False
    )
    assert done.returncode == 0, done.stderr
    (found,) = json.loads((tmp_path / "out.json").read_text())
    expected = load_predictor(str(attention[0]), "cpu").predict(clip)
    for horizon, score in expected.scores.items():
        assert found[horizon] == pytest.approx(score, abs=1e-4)
    assert "c.webm" in done.stdout
    assert "Next:" not in done.stderr  # what would be proposed draws
