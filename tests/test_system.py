from pathlib import Path

import pytest

from videomem_hf.system import atomic_write, printable


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
