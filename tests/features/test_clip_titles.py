"""Titles belong to clips by the longest matching part of their paths."""

import pytest

from videomem_hf.features.clip_titles import ClipTitles

TITLES = ClipTitles(
    {"a/clip.mp4": "in a", "b/clip.mp4": "in b", "./c/clip.mp4": "in c", "video10": "ten", "x.webm": "an x"}
)


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("/films/a/clip.mp4", "in a"),
        ("b/clip.mp4", "in b"),
        ("c/clip.mp4", "in c"),
        ("d/clip.mp4", None),
        ("somewhere/video10.webm", "ten"),
        ("https://host/b/clip.mp4?token=a/clip.mp4", "in b"),
        ("https://user:secret@host/x.webm#t=3", "an x"),
        ("x.mp4", "an x"),
        ("", None),
    ],
)
def test_the_longest_part_of_a_path_counts(name: str, title: str | None) -> None:
    assert TITLES.of(name) == title


def test_an_address_as_it_is_given_comes_first() -> None:
    titles = ClipTitles({"https://host/a.mp4?v=1": "one", "https://host/a.mp4?v=2": "two", "a.mp4": "any"})
    assert titles.of("https://host/a.mp4?v=2") == "two"
    assert titles.of("https://host/a.mp4?v=3") == "any"
