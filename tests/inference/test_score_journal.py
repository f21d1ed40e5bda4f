"""The journal of scores: what is done is known again, what was cut off or has changed is not."""

from pathlib import Path
from typing import Any

import pytest

from videomem_hf.inference.score_journal import ClipScores, ScoreJournal, model_identity
from videomem_hf.schema import InputError

SCORES = ClipScores({"short_term": 0.123456789012345, "long_term": 0.7}, 7, ("a note",))
MODEL: dict[str, Any] = {"name": "model", "horizons": ["short_term", "long_term"], "weights": []}


@pytest.fixture
def clips(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / "a.mp4", tmp_path / "b\n.mp4"]
    for path in paths:
        path.write_text("clip")
    return paths


def test_scores_are_known_again_in_full_precision(clips: list[Path], tmp_path: Path) -> None:
    journal = ScoreJournal(tmp_path / "j", MODEL)
    journal.add(clips[1], SCORES)  # no close: the process may be killed
    again = ScoreJournal(tmp_path / "j", MODEL)
    assert again.get(clips[1]) == SCORES
    assert again.get(clips[0]) is None


def test_a_line_that_was_cut_off_is_dropped(clips: list[Path], tmp_path: Path) -> None:
    journal = ScoreJournal(tmp_path / "j", MODEL)
    for clip in clips:
        journal.add(clip, SCORES)
    journal.close()
    (tmp_path / "j").write_bytes((tmp_path / "j").read_bytes()[:-9])
    cut = ScoreJournal(tmp_path / "j", MODEL)
    assert (cut.get(clips[0]), cut.get(clips[1])) == (SCORES, None)
    cut.add(clips[1], SCORES)
    assert ScoreJournal(tmp_path / "j", MODEL).get(clips[1]) == SCORES


def test_a_changed_clip_is_another(clips: list[Path], tmp_path: Path) -> None:
    journal = ScoreJournal(tmp_path / "j", MODEL)
    journal.add(clips[0], SCORES)
    clips[0].write_text("another clip")
    assert journal.get(clips[0]) is None
    clips[0].unlink()
    assert journal.get(clips[0]) is None


def test_another_model_and_other_files_are_refused(tmp_path: Path) -> None:
    ScoreJournal(tmp_path / "j", MODEL).close()
    with pytest.raises(InputError, match="of another model"):
        ScoreJournal(tmp_path / "j", MODEL | {"name": "other"})
    (tmp_path / "j").write_text("clip,score\n")
    with pytest.raises(InputError, match="is not a journal of scores"):
        ScoreJournal(tmp_path / "j", MODEL)
    with pytest.raises(InputError, match="cannot be written"):
        ScoreJournal(tmp_path / "none" / "j", MODEL)


def test_another_version_of_a_model_is_another_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a folder as of a model on the Hub; a folder has the same identity from everywhere."""
    for name in (str(tmp_path), "someone/model"):
        first = model_identity(name, ("short_term",), "1234")
        assert first == model_identity(name, ("short_term",), "1234")
        assert first != model_identity(name, ("short_term",), "5678")
    monkeypatch.chdir(tmp_path.parent)
    assert model_identity(tmp_path.name, (), "1") == model_identity(str(tmp_path), (), "1")


@pytest.mark.parametrize(
    "first", ['{"model": "x"}', "[]", '{"model": {}}\n{"clip": "a", "state": {}, "intervals": [1]}']
)
def test_what_is_no_journal_is_refused(first: str, tmp_path: Path) -> None:
    (tmp_path / "j").write_text(f"{first}\n")
    with pytest.raises(InputError, match=r"is not a journal of scores|holds scores of another model"):
        ScoreJournal(tmp_path / "j", MODEL)
