"""The tab of a leaderboard."""

from pathlib import Path

import app


def test_the_page_of_a_leaderboard_is_shown_as_it_is_now(tmp_path: Path) -> None:
    assert "holds no leaderboard yet" in app.leaderboard_frame(tmp_path)
    (tmp_path / "index.html").write_text('<h1 class="a">B & C</h1>')
    frame = app.leaderboard_frame(tmp_path)
    assert 'srcdoc="&lt;h1 class=&quot;a&quot;&gt;B &amp; C&lt;/h1&gt;"' in frame
    assert 'sandbox=""' in frame


def test_a_space_has_the_tab_only_where_a_folder_is_named(scoring, tmp_path: Path) -> None:
    def tabs(pages) -> list[str]:
        return [block.label for block in pages.blocks.values() if type(block).__name__ == "Tab"]

    assert "Leaderboard" not in tabs(app.build(scoring))
    assert "Leaderboard" in tabs(app.build(scoring, tmp_path))
