"""Whatever users hold in their hands is scored as the file on the disk is."""

import http.server
import os
import threading
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
import torch
from PIL import Image

import videomem_hf
from tests.clips import grey_levels, write_clip
from tests.inference.test_predicting import folder, processor_of_segments  # noqa: F401 - a fixture
from tests.inference.test_predictor import clip, tiny  # noqa: F401 - fixtures
from videomem_hf.models import config_class, model_class, video_addresses, video_input, video_streams
from videomem_hf.models.video_sampling import sample_segments
from videomem_hf.schema import InputError
from videomem_hf.video.video import sample_frames


@pytest.fixture
def frames(clip):  # noqa: F811
    return np.stack([frame.image for frame in sample_frames(clip)])


@pytest.fixture
def served(clip):  # noqa: F811
    """Address of the folder of the clip, on loopback."""
    quiet = type("Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda self, *_: None})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(quiet, directory=str(clip.parent)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


class Decoder:
    """Decodes as torchcodec's `VideoDecoder` does."""

    def __init__(self, path: Path) -> None:
        with av.open(str(path)) as container:
            rate = float(container.streams.video[0].average_rate)
            decoded = [(frame.time, frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
        self.times = [time for time, _ in decoded]
        self.frames = torch.from_numpy(np.stack([image for _, image in decoded])).permute(0, 3, 1, 2)
        self.metadata = SimpleNamespace(begin_stream_seconds=self.times[0], average_fps=rate)
        self.decoded = 0

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.frames[index]

    def get_frame_at(self, index: int) -> SimpleNamespace:
        self.decoded += 1
        duration = self.times[index + 1] - self.times[index] if index + 1 < len(self) else 0.04
        return SimpleNamespace(data=self[index], pts_seconds=self.times[index], duration_seconds=duration)

    def get_frame_played_at(self, seconds: float) -> SimpleNamespace:
        index = max(i for i, time in enumerate(self.times) if time <= seconds)
        return self.get_frame_at(index)


def pipe_with(data: bytes, path: Path) -> Path:
    os.mkfifo(path)
    threading.Thread(target=path.write_bytes, args=(data,), daemon=True).start()
    return path


def unseekable(data: bytes):
    reading, writing = os.pipe()
    threading.Thread(target=lambda: (os.write(writing, data), os.close(writing)), daemon=True).start()
    return os.fdopen(reading, "rb")


def encoded_decoder(clip):  # noqa: F811
    return SimpleNamespace(_hf_encoded={"path": str(clip), "bytes": None})


SOURCES = {
    "path": lambda path, frames, tmp: path,
    "bytearray": lambda path, frames, tmp: bytearray(path.read_bytes()),
    "open file at its end": lambda path, frames, tmp: read_to_end(path.open("rb")),
    "pipe": lambda path, frames, tmp: pipe_with(path.read_bytes(), tmp / "pipe"),
    "file that cannot seek": lambda path, frames, tmp: unseekable(path.read_bytes()),
    "row with a path": lambda path, frames, tmp: {"path": str(path), "bytes": None},
    "row with bytes": lambda path, frames, tmp: {"path": None, "bytes": path.read_bytes()},
    "whole row": lambda path, frames, tmp: {"video_id": 7, "video": {"path": None, "bytes": path.read_bytes()}},
    "decoder of datasets": lambda path, frames, tmp: encoded_decoder(path),
    "decoder": lambda path, frames, tmp: Decoder(path),
    "array": lambda path, frames, tmp: frames,
    "array, channels first": lambda path, frames, tmp: frames.transpose(0, 3, 1, 2),
    "tensor": lambda path, frames, tmp: torch.from_numpy(frames),
    "tensor, channels first": lambda path, frames, tmp: torch.from_numpy(frames).permute(0, 3, 1, 2),
    "images": lambda path, frames, tmp: [Image.fromarray(frame) for frame in frames],
    "list of arrays": lambda path, frames, tmp: list(frames),
}


def read_to_end(file):
    file.read()
    return file


@pytest.mark.parametrize("kind", SOURCES)
def test_every_kind_is_scored_alike(kind, folder, tiny, clip, frames, tmp_path):  # noqa: F811
    from transformers import pipeline

    expected = tiny.predict(clip).frame_scores
    assert np.ptp(expected) > 1e-4
    make = partial(SOURCES[kind], clip, frames)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "c").mkdir()
    np.testing.assert_array_equal(videomem_hf.predict(make(tmp_path / "a"), model=tiny).frame_scores, expected)
    (several,) = videomem_hf.predict([make(tmp_path / "b")], model=tiny)
    np.testing.assert_array_equal(several.frame_scores, expected)
    pipe = pipeline("video-memorability", model=folder, device="cpu")
    rows = pipe(make(tmp_path / "c"))["frames"]
    np.testing.assert_array_equal([row["short_term"] for row in rows], expected[:, 0])


@pytest.mark.parametrize("kind", SOURCES)
def test_the_processor_takes_every_kind(kind, tiny, clip, frames, tmp_path):  # noqa: F811
    expected = tiny.processor(videos=[str(clip)], return_tensors="pt")["pixel_values_videos"]
    found = tiny.processor(videos=[SOURCES[kind](clip, frames, tmp_path)], return_tensors="pt")["pixel_values_videos"]
    torch.testing.assert_close(found, expected)


def test_a_decoder_gives_whole_segments(clip):  # noqa: F811
    config = config_class("resnet3d")(depth=18, hidden_sizes=(4, 4, 4, 4), segment_length=2)
    model = model_class("resnet3d")(config)
    predictor = videomem_hf.inference.Predictor(model, processor_of_segments(2), "clips", device="cpu")
    expected = predictor.predict(clip)
    found = predictor.predict(Decoder(clip))
    np.testing.assert_allclose(found.frame_scores, expected.frame_scores, atol=1e-6)


def test_a_decoder_gives_the_frames_of_the_file(tmp_path):
    path = write_clip(tmp_path / "held.webm", grey_levels(161)[::40][:4], times_ms=[0, 5000, 6000, 6900])
    decoder = Decoder(path)
    found = video_input.open_input(decoder)
    np.testing.assert_array_equal(found, [segment.images[0] for segment in sample_segments(path, 1.0)])
    np.testing.assert_allclose(found.mean(axis=(1, 2, 3)), [16, 56, 96], atol=3)
    np.testing.assert_array_equal(video_input.open_input(decoder, max_segments=1), found[:1])
    assert decoder.decoded < 8  # a limit stops early
    channels_last = Decoder(path)
    channels_last.frames = channels_last.frames.permute(0, 2, 3, 1)
    np.testing.assert_array_equal(video_input.open_input(channels_last), found)


def test_addresses_are_fetched_within_limits(tiny, clip, served, monkeypatch):  # noqa: F811
    expected = tiny.predict(clip)
    address = f"{served}/{clip.name}"
    found = tiny.predict(f"{address}?token=secret")
    np.testing.assert_array_equal(found.frame_scores, expected.frame_scores)
    assert found.source == address
    found = tiny.processor(videos=address, return_tensors="pt")["pixel_values_videos"]
    torch.testing.assert_close(found, tiny.processor(videos=str(clip), return_tensors="pt")["pixel_values_videos"])
    with pytest.raises(InputError, match=r"http://.*/none.webm: cannot be fetched"):
        tiny.predict(f"{served}/none.webm")
    with pytest.raises(InputError, match="start with http://, https:// or hf://"):
        tiny.predict("ftp://example.org/clip.mp4")
    monkeypatch.setattr(video_streams, "LARGEST_STREAM", 100)
    with pytest.raises(InputError, match="the most that is read from an address or pipe"):
        tiny.predict(address)
    with pytest.raises(InputError, match="the most that is read from an address or pipe"):
        tiny.predict(unseekable(clip.read_bytes()))


def test_a_server_that_stops_sending_is_given_up(tiny, monkeypatch):  # noqa: F811
    released = threading.Event()

    class Silent(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            released.wait(60)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Silent)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(video_addresses, "LONGEST_DOWNLOAD_S", 0.5)
    with pytest.raises(InputError, match=r"not fetched within 0\.5 s"):
        tiny.predict(f"http://127.0.0.1:{server.server_port}/a.mp4")
    released.set()
    server.shutdown()
    server.server_close()


def test_files_of_the_hub_go_through_fsspec(tiny, clip, monkeypatch):  # noqa: F811
    import fsspec

    asked = []
    opened = SimpleNamespace(open=lambda address, *_, **__: asked.append(address) or clip.open("rb"))
    monkeypatch.setattr(fsspec, "filesystem", {"hf": opened}.get)
    assert len(tiny.predict("hf://datasets/owner/name/clip.webm").times_s) == 5
    assert asked == ["hf://datasets/owner/name/clip.webm"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"video": 1}, "a int is no clip"),
        ({"title": "a cat"}, "a row with title is no clip; .* or with a 'video'"),
        ({"path": None, "bytes": None}, "a row with path, bytes is no clip"),
        (np.zeros((2, 8, 8, 4), np.uint8), "must be .frames, height, width, 3."),
        ([Image.new("RGB", (8, 8)), Image.new("RGB", (9, 8))], "of several sizes"),
        (None, "a NoneType is no clip"),
    ],
)
def test_what_is_no_clip_is_one_sentence(tiny, source, message):  # noqa: F811
    with pytest.raises(InputError, match=message):
        videomem_hf.predict(source, model=tiny)


def test_a_file_opened_as_text_is_one_sentence(tiny, tmp_path):  # noqa: F811
    (tmp_path / "a.mp4").write_text("x")
    with (tmp_path / "a.mp4").open() as file, pytest.raises(InputError, match="open it in binary, with mode 'rb'"):
        tiny.predict(file)


def test_the_pipeline_without_a_model_takes_resmem(clip, monkeypatch):  # noqa: F811
    pytest.importorskip("resmem")
    from transformers import pipeline

    from videomem_hf.inference import loading

    found = pipeline("video-memorability", device="cpu")(clip)
    assert found["short_term"] == pytest.approx(videomem_hf.predict(clip, device="cpu").scores["short_term"], abs=1e-6)
    monkeypatch.setattr("videomem_hf.models.convert_resmem.find_resmem_package", lambda: None)
    with pytest.raises(InputError) as refused:
        pipeline("video-memorability")
    assert str(refused.value) == loading.NO_MODEL


@pytest.mark.parametrize("dtype", [torch.bfloat16, "float16", "auto"])
def test_the_pipeline_gives_resmem_its_type(dtype):
    pytest.importorskip("resmem")
    from transformers import pipeline

    pipe = pipeline("video-memorability", model="resmem", device="cpu", dtype=dtype)
    assert pipe.model.dtype == {"float16": torch.float16, "auto": torch.float32}.get(dtype, dtype)


def test_the_pipeline_works_as_stock_ones(folder, clip):  # noqa: F811
    from transformers import pipeline
    from transformers.pipelines.pt_utils import KeyDataset

    pipe = pipeline("video-memorability", model=folder, device="cpu", num_workers=2, batch_size=2)
    alone = pipe(clip)
    assert pipe(videos=str(clip), num_workers=1)["frames"] == alone["frames"]
    rows = [{"video": str(clip)}] * 3
    streamed = pipe(KeyDataset(rows, "video"), batch_size=2)
    assert not isinstance(streamed, list)
    assert [row["short_term"] for row in streamed] == pytest.approx([alone["short_term"]] * 3)
    with pytest.raises(InputError, match="is given no clip"):
        pipe()


def test_clips_of_a_list_share_batches_and_those_of_a_generator_come_one_by_one(folder, clip):  # noqa: F811
    from transformers import pipeline

    pipe = pipeline("video-memorability", model=folder, device="cpu")
    sizes, forward = [], pipe.model.forward
    pipe.model.forward = lambda **inputs: sizes.append(len(inputs["pixel_values_videos"])) or forward(**inputs)
    frames = len(pipe(clip)["frames"])
    sizes.clear()
    pipe([str(clip)] * 3)
    assert sizes == [3 * frames]
    sizes.clear()
    results = pipe(str(clip) for _ in range(3))
    next(results)
    assert sizes == [frames]


def test_the_pipeline_leaves_a_model_trainable(folder):  # noqa: F811
    from transformers import AutoModel, pipeline

    model = AutoModel.from_pretrained(folder)
    pipeline("video-memorability", model=model, device="cpu")
    assert all(each.requires_grad for each in model.parameters())
