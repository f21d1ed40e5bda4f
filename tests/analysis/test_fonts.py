"""Names in any script are drawn with what fonts there are, or in words; never as boxes."""

import warnings
from pathlib import Path

import matplotlib
import pytest
from matplotlib.figure import Figure
from matplotlib.font_manager import FontEntry, findfont, fontManager, get_font

from videomem_hf.analysis.clip_figure import save_figure
from videomem_hf.analysis.fonts import fonts_for, name_missing

STIX = str(Path(matplotlib.get_data_path()) / "fonts/ttf/STIXGeneral.ttf")
"""A font that comes with matplotlib, as does the usual one."""
STIX_ONLY = chr(min(set(get_font(STIX).get_charmap()) - set(get_font(findfont("DejaVu Sans")).get_charmap())))
NOWHERE = "\U0010fffd"
"""A character for private use, which only placeholders have."""


def test_another_font_is_taken_where_the_usual_one_lacks_a_character(tmp_path: Path) -> None:
    figure = Figure()
    title = figure.suptitle("a film")
    name = figure.text(0, 0, f"film {STIX_ONLY}.mp4")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns of a character that it draws as a box
        save_figure(figure, tmp_path / "f.png")
    assert name.get_text() == f"film {STIX_ONLY}.mp4"
    assert name.get_fontfamily()[:1] == title.get_fontfamily()
    assert any("STIX" in family for family in name.get_fontfamily())
    assert len(title.get_fontfamily()) == 1


def test_words_stand_for_what_no_font_has(tmp_path: Path) -> None:
    figure = Figure()
    name = figure.suptitle(f"{NOWHERE} {NOWHERE}{NOWHERE}-1 {NOWHERE}.mp4")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save_figure(figure, tmp_path / "f.png")
    words = "that no font here has]"
    assert name.get_text() == f"[3 characters {words}-1 [1 character {words}.mp4"


def test_words_stand_for_runs_only() -> None:
    assert name_missing("a^]-b", frozenset(map(ord, "^]-"))) == "a[3 characters that no font here has]b"


def test_a_damaged_font_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "damaged.ttf").write_bytes(b"no font")
    damaged = FontEntry(fname=str(tmp_path / "damaged.ttf"), name="damaged")
    monkeypatch.setattr(fontManager, "ttflist", [damaged, *fontManager.ttflist])
    fonts_for.cache_clear()
    families, lacking = fonts_for(frozenset({ord(STIX_ONLY), ord(NOWHERE)}))
    fonts_for.cache_clear()
    assert "damaged" not in families
    assert len(families) == 1
    assert lacking == {ord(NOWHERE)}
