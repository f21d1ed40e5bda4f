"""Data to share and preregistrations: the rules of Psych-DS, no identifiers, figures that follow from the design."""

import csv
import json
import re
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest

from tests.protocol.conftest import FAST
from tests.protocol.served import SHORT, Attentive, make_study, served, write_clips
from tests.protocol.test_server_study import videomem
from videomem_hf import __version__
from videomem_hf.protocol.annotation_files import read_annotations
from videomem_hf.protocol.design import Assignment, StudyDesign, load_design, save_design
from videomem_hf.protocol.server.preregistration import preregistration_text
from videomem_hf.protocol.server.settings import Question
from videomem_hf.protocol.simulate import MemoryModel
from videomem_hf.schema import InputError

PLATFORM_ID = "5f3a9c0e1b2d4c6a7e8f9012"
DATA_FILE = re.compile(r"([a-z]+-[a-zA-Z0-9]+)(_[a-z]+-[a-zA-Z0-9]+)*_data\.csv")
"""The pattern of data files in the schema of Psych-DS."""
KEYWORDS = {"study", "site", "subject", "session", "task", "condition", "trial", "stimulus", "description"}
"""The official keywords of its file names."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A study with every kind of participant, shared; also its plain tables and the participants' secrets."""
    work = tmp_path_factory.mktemp("shared")
    questions = (
        Question("age", "Your age?", ("to 30", "over 30")),
        Question("town", "Your town?"),
        Question("language", "Your first language?"),
        Question("os", "Your system?", ("a", "b")),
    )
    settings = replace(FAST, demographics=questions, languages=("en", "de"))
    study, _ = make_study(work / "my-study", write_clips(work / "clips", 14), settings=settings)
    joining = {
        "platform": "prolific",
        "browser": {"os": "Linux", "browser_version": "141.0.7390.54"},
        "demographics": {"age": "to 30", "town": "Cesson\u2028near\x0cRennes", "language": "Breton", "os": "b"},
        "language": "de",
    }
    with served(study) as game:
        plays = {}
        for number, name in enumerate(("passed", "failed", "left", "kept_out", "deleted", "playing")):
            player = Attentive(right=name != "failed")
            plays[name] = game.play(player, **joining, platform_id=f"{PLATFORM_ID}{number}")
            plays[name].request("PUT", "/api/steps/1/practice", {"round": 1, "position": 1, "rt_ms": None})
            plays[name].step(1, until={"left": 5, "playing": 3}.get(name))
            if name == "left":
                game.clock.sleep(25 * 3600)
        for name in ("kept_out", "deleted"):
            plays[name].request("POST", "/api/withdraw", {"data": name})
        plays["passed"].me()
        secrets = [play.connection.cookies["participant"] for play in plays.values()]
        names = [play.me().get("participant") for play in plays.values()]
    out = work / "shared"
    made = videomem("export", study.folder, out, "--format", "psych-ds", "--participants", work / "people.csv")
    assert made.returncode == 0, made.stderr
    videomem("export", study.folder, work / "annotations.csv")
    return study, work, out, [*secrets, *filter(None, names)]


def tables(out):
    return {
        file.name.split("description-")[1].split("_")[0]: list(csv.DictReader(file.open(newline="")))
        for file in (out / "data").iterdir()
    }


def test_the_rules_of_psych_ds(shared):
    """Those of its schema with level error: description, names of files, columns, headers, JSON-LD."""
    _, _, out, _ = shared
    description = json.loads((out / "dataset_description.json").read_text("utf-8"))
    assert description["@context"] in {"https://schema.org/", "http://schema.org/"}
    assert description["@type"] == "Dataset"
    assert all(description[name] for name in ("name", "description", "variableMeasured"))
    assert all(each["@type"] == "PropertyValue" and each["description"] for each in description["variableMeasured"])
    measured = [each["name"] for each in description["variableMeasured"]]
    assert len(set(measured)) == len(measured)
    files = sorted((out / "data").iterdir())
    assert len(files) == 4
    for file in files:
        assert DATA_FILE.fullmatch(file.name)
        assert {part.split("-")[0] for part in file.stem.split("_")[:-1]} <= KEYWORDS
        header, *lines = csv.reader(file.open(newline="", encoding="utf-8"))
        assert header
        assert set(header) <= set(measured)
        assert len(set(header)) == len(header)
        assert lines
        assert {len(line) for line in lines} == {len(header)}
        assert "row_id" not in header
    assert (out / "README.md").read_text()
    assert (out / "CHANGES.md").read_text()
    for file in out.rglob("*.json"):
        json.loads(file.read_text("utf-8"))
    assert not [file for file in out.rglob("*") if file.is_file() and not file.stat().st_size]


@pytest.mark.skipif(shutil.which("psychds-validator") is None, reason="psychds-validator from npm is not on the PATH")
def test_the_official_validator_agrees(shared):
    result = subprocess.run(["psychds-validator", str(shared[2])], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_nothing_in_it_identifies_a_person(shared):
    study, work, out, secrets = shared
    people = list(csv.DictReader((work / "people.csv").open(newline="")))
    codes = [row[f"step{step}_code"] for row in people for step in (1, 2) if row[f"step{step}_code"]]
    ids = [row[name] for row in people for name in ("participant", "platform_id") if row[name]]
    assert codes
    assert len(ids) == 12
    text = "".join(file.read_text("utf-8") for file in out.rglob("*") if file.is_file())
    answers = ("Cesson", "Rennes", "Breton")
    for secret in [*codes, *ids, *secrets, *answers, PLATFORM_ID, study.key, study.admin_hash, "7390", "2027-01"]:
        assert secret not in text
    assert "to 30" in text


def test_what_is_excluded_and_why(shared):
    found = tables(shared[2])
    reasons = sorted((row["step"], row["excluded"], row["reason"]) for row in found["exclusions"])
    assert reasons == [
        ("", "1", "withdrawn"), ("1", "0", ""), ("1", "1", "abandoned"), ("1", "1", "failed"), ("1", "1", "playing"),
        ("1", "1", "withdrawn"),
    ]  # fmt: skip
    kept = {row["participant"] for row in found["participants"] if not row["withdrawn"]}
    assert {row["participant"] for row in found["annotations"]} == kept
    assert {row["participant"] for row in found["practice"]} == kept
    assert len(found["participants"]) == 6
    assert {(row["language"], row["os"], row["question_os"]) for row in found["participants"]} == {
        ("de", "Linux", "b"), ("", "", ""),
    }  # fmt: skip


def test_the_shared_table_is_the_exported_one_but_for_names_and_dates(shared):
    _, work, out, _ = shared
    file = next((out / "data").glob("*description-annotations_data.csv"))
    own, other = read_annotations([work / "annotations.csv"]), read_annotations([file])
    assert len(own) == len(other) == 2 * 14 + 4 + 2
    assert [own.videos[index] for index in own.video] == [other.videos[index] for index in other.video]
    assert np.array_equal(own.rt_ms, other.rt_ms, equal_nan=True)
    same = own.participant[1:] == own.participant[:-1]
    assert np.array_equal(np.diff(own.time)[same], np.diff(other.time)[same])
    assert str(other.time.min()).startswith("2000-01-01T00:00")
    assert load_design(out / "materials" / "design.yaml") == SHORT
    assert __version__ in (out / "README.md").read_text()
    german = json.loads((out / "materials" / "texts" / "de.json").read_text("utf-8"))
    assert german["button.agree"] == "Ich stimme der Teilnahme zu"


def test_an_empty_study_says_what_its_data_set_lacks(clips, tmp_path):
    study, _ = make_study(tmp_path / "study", clips, settings=FAST)
    made = videomem("export", study.folder, tmp_path / "shared", "--format", "psych-ds")
    assert made.returncode == 0, made.stderr
    assert "0 participants, 0 showings: nobody has joined yet, so its tables are empty" in " ".join(made.stdout.split())
    assert [rows for rows in tables(tmp_path / "shared").values() if rows] == []
    with served(study) as game:
        game.play()
    made = videomem("export", study.folder, tmp_path / "again", "--format", "psych-ds")
    assert "1 participant, 0 showings: nobody has played yet" in " ".join(made.stdout.split())


def test_a_folder_in_use_is_left_alone(shared):
    study, _, out, _ = shared
    again = videomem("export", study.folder, out, "--format", "psych-ds")
    assert (again.returncode, "exists already; give a new folder" in again.stderr) == (1, True)
    assert not out.with_name("shared.partial").exists()


def test_a_preregistration_has_the_numbers_of_the_design(tmp_path):
    save_design(StudyDesign(), tmp_path / "design.yaml")
    command = ("--videos", 10_000, "--participants", 9402, "--returning", 3246, "--out", tmp_path / "text.md")
    made = videomem("preregister", tmp_path / "design.yaml", *command)
    assert made.returncode == 0, made.stderr
    text = (tmp_path / "text.md").read_text()
    model = MemoryModel()
    noise = model.short_term_mean * (1 - model.short_term_mean) - model.short_term_sd**2
    error = np.sqrt(noise / (9402 * 40 / 10_000))
    text = " ".join(text.split())
    assert f"9402 participants, 37.6 annotations per video, standard error of a score about {error:.3f}" in text
    assert "3246 participants, 13.0 annotations per video" in text
    for said in (
        "180 showings of 120 videos", "lag of 45 to 100", "71% of the vigilance", "more than 30%", "more than 40%",
        "at least 15% and above the share of false alarms", "more than 10% of its showings are missing",
        "24 to 72 hours", "7 s",
    ):  # fmt: skip
        assert said in text


def test_a_preregistration_says_when_an_adaptive_study_stops_and_what_its_model_leaves_out():
    both = StudyDesign(assignment=Assignment("adaptive", 0.6, 0.4))
    text = " ".join(preregistration_text(both, 10_000, 40, 20).split())
    assert (
        "passed the controls of the step, or when the short-term scores have an estimated reliability of 0.6 and the "
        "long-term scores one of 0.4. Until then"
    ) in text
    assert "No other data are excluded but by the model of the analysis." in text
    one = StudyDesign(assignment=Assignment(long_term_reliability=0.4))
    text = " ".join(preregistration_text(one, 10_000, 40, 20).split())
    assert "of the step, or when the long-term scores have an estimated reliability of 0.4. Until then" in text
    assert "No other data are excluded." in text


def test_a_preregistration_that_cannot_be():
    with pytest.raises(InputError, match="12 videos; one participant sees"):
        preregistration_text(StudyDesign(), 12, 10, 0)
    with pytest.raises(InputError, match="5 participants, 6 returning"):
        preregistration_text(StudyDesign(), 10_000, 5, 6)
