"""The settings of a study besides its design: texts, questions, codes, limits (`study.yaml`)."""

import dataclasses
import json
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
)
"""Outcomes that can have a completion code: the controls passed or failed, too many technical failures, left too
early; and a device that cannot play the game."""
_CONSENT: Final = """\
You are invited to take part in a study on how people remember short videos.

You will watch short clips without sound and press a key whenever you recognise a clip that you have already seen. You
may be invited to a second, shorter session on another day.

We store which clips you recognised, how fast you pressed the key, how smoothly the clips played and for how long they
were hidden, the kind of your device and browser, and the size of the window. We do not store your name or your internet
address. Taking part is voluntary: you can stop at any time by closing the page. To
have your data deleted, quote your participant number, which is shown at the end.
"""


@dataclass(frozen=True)
class Question:
    """A demographic question, which participants may skip.

    `name` is its column in the table of participants; `choices` are the possible answers, empty for free text.
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

    title: str = _setting("Video memory game", "shown on every page")
    contact: str = _setting("", "contact address for participants; shown with the consent text")
    consent: str = _setting(_CONSENT, "the text that participants agree to; blank lines separate paragraphs")
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
        check_at_least(self, 0, "interruptions_max", "stall_max_ms")
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
            plain = [dataclasses.asdict(question) for question in value] if isinstance(value, tuple) else value
            lines.append(f"{entry.name}: {json.dumps(plain, ensure_ascii=False)}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
