"""What is drawn, told and scored belongs together; statistics over 2,000 scenes, several seeds."""

from collections import Counter
from dataclasses import replace
from functools import cache

import av
import numpy as np
import pytest
from scipy.stats import spearmanr

from videomem_hf.sample import draw_scene, read_truth, render_frame, thing_box
from videomem_hf.sample.annotations import annotate
from videomem_hf.sample.generate import Plan
from videomem_hf.sample.scene import MISSING_IDS, Thing, video_ids
from videomem_hf.sample.truth import SceneTruth, truth_of
from videomem_hf.sample.video import write_video
from videomem_hf.schema import InputError

SEEDS = (0, 1, 2)


@cache
def truths(seed: int) -> list[SceneTruth]:
    return [truth_of(draw_scene(seed, number), "dev") for number in video_ids(2000)]


@cache
def scores(seed: int) -> np.ndarray:
    """`(videos, 4)`: short-term score, its count, long-term score, its count."""
    rows = [annotate(seed, truth.video_id, truth.short_term, truth.long_term) for truth in truths(seed)]
    return np.array([(row.short_term, row.short_term_count, row.long_term, row.long_term_count) for row in rows])


@pytest.mark.parametrize("seed", SEEDS)
def test_scores_are_spread_as_the_release_s(seed: int) -> None:
    short, short_count, long, long_count = scores(seed).T
    assert short.mean() == pytest.approx(0.859, abs=0.01)
    assert long.mean() == pytest.approx(0.778, abs=0.01)
    assert short.std() == pytest.approx(0.082, abs=0.015)
    assert long.std() == pytest.approx(0.145, abs=0.015)
    assert spearmanr(short, long).statistic == pytest.approx(0.305, abs=0.05)
    assert short_count.min() == 30
    assert short_count.mean() == pytest.approx(38, abs=0.7)
    assert long_count.min() == 9
    assert long_count.mean() == pytest.approx(13, abs=0.5)


def test_the_commonest_counts() -> None:
    counts = np.concatenate([scores(seed)[:, [1, 3]] for seed in SEEDS])
    assert Counter(counts[:, 0]).most_common(1)[0][0] in {32, 33, 34}
    assert Counter(counts[:, 1]).most_common(1)[0][0] in {9, 10, 11}


def test_short_term_scores_tell_recognition_at_the_longest_lag() -> None:
    """With many participants' answers averaged, the corrected score is the true chance at lag 100."""
    drawn = [annotate(7, number, 0.8, 0.6) for number in range(1, 1501)]
    assert np.mean([row.short_term for row in drawn]) == pytest.approx(0.8, abs=0.006)
    assert np.mean([row.long_term for row in drawn]) == pytest.approx(0.6, abs=0.012)


@pytest.mark.parametrize("seed", SEEDS)
def test_mean_brightness_tells_nothing(seed: int) -> None:
    some = truths(seed)[:400]
    brightness = [render_frame(draw_scene(seed, truth.video_id), 3.0, (64, 36)).mean() for truth in some]
    for true in ([truth.short_term for truth in some], [truth.long_term for truth in some]):
        assert abs(spearmanr(brightness, true).statistic) < 0.15


@pytest.mark.parametrize("seed", SEEDS)
def test_titles(seed: int) -> None:
    titles = [truth.title for truth in truths(seed)]
    lengths = [len([word for word in title.split("-") if word]) for title in titles]
    assert np.mean(lengths) == pytest.approx(8.9, abs=0.5)
    assert max(lengths) <= 37
    assert any(title.startswith("-") for title in titles)
    counts = Counter(titles)
    assert np.mean([counts[title] > 1 for title in titles]) == pytest.approx(1 / 7, abs=0.035)


def test_another_take_shares_title_and_place_but_not_the_picture() -> None:
    by_number = {truth.video_id: truth for truth in truths(0)}
    takes = [truth for truth in truths(0) if truth.take_of]
    assert len(takes) > 50
    for take in takes:
        first = by_number[take.take_of]
        assert (take.title, take.place, take.thing) == (first.title, first.place, first.thing)
    differing = 0
    for take in takes[:20]:
        first = by_number[take.take_of]
        pictures = [render_frame(draw_scene(0, number), 1.0, (64, 36)) for number in (take.video_id, first.video_id)]
        differing += bool((pictures[0] != pictures[1]).any())
    assert differing == 20


def test_the_missing_numbers_are_left_out() -> None:
    numbers = video_ids(10_000)
    assert len(set(numbers)) == 10_000
    assert numbers[-1] == 10_008
    assert not MISSING_IDS & set(numbers)
    parts = Plan(1, 0, 80, 20, 64, 64, (), False).parts()
    assert Counter(parts.values()) == {"dev": 80, "test": 20}


def test_the_box_holds_the_thing_and_fits_it() -> None:
    """Without the thing only pixels within its box change, and they reach its edges."""
    size, checked = (320, 180), 0
    for truth in truths(0)[:160]:
        if truth.thing is None or truth.causes["contrast"] < 0.6:
            continue
        scene = draw_scene(0, truth.video_id)
        for time_s, told in zip((0, 5), (truth.boxes[0], truth.boxes[5]), strict=True):
            assert told == pytest.approx(thing_box(scene, time_s), abs=1e-5)
            bare = render_frame(scene, time_s, size, with_thing=False).astype(int)
            change = np.abs(render_frame(scene, time_s, size).astype(int) - bare).max(axis=2) > 24
            rows, columns = np.flatnonzero(change.any(axis=1)), np.flatnonzero(change.any(axis=0))
            drawn = (columns[0] / 320, rows[0] / 180, (columns[-1] + 1) / 320, (rows[-1] + 1) / 180)
            assert drawn == pytest.approx(told, abs=0.04)
            checked += 1
    assert checked > 60


def test_a_zoom_spreads_place_and_size_alike() -> None:
    thing = Thing("ball", 0.2, 0.6, 0.5, 1.0, 0.0, False, 1, 0.0, "")
    scene = replace(draw_scene(0, 1), thing=thing, camera="zoom-in", cut_s=None)
    before, after = thing_box(scene, 0.0), thing_box(scene, 7.0)
    assert before is not None
    assert after is not None
    grown = (after[2] - after[0]) / (before[2] - before[0])
    assert grown > 1.2
    assert (after[0] + after[2] - 1) / (before[0] + before[2] - 1) == pytest.approx(grown)


def test_a_clip_is_vp8_of_168_frames_and_shows_the_scene(tmp_path) -> None:
    scene, path = draw_scene(0, 5), tmp_path / "video5.webm"
    write_video(scene, path, (160, 90))
    with av.open(str(path)) as container:
        assert [stream.type for stream in container.streams] == ["video"]
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.width, stream.height) == ("vp8", 160, 90)
        assert stream.frames == 0
        assert stream.average_rate == 24
        assert container.duration == 7_000_000
        frames = list(container.decode(stream))
    assert len(frames) == 168
    assert [number for number, frame in enumerate(frames) if frame.key_frame][:2] == [0, 128]
    for number in (0, 72, 144):
        shown = frames[number].to_ndarray(format="rgb24").astype(float)
        assert np.abs(shown - render_frame(scene, number / 24, (160, 90))).mean() < 6


def test_the_picture_does_not_depend_on_the_frame_size() -> None:
    scene = draw_scene(0, 1)
    large = render_frame(scene, 2.0, (640, 360)).reshape(90, 4, 160, 4, 3).mean(axis=(1, 3))
    assert np.abs(large - render_frame(scene, 2.0, (160, 90))).mean() < 5


def test_a_broken_truth_file_is_named_with_its_line(tmp_path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_truth(tmp_path)
    (tmp_path / "truth.jsonl").write_text('{"video_id": 1}\n')
    with pytest.raises(InputError, match="line 1"):
        read_truth(tmp_path)
