"""Pages ask for pictures that the build can make; those that exist are placed, the others left out."""

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
ASKED = {
    found[1]: found[2]
    for page in sorted(ROOT.glob("docs/*.md"))
    for found in re.finditer(r"<!-- picture: (\w+) \| (.*?) -->", page.read_text(encoding="utf-8"))
}


@pytest.fixture
def pictures(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    monkeypatch.delitem(sys.modules, "pictures", raising=False)  # the Space has a module of this name as well
    import pictures

    yield pictures
    monkeypatch.delitem(sys.modules, "pictures")


def test_pages_ask_for_each_picture_that_is_made_and_describe_it(pictures: Any) -> None:
    assert sorted(ASKED) == sorted(name for maker in pictures.MAKERS for name in maker.pictures)
    assert all(len(alt.split()) >= 5 for alt in ASKED.values())
    for maker in pictures.MAKERS:
        assert all((ROOT / path).exists() for path in maker.inputs)


def test_pictures_that_exist_are_placed(pictures: Any, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "report.png")
    text = "<!-- picture: report | A plot. -->\n<!-- picture: training | Curves. -->\n"
    assert pictures.place(text, tmp_path) == f"![A plot.]({tmp_path.name}/report.png)\n\n"


def test_pictures_are_made_again_only_when_their_code_changes(
    pictures: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, made = tmp_path / "code.py", []
    code.write_text("1")

    def draw(work: Path, out: Path) -> None:
        made.append(out)
        Image.new("RGB", (8, 8)).save(out / "dot.png")

    def browse(work: Path, out: Path) -> None:
        raise pictures.UnavailableError("no browser")

    makers = (pictures.Maker(("dot",), draw, (str(code),)), pictures.Maker(("page",), browse, ()))
    monkeypatch.setattr(pictures, "MAKERS", makers)
    for text, times in (("1", 1), ("1", 1), ("2", 2)):
        code.write_text(text)
        assert pictures.make(tmp_path / "out") == ["page"]
        assert len(made) == times


@pytest.mark.slow
def test_every_picture_is_made(pictures: Any, tmp_path: Path) -> None:
    left_out = pictures.make(tmp_path / "pictures")
    if shutil.which("chromium") is None:
        assert {name.partition("_")[0] for name in left_out} <= {"space", "game"}
    for name in set(ASKED) - set(left_out):
        with Image.open(tmp_path / "pictures" / f"{name}.png") as image:
            assert image.width >= 300
            assert len(image.convert("RGB").getcolors(1 << 24)) > 50  # more than an empty page
