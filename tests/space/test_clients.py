"""The Space as programs use and abuse it: many at once, one's results, files, names and addresses."""

import threading
from pathlib import Path

import gradio_client
import httpx
import pytest

import videomem_hf
from tests.space.served import Served

EXAMPLES = Path(__file__).parents[2] / "space" / "examples"


@pytest.fixture(scope="module")
def client(served):
    return gradio_client.Client(served.address, verbose=False)


def numbers(result) -> dict:
    return result[3]


def test_a_program_gets_the_scores_of_the_package(client, real_clip, model_folder):
    expected = videomem_hf.predict(real_clip, model=str(model_folder), device="cpu").to_dict()
    found = numbers(client.predict(gradio_client.handle_file(real_clip), model_folder.name, api_name="/analyse"))
    assert found["short_term"] == pytest.approx(expected["short_term"], abs=1e-5)
    assert found["long_term"] == pytest.approx(expected["long_term"], abs=1e-5)
    assert len(found["frames"]) == 5
    assert str(real_clip.parent) not in str(found)


def test_many_at_once_each_get_their_own(served, client, model_folder, tmp_path):
    """Six clients with two kinds of clips, among them who goes away in the middle."""
    alone = {
        name: numbers(
            client.predict(gradio_client.handle_file(EXAMPLES / name), model_folder.name, api_name="/analyse")
        )
        for name in ("grey-sky.webm", "cafe-sign.webm")
    }
    assert alone["grey-sky.webm"]["frames"] != alone["cafe-sign.webm"]["frames"]
    gone = client.submit(gradio_client.handle_file(EXAMPLES / "sailboat.webm"), model_folder.name, api_name="/analyse")
    gone.cancel()
    found: list[tuple[str, dict]] = []

    def ask(name: str) -> None:
        own = gradio_client.Client(served.address, verbose=False)
        clip = gradio_client.handle_file(EXAMPLES / name)
        found.append((name, numbers(own.predict(clip, model_folder.name, api_name="/analyse"))))

    threads = [threading.Thread(target=ask, args=(list(alone)[i % 2],)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(found) == 6
    for name, result in found:
        assert result == alone[name]


@pytest.mark.parametrize(
    "name",
    [
        "../../../escaped.mp4",
        "..\\escaped.mp4",
        "/etc/escaped.mp4",
        "<script>alert(1)</script>.mp4",
        "é" * 300 + ".mp4",
    ],
)
def test_hostile_names_stay_in_their_folder(served, small_clip, model_folder, name):
    content = small_clip.read_bytes()
    reply = httpx.post(
        f"{served.address}/gradio_api/upload", files={"files": (name, content, "video/mp4")}, timeout=300
    )
    assert reply.status_code == 200
    (path,) = map(Path, reply.json())
    assert path.resolve().is_relative_to(served.files)
    assert path.read_bytes() == content
    found = post(served, {"path": str(path), "meta": {"_type": "gradio.FileData"}}, model_folder.name)
    assert "event: complete" in found
    assert "<script>alert" not in found.replace("\\u003c", "<")


def post(served: Served, clip: dict, model: str) -> str:
    """Ask as a program does that ignores what the page allows; gives the whole stream of events."""
    address = f"{served.address}/gradio_api/call/analyse"
    event = httpx.post(address, json={"data": [clip, model, ""]}, timeout=300).json()["event_id"]
    return httpx.get(f"{address}/{event}", timeout=300).text


@pytest.mark.parametrize(
    "clip",
    [
        {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}},
        {"path": "/etc/passwd"},
        {"path": "http://127.0.0.1:1/x.mp4", "meta": {"_type": "gradio.FileData"}},
        {"path": "https://example.com/x.mp4", "url": "https://example.com/x.mp4", "meta": {"_type": "gradio.FileData"}},
        {"path": "file:///etc/passwd", "meta": {"_type": "gradio.FileData"}},
        "/etc/passwd",
    ],
)
def test_neither_this_machines_files_nor_addresses_are_read(served, model_folder, clip):
    found = post(served, clip, model_folder.name)
    assert "event: error" in found
    assert "root:" not in found


def test_other_files_are_not_served(served, model_folder):
    for path in ("/etc/passwd", str(model_folder / "config.json"), str(Path(__file__).resolve())):
        assert httpx.get(f"{served.address}/gradio_api/file={path}", timeout=300).status_code in (403, 404)


def test_too_large_a_file_is_refused(served):
    size = 201 * 1000**2
    reply = httpx.post(
        f"{served.address}/gradio_api/upload", files={"files": ("large.mp4", bytes(size), "video/mp4")}, timeout=300
    )
    assert reply.status_code == 413
