"""What is given wrong ends in one clear sentence, without a secret in it, and costs no other clip."""

import http.server
import io
import json
import shutil
import threading
from typing import Any

import numpy as np
import pytest
from datasets import Dataset
from safetensors.numpy import load_file, save_file

import videomem_hf
from tests.clips import write_clip
from tests.inference.test_predicting import folder  # noqa: F401 - a fixture
from tests.inference.test_predictor import clip, tiny  # noqa: F401 - fixtures
from videomem_hf.models.video_input import input_name
from videomem_hf.schema import InputError

SECRETS = ("pass", "word", "token", "s3cret", "user")


@pytest.fixture
def server(clip):  # noqa: F811
    """Answers /404 with that status, and so on; any other path with the clip. Gives host and port."""
    content = clip.read_bytes()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status = self.path.split("?")[0].strip("/")
            self.send_response(int(status) if status.isdigit() else 200)
            self.end_headers()
            if not status.isdigit():
                self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(("status", "phrase"), [(403, "Forbidden"), (404, "Not Found"), (500, "Internal Server Error")])
def test_an_address_that_cannot_be_fetched_says_its_status(tiny, server, status, phrase):  # noqa: F811
    with pytest.raises(InputError) as refused:
        videomem_hf.predict(f"http://user:pass@word@{server}/{status}?token=s3cret#s3cret", model=tiny)
    assert str(refused.value) == f"http://{server}/{status}: cannot be fetched ({status} {phrase})"


def test_a_server_that_is_not_there_is_named_without_secrets(tiny, capsys):  # noqa: F811
    (failed,) = videomem_hf.predict(["http://user:pass@127.0.0.1:9/a.mp4?token=s3cret"], model=tiny)
    assert failed.source == "http://127.0.0.1:9/a.mp4"
    assert "cannot be fetched (Cannot connect to host 127.0.0.1:9" in failed.error
    assert not [secret for secret in SECRETS if secret in str(failed.to_dict())]


def test_secrets_of_an_address_are_nowhere(tiny, server):  # noqa: F811
    address = f"HTTP://user:pass@{server}/a.webm?token=s3cret"
    for source in (address, {"path": address, "bytes": None}):
        found = videomem_hf.predict(source, model=tiny)
        assert found.source == f"http://{server}/a.webm"
    assert input_name({"path": "https://u:p@host/a?b", "bytes": b"x"}) == "https://host/a"
    assert input_name("https://host/a@b.mp4") == "https://host/a@b.mp4"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stills": "a"}, "stills is 'a'; it is a number of frames, 0 or more"),
        ({"stills": -1}, "stills is -1; it is a number of frames, 0 or more"),
        ({"stills": 1.5}, "stills is 1.5; it is a number of frames, 0 or more"),
    ],
)
def test_options_that_mean_nothing(tiny, clip, options, message):  # noqa: F811
    for source in (clip, [clip]):
        with pytest.raises(InputError, match=message):
            videomem_hf.predict(source, model=tiny, **options)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (io.StringIO("x"), "is text; open it in binary, with mode 'rb'"),
        ({"bytes": "abc"}, "'bytes' of a row is a str; it must be bytes"),
        ({"bytes": 3, "path": None}, "'bytes' of a row is a int; it must be bytes"),
    ],
)
def test_sources_that_are_no_bytes(tiny, source, message):  # noqa: F811
    with pytest.raises(InputError, match=message):
        videomem_hf.predict(source, model=tiny)
    (failed,) = videomem_hf.predict([source], model=tiny)
    assert message in failed.error


def test_titles_are_any_iterable_of_one_per_clip(tiny, clip):  # noqa: F811
    with pytest.raises(InputError, match="reads no title"):
        videomem_hf.predict([clip], model=tiny, titles=(title for title in ["a"]))
    for titles in (iter(["a", "b"]), "a", 3):
        with pytest.raises(InputError, match="titles are for a list of clips, one per clip, or by"):
            videomem_hf.predict([clip], model=tiny, titles=titles)


def test_a_column_of_a_data_set_is_several_clips(tiny, folder, clip, tmp_path):  # noqa: F811
    from transformers import pipeline

    other = write_clip(tmp_path / "other.webm", [np.full((48, 64, 3), 200, np.uint8)] * 2, fps=1)
    column = Dataset.from_dict({"video": [str(clip), str(other)]})["video"]
    for sources in (column, (path for path in [clip, other])):
        found = videomem_hf.predict(sources, model=tiny)
        assert [(each.source, len(each.times_s)) for each in found] == [(str(clip), 5), (str(other), 2)]
    piped = pipeline("video-memorability", model=folder, device="cpu")(column)
    assert [row["short_term"] for row in piped] == [each.scores["short_term"] for each in found]


@pytest.mark.parametrize("device", ["meta", "gpu9", 3.5])
def test_devices_that_compute_nothing(folder, device):  # noqa: F811
    with pytest.raises(InputError, match=f"device {device!r} cannot be used"):
        videomem_hf.load_predictor(folder, device=device)


def test_the_pipeline_names_what_it_does_not_take(folder, clip):  # noqa: F811
    from transformers import pipeline

    pipe = pipeline("video-memorability", model=folder, device="cpu")
    for size in (-1, "a", 1.5):
        with pytest.raises(InputError, match=f"batch_size is {size!r}; it is a number of clips, 1 or more"):
            pipe([clip], batch_size=size)
        with pytest.raises(InputError, match=f"batch_size is {size!r}"):
            pipeline("video-memorability", model=folder, device="cpu", batch_size=size)
    for call in (lambda: pipe(clip, map=True), lambda: pipeline("video-memorability", model=folder, map=True)):
        with pytest.raises(InputError, match=r"the pipeline takes no 'map'; it takes maps, title\(s\), batch_size"):
            call()
    with pytest.raises(InputError, match="device 'meta' cannot be used"):
        pipeline("video-memorability", model=folder, device="meta")


@pytest.mark.parametrize(
    "name",
    ["./mymodel", "runs/x", "/nowhere/model", "a/b/c", "mymodel", "owner/name/", "~/nowhere", r"runs\x", "a b/c"],
)
def test_a_mistyped_folder_is_never_looked_up_on_the_hub(name, tmp_path, monkeypatch):
    (tmp_path / "runs").mkdir()
    monkeypatch.chdir(tmp_path)

    def connect(*_: Any, **__: Any) -> None:
        pytest.fail("asked the Hub")

    monkeypatch.setattr("transformers.AutoModel.from_pretrained", connect)
    monkeypatch.setattr("transformers.AutoConfig.from_pretrained", connect)
    from transformers import pipeline

    with pytest.raises(InputError, match="no such folder"):
        pipeline("video-memorability", model=name)
    with pytest.raises(InputError) as refused:
        videomem_hf.load_predictor(name, device="cpu")
    assert str(refused.value) == (f"{name}: no such folder; give the folder of a model, or a Hub id such as owner/name")


def test_an_owner_and_a_name_are_asked_of_the_hub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asked = []

    def refuse(self: Any, name: str, **_: Any) -> None:
        asked.append(name)
        raise OSError("no network here")

    monkeypatch.setattr("huggingface_hub.HfApi.repo_info", refuse)
    with pytest.raises(InputError, match=r"no such folder here, and the Hub cannot be reached \(no network here\)"):
        videomem_hf.load_predictor("owner/na.me-1")
    assert asked == ["owner/na.me-1"]
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file: is a file; give the folder of a model"):
        videomem_hf.load_predictor("file")


def test_a_decoder_of_torchcodec(tiny, clip):  # noqa: F811
    decoders = pytest.importorskip("torchcodec.decoders", exc_type=ImportError)
    found = videomem_hf.predict(decoders.VideoDecoder(str(clip)), model=tiny)
    np.testing.assert_allclose(found.frame_scores, tiny.predict(clip).frame_scores, atol=0.01)


def test_weights_that_are_missing_or_no_numbers_give_no_score(folder, clip, tmp_path):  # noqa: F811
    changed = shutil.copytree(folder, tmp_path / "changed")
    weights = load_file(changed / "model.safetensors")
    name = next(name for name, each in weights.items() if each.dtype.kind == "f")
    nothing = weights | {name: np.full_like(weights[name], np.nan)}
    save_file(nothing, changed / "model.safetensors", {"format": "pt"})
    (failed,) = videomem_hf.predict([clip], model=changed)
    assert "score is not a number" in failed.error
    save_file({key: each for key, each in weights.items() if key != name}, changed / "model.safetensors")
    with pytest.raises(InputError, match=f"no model can be loaded from it .the weights lack {name}, 1 missing in all"):
        videomem_hf.predict(clip, model=changed)


def test_a_damaged_field_of_a_configuration_is_named(folder, clip, tmp_path):  # noqa: F811
    changed = shutil.copytree(folder, tmp_path / "changed")
    config = json.loads((changed / "config.json").read_text())
    (changed / "config.json").write_text(json.dumps(config | {"horizons": ["to morrow"]}))
    with pytest.raises(InputError, match="horizons must be names of letters, digits and underscores"):
        videomem_hf.predict(clip, model=changed)
