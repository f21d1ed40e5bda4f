"""Pushes to a stand-in Hub: what goes and what stays, twice, interrupted, and refused."""

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.hub.stand_in import Hub, Repository
from videomem_hf.hub.push import send
from videomem_hf.hub.shipments import Shipment, dataset_shipment, metric_shipment, model_shipment, space_shipment
from videomem_hf.schema import InputError

ROOT = Path(__file__).parents[2]


def contents(shipment: Shipment) -> dict[str, bytes]:
    return {
        name: source if isinstance(source, bytes) else source.read_bytes() for name, source in shipment.files.items()
    }


def test_a_model_arrives_whole_and_private(hub: Hub, run: Path) -> None:
    shipment = model_shipment(run, "ann/tiny")
    address = send(shipment)
    assert address == f"{hub.url}/ann/tiny"
    there = hub.repositories["model", "ann/tiny"]
    assert there.private
    assert there.files == contents(shipment)
    assert len(there.commits) == 1
    assert {"README.md", "config.json", "model.safetensors", "modeling_frame_attention.py"} <= there.files.keys()
    assert b'"ann/tiny"' in there.files["README.md"]
    assert b"USER/NAME" not in there.files["README.md"]


def test_public_is_said_and_done(hub: Hub) -> None:
    send(metric_shipment("ann/memorability", public=True))
    assert not hub.repositories["space", "ann/memorability"].private
    assert hub.repositories["space", "ann/memorability"].sdk == "gradio"


def test_a_second_push_sends_nothing(hub: Hub, prepared: Path) -> None:
    shipment = dataset_shipment(prepared, "ann/sample")
    send(shipment)
    sent = list(hub.stored)
    assert len(sent) == sum(name.endswith(".parquet") for name in shipment.files) == 6
    hub.requests.clear()
    send(shipment)
    assert hub.stored == sent
    assert not any("/commit/" in path for _, path in hub.requests)
    assert len(hub.repositories["dataset", "ann/sample"].commits) == 1


def test_shards_of_an_earlier_cut_go(hub: Hub, prepared: Path) -> None:
    old = {"scores/train-00000-of-00002.parquet": b"old", "notes.txt": b"mine"}
    hub.repositories["dataset", "ann/sample"] = Repository(True, files=dict(old))
    shipment = dataset_shipment(prepared, "ann/sample")
    send(shipment)
    assert hub.repositories["dataset", "ann/sample"].files == contents(shipment) | {"notes.txt": b"mine"}


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_push_goes_on(hub: Hub, prepared: Path, how: signal.Signals) -> None:
    hub.hold_after = 3
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}
    command = [sys.executable, "-m", "videomem_hf", "push", "dataset", str(prepared), "ann/sample", "--yes"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert hub.held.wait(300)
            process.send_signal(how)
            hub.hold_after = None
            hub.released.set()
            _, said = process.communicate(timeout=300)
        finally:
            process.kill()
    assert process.returncode != 0
    if how == signal.SIGINT:
        assert "The same command goes on where it was" in said
        assert "Traceback" not in said
    assert hub.repositories["dataset", "ann/sample"].files == {}
    before = list(hub.stored)
    assert len(before) >= 3
    shipment = dataset_shipment(prepared, "ann/sample")
    send(shipment)
    assert hub.repositories["dataset", "ann/sample"].files == contents(shipment)
    again = hub.stored[len(before) :]
    assert not set(again) & set(before)
    assert len(again) + len(before) == 6


def test_nothing_private_goes_into_a_public_repository(hub: Hub, prepared: Path, run: Path) -> None:
    hub.repositories["dataset", "ann/sample"] = Repository(private=False)
    with pytest.raises(InputError, match=r"ann/sample: is there and is public, .* make it private"):
        send(dataset_shipment(prepared, "ann/sample"))
    assert hub.repositories["dataset", "ann/sample"].files == {}
    assert not hub.stored


def test_what_does_not_arrive_is_told(hub: Hub) -> None:
    hub.loses = "app.py"
    with pytest.raises(InputError, match=r"1 file did not arrive \(first: app.py\); give the same command again"):
        send(metric_shipment("ann/memorability"))


def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda patch: patch.delenv("HF_TOKEN"), r"no token for http.*: run `hf auth login`, or set HF_TOKEN"),
        (lambda patch: patch.setenv("HF_TOKEN", "hf_wrong"), r"refuses \(401, .*the token is not accepted: `hf auth"),
        (lambda patch: patch.setenv("HF_TOKEN", "hf_reader"), r"refuses \(403, .*take one with write permission"),
        (offline, r"HF_HUB_OFFLINE is set.*unset it to push"),
        (unreachable, r"http://127.0.0.1:9 cannot be reached .*HF_ENDPOINT is right"),
    ],
    ids=["no token", "wrong token", "may not write", "offline", "no network"],
)
def test_what_stands_in_the_way_is_one_sentence(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, change: Callable[[pytest.MonkeyPatch], None], message: str
) -> None:
    change(monkeypatch)
    with pytest.raises(InputError, match=message) as raised:
        send(metric_shipment("ann/memorability"))
    assert "\n" not in str(raised.value)
    assert not hub.repositories


def test_another_ones_namespace_is_refused(hub: Hub) -> None:
    with pytest.raises(InputError, match=r"refuses \(403, You don't have the rights to write to bob/memorability"):
        send(metric_shipment("bob/memorability"))


def test_a_card_that_the_hub_does_not_take_is_told(hub: Hub) -> None:
    hub.yaml_error = '"license" must be one of'
    with pytest.raises(InputError, match='"license" must be one of'):
        send(metric_shipment("ann/memorability"))
    assert hub.repositories["space", "ann/memorability"].files == {}


def test_a_file_of_another_size_is_no_arrival(hub: Hub, run: Path) -> None:
    shipment = metric_shipment("ann/memorability")
    send(shipment)
    changed = replace(shipment, files={**shipment.files, "app.py": b"print()"})
    hub.loses = "app.py"
    with pytest.raises(InputError, match="did not arrive"):
        send(changed)


def test_a_space_goes_as_its_folder_is(hub: Hub, tmp_path: Path) -> None:
    for name, text in {
        "README.md": "---\ntitle: Demo\nsdk: gradio\napp_file: app.py\n---\n\n# Demo\n",
        "app.py": "demo = None\n",
        "requirements.txt": "gradio\n",
        "clips/a.webm": "clip",
        ".env": "HF_TOKEN=secret",
        "__pycache__/app.pyc": "x",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    send(space_shipment(tmp_path, "ann/demo"))
    there = hub.repositories["space", "ann/demo"].files
    assert set(there) == {"README.md", "app.py", "requirements.txt", "clips/a.webm"}
    assert hashlib.sha256(there["clips/a.webm"]).hexdigest() in hub.store
