"""The study played in Chromium: keys, reload, two tabs, a cut connection, a killed server, what the page looks like."""

import os
import signal
import socket
import subprocess
import sys
import time
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.protocol.conftest import CHROMIUM
from tests.protocol.served import make_study
from videomem_hf.protocol.annotation_files import read_annotations
from videomem_hf.protocol.annotations import MISSING_REASONS
from videomem_hf.protocol.design import Controls, FirstStep, Practice, Presentation, SecondStep, StudyDesign
from videomem_hf.protocol.server.app import page_is_built
from videomem_hf.protocol.server.settings import Question, StudySettings

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
    pytest.mark.skipif(not page_is_built(), reason="no page: python -m videomem_hf.protocol.server.build"),
]
DESIGN = StudyDesign(
    step1=FirstStep(
        targets=2,
        target_lag_min=2,
        target_lag_max=5,
        vigilance_fillers=1,
        vigilance_lag_min=1,
        vigilance_lag_max=1,
        fillers=2,
        candidates=5,
    ),
    step2=SecondStep(targets=2, fillers=1),
    presentation=Presentation(window_s=1.0, gap_s=0.15),
    controls=Controls(0.0, 1.0, 1.0, 0.0, step2_recognition_above_false_alarms=False, missing_max=1.0),
    practice=Practice(0, 0),
)
FIRST, SECOND = 8, 3
"""Showings of the two steps."""


class Server:
    """`videomem study serve` in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, *options: str) -> None:
        command = [sys.executable, "-m", "videomem_hf", "study", "serve", str(self.folder), "--port", str(self.port)]
        self.process = subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL, env=dict(os.environ))
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                # The port is open before the server heeds Ctrl-C; a reply comes after.
                connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
                connection.request("GET", "/")
                connection.getresponse()
                return connection.close()
            except OSError:
                time.sleep(0.05)
        raise TimeoutError("the server does not start")

    def stop(self, how: int = signal.SIGINT) -> None:
        self.process.send_signal(how)
        self.process.wait(30)

    def export(self, out: Path):
        command = [sys.executable, "-m", "videomem_hf", "study", "export", str(self.folder), str(out)]
        subprocess.run(command, check=True, capture_output=True)
        return read_annotations([out])


@pytest.fixture
def server(clips, tmp_path):
    settings = StudySettings(
        title="Clips & memory <b>",
        demographics=(Question("age", "Your age", ("under 30", "30 or over")), Question("town", "Your town")),
        joins_per_minute=1000,
        frames_dropped_max=1.0,
    )
    study, _ = make_study(tmp_path / "study", clips, design=DESIGN, settings=settings)
    server = Server(study.folder)
    yield server
    server.stop(signal.SIGKILL)


def enter(page, address: str) -> None:
    """From the first page up to the first clip of step 1."""
    page.goto(address)
    page.click("text=I agree to take part")
    page.select_option("select", "under 30")
    page.click("text=Continue")
    ready(page)


def ready(page) -> None:
    page.wait_for_selector("text=Your keyboard")
    page.keyboard.press("a")
    assert page.is_visible("text=Your keyboard")
    page.keyboard.press("Space")
    for _ in range(3):
        page.click("#jspsych-instructions-next")
    page.click("#jspsych-fullscreen-btn")
    page.wait_for_selector("video.clip")


def shown(page) -> bool:
    return page.evaluate(
        "!!document.querySelector('video.clip') && document.querySelector('video.clip').currentTime > 0"
    )


def wait_until(page, condition: str) -> None:
    """Wait for a condition; the page's content security policy forbids Playwright's `wait_for_function`."""
    deadline = time.monotonic() + 30
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, condition
        time.sleep(0.02)


PLAYER = """([levels, every]) => {
    // A press from outside could come after a clip of one second on a busy machine; from within it does not.
    const send = (kind, [key, code]) =>
        document.activeElement.dispatchEvent(new KeyboardEvent(kind, {key, code, bubbles: true}));
    const player = window.player = {levels, pressed: []};
    let known = null;
    setInterval(() => {
        const video = document.querySelector('video.clip');
        if (!video || video.src === known || !(video.currentTime > 0)) return;
        known = video.src;
        const canvas = new OffscreenCanvas(1, 1).getContext('2d');
        canvas.drawImage(video, 0, 0, 1, 1);
        const level = canvas.getImageData(0, 0, 1, 1).data[0];
        const presses = every ? player.pressed.length % every === every - 1
            : player.levels.some((other) => Math.abs(other - level) <= 4);
        player.levels.push(level);
        player.pressed.push(presses);
        const keys = [['x', 'KeyX'], [' ', 'Space']];
        setTimeout(() => {
            for (const key of keys.slice(0, presses ? 2 : 1)) { send('keydown', key); send('keyup', key); }
        }, 200);
    }, 5);
}"""
"""Presses at every so many-th clip, or (0) at clips whose grey level was seen before."""


def player_starts(page, levels=(), every: int = 0) -> None:
    page.evaluate(PLAYER, [list(levels), every])


def wait_for_end(page, text: str) -> None:
    """The last page, through the debriefing before it if there is one."""
    page.wait_for_selector("#display h1:not(:has-text('Ready?'))", timeout=60_000)
    if page.inner_text("#display h1") == "What this study is about":
        page.click("text=Continue")
    page.wait_for_selector(f"text={text}")


def test_both_steps_in_a_browser(page, server, tmp_path):
    """The key is pressed in the middle of every other clip; wrong keys and a held key do nothing."""
    page.goto(f"{server.address}/?PROLIFIC_PID=5f3a9c0e1b2d&SESSION_ID=1")
    page.wait_for_selector("text=I agree")
    assert page.url == f"{server.address}/"
    assert page.title() == "Clips & memory <b>"
    assert page.inner_text("h1") == "Clips & memory <b>"
    enter(page, page.url)
    player_starts(page, every=2)
    wait_for_end(page, "Thank you")
    pressed = page.evaluate("window.player.pressed")
    table = server.export(tmp_path / "a.csv")
    assert len(table) == FIRST
    assert table.pressed.tolist() == pressed == [False, True] * (FIRST // 2)
    assert all(0 < rt <= 1000 for rt in table.rt_ms[table.pressed])
    assert "completion code of part 1" in page.inner_text("#display").lower()


def test_step_2_after_a_day(page, server, tmp_path):
    """Who presses at repeats is told when to come back, and plays step 2 on another computer."""
    enter(page, server.address)
    player_starts(page)
    wait_for_end(page, "the first part is done")
    levels = page.evaluate("window.player.levels")
    code = page.inner_text(".code strong >> nth=0")
    server.stop()
    server.start("--hours-ahead", "25")
    page.context.clear_cookies()
    page.goto(server.address)
    page.click("text=I have a return code")
    page.fill("#code", "0000-0000-0000-0000")
    page.click("text=Continue")
    page.wait_for_selector("text=not known")
    page.fill("#code", code.lower())
    page.click("text=Continue")
    ready(page)
    player_starts(page, levels)
    wait_for_end(page, "You have completed the study")
    table = server.export(tmp_path / "a.csv")
    assert len(table) == FIRST + SECOND
    assert table.pressed.any()
    assert not (table.pressed & ~table.repeat).any()  # a busy machine may be late for a clip of one second


def test_a_reload_ends_the_showing_and_the_game_goes_on(page, server, tmp_path):
    enter(page, server.address)
    wait_until(page, "parseFloat(document.getElementById('progress-bar').style.width) > 20")
    wait_until(page, "document.querySelector('video.clip')?.currentTime > 0")
    page.reload()
    page.click("text=Continue")
    page.click("#jspsych-fullscreen-btn")
    wait_for_end(page, "Thank you")
    assert len(server.export(tmp_path / "a.csv")) == FIRST
    command = [sys.executable, "-m", "videomem_hf", "study", "status", str(server.folder)]
    assert ", 1 interrupted" in subprocess.run(command, check=True, capture_output=True, text=True).stdout


def reasons(table) -> dict[int, str]:
    """Why a response is missing, by position; only where it is."""
    return {
        int(position): MISSING_REASONS[index]
        for position, index in zip(table.position, table.missing, strict=True)
        if index
    }


def test_a_clip_that_does_not_play_or_is_hidden_is_missing(page, server, tmp_path):
    """The third clip arrives broken; during the fifth the window is hidden for a moment."""

    def break_clip(route):
        response = route.fetch()
        route.fulfill(status=200, headers=response.headers, body=b"no video")

    page.route("**/clips/3", break_clip)
    enter(page, server.address)
    wait_until(page, "parseFloat(document.getElementById('progress-bar').style.width) >= 50")
    wait_until(page, "document.querySelector('video.clip')?.currentTime > 0")
    page.evaluate("""() => {
        const hide = (hidden) => {
            Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});
            document.dispatchEvent(new Event('visibilitychange'));
        };
        hide(true);
        setTimeout(() => hide(false), 150);
    }""")
    wait_for_end(page, "Thank you")
    table = server.export(tmp_path / "a.csv")
    found = reasons(table)
    assert found.pop(3) == "unplayable"
    assert len(found) == 1
    assert set(found.values()) == {"hidden"}
    (hidden,) = found
    row = table.position.tolist().index(hidden)
    assert table.extra["hidden_ms"][row].as_py() not in {None, "0"}
    assert table.extra["window_width"][row].as_py() == "1280"
    assert int(table.extra["frames"][row].as_py()) > 0


def test_a_hasty_press_and_a_held_key_count_not_or_once(page, server, tmp_path):
    """A press with the first frame is no response; a key that is held over three clips is one."""
    enter(page, server.address)
    page.evaluate("""() => {
        let known = null;
        let seen = 0;
        let held = false;
        const send = (kind) => document.activeElement.dispatchEvent(
            new KeyboardEvent(kind, {key: ' ', code: 'Space', bubbles: true}));
        setInterval(() => {
            const video = document.querySelector('video.clip');
            if (!video || video.src === known || !(video.currentTime > 0)) return;
            known = video.src;
            seen += 1;
            if (seen === 2) { send('keydown'); send('keyup'); }
            if (seen === 4) setTimeout(() => { held = true; send('keydown'); }, 300);
            if (seen === 7) { held = false; send('keyup'); }
        }, 2);
        setInterval(() => { if (held) send('keydown'); }, 100);
    }""")
    wait_for_end(page, "Thank you")
    table = server.export(tmp_path / "a.csv")
    assert table.pressed.sum() == 1
    assert 100 <= table.rt_ms[table.pressed][0] <= 1000


def test_a_returner_from_a_platform_is_told_where_they_are(browser, server):
    """The same id in another browser, in the middle of step 1 and after it; no code but that of the step."""
    address = f"{server.address}/?PROLIFIC_PID=5f3a9c0e1b2d&STUDY_ID=s1&SESSION_ID=t1"
    first = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    enter(first, address)
    first.context.close()
    second = browser.new_context(viewport={"width": 390, "height": 844}).new_page()
    second.goto(address)
    second.click("text=Continue")
    second.click("#jspsych-fullscreen-btn")
    wait_for_end(second, "the first part is done")
    second.context.close()
    third = browser.new_context(viewport={"width": 390, "height": 844}).new_page()
    third.goto(address.replace("s1", "s2"))
    third.wait_for_selector("text=The second part is not open yet")
    assert "part 2" not in third.inner_text("#display").lower()
    assert third.evaluate("document.documentElement.scrollWidth") <= 390
    third.context.close()


@pytest.mark.slow
def test_the_second_of_two_tabs_takes_over(page, server, tmp_path):
    enter(page, server.address)
    other = page.context.new_page()
    other.goto(server.address)
    other.click("text=Continue")
    other.click("#jspsych-fullscreen-btn")
    page.wait_for_selector("text=continues in another window", timeout=30_000)
    wait_for_end(other, "Thank you")
    table = server.export(tmp_path / "a.csv")
    assert sorted(table.position.tolist()) == list(range(1, FIRST + 1))


def test_responses_wait_while_the_connection_is_cut(page, server, tmp_path):
    enter(page, server.address)
    wait_until(page, "parseFloat(document.getElementById('progress-bar').style.width) > 20")
    page.context.set_offline(True)
    page.wait_for_selector("#network:visible", timeout=20_000)
    wait_until(page, "Object.keys(localStorage).some((name) => name.startsWith('responses '))")
    page.context.set_offline(False)
    wait_for_end(page, "Thank you")
    assert not page.is_visible("#network")
    table = server.export(tmp_path / "a.csv")
    assert sorted(table.position.tolist()) == list(range(1, FIRST + 1))


def test_a_killed_server_loses_nothing(page, server, tmp_path):
    enter(page, server.address)
    wait_until(page, "parseFloat(document.getElementById('progress-bar').style.width) > 30")
    page.keyboard.press("Space")
    server.stop(signal.SIGKILL)
    before = server.export(tmp_path / "before.csv")
    wait_until(page, "!document.getElementById('network').hidden")
    server.start()
    wait_for_end(page, "Thank you")
    after = server.export(tmp_path / "after.csv")
    assert 2 <= len(before) < len(after) == FIRST
    assert after.pressed[: len(before)].tolist() == before.pressed.tolist()


def test_a_phone_is_told_to_use_a_computer(browser, server):
    context = browser.new_context(
        viewport={"width": 390, "height": 844},
        user_agent="Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1 Mobile/15E148",
    )
    page = context.new_page()
    page.goto(server.address)
    for width, height in ((390, 844), (844, 390)):  # upright and turned
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_selector("text=needs a computer with a keyboard")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()


@pytest.mark.parametrize("size", [(1280, 800), (390, 844)])
def test_pages_fit_their_window(page, server, size):
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.goto(server.address)
    page.wait_for_selector("text=I agree")
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    page.click("text=I agree to take part")
    page.wait_for_selector("select")
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
