"""Reading ahead keeps order, errors and bounds."""

import threading
from collections.abc import Iterator
from contextvars import ContextVar

import pytest

from videomem_hf.inference.read_ahead import CLIPS_AHEAD, PIECES_PER_CLIP, read_ahead


def pieces(clip: int) -> Iterator[tuple[int, int]]:
    for index in range(clip % 5):
        yield clip, index


def always(clip: object) -> bool:
    return True


@pytest.mark.parametrize("threads", [1, 3])
def test_all_pieces_in_order(threads: int) -> None:
    with read_ahead(range(40), pieces, always, threads) as prepared:
        found = [(clip, list(each)) for clip, each in prepared]
    assert found == [(clip, [(clip, index) for index in range(clip % 5)]) for clip in range(40)]


def test_pieces_are_prepared_in_another_thread_and_clips_taken_in_this_one() -> None:
    def clips() -> Iterator[int]:
        assert threading.current_thread() is threading.main_thread()
        yield from range(3)

    def names(_: int) -> Iterator[str]:
        yield threading.current_thread().name

    with read_ahead(clips(), names, always, 1) as prepared:
        assert [next(each) for _, each in prepared] == ["clips"] * 3


def test_an_error_comes_after_the_pieces_before_it_and_costs_no_other_clip() -> None:
    def failing(clip: int) -> Iterator[int]:
        yield clip
        if clip == 1:
            raise ValueError("clip 1 is damaged")

    found: dict[int, list[int]] = {}
    with read_ahead(range(3), failing, always, 2) as prepared:
        for clip, each in prepared:
            found[clip] = [next(each)]
            if clip == 1:
                with pytest.raises(ValueError, match="clip 1 is damaged"):
                    next(each)
            else:
                assert list(each) == []
    assert found == {0: [0], 1: [1], 2: [2]}


def test_what_cannot_be_begun_is_an_error_of_that_clip() -> None:
    def prepare(clip: int) -> Iterator[int]:
        if clip == 1:
            raise ValueError("no clip")
        return iter([clip])

    with read_ahead(range(3), prepare, always, 1) as prepared:
        found = [(clip, each) for clip, each in prepared]
        assert list(found[0][1]) == [0]
        with pytest.raises(ValueError, match="no clip"):
            next(found[1][1])
        assert list(found[2][1]) == [2]


def test_threads_see_the_callers_context() -> None:
    place: ContextVar[str] = ContextVar("place", default="nowhere")
    place.set("here")
    with read_ahead(range(2), lambda clip: iter([place.get()]), always, 2) as prepared:
        assert [next(each) for _, each in prepared] == ["here", "here"]


def test_an_error_of_the_clips_comes_after_those_before_it() -> None:
    def clips() -> Iterator[int]:
        yield from (1, 2)
        raise RuntimeError("the list ends here")

    with read_ahead(clips(), pieces, always, 1) as prepared:
        assert [list(next(prepared)[1]) for _ in range(2)] == [[(1, 0)], [(2, 0), (2, 1)]]
        with pytest.raises(RuntimeError, match="the list ends here"):
            next(prepared)


def test_no_more_than_a_bounded_number_is_prepared() -> None:
    made, taken = [0], []

    def endless(_: int) -> Iterator[int]:
        for index in range(10_000):
            made[0] += 1
            yield index

    def clips() -> Iterator[int]:
        for clip in range(10_000):
            taken.append(clip)
            yield clip

    with read_ahead(clips(), endless, always, 2) as prepared:
        _, first = next(prepared)
        for _ in range(100):
            next(first)
        assert len(taken) == CLIPS_AHEAD + 1
        assert made[0] <= 100 + 2 * (PIECES_PER_CLIP + 2)


def test_threads_end_when_the_block_is_left_early() -> None:
    before = threading.active_count()
    with read_ahead(range(1000), lambda clip: iter(range(1000)), always, 3) as prepared:
        next(prepared)
    assert threading.active_count() == before


def test_what_cannot_wait_is_prepared_before_the_next_clip_is_taken() -> None:
    taken: list[int] = []

    def clips() -> Iterator[int]:
        for clip in range(6):
            taken.append(clip)
            yield clip

    def prepare(clip: int) -> Iterator[tuple[int, int, bool]]:
        yield clip, taken[-1], threading.current_thread() is threading.main_thread()

    with read_ahead(clips(), prepare, lambda clip: clip % 3 != 0, 1) as prepared:
        found = [next(pieces) for _, pieces in prepared]
    assert [clip for clip, _, _ in found] == list(range(6))
    assert [each for each in found if each[0] % 3 == 0] == [(0, 0, True), (3, 3, True)]
    assert not any(here for clip, _, here in found if clip % 3)
