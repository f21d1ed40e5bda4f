"""Which clips a command is about."""

import os

import pytest

from videomem_hf.cli.clip_paths import clip_sources
from videomem_hf.schema import InputError


@pytest.fixture
def folder(tmp_path):
    """Two clips, and what has the name of a clip but is no file."""
    (tmp_path / "inner").mkdir()
    (tmp_path / "folder.mp4").mkdir()
    for name in ("a.mp4", "inner/b.mp4", "._a.mp4"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "broken.mp4").symlink_to("nowhere.mp4")
    (tmp_path / "inner/loop.mp4").symlink_to("loop.mp4")
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "link.mp4").symlink_to("a.mp4")
    return tmp_path


@pytest.mark.parametrize("pattern", ["", "**/*.mp4"])
def test_what_is_no_file_in_a_folder_is_named_in_one_line(folder, pattern, capsys):
    found = clip_sources([str(folder / pattern)], None)
    assert [path.name for path in found] == ["a.mp4", "b.mp4", "link.mp4"]
    captured = capsys.readouterr()
    named = ", ".join(str(folder / name) for name in ("broken.mp4", "inner/loop.mp4", "pipe.mp4"))
    assert captured.err == f"videomem: left out links that lead nowhere, pipes or devices: {named}\n"
    assert captured.out == ""


def test_a_folder_of_such_alone_is_refused_with_their_names(tmp_path, capsys):
    for number in range(7):
        (tmp_path / f"{number}.mp4").symlink_to("nowhere.mp4")
    with pytest.raises(InputError, match=r"no file that ends in .* but links .*: .*0\.mp4, .*4\.mp4 and 2 more$"):
        clip_sources([str(tmp_path)], None)


def test_a_folder_of_clips_is_silent(tmp_path, capsys):
    (tmp_path / "a.mp4").write_bytes(b"x")
    assert clip_sources([str(tmp_path)], None) == [tmp_path / "a.mp4"]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("length", [300, 5000])
def test_a_name_that_is_too_long_is_missing(length):
    with pytest.raises(InputError, match="a: no such file or folder"):
        clip_sources(["a" * length], None)


def test_a_folder_of_photographs_says_how_they_are_given(tmp_path, capsys):
    (tmp_path / "my photos").mkdir()
    (tmp_path / "my photos" / "a.JPG").write_bytes(b"x")
    with pytest.raises(
        InputError, match=r"my photos: the folder holds no video; it holds pictures.*my photos/\*\.JPG'$"
    ):
        clip_sources([str(tmp_path / "my photos")], None)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "._a.jpg").write_bytes(b"x")  # of macOS
    with pytest.raises(InputError, match="empty: the folder holds no file that ends in"):
        clip_sources([str(tmp_path / "empty")], None)


def test_an_address_with_one_slash_stops_no_other_clip(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"x")
    assert len(clip_sources([str(tmp_path / "a.mp4"), "http:/host/c.mp4"], None)) == 2
    with pytest.raises(InputError, match="no such file or folder; an address has two slashes"):
        clip_sources(["http:/host/c.mp4"], None)


def test_a_list_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "list").write_bytes(b"a.mp4\n~\0\x80\n")
    with pytest.raises(InputError, match="is no text file"):
        clip_sources(None, tmp_path / "list")


def test_pictures_beside_videos_are_counted_where_asked(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    for name in ("a.mp4", "a.jpg", "in/b.png", "in/._b.png"):
        (tmp_path / name).write_bytes(b"x")
    assert clip_sources([str(tmp_path), str(tmp_path / "in" / "*.png")], None, note_pictures=True) == [
        tmp_path / "a.mp4",
        tmp_path / "in" / "b.png",
    ]
    said = f"videomem: left out 1 picture in folders; pictures are given by name or pattern: '{tmp_path}/*.jpg'\n"
    assert capsys.readouterr().err == said
    assert clip_sources([str(tmp_path)], None) == [tmp_path / "a.mp4"]
    assert capsys.readouterr().err == ""
