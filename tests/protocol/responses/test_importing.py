"""Responses of jsPsych 6 to 8 and of long tables, read into annotations: each file is written here by hand."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from videomem_hf.cli import app
from videomem_hf.protocol.annotations import FILLER, TARGET, VIGILANCE
from videomem_hf.protocol.responses.columns import ImportOptions
from videomem_hf.protocol.responses.importing import ImportedStudy, import_responses
from videomem_hf.protocol.responses.items import item_path, short_names
from videomem_hf.protocol.scoring import score_study
from videomem_hf.schema import InputError

SHOWN = ["a", "b", "c", "a", "d", "b"]
"""Continuous recognition: a at lag 3, b at lag 4; c and d once."""


def jspsych(pressed: list[Any], items: list[str] = SHOWN, **cells: Any) -> list[dict[str, Any]]:
    """A participant's trials as jsPsych 8 writes them, with a fixation cross before each and instructions first."""
    trials: list[dict[str, Any]] = [{"trial_type": "instructions", "rt": 900, "view_history": [], "trial_index": 0}]
    for item, response in zip(items, pressed, strict=True):
        fixation = {"trial_type": "html-keyboard-response", "stimulus": "<p>+</p>", "response": None, "rt": None}
        shown = {
            "trial_type": "image-keyboard-response", "stimulus": f"img/{item}.jpg", "response": response,
            "rt": None if response is None else 512.4,
        }  # fmt: skip
        trials += [fixation, shown | cells]
    return [{"trial_index": index, "time_elapsed": 1000 * index} | trial for index, trial in enumerate(trials)]


def write_json(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def write_csv(path: Path, rows: list[dict[str, Any]], delimiter: str = ",") -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(name for row in rows for name in row)), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path


def presses(study: ImportedStudy) -> dict[tuple[str, str, bool], bool]:
    """Whether each participant pressed, by participant, video and whether it was a repeat."""
    table = study.annotations
    columns = table.participant, table.video, table.repeat, table.pressed
    return {
        (table.participants[who], table.videos[video], bool(repeat)): bool(pressed)
        for who, video, repeat, pressed in zip(*columns, strict=True)
    }


def test_seconds_read_as_milliseconds_are_refused(tmp_path: Path) -> None:
    trials = [row | {"rt": row.get("rt") and 0.512} for row in jspsych([None, None, " ", " ", None, None])]
    file = write_json(tmp_path / "p1.json", trials)
    with pytest.raises(InputError, match=r"a response time of 0\.512 ms in column 'rt'.*--seconds"):
        import_responses([file])
    found = import_responses([file], ImportOptions(seconds=True)).annotations
    assert found.rt_ms[found.pressed] == pytest.approx([512, 512])


def test_keys_that_count_every_showing_as_recognised_are_refused(tmp_path: Path) -> None:
    file = write_json(tmp_path / "p1.json", jspsych(["f", "f", "j", "j", "f", "f"]))
    with pytest.raises(InputError, match="every showing counts as recognised"):
        import_responses([file], ImportOptions(keys=("f", "j")))


def test_continuous_recognition_a_file_each(tmp_path: Path) -> None:
    write_json(tmp_path / "p1.json", jspsych([None, None, " ", " ", None, None]))
    write_json(tmp_path / "p2.json", jspsych([None, None, None, " ", None, " "]))
    study = import_responses([tmp_path])
    table = study.annotations
    assert table.participants == ("p1", "p2")
    assert table.videos == ("a", "b", "c", "d")
    assert presses(study)["p1", "c", False]
    assert presses(study)["p1", "a", True]
    assert not presses(study)["p1", "b", True]
    assert presses(study)["p2", "b", True]
    first = table.participant == 0
    assert table.role[first].tolist() == [TARGET, TARGET, FILLER, TARGET, FILLER, TARGET]
    assert table.lag[first].tolist() == [0, 0, 0, 3, 0, 4]
    assert table.rt_ms[first & table.pressed].tolist() == pytest.approx([512.4, 512.4])
    assert (study.design.step1.target_lag_min, study.design.step1.target_lag_max) == (3, 4)
    assert "continuous recognition: lags are differences of positions" in study.notes
    assert "seen before: the only key that was pressed, 'space'" in study.notes


def test_a_list_each_in_one_file_is_a_participant_each(tmp_path: Path) -> None:
    one, two = jspsych([None, None, " ", " ", None, None]), jspsych([None, None, None, " ", None, " "])
    names = {"lists": [one, two], "objects": [{"subject": "x", "trials": one}, {"subject": "y", "trials": two}]}
    for name, content in names.items():
        write_json(tmp_path / f"{name}.json", content)
    (tmp_path / "lines.json").write_text(f"{json.dumps(one)}\n{json.dumps(two)}\n")
    for name, people in (("lists", ("lists-1", "lists-2")), ("lines", ("lines-1", "lines-2")), ("objects", ("x", "y"))):
        study = import_responses([tmp_path / f"{name}.json"])
        assert study.annotations.participants == people
        assert presses(study)[people[0], "a", True]
        assert presses(study)[people[1], "b", True]
        assert not presses(study)[people[1], "c", False]


def test_version_6_in_one_csv_with_key_codes(tmp_path: Path) -> None:
    rows = []
    for who, pressed in (("7", [-1, 70, 74, 70, 74, 70]), ("8", [74, 74, 74, 74, 74, 70])):
        for index, (item, key) in enumerate(zip(SHOWN, pressed, strict=True)):
            old = index in (3, 5)
            rows.append({
                "subject": who, "trial_type": "image-keyboard-response", "trial_index": index,
                "rt": 700 if key > 0 else "null", "stimulus": f'<img src="stim/{item}.png" width=300>',
                "key_press": key, "correct": old == (key == 70),
            })  # fmt: skip
    study = import_responses([write_csv(tmp_path / "all.csv", rows)])
    assert presses(study)["7", "b", False]
    assert presses(study)["7", "a", True]
    assert not presses(study)["8", "a", True]
    assert presses(study)["8", "b", True]
    assert any(note.startswith("seen before: 'f', by the column that says what was correct") for note in study.notes)
    assert "1 showings without a press count as not recognised" in study.notes


def test_two_keys_that_nothing_explains_are_refused(tmp_path: Path) -> None:
    path = write_json(tmp_path / "p1.json", jspsych(["j", "j", "f", "f", "j", "j"]))
    with pytest.raises(InputError, match=r"p1.json: 2 keys were pressed .* say which means seen before with --key KEY"):
        import_responses([path])
    assert presses(import_responses([path], ImportOptions(keys=["f"])))["p1", "a", True]
    assert not presses(import_responses([path], ImportOptions(keys=["j"])))["p1", "a", True]
    with pytest.raises(InputError, match="key 'x' was never pressed"):
        import_responses([path], ImportOptions(keys=["x"]))


def test_study_and_test(tmp_path: Path) -> None:
    learned = jspsych([None, None], ["a", "b"], phase="encoding")
    tested = jspsych([0, 1, 0, None], ["b", "x", "a", "y"], phase="recognition test")
    study = import_responses([write_json(tmp_path / "p1.json", learned + tested)], ImportOptions(keys=["0"]))
    assert presses(study) == {
        ("p1", "b", True): True, ("p1", "x", False): False, ("p1", "a", True): True, ("p1", "y", False): False,
    }  # fmt: skip
    assert not study.annotations.lag.any()
    assert "study-test design: 2 showings to be learned are left out, so there are no lags" in study.notes
    same = import_responses([tmp_path / "p1.json"], ImportOptions(keys=["0"], study="phase=encoding"))
    assert presses(same) == presses(study)


def test_a_part_without_responses_is_learned_and_right_keys_say_what_is_meant(tmp_path: Path) -> None:
    """Parts whose names tell nothing, a repeated list to learn, and a column with the key that would be right."""
    learned = jspsych([None] * 4, ["a", "b", "a", "b"], task="memory_phase")
    tested = []
    for item, key, right, kind in (("b", "l", "l", "Target"), ("x", "l", "a", "Foil"), ("a", "a", "l", "Target")):
        tested += jspsych([key], [item], task="test_phase", correct_response=right, item_type=kind, image_id=7)[2:]
    study = import_responses([write_json(tmp_path / "p1.json", learned + tested)])
    assert presses(study) == {("p1", "b", True): True, ("p1", "x", False): True, ("p1", "a", True): False}
    assert "showings to be learned: task=memory_phase, nobody responded there" in study.notes
    assert "seen before: 'l', by the column that says what was correct; of 'l' (2 times), 'a' (1 times)" in study.notes


def test_a_column_that_means_something_else_is_not_used(tmp_path: Path) -> None:
    """Targets are called so at their first showing too; a fixation picture is no item."""
    shown = [name for item in ("a", "b", "c", "a", "d", "b", "e", "f", "g", "h", "i") for name in ("fix", item)]
    kinds = ["target" if item in "ab" else "filler" for item in shown]
    trials = jspsych([None] * 7 + [" "] + [None] * 14, shown)
    rows = iter(kinds)
    for trial in trials:
        if str(trial.get("stimulus", "")).startswith("img/"):
            trial["item_type"] = next(rows)
    study = import_responses([write_json(tmp_path / "p1.json", trials)])
    assert "fix" not in study.annotations.videos
    assert presses(study)["p1", "a", True]
    assert "shown over 10 times to one participant, left out: 'fix'" in study.notes
    assert any(note.startswith("column 'item_type' does not say what is old") for note in study.notes)
    with pytest.raises(InputError, match=r"trial 5: column 'item_type' says that 'a' is old, but it was not shown"):
        import_responses([tmp_path / "p1.json"], ImportOptions(old="item_type"))


def test_a_table_of_r_with_row_names(tmp_path: Path) -> None:
    path = tmp_path / "test_data.txt"
    lines = ['"subject_id" "item_type" "response" "correct_response" "image_id"']
    lines += [f'"{row}" 1 {old} {answer} {old} {item}' for row, (old, answer, item) in enumerate(
        [(1, 1, 10), (0, 1, 11), (1, 0, 12), (0, 0, 13)], start=1)]  # fmt: skip
    path.write_text("\n".join(lines) + "\n")
    study = import_responses([path])
    assert presses(study) == {
        ("1", "10", True): True, ("1", "11", False): True, ("1", "12", True): False, ("1", "13", False): False,
    }  # fmt: skip
    assert "old: column 'item_type'" in study.notes


def test_a_long_table_with_named_columns(tmp_path: Path) -> None:
    rows = [
        {"Vp": who, "Bild": item, "status": status, "antwort": answer, "zeit": 0.8}
        for who in ("A", "B")
        for item, status, answer in (("x", "old", "yes"), ("y", "new", "no"), ("z", "new", "yes"), ("w", "old", "no"))
    ]
    path = write_csv(tmp_path / "long.csv", rows, ";")
    with pytest.raises(InputError, match="no column of what was shown among Bild, Vp, antwort, status, zeit"):
        import_responses([path])
    named = ImportOptions(participant="Vp", item="Bild", response="antwort", rt="zeit", old="status", seconds=True)
    study = import_responses([path], named)
    assert presses(study)["A", "x", True]
    assert presses(study)["B", "z", False]
    assert not presses(study)["B", "w", True]
    assert study.annotations.rt_ms[study.annotations.pressed].tolist() == [800.0] * 4
    assert any("no first showings" in note for note in study.notes)


def test_a_second_session_is_step_2(tmp_path: Path) -> None:
    first = jspsych([None, None, None, " ", None, " "], session=1)
    second = jspsych([" ", None], ["c", "n"], session=2)
    study = import_responses([write_json(tmp_path / "p1.json", first + second)], ImportOptions(second="session=2"))
    later = study.annotations.step == 2
    assert study.annotations.repeat[later].tolist() == [True, False]
    assert study.annotations.role[later].tolist() == [TARGET, FILLER]


def test_short_lags_check_attention_and_third_showings_are_left_out(tmp_path: Path) -> None:
    shown = ["v", "v", "a", "b", "a", "a"]
    path = write_json(tmp_path / "p1.json", jspsych([None, " ", None, None, " ", " "], shown))
    study = import_responses([path], ImportOptions(vigilance_lag=1))
    roles = dict(zip(study.annotations.video.tolist(), study.annotations.role.tolist(), strict=True))
    assert roles == {0: VIGILANCE, 1: TARGET, 2: FILLER}
    assert len(study.annotations) == 5
    assert "further showings of an item, left out: 1" in study.notes


def test_practice_is_left_out_by_its_name_and_parts_by_choice(tmp_path: Path) -> None:
    trials = jspsych([None, " "], ["a", "a"], task="practice") + jspsych(
        [None, None, None, " ", None, " "], task="main"
    )
    path = write_json(tmp_path / "p1.json", trials)
    assert len(import_responses([path]).annotations) == 6
    assert len(import_responses([path], ImportOptions(only=["task=practice"])).annotations) == 2
    assert len(import_responses([path], ImportOptions(without=["task=main"])).annotations) == 2
    with pytest.raises(InputError, match="no column 'part' in"):
        import_responses([path], ImportOptions(only=["part=main"]))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"stimulus": "a.jpg", "response": " "', r"p1.json:1: not JSON"),
        ('[{"stimulus": "a.jpg", "response": " "}, 3]', r"p1.json, trial 2: '3' is not a trial"),
        ("[]", "p1.json: no trials"),
        ("[" * 100_000 + "]" * 100_000, "p1.json: JSON that holds no trials"),
        (f'[{{"stimulus": "a.jpg", "rt": {"9" * 5000}}}]', "p1.json: JSON that holds no trials"),
        ('[{"stimulus": "\\ud800.jpg", "response": " "}]', "p1.json: half a letter"),
        (json.dumps([{"stimulus": "a.jpg", "response": " "}] * 11), "left out: 'a'; no trial is left"),
        (
            '[{"stimulus": "a.jpg", "response": " ", "rt": "soon"}]',
            "p1.json, trial 1: 'soon' in column 'rt' is not a response time",
        ),
        (
            '[{"stimulus": "a.jpg", "response": null}, {"stimulus": "a.jpg", "response": " ", "rt": 700000}]',
            "p1.json, trial 2: a response time of 700000 ms",
        ),
        (
            '[{"stimulus": "a.jpg", "response": " ", "repeated": true}, {"stimulus": "b.jpg", "response": " "},'
            '{"stimulus": "b.jpg", "response": " "}]',
            "p1.json, trial 1: column 'repeated' says that 'a' is old, but it was not shown before",
        ),
        ('[{"stimulus": "a.jpg", "response": " "}]', "no item is shown twice, and no column says which were learned"),
    ],
)
def test_damaged_files_are_one_sentence(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "p1.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        import_responses([path])


def test_a_line_that_is_cut_off(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "p.csv", [{"subject": 1, "stimulus": f"{item}.png", "response": " "} for item in SHOWN])
    path.write_text(path.read_text()[:-6])
    with pytest.raises(InputError, match=r"p.csv, trial 6: 2 cells where the header has 3"):
        import_responses([path])


def test_what_ends_no_line_and_numbers_that_are_none(tmp_path: Path) -> None:
    """Python's own JSON has NaN for nothing; U+2028 and form feeds are letters in a cell."""
    note = "one\u2028two\x0cthree"
    shown = [{"stimulus": f"{item}.png", "note": note, "response": float("nan")} for item in SHOWN]
    shown[3]["response"] = "f"
    write_json(tmp_path / "p.json", shown)
    lines = [json.dumps(each, ensure_ascii=False) for each in shown]
    (tmp_path / "q.jsonl").write_text("\n".join(lines), encoding="utf-8")
    path = write_csv(tmp_path / "r.csv", shown)
    path.write_bytes(b"\n" + path.read_bytes())
    table = import_responses([tmp_path]).annotations
    assert table.participants == ("p", "q", "r")
    assert table.pressed.reshape(3, 6).tolist() == [[False, False, False, True, False, False]] * 3


def test_one_participant_in_two_files_is_refused(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_json(tmp_path / f"{name}.json", jspsych([None, None, " ", " ", None, None], subject="p1"))
    with pytest.raises(InputError, match=r"two.json, trial 3: participant 'p1' is in .*one.json too"):
        import_responses([tmp_path])


def test_a_copy_under_another_name_is_found_and_a_common_order_is_none(tmp_path: Path) -> None:
    items = [*(f"i{number}" for number in range(30)), *(f"i{number}" for number in range(30))]
    for who, seed in (("a", 1), ("b", 2), ("c", 1)):
        generator = np.random.default_rng(seed)
        rows = [
            {"subject": who, "image": item, "pressed": int(at >= 30), "rt": generator.integers(300, 3000)}
            for at, item in enumerate(items)
        ]
        write_csv(tmp_path / f"{who}.csv", rows)
    study = import_responses([tmp_path])
    with pytest.raises(InputError, match="participant 'c': the same response times at the same positions in step 1 as"):
        score_study(study.annotations, study.design)
    (tmp_path / "c.csv").unlink()
    study = import_responses([tmp_path])
    assert score_study(study.annotations, study.design).scores["short_term"].annotations.tolist() == [2] * 30


def test_keys_that_are_exchanged_between_participants(tmp_path: Path) -> None:
    """Half of the people press f for seen, half j; the column `correct` tells."""
    for who, seen, new in (("a", "f", "j"), ("b", "j", "f")):
        answers = [new, new, seen, seen, new, new]
        old = [False, False, False, True, False, True]
        trials = jspsych(answers, subject=who)
        shown = [trial for trial in trials if trial["trial_type"] == "image-keyboard-response"]
        for trial, answer, was in zip(shown, answers, old, strict=True):
            trial["correct"] = (answer == seen) == was
        write_json(tmp_path / f"{who}.json", trials)
    study = import_responses([tmp_path])
    assert "seen before: each participant's own key, by the column that says what was correct" in " ".join(study.notes)
    own = {("a", False): False, ("a", True): True, ("b", False): False, ("b", True): False, ("c", False): True}
    assert {key: pressed for key, pressed in presses(study).items() if key[0] == "a"} == {
        ("a", item, repeat): pressed for (item, repeat), pressed in (own | {("d", False): False}).items()
    }
    assert study.annotations.pressed.reshape(2, -1)[0].tolist() == study.annotations.pressed.reshape(2, -1)[1].tolist()


def test_visits_whose_rows_are_mixed_are_said(tmp_path: Path) -> None:
    rows = [
        {"subject": "a", "trial_index": index, "item": f"{visit}{item}", "pressed": int(index in (3, 5)), "rt": 500}
        for visit in "xy"
        for index, item in enumerate([*SHOWN, *"efgh"])
    ]
    in_order = import_responses([write_csv(tmp_path / "order.csv", rows)]).notes
    assert any("starts anew" in note for note in in_order)
    assert not any("in no order" in note for note in in_order)
    mixed = import_responses([write_csv(tmp_path / "mixed.csv", [*rows[::3], *rows[1::3], *rows[2::3]][::-1])]).notes
    assert any(note.startswith("rows in no order by trial_index: 'a'") for note in mixed)


@pytest.mark.parametrize("column", ["correct", "correct_response"])
@pytest.mark.parametrize("people", [3, 80])
def test_one_person_with_exchanged_keys_is_not_read_the_wrong_way_round(
    column: str, people: int, tmp_path: Path
) -> None:
    rows = []
    for who in range(people):
        seen, new = ("j", "f") if who == 1 else ("f", "j")
        for item, old, hit in zip(SHOWN, (0, 0, 0, 1, 0, 1), (0, 1, 0, 1, 0, 1), strict=True):
            key, right = (seen if hit else new), (seen if old else new)
            cells = {"correct": int(key == right), "correct_response": right}
            rows.append({"subject": who, "item": item, "response": key, "rt": 500 + who, column: cells[column]})
    study = import_responses([write_csv(tmp_path / "t.csv", rows)])
    assert study.annotations.pressed.reshape(people, -1).tolist() == [[False, True, False, True, False, True]] * people
    assert any("each participant's own key" in note for note in study.notes)


def test_a_table_without_participants_is_refused(tmp_path: Path) -> None:
    rows = [{"who_was_it": who, "picture": item, "pressed": 0, "rt": 500.0} for who in range(4) for item in SHOWN]
    rows[3] |= {"pressed": 1}
    path = write_csv(tmp_path / "t.csv", rows)
    with pytest.raises(InputError, match="no column names participants, so all trials are of one"):
        import_responses([path])
    assert len(import_responses([path], ImportOptions(participant="who_was_it")).annotations.participants) == 4


def test_who_played_twice_under_one_name_is_said(tmp_path: Path) -> None:
    once = jspsych([None, None, None, " ", None, " "], subject="a")  # too few responses to tell a copy
    other = jspsych([None, None, None, " ", None, None], subject="b")
    path = write_json(tmp_path / "all.json", [*once, *other, *once])
    notes = import_responses([path]).notes
    assert any(note.startswith("as if played twice under one name: 'a'; what came later is left out") for note in notes)
    runs = [*once, *jspsych([None, " "], ["e", "e"], subject="a")]
    notes = import_responses([write_json(tmp_path / "runs.json", runs)]).notes
    assert any(note.startswith("trial_index starts anew: 'a'; taken as parts of one session") for note in notes)
    assert not any("twice" in note for note in notes)
    notes = import_responses([write_json(tmp_path / "once.json", once)]).notes
    assert not any("anew" in note or "twice" in note for note in notes)
    with pytest.raises(InputError, match=r"trial \d+: participant 'a' has 2 in column 'trial_index' twice; leave"):
        import_responses([tmp_path / "runs.json"], ImportOptions(position="trial_index"))


def test_rows_in_another_order_are_sorted_by_their_numbers(tmp_path: Path) -> None:
    rows = [
        {"subject": who, "image": item, "pressed": int(at in (3, 5)), "rt": 500, "trialNr": at}
        for who in "ab"
        for at, item in enumerate(SHOWN)
    ]
    right = presses(import_responses([write_csv(tmp_path / "t.csv", rows)]))
    mixed = import_responses([write_csv(tmp_path / "m.csv", rows[::-1])])
    assert "order: column 'trialNr', as the rows are in another; --position names another column" in mixed.notes
    assert presses(mixed) == right
    assert right["a", "a", True]


def test_a_table_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    rows = [
        {"subject": "a", "image": f"i{item}", "pressed": int(old), "rt": 400 + 3 * item + 50 * old}
        for old in (False, True)
        for item in range(12)
    ]
    assert len(import_responses([write_csv(tmp_path / "t.csv", rows)]).annotations) == 24
    with pytest.raises(InputError, match=r"trial 25: participant 'a' has 24 trials twice, with the same items and"):
        import_responses([write_csv(tmp_path / "t.csv", rows + rows)])


def test_names_of_what_was_shown() -> None:
    assert item_path('["clips/a.mp4", "clips/a.webm"]') == "clips/a.mp4"
    assert item_path(["clips/a.mp4"]) == "clips/a.mp4"
    assert item_path("<div><img class='x' src='img/a%20b.jpg?v=2'></div>") == "img/a%20b.jpg"
    assert item_path("<p>+</p>") is None
    assert short_names({"x/a.jpg", "x/b.v2.mp4"}) == {"x/a.jpg": "a", "x/b.v2.mp4": "b.v2"}
    assert short_names({"x/a.jpg", "y/a.jpg"}) == {"x/a.jpg": "x/a", "y/a.jpg": "y/a"}


def test_import_score_and_analyse(tmp_path: Path) -> None:
    """A whole study-test study of 20 participants and 24 items: what does not apply is said."""
    generator = np.random.default_rng(1)
    strength = generator.uniform(0.4, 0.95, 24)
    (tmp_path / "data").mkdir()
    for who in range(20):
        order = generator.permutation(24)
        trials = jspsych([None] * 12, [f"i{item}" for item in order[:12]], phase="study")
        test = generator.permutation(24)
        old = np.isin(test, order[:12])
        seen = generator.random(24) < np.where(old, strength[test], 0.2)
        answers = ["o" if each else "n" for each in seen]
        for item, answer, was in zip(test, answers, old, strict=True):
            trials += jspsych(
                [answer],
                [f"i{item}"],
                phase="test",
                correct=bool((answer == "o") == was),
                rt=float(generator.integers(400, 1500)),
            )[2:]
        write_json(tmp_path / "data" / f"p{who}.json", trials)
    runner = CliRunner()

    def run(*words: object) -> str:
        result = runner.invoke(app, [str(word) for word in words], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    text = run("study", "import", tmp_path / "data", tmp_path / "in")
    assert "seen before: 'o', by the column that says what was correct" in text
    assert "videomem score" in text
    table = (tmp_path / "in/annotations.csv", "--design", tmp_path / "in/design.yaml")
    text = run("score", table[0], tmp_path / "scores", *table[1:], "--model", "detection")
    assert "short-term: 20 of 20 participants passed; 24 videos" in text
    assert "long-term: not part of this study" in text
    assert "lag correction: does not apply, the study has no lags" in text
    assert "short-term reliability: hits" in text
    assert (tmp_path / "scores/measurement/measurement.csv").is_file()
    text = run("analyse", table[0], tmp_path / "analysis", *table[1:], "--splits", 2, "--model", "detection")
    assert "lag curve: does not apply" in text
    assert "step 1 against step 2: does not apply" in text
    report = (tmp_path / "analysis/report.md").read_text()
    assert "measurement_reliability.png" in report
    assert "measurement_lag.png" not in report
    assert "change per unit of lag" not in report
