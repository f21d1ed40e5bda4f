"""How a step ended for a participant, and the completion code of that outcome."""

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from videomem_hf.protocol.server.settings import StudySettings
from videomem_hf.protocol.server.tokens import completion_code, unseal

_PROLIFIC: Final = "https://app.prolific.com/submissions/complete?cc="
_PAID: Final = frozenset({"passed", "failed", "technical"})
"""Outcomes that get a code even if the settings give none."""


@dataclass(frozen=True)
class Completion:
    """A completion code and the address that submits it; both empty where there is none."""

    code: str
    link: str


def outcome_of(row: Any) -> str:
    """How a step ended: passed, failed (the controls), technical or abandoned; empty while it is played."""
    if row.state == "completed":
        return "passed" if row.passed else "failed"
    return "" if row.state == "playing" else str(row.state)


def completion_of(settings: StudySettings, key: str, person: Any, row: Any) -> Completion:
    """The completion of a step's row: the code that the settings give for its outcome, else one of the participant's
    own.

    `person` is the participant's row, `key` the study's.
    """
    outcome = outcome_of(row)
    if outcome == "withdrawn":
        return withdrawn_completion(settings, key, person)
    if not outcome:
        return Completion("", "")
    fixed = settings.codes.get(f"step{row.step}_{outcome}", "")
    if not fixed and person.platform == "prolific" and outcome in _PAID:
        fixed = settings.prolific_code_step1 if row.step == 1 else settings.prolific_code_step2
    code = fixed or (completion_code(key, person.name, row.step, outcome) if outcome in _PAID else "")
    return _submission(settings, key, person, code, bool(fixed))


def withdrawn_completion(settings: StudySettings, key: str, person: Any) -> Completion:
    """The completion of someone who withdrew: the code that the settings give for that; empty without one."""
    return _submission(settings, key, person, settings.codes.get("withdrawn", ""), True)


def _submission(settings: StudySettings, key: str, person: Any, code: str, fixed: bool) -> Completion:
    """A code with the address that submits it; `fixed` codes are those of the platform."""
    if not code:
        return Completion("", "")
    if person.platform == "prolific":
        return Completion(code, _PROLIFIC + code if fixed else "")
    identity = quote(readable_id(settings, key, person))
    return Completion(code, settings.completion_url.replace("{code}", quote(code)).replace("{platform_id}", identity))


def readable_id(settings: StudySettings, key: str, person: Any) -> str:
    """The id of a participant's row at the recruiting platform; empty where it is stored hashed, or there is none."""
    if person.platform_sealed:
        return unseal(key, person.platform_sealed)
    return person.platform_id or "" if settings.participant_ids == "plain" else ""


def completion_of_stranger(settings: StudySettings, outcome: str) -> Completion:
    """What someone gets who does not join: `screened_out`, the device cannot play the game, or `declined`."""
    code = settings.codes.get(outcome, "")
    return Completion(code, _PROLIFIC + code if code and not settings.completion_url else "")
