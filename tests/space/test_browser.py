"""The Space in Chromium: upload, overlay, comparison, CSV, a bad file, a phone; screenshots in pytest's folder."""

import csv
import shutil
from pathlib import Path

import av
import gradio
import pytest

from tests.clips import write_audio
from tests.films.films import still, write_film
from tests.space.served import Served

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]  # fmt: skip
EXAMPLES = Path(__file__).parents[2] / "space" / "examples"
WAIT_MS = 180_000
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Where screenshots are left to be looked at."""
    return tmp_path_factory.mktemp("screenshots")


@pytest.fixture
def visit(browser, served):
    """Opens the page; at the end nothing was fetched from elsewhere, and no script has failed."""
    contexts, foreign, failures = [], [], []
    own = (served.address, "data:", "blob:", "file:")

    def opened(size: str = "desktop", scheme: str = "light"):
        width, height = SIZES[size]
        phone = size == "phone"
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, is_mobile=phone, has_touch=phone
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        page.on("request", lambda request: None if request.url.startswith(own) else foreign.append(request.url))
        page.on("pageerror", lambda error: failures.append(str(error)))
        page.goto(served.address)
        page.wait_for_selector("#vm-go")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert foreign == []
    assert failures == []


def open_tab(page, name: str) -> None:
    page.get_by_role("tab", name=name).click()


def upload(page, selector: str, clips: list[Path]) -> None:
    """Hand in files, and wait until they have arrived."""
    with page.expect_response(lambda response: "/upload" in response.url and response.request.method == "POST"):
        page.set_input_files(f"{selector} input[type=file]", [str(clip) for clip in clips])
    page.wait_for_function(
        f"document.querySelector('{selector}').innerText.includes('KB') || document.querySelector('{selector} video')"
    )


FITS = "document.documentElement.scrollWidth <= window.innerWidth"


def fits(page) -> bool:
    return page.evaluate(FITS)


MAP_OVER_PLAYER = """() => {
  const video = document.querySelector('#vm-clip video');
  const layer = document.querySelector('#vm-clip canvas.vm-layer');
  if (!video || !layer || layer.hidden || !layer.width) return false;
  const data = layer.getContext('2d').getImageData(0, 0, layer.width, layer.height).data;
  return video.classList.contains('vm-mapped') && data.some((value, i) => i % 4 === 3 && value > 100);
}"""
AT = "Math.abs(document.querySelector('#vm-clip video').currentTime - {}) < 0.1"


def test_a_real_clip_from_upload_to_overlay(visit, real_clip, pictures):
    page = visit()
    upload(page, "#vm-clip", [real_clip])
    page.wait_for_selector("#vm-summary [role=meter]")
    assert page.locator("#vm-summary [role=meter]").count() == 2
    assert "la Terre" in page.inner_text("#vm-summary .vm-clip")
    page.wait_for_selector(".vm-thumb")
    assert page.locator(".vm-thumb").count() == 5
    page.wait_for_function(MAP_OVER_PLAYER)
    assert page.locator("#vm-overlay video").count() == 0  # nobody has asked for it
    page.click("#vm-overlay-go")
    page.wait_for_selector("#vm-overlay video")
    page.wait_for_function("document.querySelector('#vm-overlay video').duration > 4.5")
    page.wait_for_function("document.querySelector('#vm-overlay video').videoWidth >= 640")
    assert fits(page)
    page.screenshot(path=pictures / "desktop-light.png", full_page=True)


def test_the_curve_the_frames_and_the_slider_are_one(visit, pictures):
    page = visit(scheme="dark")
    page.click("text=Sailboat")
    page.wait_for_selector(".vm-explorer")
    plot = page.locator(".vm-plot").bounding_box()
    page.click(".vm-plot", position={"x": plot["width"] * 0.12, "y": plot["height"] / 2})
    assert page.locator(".vm-thumb").nth(0).get_attribute("aria-pressed") == "true"
    assert page.inner_text(".vm-caption").startswith("At 0.0 s")
    page.focus(".vm-time")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert page.locator(".vm-thumb[aria-pressed=true]").get_attribute("data-frame") == "3"
    assert page.inner_text(".vm-caption").startswith("At 3.0 s")
    assert page.get_attribute(".vm-time", "aria-valuetext").startswith("Frame at 3.0 s")
    page.wait_for_function(AT.format(3))
    assert "with its map" in page.get_attribute(".vm-picture", "alt")
    page.get_by_label("Show where the model looks").press("Space")
    assert not page.evaluate(MAP_OVER_PLAYER)
    page.locator(".vm-thumb").nth(5).press("Enter")
    assert page.inner_text(".vm-caption").startswith("At 5.0 s")
    assert "with its map" not in page.get_attribute(".vm-picture", "alt")
    page.wait_for_function(AT.format(5))
    page.screenshot(path=pictures / "desktop-dark.png", full_page=True)


def test_a_result_belongs_to_its_clip_and_model(visit, small_clip):
    page = visit()
    upload(page, "#vm-clip", [small_clip])
    page.wait_for_selector(".vm-explorer")
    ribbon = page.locator("#vm-summary .vm-ribbon")
    assert not ribbon.is_visible()
    chosen = page.input_value("#vm-model input")
    page.fill("#vm-model input", "owner/other")
    page.press("#vm-model input", "Enter")
    ribbon.wait_for(state="visible")
    assert not page.evaluate(MAP_OVER_PLAYER)
    page.fill("#vm-model input", chosen)
    page.press("#vm-model input", "Enter")
    ribbon.wait_for(state="hidden")
    page.get_by_label("Clear").click()
    ribbon.wait_for(state="visible")
    assert "Earlier result" in ribbon.inner_text()
    for label in ("owner/other", chosen):  # the clip is gone whatever the model
        page.fill("#vm-model input", label)
        page.press("#vm-model input", "Enter")
        page.wait_for_function("(label) => vm.label === label", arg=label)
        assert ribbon.is_visible()


def test_a_result_that_comes_after_another_model_was_chosen_is_marked(visit, pictures):
    page = visit()
    page.click("text=Grey sky")
    page.wait_for_selector(".vm-explorer")
    page.click(".vm-grid-go")
    page.wait_for_selector("#vm-measured img")
    page.click("#vm-overlay-go")
    page.wait_for_selector("#vm-overlay video")
    assert page.locator(".vm-ribbon:visible").count() == 0
    page.click("#vm-stop")  # nothing runs: nothing goes
    page.fill("#vm-model input", "owner/other")
    page.press("#vm-model input", "Enter")
    page.wait_for_function("document.querySelectorAll('#vm-one .vm-old').length === 4")
    assert page.locator(".vm-ribbon:visible").count() == 4
    assert page.locator("#vm-summary [role=meter]").count() == 2
    page.screenshot(path=pictures / "earlier.png", full_page=True)
    chosen = page.get_attribute("#vm-summary .vm-result", "data-model")
    page.fill("#vm-model input", chosen)
    page.press("#vm-model input", "Enter")
    page.wait_for_selector("#vm-one .vm-old", state="detached")
    page.evaluate("vm.label = 'owner/other'")  # as if it were chosen while the clip is scored
    page.click("#vm-go")
    page.wait_for_selector("#vm-summary .vm-empty")
    page.wait_for_selector(".vm-explorer.vm-old")
    assert page.locator("#vm-summary .vm-ribbon").is_visible()


def test_a_clip_that_the_browser_cannot_play_has_a_preview(visit):
    page = visit()
    avi = Path(gradio.__file__).parent / "media_assets" / "videos" / "b.avi"
    page.set_input_files("#vm-clip input[type=file]", str(avi))
    page.wait_for_selector(".vm-explorer")
    page.wait_for_function("document.querySelector('#vm-clip video')?.videoWidth > 0")
    page.wait_for_function(MAP_OVER_PLAYER)
    assert page.inner_text("#vm-summary .vm-clip") == "b.avi"
    assert "not playable" not in page.inner_text("body")
    scores = page.inner_text("#vm-summary .vm-cards")
    page.click("#vm-go")  # of the clip itself, though the player holds the preview
    page.wait_for_selector("#vm-summary .vm-empty")
    page.wait_for_selector(".vm-explorer")
    assert page.inner_text("#vm-summary .vm-clip") == "b.avi"
    assert page.inner_text("#vm-summary .vm-cards") == scores


def test_a_part_is_covered_by_keyboard_and_by_hand(visit, pictures):
    page = visit()
    page.click("text=Cafe sign")
    page.wait_for_selector(".vm-explorer")
    page.focus(".vm-draw")
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+ArrowDown")
    assert "from 28 to 68 percent across and 30 to 72 percent down" in page.get_attribute(".vm-rect", "aria-label")
    page.keyboard.press("Enter")
    page.wait_for_selector("#vm-measured >> text=from 28 to 68 % of the width and 30 to 72 % of the height")
    stage = page.locator(".vm-picture").bounding_box()
    page.mouse.move(stage["x"] + 0.1 * stage["width"], stage["y"] + 0.2 * stage["height"])
    page.mouse.down()
    page.mouse.move(stage["x"] + 0.5 * stage["width"], stage["y"] + 0.9 * stage["height"], steps=4)
    page.mouse.up()
    page.click(".vm-measure")
    page.wait_for_selector("#vm-measured >> text=from 10 to 50 % of the width and 20 to 90 % of the height")
    page.click(".vm-grid-go")
    page.wait_for_selector("#vm-measured img")
    assert page.locator("#vm-measured img").count() == 2  # one for each horizon
    page.screenshot(path=pictures / "measured.png", full_page=True)
    page.click("#vm-go")  # another result: nothing measured of the one before stays
    page.wait_for_selector("#vm-measured .vm-measured", state="detached")


def test_two_clips_are_ranked_and_a_bad_one_is_told(visit, tmp_path, pictures):
    broken = tmp_path / "<b>broken<b>.mp4"
    broken.write_bytes(b"no video")
    page = visit()
    open_tab(page, "Compare")
    upload(page, "#vm-compare-clips", [EXAMPLES / "grey-sky.webm", EXAMPLES / "sailboat.webm", broken])
    page.click("#vm-compare-go")
    page.wait_for_function("document.querySelectorAll('#vm-ranking tbody tr').length === 3")
    page.wait_for_selector("#vm-ranking .vm-waiting", state="detached")
    rows = page.locator("#vm-ranking tbody tr")

    def scores(horizon: str) -> list[float]:
        return [float(rows.nth(i).get_attribute(f"data-{horizon}")) for i in range(2)]

    assert scores("short-term") == sorted(scores("short-term"), reverse=True)
    assert "not a video that FFmpeg can read" in rows.nth(2).inner_text()
    page.get_by_role("button", name="Long-term").click()
    assert scores("long-term") == sorted(scores("long-term"), reverse=True)
    assert page.locator("th[aria-sort=descending]").inner_text().startswith("Long-term")
    assert rows.nth(0).locator(".vm-rank").inner_text() == "1"
    assert page.locator("#vm-ranking .vm-over .vm-line").count() == 4  # two clips, two horizons
    page.screenshot(path=pictures / "compare.png", full_page=True)


def test_a_film_becomes_a_timeline(visit, tmp_path, pictures):
    film = write_film(tmp_path / "f.mp4", still(1, 8), still(2, 4), still(3, 3), codec="h264")
    page = visit()
    open_tab(page, "Film")
    upload(page, "#vm-film-clip", [film])
    page.locator("#vm-film-length input").click()
    page.get_by_role("option", name="10 s").click()
    page.click("#vm-film-go")
    timeline = page.frame_locator("#vm-film iframe")
    timeline.locator("#shot-3").wait_for()
    assert timeline.locator("tbody tr").count() == 3
    timeline.locator('.best button[data-shot="2"]').click()
    assert timeline.locator("dialog span").inner_text().startswith("Shot 2, 0:08 to 0:12")
    page.wait_for_selector("#vm-film-best video")
    page.screenshot(path=pictures / "film.png", full_page=True)
    with page.expect_download() as download:
        page.click("#vm-film-page")
    assert download.value.suggested_filename == "memorability of f.html"


def test_a_batch_becomes_files_to_keep(visit, tmp_path, pictures):
    page = visit()
    open_tab(page, "Batch")
    upload(page, "#vm-batch-clips", [EXAMPLES / "grey-sky.webm", EXAMPLES / "striped-cat.webm"])
    page.click("#vm-batch-go")
    page.wait_for_selector("#vm-csv:not([disabled])")
    page.wait_for_function("document.querySelectorAll('#vm-batch-table tbody tr').length === 2")
    for button, end in (("#vm-csv", "csv"), ("#vm-page", "html")):
        with page.expect_download() as download:
            page.click(button)
        assert download.value.suggested_filename == f"memorability of grey-sky and striped-cat.{end}"
        download.value.save_as(tmp_path / f"m.{end}")
    with (tmp_path / "m.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["clip"] for row in rows] == ["grey-sky.webm", "striped-cat.webm"]
    assert all(0 < float(row["short_term"]) < 1 and row["frames"] == "7" for row in rows)
    page.screenshot(path=pictures / "batch.png", full_page=True)
    page.goto((tmp_path / "m.html").as_uri())
    page.get_by_role("button", name="Long-term").click()
    assert page.locator("th[aria-sort=descending]").inner_text().startswith("Long-term")
    page.screenshot(path=pictures / "batch-page.png", full_page=True)


def test_a_bad_file_gets_one_sentence_that_stays(visit, tmp_path, pictures):
    page = visit()
    page.click("#vm-go")
    page.wait_for_selector("#vm-summary .vm-error >> text=No clip yet: drop one")
    page.set_input_files("#vm-clip input[type=file]", str(write_audio(tmp_path / "sound.mp4")))
    page.wait_for_selector("#vm-summary .vm-error >> text=Holds no moving picture, only sound")
    assert "Holds no moving picture" in page.get_by_role("alert").inner_text()
    page.screenshot(path=pictures / "bad-file.png", full_page=True)
    assert "/tmp" not in page.inner_text("body")
    assert page.locator(".toast-wrap :visible").count() == 0


def test_progress_is_read_out_once_for_each_kind_of_work(visit, small_clip):
    """The page shows it anew many times a second; each part of it is heard once, and the bar has a name."""
    page = visit()
    page.evaluate("""() => {
      const said = document.querySelector(".vm-unseen[role=status]");
      window.heard = [];
      window.unnamed = 0;
      new MutationObserver(() => {
        if (said.textContent !== window.heard.at(-1)) window.heard.push(said.textContent);
      }).observe(said, { childList: true, characterData: true, subtree: true });
      new MutationObserver(() => setTimeout(() => {
        window.unnamed += document.querySelectorAll(".vm-progress [role=progressbar]:not([aria-label])").length;
      })).observe(document.body, { childList: true, subtree: true });
    }""")
    upload(page, "#vm-clip", [small_clip])
    page.wait_for_selector(".vm-explorer")
    heard = page.evaluate("window.heard")
    assert heard
    assert len(heard) == len(set(heard)) <= 4, heard
    assert any(words.startswith(("Scoring", "Loading the model", "Place 1 of")) for words in heard), heard
    assert page.evaluate("window.unnamed") == 0
    assert page.locator("#vm-summary [role=status] [role=meter]").count() == 2


def test_a_long_clip_is_offered_in_parts(visit, tmp_path, pictures):
    page = visit()
    page.set_input_files("#vm-clip input[type=file]", str(write_long_clip(tmp_path / "long.mp4", 70)))
    page.wait_for_selector("text=This clip lasts 1:10; up to 60 s are scored at a time.")
    assert page.get_by_role("status").filter(has_text="This clip lasts 1:10").count() == 1
    page.screenshot(path=pictures / "offer.png", full_page=True)
    assert page.evaluate(DUPLICATES) == []
    page.fill("#vm-start input", "20")
    page.click("#vm-part-go")
    page.wait_for_selector(".vm-explorer")
    assert page.inner_text("#vm-summary .vm-clip").startswith("long.mp4, from ")
    start = float(page.get_attribute(".vm-explorer", "data-offset"))
    assert 0 <= start <= 20
    page.locator(".vm-thumb").nth(2).click()
    seconds = float(page.locator(".vm-thumb").nth(2).get_attribute("data-time"))
    page.wait_for_function(AT.format(start + seconds))


def test_too_large_a_file_is_told_before_it_is_sent(visit, tmp_path):
    page = visit()
    sent = []
    page.on("request", lambda request: sent.append(request.url) if "/upload" in request.url else None)
    large = tmp_path / "large.mp4"
    with large.open("wb") as file:
        file.truncate(201 * 10**6)
    page.set_input_files("#vm-clip input[type=file]", str(large))
    page.wait_for_selector("#vm-summary .vm-error >> text=The file has 201 MB; up to 200 MB can be handed in")
    assert sent == []


def write_long_clip(path: Path, seconds: int) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=1, options={"g": "10"})
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        for _ in range(seconds):
            container.mux(stream.encode(av.VideoFrame(32, 32, "yuv420p")))
        container.mux(stream.encode())
    return path


HEAD_IN_VIEW = """() => {
  const box = document.querySelector('#vm-summary').getBoundingClientRect();
  const still = box.top === window.vmTop;
  window.vmTop = box.top;
  return still && box.top > -2 && box.top < innerHeight / 4;
}"""
DUPLICATES = """() => {
  const ids = [...document.querySelectorAll('[id]')].map((e) => e.id).filter(Boolean);
  return ids.filter((id, i) => ids.indexOf(id) !== i);
}"""


def test_a_phone(visit, pictures):
    page = visit("phone")
    assert fits(page)
    page.set_input_files("#vm-clip input[type=file]", str(EXAMPLES / "grey-sky.webm"))
    page.wait_for_function(HEAD_IN_VIEW)
    page.wait_for_selector(".vm-explorer")
    page.wait_for_function(MAP_OVER_PLAYER)
    page.wait_for_function(FITS)
    page.wait_for_selector("#vm-one .vm-progress [data-testid=status-tracker].hide", state="attached")
    page.wait_for_function(HEAD_IN_VIEW)
    page.screenshot(path=pictures / "phone-view.png")
    page.screenshot(path=pictures / "phone.png", full_page=True)
    for tab in ("Compare", "Batch", "Film", "About"):
        open_tab(page, tab)
        assert fits(page), tab


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(visit, scheme):
    """WCAG 2.1 AA, 4.5 to 1, of the text that this Space itself shows, and of its tabs and buttons."""
    page = visit(scheme=scheme)
    page.click("text=Grey sky")
    page.wait_for_selector(".vm-explorer")
    found = page.evaluate(CONTRASTS)
    assert len(found) > 20
    assert {text: ratio for text, ratio in found.items() if ratio < 4.5} == {}


@pytest.mark.parametrize("tab", ["One clip", "Compare", "Batch", "About"])
def test_what_can_be_focused_has_a_name(visit, tab):
    page = visit()
    page.click("text=Grey sky")
    page.wait_for_selector(".vm-explorer")
    open_tab(page, tab)
    found = page.evaluate(NAMES)
    assert len(found) > 6
    assert [html for name, html in found if not name.strip()] == []


def test_a_trimmed_clip_is_another_one(visit, real_clip, pictures):
    page = visit()
    upload(page, "#vm-clip", [real_clip])
    page.wait_for_selector(".vm-explorer")
    page.get_by_label("Trim video to selection").click()
    handle = page.get_by_label("start drag handle for trimming video").bounding_box()
    page.mouse.move(handle["x"] + 1, handle["y"] + 10)
    page.mouse.down()
    page.mouse.move(handle["x"] + 250, handle["y"] + 10, steps=5)
    page.mouse.up()
    page.screenshot(path=pictures / "trim.png")
    page.get_by_role("button", name="Trim", exact=True).click()
    page.wait_for_selector("#vm-summary .vm-ribbon:visible")
    page.wait_for_function("document.querySelector('#vm-clip video')?.duration < 4")
    page.click("#vm-go")
    page.wait_for_selector("#vm-summary .vm-empty")
    page.wait_for_selector(".vm-explorer")
    assert page.locator(".vm-thumb").count() < 5
    assert page.locator(".vm-ribbon:visible").count() == 0


@pytest.mark.parametrize("length_s", [1.5, 4])
def test_a_recorded_clip_is_scored(visit, length_s):
    shown = "document.querySelector('#vm-clip video').getVideoPlaybackQuality().totalVideoFrames"
    page = visit()
    page.get_by_label("Capture from camera").click()
    page.get_by_role("button", name="Click to Access Webcam").click()
    page.get_by_role("button", name="Start recording").click()
    before = page.evaluate(shown)
    page.wait_for_timeout(1000 * length_s)  # what is filmed takes its time
    page.wait_for_function(f"{shown} >= {before + 10}")  # and longer on a busy machine
    page.get_by_role("button", name="Stop recording").click()
    page.wait_for_selector("#vm-summary [role=meter]")
    page.wait_for_selector(".vm-explorer")


def test_titles_are_asked_for_where_the_model_reads_them(visit, small_clip, title_model, pictures):
    page = visit()
    upload(page, "#vm-clip", [small_clip])
    page.wait_for_selector(".vm-explorer")
    assert not page.locator("#vm-clip-name").is_visible()
    page.fill("#vm-model input", title_model.name)
    page.press("#vm-model input", "Enter")
    field = page.get_by_label("Title of the clip")
    field.fill("red car")
    page.click("#vm-go")
    page.wait_for_selector("#vm-summary .vm-clip >> text=red car")
    page.wait_for_selector(".vm-explorer")
    assert page.locator(".vm-ribbon:visible").count() == 0
    first = page.inner_text("#vm-summary .vm-cards")
    field.fill("a forest at night")
    page.wait_for_selector("#vm-summary .vm-ribbon:visible")
    page.screenshot(path=pictures / "titles.png", full_page=True)
    page.click("#vm-go")
    page.wait_for_selector("#vm-summary .vm-clip >> text=a forest at night")
    assert page.inner_text("#vm-summary .vm-cards") == first  # the network is not trained: titles change nothing
    open_tab(page, "Compare")
    assert page.get_by_label("Titles of the clips").is_visible()


def test_a_restart_of_the_server_is_told(browser, model_folder, tmp_path, pictures):
    space = Served([model_folder], tmp_path)
    page = browser.new_page()
    page.set_default_timeout(WAIT_MS)
    try:
        page.goto(space.address)
        page.wait_for_selector("#vm-go")
        space.stop()
        page.click("#vm-go")
        page.wait_for_selector("text=The server does not respond. What you see stays; once it is back")
        page.screenshot(path=pictures / "away.png")
        space = Served([model_folder], tmp_path, space.port)
        page.wait_for_selector("#vm-nothing >> text=The server has been restarted")
        page.screenshot(path=pictures / "restarted.png")
    finally:
        page.close()
        space.stop()


NAMES = """() => [...document.querySelectorAll('button, input, select, textarea, a[href], summary, [tabindex="0"]')]
  .filter((e) => e.checkVisibility() && e.type !== 'file').map((e) => [
    e.ariaLabel || e.innerText || e.title || [...(e.labels || [])].map((l) => l.innerText).join(' ')
      || document.getElementById(e.getAttribute('aria-labelledby'))?.innerText || '',
    e.outerHTML.slice(0, 200)])"""

CONTRASTS = """() => {
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = (colour) => {
    const [r, g, b] = colour.map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (; element; element = element.parentElement) {
      const colour = rgba(getComputedStyle(element).backgroundColor);
      if (colour[3] > 250) return colour.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const found = {};
  const looked = '.vm-html *, [role=tab], #vm-go, #vm-model label *, #vm-examples *';
  for (const element of document.querySelectorAll(looked)) {
    const own = [...element.childNodes].filter((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own.length || !element.checkVisibility() || element.closest('svg')) continue;
    const [a, b] = [light(rgba(getComputedStyle(element).color).slice(0, 3)), light(ground(element))];
    found[own[0].textContent.trim().slice(0, 40)] = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  }
  return found;
}"""
