"""The texts of the participants' pages: one catalogue per language (`catalogues/xx.po`), used by template and script.

A text is named by its key, such as `consent.text`, and has values in braces, such as {minutes}. `**` marks what stands
out, an empty line a new paragraph. English, French, German, Spanish and Chinese are delivered; a study adds languages,
or texts of its own, with files `texts/xx.po` in its folder. Where a text is missing there, English takes its place.
"""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from babel import Locale, UnknownLocaleError, negotiate_locale
from babel.messages.pofile import PoFileError, read_po

from videomem_hf.protocol.server.settings import StudySettings, check_language
from videomem_hf.schema import InputError

CATALOGUES: Final = Path(__file__).with_name("catalogues")
FALLBACK: Final = "en"
_LINE: Final = re.compile(r'((msgctxt|msgid|msgid_plural|msgstr(\[\d+\])?)?\s*"([^"\\]|\\.)*")?')
"""A line of a catalogue, stripped, that is no comment: nothing, or a text between quotes, perhaps after a keyword."""
_OWN: Final = "texts"
"""Folder of a study's own texts."""

Texts = dict[str, str]


def delivered_languages() -> list[str]:
    """Codes of the languages that need no file of the study."""
    return sorted(file.stem for file in CATALOGUES.glob("*.po"))


def own_catalogue(folder: Path, language: str) -> Path:
    """Where a study keeps its own texts of a language."""
    return folder / _OWN / f"{language}.po"


def load_texts(folder: Path, settings: StudySettings) -> dict[str, Texts]:
    """The texts of each language of a study, the first of which is its default, in full.

    They are the delivered ones, then those of `study.yaml` (title, consent, debriefing), then the study's own. Raises
    InputError for a language without a catalogue, or a catalogue that cannot be read.
    """
    english = _read(CATALOGUES / f"{FALLBACK}.po")
    loaded = {}
    for language in settings.languages:
        own = own_catalogue(folder, language)
        texts = _complete(english, _delivered(language, own))
        general = {"title": settings.title, "consent.text": settings.consent, "debriefing.text": settings.debriefing}
        texts |= {key: text for key, text in general.items() if text}
        loaded[language] = _complete(texts, _read(own)) if own.is_file() else texts
    return loaded


def text_problems(folder: Path, settings: StudySettings) -> Iterator[str]:
    """What participants would read in another language than theirs, or wrongly: one sentence each."""
    english = _read(CATALOGUES / f"{FALLBACK}.po")
    for language in settings.languages:
        own = own_catalogue(folder, language)
        given = (_read(CATALOGUES / f"{language}.po") if language in delivered_languages() else {}) | (
            _read(own) if own.is_file() else {}
        )
        if missing := [key for key in english if key not in given]:
            yield f"{language}: {len(missing)} texts are missing and shown in English, such as {missing[0]}"
        for key in english.keys() & given.keys():
            if not placeholders(given[key]) <= placeholders(english[key]):
                unknown = ", ".join(sorted(placeholders(given[key]) - placeholders(english[key])))
                yield f"{language}: {key} has the unknown value {{{unknown}}} and is shown in English"
        if language != settings.languages[0]:
            translated = _read(own) if own.is_file() else {}
            for name, key in _study_texts(settings):
                if key not in translated:
                    yield f"{language}: {name} of study.yaml is shown whatever its language; put {key} into {own}"


def _study_texts(settings: StudySettings) -> Iterator[tuple[str, str]]:
    """The texts of `study.yaml`, in the study's first language: what they are there, and their keys in a catalogue."""
    for name, key in (("title", "title"), ("consent", "consent.text"), ("debriefing", "debriefing.text")):
        if getattr(settings, name):
            yield name, key
    for question in settings.demographics:
        key = f"question.{question.name}"
        yield f"the question {question.name}", key
        yield from ((f"the choice {choice!r}", f"{key}.{choice}") for choice in question.choices)


def placeholders(text: str) -> set[str]:
    """The names in braces."""
    return set(re.findall(r"\{(\w+)\}", text))


def choose_language(offered: list[str], wanted: str | None, accepted: str) -> str:
    """The language of a visitor: the one wanted, else the best of an Accept-Language header, else the first."""
    if wanted in offered:
        return str(wanted)
    weighted = []
    for entry in accepted.split(","):
        name, _, quality = entry.strip().partition(";q=")
        try:
            weighted.append((-float(quality or 1), name.replace("-", "_")))
        except ValueError:
            continue
    preferred = [name for weight, name in sorted(weighted, key=lambda pair: pair[0]) if weight]
    known = {language.replace("-", "_"): language for language in offered}
    best = negotiate_locale(preferred, list(known))
    by_lower = {name.lower(): language for name, language in known.items()}
    return by_lower.get((best or "").lower(), offered[0])


def language_name(language: str) -> str:
    """A language in itself, such as Deutsch; its code where it is unknown."""
    try:
        name = Locale.parse(language.replace("-", "_")).get_display_name()
    except (UnknownLocaleError, ValueError):
        name = None
    return name[:1].upper() + name[1:] if name else language


def copy_catalogue(folder: Path, language: str) -> Path:
    """Copy the delivered texts of a language, else the English ones, to where the study's own are.

    Raises InputError if the study has some already, or this is no language code.
    """
    check_language(language)
    target = own_catalogue(folder, language)
    if target.exists():
        raise InputError(f"{target}: exists already; edit it, or remove it first.")
    source = language if language in delivered_languages() else FALLBACK
    target.parent.mkdir(exist_ok=True)
    text = (CATALOGUES / f"{source}.po").read_text(encoding="utf-8")
    target.write_text(text.replace(f'"Language: {source}\\n"', f'"Language: {language}\\n"'), encoding="utf-8")
    return target


def _delivered(language: str, own: Path) -> Texts:
    if language in delivered_languages():
        return _read(CATALOGUES / f"{language}.po")
    if not own.is_file():
        raise InputError(
            f"languages: no texts in {language!r}; delivered are {', '.join(delivered_languages())}. Run "
            f"`videomem study texts {own.parent.parent} {language}` and translate {own}."
        )
    return {}


def _check_lines(path: Path, content: str) -> None:
    """Refuse lines that Babel takes for shorter texts, and keys that are there twice, of which it takes the first."""
    first: dict[str, int] = {}
    for number, line in enumerate(map(str.strip, content.splitlines()), start=1):
        if not (line.startswith("#") or _LINE.fullmatch(line)):
            raise InputError(
                f'{path}:{number}: {line[:60]!r} is no line of a catalogue; a text is between two " on each of its '
                'lines, and a quote in it is \\".'
            )
        if line.startswith('msgid "') and line != 'msgid ""' and first.setdefault(line, number) != number:
            raise InputError(f"{path}:{number}: {line[6:]} is in line {first[line]} too; remove one of the two.")


def _complete(base: Texts, better: Texts) -> Texts:
    """The texts of `better` where they fit, else those of `base`."""
    return base | {
        key: text for key, text in better.items() if key not in base or placeholders(text) <= placeholders(base[key])
    }


def _read(path: Path) -> Texts:
    try:
        content = path.read_bytes().decode("utf-8-sig")
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); save it as a text in UTF-8.") from None
    _check_lines(path, content)
    try:
        catalogue = read_po(io.BytesIO(content.encode()), abort_invalid=True)
    except (PoFileError, ValueError) as error:
        raise InputError(f"{path}: no catalogue of texts ({error}); write it as the delivered ones are.") from None
    return {str(message.id): str(message.string) for message in catalogue if message.id and message.string}
