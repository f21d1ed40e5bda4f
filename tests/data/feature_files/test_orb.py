"""ORB files: every pickle protocol gives the keypoints, and a hostile file runs nothing."""

import contextlib
import os
import pickle
import pickletools
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from videomem_hf.data.feature_files.orb import parse_orb, safe_loads
from videomem_hf.schema import InputError

DESCRIPTOR = np.arange(7, 39, dtype=np.uint8)
ENTRIES = [
    ((1.5, 2.25), 31.0, 271.5, 0.00125, 0, -1, DESCRIPTOR),
    ((100.0, 7.0), 37.2, 0.0, 1e-5, 3, -1, DESCRIPTOR),
]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_protocol_gives_the_keypoints(protocol: int) -> None:
    keypoints = parse_orb("video1-0.p", pickle.dumps(ENTRIES, protocol))
    assert keypoints.floats.tolist() == [[1.5, 2.25, 31.0, 271.5, 0.00125], [100.0, 7.0, 37.2, 0.0, 1e-5]]
    assert keypoints.integers.tolist() == [[0, -1], [3, -1]]
    assert keypoints.descriptors.tolist() == [DESCRIPTOR.tolist()] * 2


def test_no_keypoints_and_numpy_numbers() -> None:
    assert parse_orb("x.p", pickle.dumps([])).floats.shape == (0, 5)
    entry = ([np.float32(1.5), np.float64(2.5)], np.float32(3), 4, 5.0, np.int32(6), np.int64(-1), DESCRIPTOR)
    keypoints = parse_orb("x.p", pickle.dumps([entry]))
    assert (keypoints.floats.tolist(), keypoints.integers.tolist()) == ([[1.5, 2.5, 3.0, 4.0, 5.0]], [[6, -1]])


def test_as_python_2_wrote_them() -> None:
    # Protocol 2 of Python 2 with numpy 1: bytes are `str`, and numpy's core has its old name.
    state = b"K\x01(K\x20tcnumpy\ndtype\n(X\x02\x00\x00\x00u1K\x00K\x01tR(K\x03X\x01\x00\x00\x00|NNNJ\xff\xff\xff\xff"
    state += b"J\xff\xff\xff\xffK\x00tb\x89U\x20" + bytes(range(200, 232))
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tX\x01\x00\x00\x00btR(" + state + b"tb"
    point = b"(G?\xf8\x00\x00\x00\x00\x00\x00G@\x02\x00\x00\x00\x00\x00\x00t"
    data = b"\x80\x02]((" + point + b"K\x1fK\x02K\x03K\x04K\x05" + array + b"te."
    keypoints = parse_orb("x.p", data)
    assert keypoints.floats.tolist() == [[1.5, 2.25, 31.0, 2.0, 3.0]]
    assert keypoints.descriptors.tolist() == [list(range(200, 232))]


ARRAYS = st.sampled_from(["u1", "<i4", ">i2", "<f4", ">f8"]).flatmap(
    lambda code: st.lists(st.integers(0, 100), max_size=8).map(lambda values: np.array(values, code))
)


@given(ARRAYS, st.integers(0, pickle.HIGHEST_PROTOCOL), st.booleans())
def test_arrays_equal_what_numpy_unpickles(array: np.ndarray, protocol: int, square: bool) -> None:
    if square and array.size % 2 == 0:
        array = np.asfortranarray(array.reshape(2, -1))
    found = safe_loads(pickle.dumps(array, protocol)).array
    assert found.dtype == array.dtype
    assert (found == array).all()
    assert found.shape == array.shape


class Runs:
    """Pickles as a call."""

    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call[0], self.call[1:]


def frame_around(payload: Any) -> Any:
    return [((1.0, 2.0), 3.0, 4.0, 5.0, 0, -1, payload)]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_hostile_file_runs_nothing(tmp_path: Path, protocol: int) -> None:
    flag = tmp_path / "ran"
    for hostile in (
        Runs(os.system, f"touch {flag}"),
        Runs(eval, f"open({str(flag)!r}, 'w')"),
        Runs(exec, f"open({str(flag)!r}, 'w')"),
        Runs(open, str(flag), "w"),
        Runs(os.mkdir, str(flag)),
        Runs(getattr, OrderedDict, "fromkeys"),
        Runs(np.load, str(flag)),
        OrderedDict(),
        Path("x"),
        np.array([{}], dtype=object),
        np.array(["text"]),
    ):
        with pytest.raises(InputError, match=r"video5-0\.p: not a pickle of ORB keypoints .*nothing of it was run"):
            parse_orb("video5-0.p", pickle.dumps(frame_around(hostile), protocol))
        assert not flag.exists()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a pickle",
        b"cos\nsystem\n(S'true'\ntR.",
        b"(ios\nsystem\n",
        b"(cos\nsystem\nS'true'\no.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.",
        b"Pid\n.",
        b"\x80\x02Kr\x82\x01.",
        b"c_codecs\nencode\n(V\nVrot13\ntR.",
        b"cnumpy\ndtype\n(VO\ntR.",
        b"cnumpy\ndtype\n((lp0\ng0\natR.",
        b"cnumpy\ndtype\n}(V__class__\nVx\nsb.",
        b"c_codecs\nencode\n(N}V__globals__\nVx\nstb.",
        b"cnumpy.core.multiarray\n_reconstruct\n(tR(K\x01(K\xfftVu1\nI00\nS'x'\ntb.",
        b"\x80\x02K\x05r\xff\xff\xff\x7f.",
        b"I5\np99999999999\n.",
        b"\x80\x05\x8e\xff\xff\xff\xff\xff\x00\x00\x00.",
        b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7fK\x01.",
        b"(" * 100_000 + b".",
        b"]" + b"]a" * 0 + b"(" + b"(l" * 50_000 + b"t.",
        b"L" + b"9" * 10_000 + b"L\n.",
        pickle.dumps(5),
        pickle.dumps({"a": 1}),
        pickle.dumps([1, 2]),
        pickle.dumps([(1, 2, 3, 4, 5, 6, 7)]),
        pickle.dumps(frame_around(DESCRIPTOR[:-1])),
        pickle.dumps(frame_around(DESCRIPTOR.astype(np.float32))),
        pickle.dumps(frame_around(None)),
        pickle.dumps([((1.0, float("nan")), 1.0, 1.0, 1.0, 0, 0, DESCRIPTOR)]),
        pickle.dumps([((1.0, 2.0), 1.0, 1.0, 1.0, 0.5, 0, DESCRIPTOR)]),
        pickle.dumps([((1.0, 10**400), 1.0, 1.0, 1.0, 0, 0, DESCRIPTOR)]),
        pickle.dumps([(("a", "b"), 1.0, 1.0, 1.0, 0, 0, DESCRIPTOR)]),
    ],
)
def test_bad_content_is_one_sentence(data: bytes) -> None:
    with pytest.raises(InputError, match=r"video5-0\.p"):
        parse_orb("video5-0.p", data)


def test_a_truncated_file_is_one_sentence() -> None:
    whole = pickle.dumps(ENTRIES, 2)
    for size in range(len(whole)):
        with pytest.raises(InputError, match=r"video5-0\.p"):
            parse_orb("video5-0.p", whole[:size])


@given(st.data())
def test_changed_bytes_give_keypoints_or_one_sentence(data: st.DataObject) -> None:
    whole = bytearray(pickle.dumps(ENTRIES, data.draw(st.integers(0, 5))))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(InputError):
        keypoints = parse_orb("video5-0.p", bytes(whole))
        assert keypoints.descriptors.shape == (len(keypoints.floats), 32)


def test_long_memos_are_allowed_and_counted() -> None:
    many = pickle.dumps([((float(n), 2.5), 1.0, 1.0, 1.0, n, 0, DESCRIPTOR.copy()) for n in range(500)], 2)
    assert any(opcode.name == "LONG_BINPUT" for opcode, _, _ in pickletools.genops(many))
    assert parse_orb("x.p", many).integers[:, 0].tolist() == list(range(500))


@pytest.mark.parametrize(
    "data",
    [
        b"cos\nsystem" + b"y" * 400 + b"\n.",
        b"c" + "s\u2028y\x85s".encode() + b"\nexit\n.",
        b"\x80\x05\x96" + b"\xff" * 7 + b"\x7f.",
        b"I" + b"9" * 400 + b"x\n.",
    ],
)
def test_an_error_is_one_short_line_and_nothing_else_is_printed(data: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError) as caught:
        parse_orb("a/video1-0.p", data)
    assert str(caught.value).splitlines() == [str(caught.value)]
    assert len(str(caught.value)) < 400
    assert capfd.readouterr() == ("", "")
