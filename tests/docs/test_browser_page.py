"""The page that scores a clip in the browser, in Chromium without a network."""

import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.inference.exported import attention, clip, exported
from videomem_hf.inference.onnx import load_onnx_predictor

__all__ = ["attention", "clip", "exported"]

PAGE = Path(__file__).parents[2] / "docs/browser"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium"),
    pytest.mark.skipif(not (PAGE / "node_modules").is_dir(), reason="needs onnxruntime-web, see docs/export.md"),
]


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(PAGE)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_clip_is_scored_and_stays(address: str, attention: tuple[Path, Path], clip: Path, tmp_path: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    expected = load_onnx_predictor(attention[1]).predict(clip)
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        page = browser.new_page()
        requests: list[tuple[str, str]] = []
        errors: list[str] = []
        page.on("request", lambda request: requests.append((request.method, request.url)))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(address)
        page.get_by_role("button", name="Score").click()
        page.get_by_text("choose export.json and model.onnx").wait_for()
        page.set_input_files("#model", [attention[1] / "export.json", attention[1] / "model.onnx"])
        page.set_input_files("#clip", clip)
        page.get_by_role("button", name="Score").click()
        page.get_by_text("4 frames scored").wait_for()
        for horizon, score in expected.scores.items():
            shown = float(page.locator(f"[data-horizon={horizon}]").inner_text())
            assert shown == pytest.approx(score, abs=0.01)  # browsers decode colours in their own way
        page.screenshot(path=tmp_path / "page.png", full_page=True)
        browser.close()
    assert not errors
    assert len(expected.times_s) == 4
    assert {method for method, _ in requests} == {"GET"}
    assert all(url.startswith((address, "blob:")) for _, url in requests)
