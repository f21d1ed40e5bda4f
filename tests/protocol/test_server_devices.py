"""In Chromium: participants with two tabs or devices, who go back, reload, let the laptop sleep, or hold the key."""

import csv
import signal
import subprocess
import sys

import pytest

from tests.protocol import test_server_browser as game
from tests.protocol.served import make_study
from tests.protocol.test_server_browser import DESIGN, FIRST, Server, enter, ready, reasons, wait_for_end, wait_until
from videomem_hf.protocol.server.settings import Question, StudySettings

pytestmark = game.pytestmark
WINDOW = {"width": 1280, "height": 800}


@pytest.fixture
def server(clips, tmp_path):
    question = Question("age", "Your age", ("under 30", "30 or over"))
    settings = StudySettings(demographics=(question,), joins_per_minute=1000, frames_dropped_max=1.0)
    study, _ = make_study(tmp_path / "study", clips, design=DESIGN, settings=settings)
    server = Server(study.folder)
    yield server
    server.stop(signal.SIGKILL)


def people(server, tmp_path):
    command = [sys.executable, "-m", "videomem_hf", "study", "export", str(server.folder), str(tmp_path / "a.csv")]
    subprocess.run([*command, "--participants", str(tmp_path / "p.csv")], check=True, capture_output=True)
    return list(csv.DictReader((tmp_path / "p.csv").open(newline="")))


def goes_on(page) -> None:
    """From the page that welcomes back into the game."""
    page.click("text=Continue")
    page.click("#jspsych-fullscreen-btn")


def in_the_middle(page, percent: int = 20) -> None:
    """Wait for a clip on the screen after some others."""
    wait_until(page, f"parseFloat(document.getElementById('progress-bar').style.width) > {percent}")
    wait_until(page, "document.querySelector('video.clip')?.currentTime > 0")


def test_a_second_device_goes_on_and_the_first_says_so(browser, server, tmp_path):
    """The clip that the first device was showing is not shown again, and its response is missing."""
    address = f"{server.address}/?id=ANNA7"
    first = browser.new_context(viewport=WINDOW).new_page()
    enter(first, address)
    in_the_middle(first)
    second = browser.new_context(viewport=WINDOW).new_page()
    second.goto(address)
    goes_on(second)
    first.wait_for_selector("text=on another device", timeout=30_000)
    assert "reload" not in first.inner_text("#display")
    wait_for_end(second, "Thank you")
    table = server.export(tmp_path / "a.csv")
    assert table.position.tolist() == list(range(1, FIRST + 1))
    assert list(reasons(table).values()) == ["interrupted"]
    assert len(people(server, tmp_path)) == 1
    first.context.close()
    second.context.close()


def test_back_and_forward_end_the_showing_and_the_game_goes_on(page, server, tmp_path):
    page.goto("about:blank")
    enter(page, server.address)
    in_the_middle(page)
    page.go_back()
    page.go_forward()
    goes_on(page)
    wait_for_end(page, "Thank you")
    table = server.export(tmp_path / "a.csv")
    assert table.position.tolist() == list(range(1, FIRST + 1))
    assert list(reasons(table).values()) == ["interrupted"]


def test_a_reload_leads_to_the_right_page_everywhere(page, server, tmp_path):
    def reload(text: str) -> None:
        page.reload()
        page.wait_for_selector(f"text={text}")

    page.goto(server.address)
    page.wait_for_selector("text=I agree")
    reload("I agree to take part")
    page.click("text=I agree to take part")
    page.wait_for_selector("select")
    reload("I agree to take part")
    page.click("text=I agree to take part")
    page.select_option("select", "under 30")
    page.click("text=Continue")
    page.wait_for_selector("text=Your keyboard")
    reload("Your keyboard")
    page.keyboard.press("Space")
    page.click("#jspsych-instructions-next")
    reload("Your keyboard")
    page.keyboard.press("Space")
    for _ in range(3):
        page.click("#jspsych-instructions-next")
    page.wait_for_selector("#jspsych-fullscreen-btn")
    reload("Your keyboard")
    ready(page)
    wait_for_end(page, "Thank you")
    last = page.inner_text("#display h1")
    reload(last)
    assert page.inner_text("#display h1") == last
    assert len(server.export(tmp_path / "a.csv")) == FIRST
    assert [row["step1_interruptions"] for row in people(server, tmp_path)] == ["0"]


def test_after_an_hour_of_sleep_the_part_is_over_and_what_was_is_kept(page, server, tmp_path):
    """The server's clock goes on by an hour while the page stands still."""
    enter(page, server.address)
    in_the_middle(page)
    server.stop()
    before = server.export(tmp_path / "before.csv")
    server.start("--hours-ahead", "1")
    wait_for_end(page, "This part is over")
    after = server.export(tmp_path / "after.csv")
    assert 1 <= len(before) < FIRST
    assert after.position.tolist() == before.position.tolist()
    page.reload()
    page.wait_for_selector("text=This part is over")


def test_a_key_held_since_before_the_first_clip_is_no_press(page, server, tmp_path):
    page.goto(server.address)
    page.click("text=I agree to take part")
    page.select_option("select", "under 30")
    page.click("text=Continue")
    page.wait_for_selector("text=Your keyboard")
    page.keyboard.press("Space")
    for _ in range(3):
        page.click("#jspsych-instructions-next")
    page.keyboard.down("Space")
    page.click("#jspsych-fullscreen-btn")
    while not page.evaluate("parseFloat(document.getElementById('progress-bar').style.width) > 30"):
        page.keyboard.down("Space")  # a key that is down already repeats
    page.keyboard.up("Space")
    wait_for_end(page, "Thank you")
    table = server.export(tmp_path / "a.csv")
    assert len(table) == FIRST
    assert not table.pressed.any()


@pytest.mark.parametrize("choice", ["deleted", "kept_out"])
def test_withdrawing_in_another_tab_ends_the_game(page, server, tmp_path, choice):
    enter(page, server.address)
    other = page.context.new_page()
    other.goto(server.address)
    other.wait_for_selector("text=Welcome back")
    other.click("#withdraw")
    other.click(f"#withdrawal button[value={choice}]")
    for each in (other, page):
        each.wait_for_selector("text=You have withdrawn", timeout=30_000)
    assert [row["withdrawn"] for row in people(server, tmp_path)] == [choice]
