"""Titles and lists of videos."""

from pathlib import Path

import pytest

from tests.data.release_trees import captions, make_truth, write
from videomem_hf.data.release.captions import is_captions, is_video_list, read_captions, read_video_list
from videomem_hf.schema import InputError

NUMBERS = [3, 20, 7]


def titles(path: Path) -> dict[str, str | None]:
    return {caption.video_id: caption.title for caption in read_captions(path)}


@pytest.mark.parametrize(
    "data",
    [
        captions(NUMBERS),
        captions(NUMBERS) + b"\r\n",
        captions(NUMBERS).replace(b"\r\n", b"\n"),
        b"\xef\xbb\xbf" + captions(NUMBERS),
        captions(NUMBERS).replace(b"\t", b" "),
        captions(NUMBERS).replace(b"\t", b","),
        b"video\tcaption\n" + captions(NUMBERS),
        captions(NUMBERS).replace(b"\r\n", b"\r\n\r\n"),
    ],
)
def test_every_form_gives_the_same_titles(tmp_path: Path, data: bytes) -> None:
    path = write(tmp_path / "captions.txt", data)
    assert is_captions(path)
    assert titles(path) == {f"video{number}": make_truth(number).title for number in NUMBERS}


def test_titles_that_begin_with_a_hyphen_stay_and_those_a_spreadsheet_replaced_are_gone(tmp_path: Path) -> None:
    path = write(tmp_path / "x.txt", "video3235.webm\t-year-old-boy\nvideo3399.webm\t#NAME?\nvideo1.webm\t\n")
    assert is_captions(path)
    assert titles(path) == {"video3235": "-year-old-boy", "video3399": None, "video1": None}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("video1.webm\ta-b\nvideo2.webm", r"c.txt:2: 'video2.webm' is not a video's name, a tab and its title"),
        ("video1.webm\ta-b\n\nrubbish here", r"c.txt:3: 'rubbish here' is not"),
        ("video1.webm\ta-b\nvideo1.webm\ta-c", r"c.txt:2: a second title for video1, 'a-c', other than in line 1"),
        ("../video1.webm\ta-b", r"c.txt:1: "),
        ("video1,webm\ta-b", r"c.txt:1: "),
    ],
)
def test_damage_is_one_sentence_with_file_and_line(tmp_path: Path, data: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_captions(write(tmp_path / "c.txt", data))


def test_lists_have_names_of_any_ending(tmp_path: Path) -> None:
    path = write(tmp_path / "test-set_list.txt", "video7.txt\r\nvideo8.webm\r\n\r\nvideo9\r\n10")
    assert is_video_list(path)
    assert not is_captions(path)
    assert read_video_list(path) == [("video7", 1), ("video8", 2), ("video9", 4), ("video10", 5)]
    mixed = write(tmp_path / "list.txt", "video7.txt\nvideo8.txt\nvideo9.webm\nvideo10")
    assert [video_id for video_id, _ in read_video_list(mixed)] == ["video7", "video8", "video9", "video10"]


@pytest.mark.parametrize("name", ["captions.json", "captions.webm", "captions"])
def test_captions_are_text_files(tmp_path: Path, name: str) -> None:
    assert not is_captions(write(tmp_path / name, captions(NUMBERS)))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("video7.txt\nvideo7.webm", r"list.txt:2: video7 is in line 1 as well"),
        ("video7.txt\nvideo8.txt\nvideo91", r"list.txt:3: 'video91' ends unlike all names above; the file is cut off"),
        ("video7.txt\nvideo8.txt\nvideo91.tx", r"list.txt:3: 'video91.tx' ends unlike all names above"),
        ("video7.txt\n\x1b[2J", r"list.txt:2: "),
        ("a/video7.txt", r"list.txt:1: 'a/video7.txt' is not a video's name"),
    ],
)
def test_damaged_lists(tmp_path: Path, data: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_video_list(write(tmp_path / "list.txt", data))
