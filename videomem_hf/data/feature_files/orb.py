"""ORB feature files: Python pickles of keypoints, read without running anything that they say."""

import io
import pickle
import pickletools
import re
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from videomem_hf.schema import InputError
from videomem_hf.system import printable

DESCRIPTOR_BYTES: Final = 32
FLOAT_FIELDS: Final = ("x", "y", "size", "angle", "response")
INTEGER_FIELDS: Final = ("octave", "class_id")
MAX_BYTES: Final = 16 << 20
"""Far more than a frame's keypoints take (about 0.1 MB)."""

_LARGEST: Final = 1e300
_DTYPE = re.compile(r"[<>|=]?(u|i|f)(1|2|4|8)")
_BROKEN = (EOFError, ValueError, TypeError, LookupError, AttributeError, OverflowError, MemoryError)
"""What `pickle` and our stand-ins raise on bytes that are no proper pickle, beside `UnpicklingError`."""


class _StandIn:
    """Takes the place of a name in a pickle; with a `__setstate__` of its own, so that no pickle sets attributes."""

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("it sets the state of something that has none")


class _Dtype(_StandIn):
    """Stands for `numpy.dtype`: takes number types only."""

    def __init__(self, code: Any, *_: Any) -> None:
        if not isinstance(code, str) or not _DTYPE.fullmatch(code):
            raise pickle.UnpicklingError("an array of something else than numbers")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: Any) -> None:
        if state[1] not in {"<", ">", "|", "="}:
            raise pickle.UnpicklingError("an array in an unknown byte order")
        self.dtype = self.dtype.newbyteorder(state[1])


class _Array(_StandIn):
    """Stands for `numpy.ndarray`: an array made of plain bytes, whose length must fit its shape."""

    def __init__(self, *_: Any) -> None:
        self.array = np.empty(0)

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran_order, data = state
        self.array = _array(data, dtype, shape, "F" if fortran_order else "C")


class _ArrayFromBuffer(_Array):
    """Stands for what protocol 5 calls to make an array."""

    def __init__(self, data: Any, dtype: Any, shape: Any, order: Any) -> None:
        self.array = _array(data, dtype, shape, order)


class _Scalar(_StandIn):
    """Stands for what makes a numpy number; gives Python's."""

    def __new__(cls, dtype: Any, data: Any) -> Any:
        return _array(data, dtype, (), "C").item()


class _Encode(_StandIn):
    """Stands for `codecs.encode`, with which protocols 0 to 2 of Python 3 write bytes."""

    def __new__(cls, text: Any, encoding: Any) -> Any:
        if encoding != "latin1" or not isinstance(text, str):
            raise pickle.UnpicklingError("bytes in an unknown encoding")
        return text.encode("latin1")


class _NoBytes(_StandIn):
    """Stands for `bytes`, which the same protocols call for empty bytes alone."""

    def __new__(cls) -> Any:
        return b""


def _array(data: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:
    if isinstance(data, str):  # as Python 2 wrote bytes
        data = data.encode("latin1")
    if not isinstance(dtype, _Dtype) or not isinstance(data, bytes | bytearray) or order not in {"C", "F"}:
        raise pickle.UnpicklingError("an array of something else than numbers")
    return np.frombuffer(data, dtype.dtype).reshape(shape, order=order)


_ALLOWED: Final[dict[tuple[str, str], type[_StandIn]]] = {
    ("_codecs", "encode"): _Encode,
    ("__builtin__", "bytes"): _NoBytes,
    ("builtins", "bytes"): _NoBytes,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    **{
        (f"numpy.{core}.{module}", name): stand_in
        for core in ("core", "_core")
        for module, name, stand_in in (
            ("multiarray", "_reconstruct", _Array),
            ("multiarray", "scalar", _Scalar),
            ("numeric", "_frombuffer", _ArrayFromBuffer),
        )
    },
}


class _NumbersUnpickler(pickle.Unpickler):
    """Unpickles plain containers, numbers and text; for numpy's names it makes our stand-ins, for others an error."""

    def find_class(self, module: str, name: str) -> Any:
        """Return the stand-in for a name in the pickle."""
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module[:60]}.{name[:60]}, which ORB features do not need")
        return _ALLOWED[module, name]

    def persistent_load(self, pid: Any) -> Any:
        """Refuse references to things outside the file."""
        raise pickle.UnpicklingError("it refers to something outside the file")


def safe_loads(data: bytes) -> Any:
    """Unpickle containers, numbers, text and number arrays; anything else is an UnpicklingError, and nothing is run."""
    _refuse_large_memo(data)
    try:
        return _NumbersUnpickler(io.BytesIO(data), encoding="latin1").load()
    except _BROKEN as error:
        raise pickle.UnpicklingError(f"{type(error).__name__}: {str(error)[:120]}") from error


def _refuse_large_memo(data: bytes) -> None:
    """Refuse a pickle that numbers a memo entry, or announces bytes, beyond its own length.

    `pickle` would allocate as much, and for a bytearray of an impossible length complain on standard error.
    """
    numbers = (
        int.from_bytes(match[1], "little")
        for pattern in (rb"(?s)(?=r(.{4}))", rb"(?s)(?=\x96(.{8}))")
        for match in re.finditer(pattern, data)
    )
    if not any(number > len(data) for number in numbers) and not re.search(rb"p[0-9]{7}", data):
        return  # looking at every opcode takes ten times as long as unpickling
    try:
        for opcode, argument, _ in pickletools.genops(data):
            if argument is not None and opcode.name in {"PUT", "BINPUT", "LONG_BINPUT"} and argument > len(data):
                raise pickle.UnpicklingError(f"memo entry {argument} in a file of {len(data)} bytes")
    except ValueError as error:
        raise pickle.UnpicklingError(f"{type(error).__name__}: {str(error)[:120]}") from error


class Keypoints(NamedTuple):
    """A frame's keypoints.

    Attributes:
        floats: `(keypoints, 5)` float64: x, y, size, angle, response.
        integers: `(keypoints, 2)` int32: octave, class_id.
        descriptors: `(keypoints, 32)` uint8. As released, all of a frame's are the first keypoint's (a slip in the
            extraction).
    """

    floats: NDArray[np.float64]
    integers: NDArray[np.int32]
    descriptors: NDArray[np.uint8]


def parse_orb(path: str, data: bytes) -> Keypoints:
    """Read a frame's keypoints from a pickled list of (pt, size, angle, response, octave, class_id, descriptor).

    Any other content raises an InputError.
    """
    if len(data) > MAX_BYTES:
        raise InputError(f"{path}: {len(data)} bytes where an ORB file has some hundred thousand; remove the file.")
    try:
        return _keypoints(safe_loads(data))
    except pickle.UnpicklingError as error:
        reason = printable(" ".join(str(error).split())[:160])
        raise InputError(
            f"{path}: not a pickle of ORB keypoints ({reason}); nothing of it was run. Take the file from the release "
            "again, or remove it to load its video without this feature."
        ) from None


def _keypoints(value: Any) -> Keypoints:
    if not isinstance(value, list):
        raise pickle.UnpicklingError(f"a {type(value).__name__} where a list of keypoints is expected")
    rows = [_keypoint(entry) for entry in value]
    return Keypoints(
        np.array([floats for floats, _, _ in rows], np.float64).reshape(-1, len(FLOAT_FIELDS)),
        np.array([integers for _, integers, _ in rows], np.int32).reshape(-1, len(INTEGER_FIELDS)),
        np.array([descriptor for _, _, descriptor in rows], np.uint8).reshape(-1, DESCRIPTOR_BYTES),
    )


def _keypoint(entry: Any) -> tuple[list[float], list[int], np.ndarray]:
    if not isinstance(entry, tuple | list) or len(entry) != 7:
        raise pickle.UnpicklingError("an entry that is not (pt, size, angle, response, octave, class_id, descriptor)")
    point, size, angle, response, octave, class_id, descriptor = entry
    if not isinstance(point, tuple | list) or len(point) != 2:
        raise pickle.UnpicklingError("a keypoint without (x, y)")
    floats = [*point, size, angle, response]
    if not all(isinstance(number, int | float) and abs(number) < _LARGEST for number in floats):
        raise pickle.UnpicklingError("a keypoint with something else than finite numbers")
    if not all(isinstance(number, int) and abs(number) < 2**31 for number in (octave, class_id)):
        raise pickle.UnpicklingError("a keypoint whose octave or class is no whole number")
    array = descriptor.array if isinstance(descriptor, _Array) else np.empty(0)
    if array.shape != (DESCRIPTOR_BYTES,) or array.dtype != np.uint8:
        raise pickle.UnpicklingError(f"a descriptor that is not {DESCRIPTOR_BYTES} bytes")
    return floats, [octave, class_id], array
