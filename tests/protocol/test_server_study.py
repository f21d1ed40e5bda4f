"""The folder of a study, its settings, the commands, and the building of the page."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.clips import write_clip
from tests.protocol.served import SHORT, make_study, served
from videomem_hf.protocol.design import load_design, save_design
from videomem_hf.protocol.server import build, serve
from videomem_hf.protocol.server.clips import check_clip, find_clips, find_copies
from videomem_hf.protocol.server.database import Database
from videomem_hf.protocol.server.report import study_report
from videomem_hf.protocol.server.settings import Question, StudySettings, load_settings, save_settings
from videomem_hf.protocol.server.study import create_study, new_admin_secret, open_study
from videomem_hf.schema import InputError


def videomem(*arguments, **options):
    command = [sys.executable, "-m", "videomem_hf", "study", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def test_a_folder_holds_what_was_given(clips, tmp_path):
    study, secret = create_study(tmp_path / "study", [clips], design=SHORT)
    assert len(study.clips) == 12
    assert len(study.examples) == 2
    assert not {file.stem for file in study.examples} & set(study.clips)
    assert study.design == SHORT
    assert study.is_admin(secret)
    assert not study.is_admin("")
    assert not study.is_admin(secret[:-1])
    assert (study.folder / "secrets.json").stat().st_mode & 0o077 == 0
    assert (clips / "video3.webm").read_bytes() == study.clips["video3"].read_bytes()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["study"]


def test_links_instead_of_copies(clips, tmp_path):
    copied, _ = create_study(tmp_path / "copied", [clips], design=SHORT)
    linked, _ = create_study(tmp_path / "linked", [clips], design=SHORT, link=True)
    name = next(iter(linked.clips))
    assert linked.clips[name].stat().st_ino in {file.stat().st_ino for file in clips.iterdir()}
    assert copied.clips[name].stat().st_ino not in {file.stat().st_ino for file in clips.iterdir()}


def test_candidates_fit_the_collection(clips, tmp_path):
    design = replace(SHORT, step1=replace(SHORT.step1, candidates=1000))
    assert make_study(tmp_path / "study", clips, design=design)[0].design.step1.candidates == 9


def test_what_cannot_be_a_study_leaves_nothing(clips, tmp_path):
    folder, odd = tmp_path / "study", tmp_path / "odd"
    odd.mkdir()
    frames = [np.zeros((48, 64, 3), dtype=np.uint8)] * 3
    mpeg4 = write_clip(odd / "old.mp4", frames, codec="mpeg4")
    broken = odd / "broken.webm"
    broken.write_bytes(b"no video")
    avi = write_clip(odd / "clip.avi", frames, codec="mpeg4")
    files = sorted(clips.iterdir())
    wrong = {
        "12 videos; one participant.*plan` write .* 20 clips.*--design FILE": lambda: create_study(folder, [clips]),
        "no such file": lambda: create_study(folder, [tmp_path / "nothing"]),
        "no video in this folder": lambda: create_study(folder, [tmp_path / "study.partial"]),
        "codec mpeg4": lambda: create_study(folder, [clips, mpeg4], design=SHORT),
        "not a video": lambda: create_study(folder, [clips, broken], design=SHORT),
        r"\.webm, \.mp4": lambda: create_study(folder, [clips, avi], design=SHORT),
        "two clips named": lambda: create_study(folder, [clips, files[0]], design=SHORT),
        "in the game as well": lambda: create_study(folder, [clips], design=SHORT, examples=[files[0]]),
    }
    (tmp_path / "study.partial").mkdir()
    for said, make in wrong.items():
        with pytest.raises(InputError, match=said):
            make()
        assert not folder.exists()
    folder.mkdir()
    (folder / "mine.txt").write_text("keep me")
    with pytest.raises(InputError, match="exists already"):
        create_study(folder, [clips], design=SHORT)
    assert (folder / "mine.txt").read_text() == "keep me"


def test_an_interrupted_init_leaves_nothing(clips, tmp_path, monkeypatch):
    copied, copy = [], shutil.copyfile

    def interrupted(source, target):
        copied.append(copy(source, target))
        if len(copied) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "copyfile", interrupted)
    with pytest.raises(KeyboardInterrupt):
        create_study(tmp_path / "study", [clips], design=SHORT)
    assert len(copied) == 3
    assert list(tmp_path.iterdir()) == []


def test_clips_are_found_in_order_and_checked(clips):
    assert [clip.stem for clip in find_clips([clips])][:3] == ["video1", "video10", "video11"]
    for clip in find_clips([clips]):
        check_clip(clip)


@pytest.mark.parametrize(
    "settings",
    [
        StudySettings(),
        StudySettings(
            title='A "study": of #1', contact="a@b.example", consent="One\n\nTwo: äöü", participant_ids="plain",
            demographics=(Question("age", "Your age", ("under 30", "30: or over")), Question("town", "Where?")),
            prolific_code_step1="C1", prolific_code_step2="0123", pause_max_min=2.5, interruptions_max=0, clips_ahead=1,
            languages=("de", "pt-BR"), debriefing="Why\n\nWe ask", codes={"step1_failed": "C2"},
            opens="2026-11-22T09:00+01:00", participants_max=9,
        ),
    ],
)  # fmt: skip
def test_settings_are_read_as_they_were_written(settings, tmp_path):
    save_settings(settings, tmp_path / "study.yaml")
    again = load_settings(tmp_path / "study.yaml")
    texts = {"consent": again.consent.strip(), "debriefing": again.debriefing.strip()}
    assert replace(again, **texts) == settings


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("titel: x", "unknown key 'titel'"),
        ("title: 3", "quote it"),
        ("participant_ids: secret", "one of encrypted, hashed, plain"),
        ("codes: {step3: A}", "codes: unknown key 'step3'"),
        ("opens: tomorrow", "opens 'tomorrow'; give a time with its zone"),
        ('closes: "2026-11-22T09:00"', "closes '2026-11-22T09:00'; give a time with its zone"),
        ('opens: "2026-11-22T09:00Z"\ncloses: "2026-11-21T09:00Z"', "is not before closes"),
        ("participants_max: -1", "participants_max -1; it must be 0 or more"),
        ("languages: de", "list of different language codes"),
        ("languages: [en, en]", "list of different language codes"),
        ("languages: [../x]", "no language code"),
        ("window_min_px: -1", "0 or more"),
        ("pause_max_min: 0", "above 0"),
        ("clips_ahead: 0", "1 or more"),
        ("interruptions_max: 1.5", "whole number"),
        ("demographics: [age]", "section of keys and values"),
        ("demographics: [{name: a, question: b, choices: [1, 2]}]", "quote them"),
        ("demographics: [{name: a, question: b}, {name: a, question: c}]", "twice"),
        ("- a", "keys and values"),
        ("a: [", "not YAML"),
    ],
)
def test_wrong_settings_get_one_sentence(content, said, tmp_path):
    (tmp_path / "study.yaml").write_text(content)
    with pytest.raises(InputError, match=said) as caught:
        load_settings(tmp_path / "study.yaml")
    assert "study.yaml" in str(caught.value)


def test_the_secret_can_be_replaced(clips, tmp_path):
    study, old = make_study(tmp_path / "study", clips)
    new = new_admin_secret(study)
    again = open_study(study.folder)
    assert again.key == study.key
    assert again.is_admin(new)
    assert not again.is_admin(old)


def test_a_design_is_fixed_by_the_first_participant(clips, tmp_path):
    study, secret = make_study(tmp_path / "study", clips)
    with served(study, secret):
        pass
    other = replace(SHORT, controls=replace(SHORT.controls, vigilance_hits_min=0.5))
    save_design(other, study.folder / "design.yaml")
    with served(open_study(study.folder)) as game:
        game.play()
    save_design(SHORT, study.folder / "design.yaml")
    with pytest.raises(InputError, match="not the design"), served(open_study(study.folder)):
        pass


def test_clips_can_be_added_and_not_taken_away(clips, tmp_path):
    study, secret = make_study(tmp_path / "study", clips)
    with served(study, secret):
        pass
    frames = [np.full((48, 64, 3), 250, dtype=np.uint8)] * 3
    added = write_clip(study.folder / "clips" / "new.webm", frames)
    with served(open_study(study.folder)) as game, game.database.read() as connection:
        assert len(study_report(connection).videos) == 13
    added.unlink()
    with pytest.raises(InputError, match="new is missing"), served(open_study(study.folder)):
        pass


@pytest.mark.parametrize("damage", ["missing", "empty", "key"])
def test_a_damaged_folder_gets_one_sentence(damage, clips, tmp_path):
    study, _ = make_study(tmp_path / "study", clips)
    secrets = study.folder / "secrets.json"
    if damage == "missing":
        secrets.unlink()
    else:
        secrets.write_text("" if damage == "empty" else json.dumps({"key": "xyz", "admin_hash": "0"}))
    with pytest.raises(InputError, match="study init" if damage == "missing" else "damaged"):
        open_study(study.folder)


def test_the_commands_from_init_to_delete(clips, tmp_path):
    save_design(SHORT, tmp_path / "design.yaml")
    folder = tmp_path / "study"
    made = videomem("init", folder, clips, "--design", tmp_path / "design.yaml")
    assert "12 clips in the game, 2 in the instructions" in made.stdout
    assert load_design(folder / "design.yaml") == SHORT
    with served(open_study(folder)) as game:
        play = game.play()
        play.step(1)
        name = play.me()["participant"]
    status = videomem("status", folder, "--videos").stdout
    assert "step 1: 0 playing, 1 passed (100% of those who completed it)" in status
    assert sum(int(line.split("\t")[1]) for line in status.splitlines()[6:]) == 3
    out, people = tmp_path / "out.csv", tmp_path / "people.csv"
    assert f"{out}: 14 showings\n" in videomem("export", folder, out, "--participants", people).stdout
    assert len(out.read_text().splitlines()) == 15
    header, *_, row = people.read_text().splitlines()
    assert header.startswith(
        "participant,platform,platform_id,joined,language,page,withdrawn,withdrawn_at,device,os,browser,browser_version,"
        "width,height,screen_width,screen_height,automation,check_start_ms,check_frames,check_frames_dropped,step1_state,step1_outcome,step1_passed,step1_showings,step1_missing,step1_hidden_ms,"
        "step1_interruptions,step1_failures,step1_started,step1_closed,step1_code,step1_study_id,step1_session_id,"
        "step2_state,"
    )
    assert row.startswith(f"{name},")
    assert "no/such" in videomem("export", folder, tmp_path / "no" / "such" / "out.csv").stderr
    assert "14 responses" in videomem("delete", folder, name).stdout
    assert videomem("export", folder, out).stdout == f"{out}: 0 showings; nobody has played yet\n"
    again = videomem("delete", folder, name)
    assert (again.returncode, again.stderr.startswith("videomem: No participant")) == (1, True)
    secret = videomem("secret", folder).stdout.split()[-1]
    assert open_study(folder).is_admin(secret)
    assert videomem("status", tmp_path).stderr.startswith("videomem: ")
    elsewhere = videomem("status", folder, "--database", f"sqlite:///{tmp_path / 'other.db'}").stdout
    assert elsewhere.startswith("0 joined")


def test_serving_without_the_page_says_what_to_do(clips, tmp_path, monkeypatch):
    study, _ = make_study(tmp_path / "study", clips)
    monkeypatch.setattr(serve, "page_is_built", lambda: False)
    with pytest.raises(InputError, match=r"install Node\.js .* videomem_hf\.protocol\.server\.build"):
        serve.run_server(study, host="127.0.0.1", port=1)
    assert not (study.folder / "study.db").exists()


def fake_npm(folder: Path, body: str) -> str:
    folder.mkdir()
    (folder / "npm").write_text(f"#!{sys.executable}\n{body}")
    (folder / "npm").chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


INSTALL = """
import json, pathlib, sys
assert sys.argv[1:3] == ["ci", "--ignore-scripts"], sys.argv
lock = json.loads(pathlib.Path("package-lock.json").read_text())
for name, package in lock["packages"].items():
    if name:
        folder = pathlib.Path(name)
        (folder / "dist").mkdir(parents=True)
        (folder / "css").mkdir()
        (folder / "css" / "jspsych.css").write_text("css")
        (folder / "dist" / "index.browser.min.js").write_text(name + "\\n//# sourceMappingURL=x.map\\n")
        facts = {"name": name.removeprefix("node_modules/"), "version": package["version"], "license": "MIT"}
        (folder / "package.json").write_text(json.dumps(facts))
"""


def test_the_page_is_built_of_the_locked_packages(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", fake_npm(tmp_path / "bin", INSTALL))
    monkeypatch.setattr(build, "VENDOR", tmp_path / "static" / "vendor")
    (tmp_path / "static" / "vendor").mkdir(parents=True)
    (tmp_path / "static" / "vendor" / "stale.js").write_text("stale")
    vendor = build.fetch_libraries()
    names = {file.name for file in vendor.iterdir()}
    page = (Path(build.__file__).parent / "templates" / "index.html.j2").read_text()
    assert "stale.js" not in names
    assert all(f"/static/vendor/{name}" in page for name in names - {"LICENSES.txt"})
    assert (vendor / "jspsych.js").read_text() == "node_modules/jspsych\n"
    assert "jspsych 8" in (vendor / "LICENSES.txt").read_text()


@pytest.mark.parametrize("problem", ["no npm", "npm fails"])
def test_a_page_that_cannot_be_built_leaves_the_old_one(problem, tmp_path, monkeypatch, capsys):
    path = str(tmp_path) if problem == "no npm" else fake_npm(tmp_path / "bin", "raise SystemExit('npm error offline')")
    monkeypatch.setenv("PATH", path)
    monkeypatch.setattr(build, "VENDOR", tmp_path / "vendor")
    (tmp_path / "vendor").mkdir()
    assert build.main() == 1
    assert ("Node.js" if problem == "no npm" else "npm error offline") in capsys.readouterr().err
    assert (tmp_path / "vendor").is_dir()


def test_the_lock_file_names_versions_and_checksums_but_no_places():
    lock = json.loads((Path(build.__file__).parent / "page" / "package-lock.json").read_text())
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert len(packages) >= 6
    for package in packages.values():
        assert package["integrity"].startswith("sha512-")
        assert "resolved" not in package


def test_the_database_of_a_study_can_be_elsewhere(clips, tmp_path):
    study, _ = make_study(tmp_path / "study", clips)
    with served(study, url=f"sqlite:///{tmp_path / 'elsewhere.db'}") as game:
        game.play()
    assert not (study.folder / "study.db").exists()
    Database(f"sqlite:///{tmp_path / 'elsewhere.db'}").close()


def test_copies_are_told(tmp_path: Path) -> None:
    clips = [tmp_path / f"{name}.webm" for name in "abcd"]
    for clip, content in zip(clips, (b"one", b"two", b"one", b"one more"), strict=True):
        clip.write_bytes(content)
    assert find_copies([clips[0], clips[1], clips[3]]) is None
    assert find_copies(clips) == (
        "1 clip of 4 is a copy of another, such as c.webm of a.webm: who has seen one recognises the other. "
        "Leave copies out."
    )
