"""The participants' pages in Chromium: languages, consent, practice, withdrawing, device, keyboard, touch, contrast."""

import csv
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.protocol import test_server_browser as game
from tests.protocol.served import make_study
from tests.protocol.test_server_browser import DESIGN, FIRST, Server, player_starts, wait_for_end
from videomem_hf.protocol.design import Practice
from videomem_hf.protocol.server.settings import Question, StudySettings

pytestmark = game.pytestmark
AXE = os.environ.get("VIDEOMEM_TEST_AXE")
"""The file axe.min.js of the npm package axe-core, for a second opinion on accessibility."""


@pytest.fixture
def server(clips, tmp_path):
    settings = StudySettings(
        languages=("en", "de", "zh"),
        contact="lab@example.org",
        demographics=(Question("age", "Your age", ("under 30", "30 or over")), Question("town", "Your town")),
        codes={"declined": "CD", "screened_out": "CS", "withdrawn": "CW"},
        completion_url="https://example.org/?code={code}",
        joins_per_minute=1000,
        frames_dropped_max=1.0,
    )
    design = replace(DESIGN, practice=Practice(3, 2))
    study, _ = make_study(tmp_path / "study", clips, design=design, settings=settings)
    server = Server(study.folder)
    yield server
    server.stop(signal.SIGKILL)


def change(server, name: str, *changes: tuple[str, str]) -> None:
    """Change a file of the study and start the server again."""
    server.stop()
    path = server.folder / name
    text = path.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    server.start()


def people(server, tmp_path):
    command = [sys.executable, "-m", "videomem_hf", "study", "export", str(server.folder), str(tmp_path / "a.csv")]
    options = ["--participants", str(tmp_path / "people.csv"), "--practice", str(tmp_path / "practice.csv")]
    subprocess.run([*command, *options], check=True, capture_output=True)
    return [list(csv.DictReader((tmp_path / name).open(newline=""))) for name in ("people.csv", "practice.csv")]


def join(page, address: str) -> None:
    page.goto(address)
    page.click("button[value=agree]")
    page.wait_for_selector("select")
    page.click("form button")
    page.wait_for_selector("kbd")


PROBLEMS = """() => {
    // Names, labels and contrast (WCAG 2.1 AA: 4.5 to 1, 3 to 1 for large text) of all that is visible.
    const found = [];
    const visible = (element) => element.checkVisibility({checkOpacity: true, checkVisibilityCSS: true});
    const luminance = ([r, g, b]) => {
        const linear = (v) => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
        const [x, y, z] = [r, g, b].map((v) => linear(v / 255));
        return .2126 * x + .7152 * y + .0722 * z;
    };
    const numbers = (color) => color.match(/[0-9.]+/g).map(Number);
    const ground = (element) => {
        for (let each = element; each; each = each.parentElement) {
            const color = numbers(getComputedStyle(each).backgroundColor);
            if (color.length === 3 || color[3] === 1) return color;
        }
        return [255, 255, 255];
    };
    if (!document.documentElement.lang) found.push('no lang');
    if (document.querySelectorAll('main').length !== 1) found.push('not one main');
    for (const element of document.querySelectorAll('button, a, input, select, video, svg[role], summary')) {
        if (!visible(element)) continue;
        const given = element.labels?.[0]?.innerText || element.getAttribute('aria-label');
        const label = given || element.innerText || element.value;
        if (!label?.trim() && element.className !== 'check') found.push(`no name: ${element.outerHTML.slice(0, 80)}`);
        const box = element.getBoundingClientRect();
        if (element.tagName === 'BUTTON' && Math.min(box.width, box.height) < 24) found.push(`small: ${label}`);
    }
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        if (!walker.currentNode.nodeValue.trim() || !visible(element) || element.closest('button:disabled')) continue;
        const style = getComputedStyle(element);
        const [one, two] = [luminance(numbers(style.color)), luminance(ground(element))];
        const contrast = (Math.max(one, two) + .05) / (Math.min(one, two) + .05);
        const size = parseFloat(style.fontSize);
        const large = size >= 24 || (size >= 18.66 && parseInt(style.fontWeight) >= 700);
        const text = walker.currentNode.nodeValue;
        if (contrast < (large ? 3 : 4.5)) found.push(`contrast ${contrast.toFixed(2)}: ${text}`);
    }
    for (const element of document.querySelectorAll('html, body, main, main > *'))
        if (element.scrollWidth > innerWidth) found.push('wider than the window');
    return found;
}"""


def check(page) -> None:
    """No problem of accessibility on the page as it is."""
    assert page.evaluate(PROBLEMS) == []
    if AXE is not None:
        page.evaluate(Path(AXE).read_text())
        found = page.evaluate("axe.run({resultTypes: ['violations']}).then((result) => result.violations)")
        assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []


def test_every_page_is_accessible_in_each_language(page, server):
    """From the first page to the last by keyboard alone, at the width of a phone."""
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{server.address}/?lang=zh")
    page.wait_for_selector("button[value=agree]")
    assert page.evaluate("document.documentElement.lang") == "zh"
    check(page)
    page.click("text=Deutsch")
    page.wait_for_selector("text=Ich stimme der Teilnahme zu")
    assert page.evaluate("[document.documentElement.lang, document.title]") == ["de", "Spiel zum Videogedächtnis"]
    assert page.inner_text("h1") == page.evaluate("document.activeElement.innerText")
    check(page)
    page.focus("button[value=code]")
    page.keyboard.press("Enter")
    page.wait_for_selector("#code")
    check(page)
    page.reload()
    page.focus("button[value=agree]")
    page.keyboard.press("Enter")
    page.wait_for_selector("select")
    assert page.evaluate("document.activeElement.tagName") == "SELECT"
    check(page)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("kbd")
    assert page.inner_text("kbd") == "Leertaste"
    check(page)
    page.keyboard.press("Space")
    for _ in range(3):
        page.wait_for_selector("#jspsych-instructions-next")
        assert page.locator("svg.drawing").count() == 1
        check(page)
        page.focus("#jspsych-instructions-next")
        page.keyboard.press("Enter")
    page.wait_for_selector("text=Üben Sie nun mit 3 Clips")
    check(page)


def test_practice_tells_what_was_right_and_counts_nothing(page, server, tmp_path):
    join(page, server.address)
    page.keyboard.press("Space")
    for _ in range(3):
        page.click("#jspsych-instructions-next")
    page.click("button:has-text('Start')")
    told = []
    for number in range(3):
        page.wait_for_selector("video.clip")
        game.wait_until(page, "document.querySelector('video.clip')?.currentTime > 0.15")
        if number != 1:
            page.keyboard.press("Space")
        page.wait_for_selector(".verdict")
        told.append(page.get_attribute(".verdict", "class").split()[1])
        assert page.evaluate("document.activeElement.className").startswith("verdict")
        check(page)
        page.click("button:has-text('Continue')")
    assert told == ["wrong", "right", "right"]
    assert "Right responses: 2 of 3" in page.inner_text("#display")
    page.click("button:has-text('Practise again')")
    page.wait_for_selector("video.clip")
    rows, practised = people(server, tmp_path)
    assert [(row["round"], row["repeat"], row["pressed"]) for row in practised[:3]] == [
        ("1", "0", "1"), ("1", "0", "0"), ("1", "1", "1"),
    ]  # fmt: skip
    assert rows[0]["page"] == "1 practice"
    assert rows[0]["check_frames"] not in {"", "0"}
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 1


def test_who_does_not_agree_is_thanked_and_not_stored(page, server, tmp_path):
    page.goto(f"{server.address}/?id=ANNA7")
    page.click("text=I do not agree")
    page.wait_for_selector("text=No data about you were kept")
    assert "CD" in page.inner_text("#display")
    assert "return your submission" in page.inner_text("#display")
    assert not page.is_visible("#footer")
    check(page)
    assert people(server, tmp_path)[0] == []
    assert page.context.cookies() == []
    command = [sys.executable, "-m", "videomem_hf", "study", "status", str(server.folder)]
    status = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "1 opened the page, 1 did not agree" in status


@pytest.mark.parametrize("choice", ["deleted", "kept_out"])
def test_withdrawing_in_the_middle_of_the_game(page, server, tmp_path, choice):
    """The question stays over the clip until it is decided; staying makes the clip count as hidden."""
    server.stop()
    design = (server.folder / "design.yaml").read_text()
    (server.folder / "design.yaml").write_text(
        design.replace("_showings: 3", "_showings: 0").replace("_showings: 2", "_showings: 0")
    )
    server.start()
    join(page, server.address)
    page.keyboard.press("Space")
    for _ in range(3):
        page.click("#jspsych-instructions-next")
    page.click("#jspsych-fullscreen-btn")
    page.wait_for_selector("video.clip")
    page.click("#withdraw")
    page.wait_for_selector("dialog[open]")
    check(page)
    page.click("text=Stay in the study")
    game.wait_until(page, "document.activeElement.id === 'display'")
    game.wait_until(page, "parseFloat(document.getElementById('progress-bar').style.width) > 30")
    page.click("#withdraw")
    page.click(f"dialog button[value={choice}]")
    page.wait_for_selector("text=You have withdrawn")
    assert "CW" in page.inner_text("#display")
    assert not page.is_visible("#footer")
    check(page)
    page.reload()
    page.wait_for_selector("text=You have withdrawn")
    assert page.evaluate("Object.keys(localStorage).length") == 0
    rows, _ = people(server, tmp_path)
    assert [row["withdrawn"] for row in rows] == [choice]
    assert int(rows[0]["step1_missing"] or 0) >= (1 if choice == "kept_out" else 0)
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 1


def test_the_last_pages_have_the_debriefing_and_the_link_to_withdraw(page, server):
    change(
        server,
        "design.yaml",
        ("_showings: 3", "_showings: 0"),
        ("_showings: 2", "_showings: 0"),
        ("vigilance_hits_min: 0.0", "vigilance_hits_min: 1.0"),
    )
    join(page, server.address)
    page.keyboard.press("Space")
    for _ in range(3):
        page.click("#jspsych-instructions-next")
    page.click("#jspsych-fullscreen-btn")
    page.wait_for_selector("text=What this study is about", timeout=60_000)
    assert page.is_visible("#withdraw")
    check(page)
    page.click("button:has-text('Continue')")
    page.wait_for_selector("text=You have completed the study")
    assert page.is_visible("#withdraw")
    page.click("summary")
    check(page)


STUBS = {
    "screen": "Object.defineProperty(window, 'innerHeight', {get: () => window.short ?? 300}); ",
    "speed": """HTMLVideoElement.prototype.getVideoPlaybackQuality = () =>
        ({totalVideoFrames: 100, droppedVideoFrames: window.short ?? 40});""",
    "start": """const play = HTMLVideoElement.prototype.play; HTMLVideoElement.prototype.play = function () {
        if (window.short !== undefined || this.className !== 'check') return play.call(this);
        setTimeout(() => this.dispatchEvent(new Event('error')));
        return Promise.resolve();
    };""",
    "codec": "HTMLMediaElement.prototype.canPlayType = () => '';",
}
SAID = {
    "screen": "has 1280 \u00d7 300 pixels and needs at least 360 \u00d7 360",
    "speed": "40% of the pictures of the test clip were left out",
    "start": "The test clip did not play",
    "codec": "cannot play videos of the type video/mp4, video/webm",
}
MENDED = {"screen": "window.short = 800", "speed": "window.short = 1", "start": "window.short = 1"}


@pytest.mark.parametrize("problem", list(STUBS))
def test_a_device_that_cannot_play_is_told_so_and_can_be_mended(page, server, tmp_path, problem):
    change(server, "study.yaml", ("frames_dropped_max: 1.0", "frames_dropped_max: 0.25"))
    page.add_init_script(STUBS[problem])
    page.goto(server.address)
    page.wait_for_selector("text=This device cannot play the game")
    assert SAID[problem] in page.inner_text("#display")
    assert "CS" in page.inner_text("#display")
    check(page)
    if problem not in MENDED:
        return
    page.evaluate(MENDED[problem])
    page.click("button:has-text('Check again')")
    page.wait_for_selector("text=I agree to take part", timeout=60_000)


def test_the_pages_work_by_touch(browser, server):
    context = browser.new_context(viewport={"width": 1024, "height": 768}, has_touch=True)
    page = context.new_page()
    page.goto(server.address)
    page.tap("button[value=de]")
    page.wait_for_selector("text=Ich stimme der Teilnahme zu")
    page.tap("button[value=agree]")
    page.wait_for_selector("select")
    page.tap("form button")
    page.wait_for_selector("kbd")
    page.tap("#withdraw")
    page.wait_for_selector("dialog[open]")
    page.tap("dialog button[value='']")
    page.wait_for_selector("kbd")
    context.close()


def test_a_returner_reads_their_language(browser, server):
    address = f"{server.address}/?id=ANNA7"
    context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="zh-CN")
    page = context.new_page()
    page.goto(address)
    page.click("text=我同意参加")
    page.click("form button")
    page.wait_for_selector("kbd")
    context.close()
    other = browser.new_context(viewport={"width": 1280, "height": 800}, locale="de-DE").new_page()
    other.goto(address)
    other.wait_for_selector("text=空格键")
    other.context.close()


def test_withdrawing_in_a_browser_that_is_no_longer_known(page, browser, server):
    address = f"{server.address}/?id=ANNA8"
    join(page, address)
    other = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    other.goto(address)
    other.wait_for_selector("kbd")
    page.click("#withdraw")
    page.click("dialog button[value=deleted]")
    page.wait_for_selector("text=We do not recognise this browser")
    other.reload()
    other.wait_for_selector("kbd")
    other.context.close()


def test_the_whole_of_step_1_with_practice(page, server, tmp_path):
    join(page, server.address)
    page.keyboard.press("Space")
    for _ in range(3):
        page.click("#jspsych-instructions-next")
    page.click("button:has-text('Start')")
    for _ in range(3):
        page.wait_for_selector(".verdict", timeout=60_000)
        page.click("button:has-text('Continue')")
    page.wait_for_selector("text=The practice is over")
    page.click("button:has-text('Continue')")
    page.wait_for_selector("#jspsych-fullscreen-btn")
    page.set_viewport_size({"width": 390, "height": 844})
    check(page)
    page.set_viewport_size({"width": 1280, "height": 800})
    page.click("#jspsych-fullscreen-btn")
    player_starts(page)
    wait_for_end(page, "the first part is done")
    assert len(server.export(tmp_path / "a.csv")) == FIRST
    assert people(server, tmp_path)[0][0]["page"] == "1 end"
