"""Training on cached maps of a frozen backbone: equal to the whole way, computed once, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from transformers import AutoModel, AutoVideoProcessor

from tests.training.conftest import TINY
from videomem_hf.benchmark.evaluate import EvaluationTarget, score_target
from videomem_hf.data.scored_clips import Clips, load_clips
from videomem_hf.models.configuration_spatiotemporal import SpatioTemporalConfig
from videomem_hf.models.modeling_spatiotemporal import SpatioTemporalModel
from videomem_hf.schema import HORIZONS, InputError
from videomem_hf.training import TrainingConfig, train
from videomem_hf.training.examples import CachedClips, Collator
from videomem_hf.training.frozen_maps import cached_maps, network_identity
from videomem_hf.video.frame_cache import FrameCache
from videomem_hf.video.map_cache import MapCache

SHORT = ("stages.*.epochs=3", "stages.*.learning_rate=0.01", "batch_size=8", "evaluation.resamples=100")


@pytest.fixture(scope="module")
def frame_model(release: Path, frames: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained frame network."""
    output = tmp_path_factory.mktemp("frame_model") / "run"
    config = TrainingConfig.from_recipe(
        "frame_attention", data=release, output=output, overrides=(*TINY, f"frame_cache={frames}", "stages.*.epochs=1")
    )
    return train(config, progress=False).output


@pytest.fixture(scope="module")
def clips(release: Path) -> Clips:
    return load_clips(str(release), "validation", HORIZONS)


def _parts(frame_model: Path, folder: Path, clips: Clips) -> tuple[Any, Any, FrameCache]:
    torch.manual_seed(0)
    frame_network = AutoModel.from_pretrained(frame_model)
    model = SpatioTemporalModel(SpatioTemporalConfig.on(frame_network.config, feature_size=8)).eval()
    model.init_from_pretrained(frame_network)
    processor = AutoVideoProcessor.from_pretrained(frame_model)
    cache = FrameCache(folder, processor)
    cache.fill(clips.sources, progress=False)
    return model, processor, cache


def _config(release: Path, frames: Path, output: Path, init: Path | None, *overrides: str) -> TrainingConfig:
    begun = () if init is None else (f"init={init}",)
    return TrainingConfig.from_recipe(
        "spatiotemporal_maps", data=release, output=output,
        overrides=(*SHORT, f"frame_cache={frames}", *begun, *overrides),
    )  # fmt: skip


def test_cached_maps_give_the_scores_of_the_whole_way(frame_model: Path, clips: Clips, tmp_path: Path) -> None:
    model, processor, cache = _parts(frame_model, tmp_path, clips)
    maps = cached_maps(Accelerator(), model, processor, cache, [clips], progress=False)
    assert maps.load(clips.sources[0]).dtype == np.float16
    collate = Collator(processor)
    batches = [collate([CachedClips(clips, each)[i] for i in range(len(clips))]) for each in (cache, maps)]
    with torch.no_grad():
        whole, cached = (
            model(**{name: value for name, value in batch.items() if name != "index"}) for batch in batches
        )
        expected = model.map_frames(batches[0]["pixel_values_videos"].flatten(0, 1))
    found = batches[1]["frame_maps"].flatten(0, 1)
    assert expected.std() > 0.1
    torch.testing.assert_close(found, expected, rtol=2**-11, atol=1e-6)
    torch.testing.assert_close(cached.scores, whole.scores, atol=1e-4, rtol=0)
    torch.testing.assert_close(cached.temporal_weights, whole.temporal_weights, atol=1e-3, rtol=0)


def test_maps_are_computed_once_and_go_on_where_they_were(
    frame_model: Path, clips: Clips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, processor, cache = _parts(frame_model, tmp_path, clips)
    calls: list[int] = []
    original = model.map_frames

    def counted(pixels: torch.Tensor) -> torch.Tensor:
        if len(calls) == 2 and not interrupted:
            interrupted.append(True)
            raise KeyboardInterrupt
        calls.append(len(pixels))
        return original(pixels)

    interrupted: list[bool] = []
    monkeypatch.setattr(model, "map_frames", counted)
    with pytest.raises(KeyboardInterrupt):
        cached_maps(Accelerator(), model, processor, cache, [clips], progress=False)
    assert interrupted
    maps = cached_maps(Accelerator(), model, processor, cache, [clips], progress=False)
    cached_maps(Accelerator(), model, processor, cache, [clips], progress=False)
    assert len(calls) == len(clips) == 6  # none of them twice
    assert not list(maps.folder.glob("*.part"))
    with torch.no_grad():
        next(model.backbone.parameters()).add_(1e-3)
    other = cached_maps(Accelerator(), model, processor, cache, [clips], progress=False)
    assert other.folder != maps.folder
    assert len(calls) == 12


def test_another_processor_is_another_network(frame_model: Path) -> None:
    network = torch.nn.Conv2d(3, 2, 1)
    processor = AutoVideoProcessor.from_pretrained(frame_model)
    before = network_identity(network, processor)
    assert network_identity(network, processor) == before
    processor.image_mean = [0.1, 0.2, 0.3]
    assert network_identity(network, processor) != before


def test_values_beyond_half_precision_are_kept_whole(frame_model: Path, clips: Clips, tmp_path: Path) -> None:
    _, _, cache = _parts(frame_model, tmp_path, clips)
    for factor, wanted in ((100.0, np.float16), (1000.0, np.float32)):
        maps = MapCache(cache, str(factor), lambda images, f=factor: images[:, :1].astype(np.float32) * f)
        maps.fill(clips.sources[:1], progress=False)
        found = maps.load(clips.sources[0])
        assert found.dtype == wanted
        np.testing.assert_allclose(found, cache.load(clips.sources[0])[:, :1] * factor, rtol=2**-11)


def test_maps_make_room_without_taking_that_of_their_frames(frame_model: Path, clips: Clips, tmp_path: Path) -> None:
    _, _, cache = _parts(frame_model, tmp_path, clips)
    size = sum(path.stat().st_size for path in tmp_path.glob("*/*.npy"))
    old = tmp_path / "0" / "old.npy"
    old.parent.mkdir()
    np.save(old, np.zeros(200_000, dtype=np.uint8))
    cache.limit_gb = (size + 250_000) / 1e9
    maps = MapCache(cache, "small", lambda images: images[:, :1, ::2, ::2].astype(np.float32))
    maps.fill(clips.sources, progress=False)
    assert all(source in cache and source in maps for source in clips.sources)
    cache.limit_gb = (size + 1000) / 1e9
    with pytest.raises(InputError, match="need more than the"):
        MapCache(cache, "other", lambda images: images[:, :1].astype(np.float32)).fill(clips.sources, progress=False)
    assert all(source in cache for source in clips.sources)


def test_a_run_on_cached_maps(release: Path, frames: Path, frame_model: Path, tmp_path: Path) -> None:
    """The head changes, the backbone stays, and what is told is what the whole model gives of the clips."""
    result = train(_config(release, frames, tmp_path / "run", frame_model), progress=False)
    model, begun = AutoModel.from_pretrained(result.output), AutoModel.from_pretrained(frame_model)
    assert isinstance(model, SpatioTemporalModel)
    for ours, theirs in zip(model.backbone.parameters(), begun.trunk.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    for name in ("last_conv.conv.weight", "attention_conv.weight", "head.weight"):
        assert not torch.equal(model.get_parameter(name), begun.get_parameter(name))
    processor = AutoVideoProcessor.from_pretrained(result.output)
    scores, _ = score_target(model, processor, EvaluationTarget(str(release)), frame_cache=str(frames), progress=False)
    lines = (result.output / "predictions.csv").read_text().splitlines()
    column = lines[0].split(",").index("short_term_model")
    np.testing.assert_allclose(scores[:, 0], [float(line.split(",")[column]) for line in lines[1:]], atol=1e-6)
    again = train(
        TrainingConfig.from_recipe(
            "spatiotemporal", data=release, output=tmp_path / "all",
            overrides=(*SHORT, f"frame_cache={frames}", f"init={result.output}", "stages.*.epochs=1"),
        ),
        progress=False,
    )  # fmt: skip
    changed = AutoModel.from_pretrained(again.output)
    assert not torch.equal(next(changed.backbone.parameters()), next(begun.trunk.parameters()))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("stages.0.train=all",), "cache_maps must be false where a stage trains all"),
        (("augmentation.flip=0.5",), "augmentation must be all 0 with cache_maps"),
        (("model={type: frame_attention}",), "cache_maps must be false for a model other than spatiotemporal"),
    ],
)
def test_what_contradicts_cached_maps_is_refused(tmp_path: Path, overrides: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        _config(tmp_path, tmp_path, tmp_path / "run", None, *overrides)


def test_backbones_that_cannot_be_had_are_refused(frame_model: Path, tmp_path: Path) -> None:
    def refused(*overrides: str, init: Path | None, message: str) -> None:
        with pytest.raises(InputError, match=message):
            train(_config(tmp_path, tmp_path, tmp_path / "run", init, *overrides), progress=False)

    refused(init=None, message="trains on the maps of a frozen backbone; give --init FOLDER")
    refused("model={type: spatiotemporal, backbone: null, map_channels: 3}", init=None, message="name one to train on")
    refused(init=tmp_path / "none", message="no such folder; give the folder of a model")


def test_a_backbone_of_other_sizes_is_refused(release: Path, frames: Path, frame_model: Path, tmp_path: Path) -> None:
    sizes = "model.backbone_config={hidden_sizes: [8, 10], output_stride: 4}"
    with pytest.raises(InputError, match=r"has another backbone than the recipe's model \(size mismatch"):
        train(_config(release, frames, tmp_path / "run", frame_model, sizes), progress=False)
