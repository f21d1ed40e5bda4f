from pathlib import Path

import pytest

from videomem_hf.data.release.inventory import scan
from videomem_hf.protocol.server.clips import find_clips
from videomem_hf.schema import InputError, cause_of, is_system_file
from videomem_hf.system import atomic_write, cause_of_failed_write, printable
from videomem_hf.video.finding import find_videos


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "plot.v2.png"
    with atomic_write(target) as partial:
        assert (partial.parent, partial.suffix) == (tmp_path, ".png")
        partial.write_text("first")
        assert not target.exists()
    with pytest.raises(KeyboardInterrupt), atomic_write(target) as partial:
        partial.write_text("second")
        raise KeyboardInterrupt
    assert target.read_text() == "first"
    assert list(tmp_path.iterdir()) == [target]


def test_a_block_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "a.txt"):
        pass


def test_names_that_are_not_utf8_are_escaped() -> None:
    assert printable(b"lat\xe9in.mp4".decode("utf-8", "surrogateescape")) == r"lat\udce9in.mp4"
    assert printable(Path("Gänse.mp4")) == "Gänse.mp4"
    assert printable("red\x1b[31m\nline.mp4") == r"red\x1b[31m\nline.mp4"


def test_files_of_the_operating_system_are_no_clips_anywhere(tmp_path: Path) -> None:
    for name in (
        "video1.webm",
        "._video1.webm",
        ".a.12-34.partial.webm",
        "__MACOSX/video2.webm",
        "Thumbs.db",
        ".DS_Store",
        "b._c.webm",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    wanted = [tmp_path / "b._c.webm", tmp_path / "video1.webm"]
    assert find_videos([str(tmp_path)]) == wanted
    assert find_videos([str(tmp_path / "*.webm")]) == wanted
    assert find_clips([tmp_path]) == wanted
    assert [name for folder in scan(tmp_path).folders for name in folder.names] == [path.name for path in wanted]
    assert is_system_file("a/__MACOSX/b.mp4")
    assert not is_system_file("")


def test_a_cause_is_one_line() -> None:
    assert cause_of(InputError("a.mp4: is empty"), Path("a.mp4")) == "is empty"
    assert cause_of(RuntimeError("out of memory\nTraceback ...")) == "RuntimeError: out of memory"
    assert cause_of(MemoryError()) == "MemoryError"


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (OSError(28, "No space left on device"), "no space left on device"),
        (OSError("unknown"), "unknown"),
        (RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed"), "the disk is full"),
        (RuntimeError("Error while serializing: I/O error: File too large (os error 27)"), "file too large"),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), None),
        (ValueError("No such value"), None),
    ],
)
def test_a_failed_write_is_told_from_other_errors(error: Exception, cause: str | None) -> None:
    assert cause_of_failed_write(error) == cause
