"""What happens to work without a browser: it stops, waits for others, and leaves what is shown."""

import threading
from contextlib import ExitStack
from types import SimpleNamespace

import cards
import gradio as gr
import models as space_models
import one_clip
import pytest
import second_opinion
import work as space_work

WAIT_S = 60
VISIT = SimpleNamespace(session_hash="visit")


@pytest.fixture
def demo():
    return gr.Blocks()


@pytest.fixture
def page(demo, scoring):
    """The page of one clip with its handlers, which is served to nobody."""
    work = space_work.Work()
    with demo:
        handlers = one_clip.Handlers(scoring, work, one_clip.lay_out(scoring, work))
        handlers.connect(gr.Dropdown([]))
    return handlers


def test_stop_takes_no_result_away(page):
    page.work.stop("visit", "a.mp4")
    with page.work.start("visit") as overlay:
        assert page.stop("<div>scores</div>", VISIT) == gr.skip()
    assert overlay.is_set()
    assert page.stop(cards.WORKING, VISIT) == cards.STOPPED
    with page.work.start("visit", clip="a.mp4") as late:  # it waited in the queue
        assert late.is_set()


def test_taking_the_clip_away_ends_the_wait(page):
    with page.work.start("visit") as running:
        assert page.forget_clip(cards.WORKING, VISIT) == cards.NOTHING_YET
    assert running.is_set()
    assert page.forget_clip("<div>scores</div>", VISIT) == gr.skip()


def test_a_start_clears_what_is_shown(page):
    with page.work.start("visit") as running:
        found = page.clear("a.mp4", VISIT)
    parts = page.page
    assert running.is_set()
    assert found[parts.summary] == cards.WORKING
    emptied = (parts.charts, parts.measured, parts.overlay_head, parts.numbers, parts.kept)
    assert [found[part] or None for part in emptied] == [None] * 5


def test_stop_ends_measurements_that_wait(demo, page):
    """Stop cancels what is running or queued for the place where measured changes are shown."""
    stop, measured, summary = page.page.stop, page.page.measured, page.page.summary
    functions = list(demo.fns.values())
    ended = {number for each in functions if (stop._id, "click") in each.targets for number in each.cancels}
    measuring = {each._id for each in functions if measured in each.outputs and summary not in each.outputs}
    assert len(measuring) == 2
    assert measuring <= ended


def test_a_measurement_that_is_stopped_changes_nothing(page, small_clip):
    scored = page.scoring.explain(small_clip, page.scoring.models.labels[0], lambda share, what: None)

    def measure(tell):
        page.work.stop("visit")
        space_work.check()

    result = second_opinion._measure(page.work, scored.without_stills, measure, VISIT, None)
    assert result == gr.skip()


def test_who_waits_for_a_lock_can_be_stopped():
    locks, stop, waits = space_work.Locks(), threading.Event(), threading.Event()
    ended = []

    def wait():
        try:
            with space_work.stoppable(stop):
                waits.set()
                with locks.hold("model"):
                    ended.append("held")
        except space_work.StoppedError:
            ended.append("stopped")

    with locks.hold("model"):
        with locks.hold("another"):
            pass
        thread = threading.Thread(target=wait)
        thread.start()
        assert waits.wait(WAIT_S)
        stop.set()
        thread.join(WAIT_S)
        assert ended == ["stopped"]
    with locks.hold("model"):
        pass


def test_nobody_waits_for_another_model(model_folder, monkeypatch):
    """While one model loads, which may be a download, another one can be had."""
    loading, go_on = threading.Event(), threading.Event()
    load = space_models._load

    def slow(name):
        if name == "owner/slow":
            loading.set()
            assert go_on.wait(WAIT_S)
        return load(str(model_folder))

    monkeypatch.setattr(space_models, "_load", slow)
    monkeypatch.setattr(space_models, "_check_hub_id", lambda name, labels: None)
    models = space_models.Models([str(model_folder)])
    found = []
    thread = threading.Thread(target=lambda: found.append(models.predictor("owner/slow")))
    thread.start()
    try:
        assert loading.wait(WAIT_S)
        assert models.predictor(models.labels[0]) is not None
        assert found == []
    finally:
        go_on.set()
        thread.join(WAIT_S)
    assert len(found) == 1


def test_one_work_for_each_visitor():
    work = space_work.Work()
    with ExitStack() as running:

        def start(*arguments, **options):
            return running.enter_context(work.start(*arguments, **options))

        mine, other = start("me"), start("you")
        again = start("me")
        assert (mine.is_set(), other.is_set(), again.is_set()) == (True, False, False)
        work.stop("me", expected="b.mp4")
        assert again.is_set()
        assert start("me", clip="a.mp4").is_set()  # it waited in the queue meanwhile
        current = start("me", clip="b.mp4")
        preview = start("me", "preview")
        assert not current.is_set()
        work.leave("me")
        assert current.is_set()
        assert preview.is_set()
        assert not start("me", clip="a.mp4").is_set()
        assert not other.is_set()


def test_work_stops_where_it_is_told(scoring, clip, model_folder):
    """Between layers as between frames, so that a large network's batch does not go on."""
    stop = threading.Event()
    seen = []

    def tell(share, what):
        seen.append(what)
        if what.startswith("Scoring"):
            stop.set()

    with pytest.raises(space_work.StoppedError), space_work.stoppable(stop):
        scoring.explain(clip, model_folder.name, tell)
    assert len(seen) < 6
    network = scoring.models.predictor(model_folder.name).model
    with pytest.raises(space_work.StoppedError), space_work.stoppable(again := threading.Event()):
        again.set()
        network(pixel_values_videos=None)


def test_work_that_is_done_is_forgotten():
    work = space_work.Work()
    with work.start("me") as first:
        pass
    with work.start("me") as second:
        with work.start("me") as third:
            pass
        work.stop("me")
    assert (first.is_set(), second.is_set(), third.is_set()) == (False, True, False)
