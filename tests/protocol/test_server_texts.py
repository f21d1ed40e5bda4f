"""The texts of the participants' pages: complete in every language, none in the code, chosen for each visitor."""

import re
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from tests.protocol.conftest import FAST
from tests.protocol.served import make_study, served
from tests.protocol.test_server_study import videomem
from videomem_hf.protocol.server import texts as module
from videomem_hf.protocol.server.settings import Question, StudySettings, save_settings
from videomem_hf.protocol.server.texts import (
    choose_language,
    language_name,
    load_texts,
    own_catalogue,
    text_problems,
)
from videomem_hf.schema import InputError

SERVER = Path(module.__file__).parent
LANGUAGES = ("de", "en", "es", "fr", "zh")
SCRIPTS = [file for file in sorted((SERVER / "static").glob("*.js")) if file.name != "admin.js"]


def catalogue(language: str) -> dict[str, str]:
    with (SERVER / "catalogues" / f"{language}.po").open("rb") as file:
        return {message.id: message.string for message in read_po(file) if message.id}


def values(text: str) -> list[str]:
    return sorted(re.findall(r"\{\w*\}", text))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_there_with_the_same_values(language):
    english, other = catalogue("en"), catalogue(language)
    assert len(english) > 100
    assert list(other) == list(english)
    assert all(text.strip() for text in other.values())
    for key, text in other.items():
        assert values(text) == values(english[key]), key
        assert text.count("**") == english[key].count("**"), key
        assert text.count("\n\n") == english[key].count("\n\n"), key
    if language != "en":
        same = {key for key in other if other[key] == english[key] and re.search(r"[a-z]", english[key])}
        assert not same


def test_every_language_has_a_catalogue():
    assert {file.stem for file in (SERVER / "catalogues").iterdir()} == set(LANGUAGES)


def literals(script: str) -> list[str]:
    """The strings of a script without comments, tags and inserted values."""
    code = re.sub(r"^\s*//.*$|/\*.*?\*/", "", script, flags=re.M | re.S)
    found = re.findall(r'"((?:[^"\\\n]|\\.)*)"|\'((?:[^\'\\\n]|\\.)*)\'|`((?:[^`\\]|\\.)*)`', code)
    return [re.sub(r"\$\{[^{}]*\}|<[^>]*>", " ", "".join(parts)) for parts in found]


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda file: file.name)
def test_no_script_has_a_sentence(file):
    sentences = [text for text in literals(file.read_text()) if re.search(r"[A-Za-z]{2,}[,.]? [a-z]{2,}[ .,!?]", text)]
    assert not sentences


def test_no_template_has_a_sentence():
    page = (SERVER / "templates" / "index.html.j2").read_text()
    assert not re.sub(r"<[^>]*>|\{\{.*?\}\}", "", page.partition("<body>")[2]).split()
    assert 'lang="{{ language }}"' in page


def test_every_key_in_the_code_is_in_the_catalogue_and_used():
    code = "".join(file.read_text() for file in SCRIPTS) + (SERVER / "templates" / "index.html.j2").read_text()
    english = catalogue("en")
    plain = set(re.findall(r'"([a-z_]+(?:\.[a-z_0-9]+)+)"', code)) - {"http", "./texts.js"}
    named = {key for key in plain if key.split(".")[0] in {each.split(".")[0] for each in english}}
    assert named <= set(english)
    stems = set(re.findall(r"`([a-z_]*)\.?(?:step)?\$\{", code)) | set(re.findall(r'drawing\("(\w+)"', code))
    stems |= {"error", "code", "title", "number"} | CLOSED
    assert not [key for key in english if key not in named and key.split(".")[0] not in stems]


CLOSED = {"not_open", "study_closed", "paused", "full", "finished", "again", "late", "closed", "technical"}
"""Stages, whose texts are named by the stage."""


@pytest.mark.parametrize(
    ("wanted", "accepted", "chosen"),
    [
        (None, "", "en"),
        ("de", "fr", "de"),
        ("it", "fr", "fr"),
        (None, "fr-CH, de;q=0.9, en;q=0.8", "fr"),
        (None, "it, de;q=0.3, zh;q=0.7", "zh"),
        (None, "zh-CN", "zh"),
        (None, "pt-br", "pt-BR"),
        (None, "de;q=0, fr;q=0.1", "fr"),
        (None, "***;q=x, ;;", "en"),
    ],
)
def test_a_visitor_reads_the_best_language_on_offer(wanted, accepted, chosen):
    assert choose_language(["en", "fr", "de", "zh", "pt-BR"], wanted, accepted) == chosen


def test_languages_are_named_in_themselves():
    assert [language_name(code) for code in ("de", "zh", "fr", "xx")] == ["Deutsch", "中文", "Français", "xx"]


def test_the_page_and_its_facts_are_in_the_visitors_language(clips, tmp_path):
    question = Question("age", "Your age?", ("to 30", "over 30"))
    settings = StudySettings(languages=("en", "de"), demographics=(question,), joins_per_minute=1000)
    study, secret = make_study(tmp_path / "study", clips, settings=settings)
    (study.folder / "texts").mkdir()
    own = 'msgid "question.age"\nmsgstr "Ihr Alter?"\n\nmsgid "question.age.to 30"\nmsgstr "bis 30"\n'
    (study.folder / "texts" / "de.po").write_text(own)
    with served(study, secret) as game:
        german = game.client.get("/", headers={"accept-language": "de-AT"}).text
        assert '<html lang="de">' in german
        assert "<title>Spiel zum Videogedächtnis</title>" in german
        assert '<html lang="en">' in game.client.get("/?lang=en", headers={"accept-language": "de"}).text
        facts = game.client.get("/api/study?lang=de").json()
        assert facts["languages"] == {"en": "English", "de": "Deutsch"}
        assert facts["texts"]["button.agree"] == catalogue("de")["button.agree"]
        choices = [["to 30", "bis 30"], ["over 30", "over 30"]]
        assert facts["demographics"] == [{"name": "age", "question": "Ihr Alter?", "choices": choices}]
        english = game.client.get("/api/study").json()
        assert (english["language"], english["demographics"][0]["question"]) == ("en", "Your age?")
        play = game.play(language="de", demographics={"age": "to 30"})
        assert play.me()["language"] == "de"
        assert game.play(language="fr").me()["language"] is None
        people = game.admin("GET", "/admin/participants.csv").text.splitlines()
    assert [line.split(",")[4] for line in people] == ["language", "de", ""]


def test_a_language_of_ones_own_falls_back_to_english(clips, tmp_path):
    study, _ = make_study(tmp_path / "study", clips, settings=FAST)
    settings = StudySettings(languages=("it",), consent="Own text")
    save_settings(settings, study.folder / "study.yaml")
    with pytest.raises(
        InputError, match=r"no texts in 'it'; delivered are de, en, es, fr, zh. Run `videomem study texts"
    ):
        load_texts(study.folder, settings)
    assert "edit it" in videomem("texts", study.folder, "it").stdout
    path = study.folder / "texts" / "it.po"
    assert '"Language: it\\n"' in path.read_text()
    assert "exists already" in videomem("texts", study.folder, "it").stderr
    assert "'../it' is no language code" in videomem("texts", study.folder, "../it").stderr
    assert not (study.folder / "it.po").exists()
    path.write_text('msgid "button.agree"\nmsgstr "Accetto"\n\nmsgid "resume.text"\nmsgstr "Visti {visti}"\n')
    found = load_texts(study.folder, settings)["it"]
    assert found["button.agree"] == "Accetto"
    assert found["button.disagree"] == "I do not agree"
    assert found["resume.text"] == catalogue("en")["resume.text"]
    assert found["consent.text"] == "Own text"
    said = "\n".join(text_problems(study.folder, settings))
    assert f"it: {len(catalogue('en')) - 2} texts are missing and shown in English, such as title" in said
    assert "it: resume.text has the unknown value {visti}" in said


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rubbish", "de.po:1: 'rubbish' is no line of a catalogue"),
        ('msgid "title"\nmsgstr "Hallo\n', "de.po:2: 'msgstr \"Hallo' is no line"),
        ('msgid "title"\nmsgstr ""\n"eins "\nzwei"\n', "de.po:4: 'zwei\"' is no line"),
        ('msgid "title"\nmsgstr "ein "Wort""\n', "de.po:2: "),
        ('msgid "title"\nmsgstr “Hallo”\n', "de.po:2: "),
        ('msgid "title"\nmsgstr "1"\nmsgid "title"\nmsgstr "2"\n', 'de.po:3: "title" is in line 1 too'),
        ('msgid "title"\nmsgstr "H\xe4"\n'.encode("latin-1"), "de.po: cannot be read"),
    ],
)
def test_a_damaged_catalogue_is_an_error_with_its_line(text, message, tmp_path):
    path = own_catalogue(tmp_path, "de")
    path.parent.mkdir()
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=re.escape(message)):
        load_texts(tmp_path, StudySettings(languages=("de",)))


def test_own_texts_go_before_the_settings_and_the_check_says_what_is_in_one_language_only(clips, tmp_path):
    study, _ = make_study(tmp_path / "study", clips, settings=FAST)
    question = Question("age", "Your age?", ("to 30", "over 30"))
    settings = StudySettings(languages=("en", "de", "fr"), debriefing="Why", demographics=(question,))
    (study.folder / "texts").mkdir()
    own = {"debriefing.text": "Warum", "question.age": "Ihr Alter?", "question.age.to 30": "bis 30"}
    text = "\n\n".join(f'msgid "{key}"\nmsgstr "{value}"' for key, value in own.items())
    (study.folder / "texts" / "de.po").write_text(f"{text}\n")
    found = load_texts(study.folder, settings)
    assert [found[code]["debriefing.text"] for code in settings.languages] == ["Why", "Warum", "Why"]
    de, fr = (study.folder / "texts" / f"{code}.po" for code in ("de", "fr"))
    shown = "of study.yaml is shown whatever its language; put"
    assert list(text_problems(study.folder, settings)) == [
        f"de: the choice 'over 30' {shown} question.age.over 30 into {de}",
        f"fr: debriefing {shown} debriefing.text into {fr}",
        f"fr: the question age {shown} question.age into {fr}",
        f"fr: the choice 'to 30' {shown} question.age.to 30 into {fr}",
        f"fr: the choice 'over 30' {shown} question.age.over 30 into {fr}",
    ]
    assert not list(text_problems(study.folder, StudySettings(languages=LANGUAGES)))
