"""The truth of edited clips follows from their scenes."""

from dataclasses import replace

import pytest

from videomem_hf.sample import draw_scene
from videomem_hf.sample.edited import ShownScene, edited_memorability
from videomem_hf.sample.memorability import SECONDS, causes_of, memorability
from videomem_hf.sample.render import thing_box

SCENES = [scene for scene in (draw_scene(5, number) for number in range(1, 80)) if scene.cut_s is None]
WITH_THING = next(s for s in SCENES if s.thing and s.thing.contrast < 0.6 and s.thing.height < 0.4)
BARE = next(s for s in SCENES if s.thing is None)
TIMES = tuple(float(second) for second in SECONDS)


def truth(*shown: ShownScene) -> float:
    return edited_memorability(shown)[0]


def test_a_whole_scene_has_its_own_truth_and_several_their_mean() -> None:
    first, second = (memorability(causes_of(scene))[0] for scene in (WITH_THING, BARE))
    assert truth(ShownScene(WITH_THING, TIMES)) == first
    assert truth(ShownScene(WITH_THING, TIMES), ShownScene(BARE, TIMES[:4])) == pytest.approx(
        (7 * first + 4 * second) / 11
    )


def test_a_crop_to_the_thing_raises_it_and_one_beside_it_lowers_it() -> None:
    box = thing_box(WITH_THING, 3.0)
    assert box is not None
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    left, top = (min(max(at - 0.375, 0.0), 0.25) for at in (x, y))
    cropped = ShownScene(WITH_THING, (3.0,), (left, top, left + 0.75, top + 0.75))
    assert truth(cropped) > truth(ShownScene(WITH_THING, (3.0,)))
    away = (0.8, 0.0, 1.0, 0.2) if x < 0.5 else (0.0, 0.0, 0.2, 0.2)
    assert truth(ShownScene(WITH_THING, (3.0,), away)) < truth(ShownScene(WITH_THING, (3.0,)))


def test_contrast_raises_it_up_to_the_things_own_colours() -> None:
    assert WITH_THING.thing is not None
    plain = ShownScene(WITH_THING, TIMES)
    clear = replace(WITH_THING, thing=replace(WITH_THING.thing, contrast=1.0))
    assert truth(replace(plain, contrast=1.3)) > truth(plain)
    assert truth(replace(plain, contrast=9.0)) == truth(ShownScene(clear, TIMES))


def test_nothing_helps_bare_scenery() -> None:
    plain = truth(ShownScene(BARE, TIMES))
    assert truth(ShownScene(BARE, TIMES[2:], (0.2, 0.2, 0.9, 0.9), 1.5)) == pytest.approx(plain)
