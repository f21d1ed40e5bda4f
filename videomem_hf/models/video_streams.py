"""Pipes and other streams that are read once, kept where a decoder can seek in them."""

import tempfile
from collections.abc import Iterable
from typing import Any, Final

LARGEST_STREAM: Final = 1 << 30
"""Bytes that are taken at most from an address or a pipe."""
_IN_MEMORY: Final = 1 << 24
"""Bytes that are kept in memory; a larger stream is kept in a temporary file."""
_CHUNK: Final = 1 << 20


class UnreadableVideoError(ValueError):
    """A file that gives no frames; the message names it and the cause."""


class StoredStream(tempfile.SpooledTemporaryFile[bytes]):
    """What was read of a stream, as a file with a name for messages; it is deleted with the last reference to it."""

    def __init__(self, name: str, content: Iterable[bytes] = ()) -> None:
        super().__init__(_IN_MEMORY)
        self._stream_name = name
        self.writelines(content)
        self.seek(0)

    @property
    def name(self) -> str:
        """Where the stream came from."""
        return self._stream_name

    def __del__(self) -> None:
        self.close()

    def __reduce__(self) -> tuple[type["StoredStream"], tuple[str, list[bytes]]]:
        position = self.tell()
        self.seek(0)
        content = list(iter(lambda: self.read(_CHUNK), b""))
        self.seek(position)
        return type(self), (self._stream_name, content)


def store_stream(stream: Any, name: str, size: int | None = None) -> StoredStream:
    """Read a stream to its end.

    Args:
        stream: Anything with a `read` that gives bytes.
        name: For messages.
        size: How many bytes it has, where that is known.

    Raises:
        UnreadableVideoError: It is empty, has over `LARGEST_STREAM` bytes, or gives text.
    """
    stored, length = StoredStream(name), size or 0
    while length <= LARGEST_STREAM:
        chunk = stream.read(_CHUNK)
        if not chunk:
            break
        if isinstance(chunk, str):
            raise UnreadableVideoError(f"{name}: gives text and no bytes")
        stored.write(chunk)
        length = max(length, stored.tell())
    if length > LARGEST_STREAM:
        most = f"{LARGEST_STREAM >> 20} MiB"
        raise UnreadableVideoError(f"{name}: has over {most}, the most that is read from an address or pipe")
    if not stored.tell():
        raise UnreadableVideoError(f"{name}: is empty (0 bytes)")
    stored.seek(0)
    return stored
