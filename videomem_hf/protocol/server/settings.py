"""The settings of a study besides its design: texts, questions, codes, limits (`study.yaml`)."""

import dataclasses
import json
import re
from dataclasses import dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

from videomem_hf.protocol.design import check_at_least, check_types
from videomem_hf.recipes import build, read_yaml, refuse_unknown
from videomem_hf.schema import InputError

OUTCOMES: Final = (
    *(f"step{step}_{outcome}" for step in (1, 2) for outcome in ("passed", "failed", "technical", "abandoned")),
    "screened_out",
    "declined",
    "withdrawn",
)
"""Outcomes that can have a completion code: the controls passed or failed, too many technical failures, left too
early; a device that cannot play the game, no consent, and a withdrawal."""


@dataclass(frozen=True)
class Question:
    """A demographic question, which participants may skip.

    `name` is its column in the table of participants; `choices` are the possible answers, empty for free text. A
    study's own catalogues can translate them: `question.NAME`, and `question.NAME.CHOICE`.
    """

    name: str
    question: str
    choices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        listed = isinstance(self.choices, list | tuple)
        if not listed or not all(isinstance(text, str) and text for text in (self.name, self.question, *self.choices)):
            raise InputError("name and question are texts, choices is a list of texts; quote them")
        object.__setattr__(self, "choices", tuple(self.choices))


def _setting(default: Any, about: str) -> Any:
    """A default with the comment that `study.yaml` has above it."""
    return field(default=default, metadata={"about": about})


@dataclass(frozen=True)
class StudySettings:
    """The settings of a study, each with a comment in `study.yaml`; a wrong value raises InputError."""

    title: str = _setting("", "name of the study on its pages; empty for a general one")
    languages: tuple[str, ...] = _setting(
        ("en",), "languages of the pages, the first is the default: en, fr, de, es, zh, or texts/xx.po of your own"
    )
    contact: str = _setting("", "contact address for participants; shown with the consent text")
    consent: str = _setting(
        "", "text that participants agree to, blank lines separate paragraphs; empty for the one of their language"
    )
    debriefing: str = _setting("", "text that explains the study at its end; empty for the one of their language")
    demographics: tuple[Question, ...] = _setting(
        (), 'questions, such as {"name": "age", "question": "Your age?", "choices": ["to 30", "over 30"]}'
    )
    participant_ids: Literal["encrypted", "hashed", "plain"] = _setting(
        "encrypted",
        "how ids of recruiting platforms are stored: encrypted (`export --invitees` reads them), hashed, or plain",
    )
    prolific_code_step1: str = _setting(
        "", "completion code of the Prolific study of step 1, unless `codes` has another"
    )
    prolific_code_step2: str = _setting(
        "", "completion code of the Prolific study of step 2, unless `codes` has another"
    )
    codes: dict[str, str] = field(
        default_factory=dict,
        metadata={"about": 'completion codes by outcome, such as {"step1_failed": "C1"}; see docs/recruiting.md'},
    )
    completion_url: str = _setting(
        "", "address that submits a code on other platforms than Prolific, with {code} or {platform_id} in it"
    )
    opens: str = _setting("", "when people can join, such as 2026-11-22T09:00+01:00; empty for at once")
    closes: str = _setting("", "when nobody can join any more; step 2 stays open for those who joined")
    participants_max: int = _setting(0, "number of participants who pass step 1 or play it; 0 for any number")
    pay_per_hour: float = _setting(0.0, "pay per hour of participants, for the cost on the page /admin; 0 for none")
    pause_max_min: float = _setting(10.0, "minutes without a response after which a step is closed")
    interruptions_max: int = _setting(3, "showings that may be cut short by a reload or a failure")
    stall_max_ms: float = _setting(500.0, "milliseconds that a clip may stand still before its response is missing")
    window_min_px: int = _setting(360, "smallest width and height of the window in CSS pixels")
    frames_dropped_max: float = _setting(
        0.25, "largest share of pictures that a device may leave out of the test clip before the consent"
    )
    clips_ahead: int = _setting(4, "number of clips that the browser loads ahead")
    joins_per_minute: int = _setting(30, "new participants and return codes per minute from one address")
    requests_per_second: int = _setting(20, "requests per second of one participant")

    def __post_init__(self) -> None:
        check_types(self)
        if not isinstance(self.codes, dict) or not all(isinstance(code, str) for code in self.codes.values()):
            raise InputError(f"codes {self.codes!r}; it is a section of outcomes and codes, each quoted.")
        refuse_unknown(self.codes, OUTCOMES, "codes")
        opens, closes = self.opens_ms, self.closes_ms
        if opens is not None and closes is not None and opens >= closes:
            raise InputError(f"opens {self.opens} is not before closes {self.closes}; exchange the two.")
        check_at_least(self, 0, "participants_max", "pay_per_hour")
        check_at_least(self, 0, "interruptions_max", "stall_max_ms", "window_min_px", "frames_dropped_max")
        _check_languages(self)
        check_at_least(self, 1, "clips_ahead", "joins_per_minute", "requests_per_second")
        if not self.pause_max_min > 0:
            raise InputError(f"pause_max_min {self.pause_max_min}; it is above 0.")
        if not all(isinstance(question, Question) for question in self.demographics):
            raise InputError(f"demographics {self.demographics!r}; it is a list of questions.")
        names = [question.name for question in self.demographics]
        if twice := [name for name in names if names.count(name) > 1]:
            raise InputError(f"demographics ask for {twice[0]!r} twice; give each question a name of its own.")

    @property
    def opens_ms(self) -> int | None:
        """When people can join, in milliseconds since 1970; None for at once."""
        return _time_ms("opens", self.opens)

    @property
    def closes_ms(self) -> int | None:
        """When nobody can join any more, in milliseconds since 1970; None for never."""
        return _time_ms("closes", self.closes)

    @property
    def pause_max_ms(self) -> int:
        """Milliseconds without a response after which a step is closed."""
        return int(self.pause_max_min * 60_000)


def _check_languages(settings: StudySettings) -> None:
    given = settings.languages
    listed = isinstance(given, list | tuple) and all(isinstance(code, str) for code in given)
    if not listed or not given or len(set(given)) != len(given):
        raise InputError(f"languages {given!r}; it is a list of different language codes, such as [en, de].")
    for code in given:
        check_language(code)
    object.__setattr__(settings, "languages", tuple(given))


def check_language(code: str) -> None:
    """Raise InputError for what is no language code: it names a file of texts."""
    if not re.fullmatch(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*", code):
        raise InputError(f"languages: {code!r} is no language code; give codes such as de or pt-BR.")


def _time_ms(name: str, text: str) -> int | None:
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise InputError(f"{name} {text!r}; give a time with its zone, such as 2026-11-22T09:00+01:00.")
    return int(time.timestamp() * 1000)


def load_settings(path: Path) -> StudySettings:
    """Read the settings; missing ones have their defaults. Raises InputError if the file is missing or invalid."""
    return build(StudySettings, read_yaml(path), str(path))


def save_settings(settings: StudySettings, path: Path) -> None:
    """Write the settings, each with its comment."""
    lines = []
    for entry in fields(settings):
        value = getattr(settings, entry.name)
        lines.append(f"# {entry.metadata['about']}")
        if isinstance(value, str) and "\n" in value:
            lines += [f"{entry.name}: |", *(f"  {line}".rstrip() for line in value.splitlines())]
        else:
            plain = [_plain(item) for item in value] if isinstance(value, tuple) else value
            lines.append(f"{entry.name}: {json.dumps(plain, ensure_ascii=False)}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _plain(item: "Question | str") -> Any:
    return dataclasses.asdict(item) if isinstance(item, Question) else item
