"""Work that nobody waits for any more stops: by the button, by leaving, and by another clip."""

import shutil
import threading

import app
import intake
import numpy as np
import pytest
import scoring as space_scoring

from videomem_hf.video.video import Frame

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
WAIT_S = 60


class Endless:
    """A predictor that reads frames until it is stopped, and says when it begins and ends."""

    saliency_method = None
    labels = ("endless",)

    def __init__(self) -> None:
        self.begun, self.ended = threading.Semaphore(0), threading.Semaphore(0)

    def predictor(self, label):
        return self

    def label(self, typed):
        return typed

    def reads_titles(self, label):
        return False

    def predict(self, source, on_frame=None, **options):
        self.begun.release()
        try:
            while True:
                on_frame(Frame(0, 0.0, np.zeros((4, 4, 3), np.uint8)))
        finally:
            self.ended.release()


@pytest.fixture
def endless():
    predictor = Endless()
    demo = app.build(space_scoring.Scoring(predictor, intake.Limits()))
    _, address, _ = demo.launch(prevent_thread_lock=True, quiet=True, **app.LAUNCH)
    yield predictor, address
    demo.close()


@pytest.fixture
def page(endless):
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = chromium.new_page()
        page.goto(endless[1])
        page.wait_for_selector("#vm-go")
        yield page
        chromium.close()


def test_who_waits_sees_the_place_in_the_queue(endless, page, small_clip, tmp_path):
    predictor, address = endless
    visitors = [page, *(page.context.browser.new_page() for _ in range(3))]
    for number, visitor in enumerate(visitors):
        if visitor is not page:
            visitor.goto(address)
            visitor.wait_for_selector("#vm-go")
        clip = shutil.copy(small_clip, tmp_path / f"{number}.webm")
        visitor.set_input_files("#vm-clip input[type=file]", str(clip))
        if number < app.AT_ONCE:
            assert predictor.begun.acquire(timeout=WAIT_S)
        else:
            place = number - app.AT_ONCE + 1
            visitor.wait_for_selector(f".vm-progress >> visible=true >> text=/queue: {place}/")
    visitors[2].click("#vm-stop")  # waits no more, and is never begun
    visitors[2].wait_for_selector("#vm-summary >> text=Stopped.")
    visitors[0].click("#vm-stop")
    assert predictor.ended.acquire(timeout=WAIT_S)
    assert predictor.begun.acquire(timeout=WAIT_S)
    visitors[3].click("#vm-stop")
    visitors[1].click("#vm-stop")
    assert all(predictor.ended.acquire(timeout=WAIT_S) for _ in range(2))
    assert not predictor.begun.acquire(blocking=False)


@pytest.mark.parametrize("how", ["button", "leaving", "another clip", "clearing"])
def test_work_stops(endless, page, small_clip, tmp_path, how):
    predictor, _ = endless
    page.set_input_files("#vm-clip input[type=file]", str(small_clip))
    assert predictor.begun.acquire(timeout=WAIT_S)
    assert not predictor.ended.acquire(blocking=False)
    if how == "button":
        page.click("#vm-stop")
    elif how == "leaving":
        page.goto("about:blank")
    elif how == "clearing":
        page.get_by_label("Clear").click()
    else:
        page.get_by_label("Clear").click()
        page.set_input_files("#vm-clip input[type=file]", str(shutil.copy(small_clip, tmp_path / "other.webm")))
    assert predictor.ended.acquire(timeout=WAIT_S)
    if how == "button":
        page.wait_for_selector("#vm-summary >> text=Stopped.")
    if how == "another clip":
        assert predictor.begun.acquire(timeout=WAIT_S)
        page.click("#vm-stop")
        assert predictor.ended.acquire(timeout=WAIT_S)


def test_a_comparison_stops(endless, page, small_clip, tmp_path):
    predictor, _ = endless
    page.get_by_role("tab", name="Compare").click()
    clips = [str(shutil.copy(small_clip, tmp_path / name)) for name in ("a.webm", "b.webm")]
    page.set_input_files("#vm-compare-clips input[type=file]", clips)
    page.wait_for_function("document.querySelector('#vm-compare-clips').innerText.includes('KB')")
    page.click("#vm-compare-go")
    assert predictor.begun.acquire(timeout=WAIT_S)
    page.click("#vm-compare-stop")
    assert predictor.ended.acquire(timeout=WAIT_S)
    assert not predictor.begun.acquire(blocking=False)
