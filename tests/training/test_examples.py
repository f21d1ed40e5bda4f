"""The clips of an epoch, their order, and the changes that training makes in them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from videomem_hf.data.scored_clips import load_clips
from videomem_hf.models.video_processing_memorability import MemorabilityVideoProcessor
from videomem_hf.schema import HORIZONS
from videomem_hf.training.config import AugmentationConfig
from videomem_hf.training.examples import EpochBatches, TrainingClips, augment, epoch_order
from videomem_hf.video.frame_cache import FrameCache

STILL = AugmentationConfig(flip=0.0)


def _frames(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (3, 3, 8, 10), dtype=np.uint8)


def _augmented(seed: int = 0, **options: Any) -> np.ndarray:
    return augment(_frames(), AugmentationConfig(**({"flip": 0.0} | options)), np.random.default_rng(seed))


def test_order_is_a_permutation_and_a_pure_function_of_seed_and_epoch() -> None:
    order = epoch_order(100, seed=1, epoch=2)
    assert sorted(order) == list(range(100))
    np.testing.assert_array_equal(order, epoch_order(100, seed=1, epoch=2))
    assert (order != epoch_order(100, seed=1, epoch=3)).any()
    assert (order != epoch_order(100, seed=2, epoch=2)).any()


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_processes_share_each_batch(ranks: int) -> None:
    samplers = [EpochBatches(30, 8, seed=5, rank=rank, ranks=ranks) for rank in range(ranks)]
    alone = EpochBatches(30, 8, seed=5)
    for sampler in (*samplers, alone):
        sampler.epoch = 3
    assert len(alone) == 3
    for whole, *shares in zip(alone, *samplers, strict=True):
        assert [key for share in shares for key in share] == whole
        assert {len(share) for share in shares} == {8 // ranks}
    drawn = [index for batch in alone for epoch, index in batch if epoch == 3]
    np.testing.assert_array_equal(drawn, epoch_order(30, seed=5, epoch=3)[:24])


def test_no_augmentation_changes_nothing() -> None:
    np.testing.assert_array_equal(_augmented(), _frames())


def test_each_change_is_what_it_says() -> None:
    frames = _frames()
    np.testing.assert_array_equal(_augmented(flip=1.0), np.flip(frames, axis=-1))

    reordered = _augmented(colour_order=1.0, seed=3)
    orders = [order for order in np.ndindex(3, 3, 3) if (reordered == frames[:, list(order)]).all()]
    assert len(orders) == 1
    assert sorted(orders[0]) == [0, 1, 2]

    shifted = _augmented(shift_px=2, seed=1)
    padded = np.pad(frames, ((0, 0), (0, 0), (2, 2), (2, 2)), mode="edge")
    windows = [(y, x) for y in range(5) for x in range(5) if (padded[..., y : y + 8, x : x + 10] == shifted).all()]
    assert len(windows) == 1
    assert windows[0] != (2, 2)

    plain = frames.astype(float)
    darker = _augmented(gain=0.3, seed=2)
    inside = (darker > 0) & (darker < 255) & (frames > 20)
    for channel in range(3):
        ratio = (darker / plain.clip(1))[:, channel][inside[:, channel]]
        assert np.ptp(ratio) < 0.06
        assert 0.7 <= ratio.mean() <= 1.3
    moved = _augmented(offset=0.2, seed=2)
    difference = (moved - plain)[(moved > 0) & (moved < 255)]
    assert np.ptp(difference) == 0
    assert 0 < abs(difference[0]) <= 51


def test_all_frames_of_a_clip_change_alike() -> None:
    same = np.repeat(_frames()[:1], 3, axis=0)
    options = AugmentationConfig(flip=0.5, shift_px=2, colour_order=0.5, gain=0.2, offset=0.2)
    changed = augment(same, options, np.random.default_rng(0))
    assert (changed != same).any()
    np.testing.assert_array_equal(changed[0], changed[1])
    np.testing.assert_array_equal(changed[0], changed[2])


def test_one_option_does_not_shift_the_draws_of_another() -> None:
    seeds = range(20)
    alone = [(_augmented(seed, flip=0.5) == _frames()).all() for seed in seeds]
    with_shift = [(_augmented(seed, flip=0.5, shift_px=1)) for seed in seeds]
    shift_only = [(_augmented(seed, shift_px=1)) for seed in seeds]
    assert 0 < sum(alone) < len(alone)
    for unflipped, both, shifted in zip(alone, with_shift, shift_only, strict=True):
        assert (both == shifted).all() == unflipped


def test_the_input_is_not_written_to() -> None:
    frames = _frames()
    frames.setflags(write=False)
    augment(frames, AugmentationConfig(flip=1.0, shift_px=2, gain=0.2), np.random.default_rng(0))
    result = augment(frames, STILL, np.random.default_rng(0))
    assert result.flags.writeable


@pytest.fixture(scope="module")
def cached(release: Path, frames: Path):
    processor = MemorabilityVideoProcessor(size={"height": 18, "width": 32})
    clips = load_clips(str(release), "train", HORIZONS)
    cache = FrameCache(frames, processor)
    cache.fill(clips.sources, progress=False)
    return clips, cache


def test_a_training_example_is_a_function_of_seed_epoch_and_number(cached) -> None:
    clips, cache = cached
    options = AugmentationConfig(flip=0.5, shift_px=2, gain=0.2, offset=0.2)
    examples = TrainingClips(clips, cache, 1, 3, options)
    first = examples[(4, 7)]
    assert first["frames"].shape == (3, 3, 18, 32)
    np.testing.assert_array_equal(first["labels"], clips.labels[7].astype(np.float32))
    np.testing.assert_array_equal(first["annotation_counts"], clips.annotation_counts[7])
    np.testing.assert_array_equal(first["frames"], examples[(4, 7)]["frames"])
    assert (first["frames"] != examples[(5, 7)]["frames"]).any()
    assert (first["frames"] != TrainingClips(clips, cache, 2, 3, options)[(4, 7)]["frames"]).any()


def test_frames_are_drawn_in_their_order_and_all_of_them_in_time(cached) -> None:
    clips, cache = cached
    whole = cache.load(clips.sources[0])
    # A moving scene, so that frames can be told apart.
    moving = next(i for i, source in enumerate(clips.sources) if len(np.unique(cache.load(source), axis=0)) == 7)
    whole = cache.load(clips.sources[moving])
    seen = set()
    for epoch in range(40):
        drawn = TrainingClips(clips, cache, 0, 3, STILL)[(epoch, moving)]["frames"]
        places = [next(i for i in range(7) if (whole[i] == frame).all()) for frame in drawn]
        assert places == sorted(set(places))
        seen |= set(places)
    assert seen == set(range(7))
    assert len(TrainingClips(clips, cache, 0, None, STILL)[(0, moving)]["frames"]) == 7
    assert len(TrainingClips(clips, cache, 0, 50, STILL)[(0, moving)]["frames"]) == 7
