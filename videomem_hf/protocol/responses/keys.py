"""What was pressed at a trial, and which key means "seen before"."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any, Final

from videomem_hf.protocol.responses.columns import plain
from videomem_hf.schema import InputError
from videomem_hf.system import quantity

_CODES: Final = {32: " ", 13: "enter", 37: "arrowleft", 38: "arrowup", 39: "arrowright", 40: "arrowdown"}
"""Names of the codes that jsPsych 6 writes; letters and digits have their own."""
_SPACE: Final = ("space", "spacebar", "space bar", " ", "")
SEEN_WORDS: Final = frozenset({"old", "seen", "yes", "repeat", "repeated", "remember", "again", "y"})
NEW_WORDS: Final = frozenset({"new", "unseen", "no", "first", "not seen", "n", "lure", "foil"})
_BINARY_COLUMNS: Final = ("pressed", "said_old", "said_seen")
_AGREEMENT: Final = 0.98


def key_name(value: Any, code: bool) -> str:
    """The name of a key: `code` says that numbers are codes, as in jsPsych 6."""
    text = plain(value)
    if code and text.lstrip("-").isdigit():
        number = int(text)
        if number < 0:
            return ""
        if number in _CODES:
            return "space" if number == 32 else _CODES[number]
        return chr(number).lower() if 48 <= number <= 90 else text
    if isinstance(value, str) and value and text in _SPACE:
        return "space"
    return text


def seen_keys(
    column: str | None,
    presses: Sequence[str | None],
    old: Sequence[bool],
    correct: Sequence[bool | None],
    right: Sequence[str | None],
    given: Sequence[str],
    where: str,
) -> tuple[frozenset[str], str]:
    """The keys that mean "seen before", and a note that says why.

    Args:
        column: Of the responses.
        presses: Name of each trial's key; None without a press.
        old, correct: Of each trial; None where unknown.
        right: The key that would have been correct at each trial; None where unknown or none.
        given: What the user says.
        where: Names the files in errors.

    Raises:
        InputError: Several keys were pressed and nothing says which means "seen"; or a given key never was.
    """
    counts = Counter(press for press in presses if press is not None)
    listed = ", ".join(f"{key!r} ({count:,} times)" for key, count in counts.most_common(8))
    if not counts:
        raise InputError(f"{where}: nobody pressed a key at any trial; name the column with --response.")
    if given:
        wanted = frozenset("space" if each.lower() in _SPACE else plain(each) for each in given)
        if missing := wanted - counts.keys():
            raise InputError(f"{where}: key {sorted(missing)[0]!r} was never pressed; there are {listed}.")
        return wanted, f"seen before: {_quoted(wanted)}, of {listed}"
    if column is not None and column.lower() in _BINARY_COLUMNS and counts.keys() <= {"0", "1"}:
        return frozenset({"1"}), f"seen before: 1 in column {column!r}"
    if (words := counts.keys() & SEEN_WORDS) and not counts.keys() - words - NEW_WORDS:
        return frozenset(words), f"seen before: {_quoted(words)}, of {listed}"
    if len(counts) == 1:
        return frozenset(counts), f"seen before: the only key that was pressed, {_quoted(counts)}"
    if found := _right_keys(old, right) or _keys_by_correctness(presses, old, correct):
        return found, f"seen before: {_quoted(found)}, by the column that says what was correct; of {listed}"
    shares = []
    for key, _ in counts.most_common(4):
        at = [was for press, was in zip(presses, old, strict=True) if press == key]
        shares.append(f"{key!r} at {sum(at)} old and {len(at) - sum(at)} new items")
    raise InputError(
        f"{where}: {len(counts)} keys were pressed ({'; '.join(shares)}); say which means seen before with --key KEY."
    )


def _right_keys(old: Sequence[bool], right: Sequence[str | None]) -> frozenset[str] | None:
    """The keys that are correct at old items only; None if one is correct at both."""
    at_old, at_new = (Counter(key for key, was in zip(right, old, strict=True) if key and was == kind)
                      for kind in (True, False))  # fmt: skip
    found = frozenset(key for key, count in at_old.items() if count >= _AGREEMENT * (count + at_new[key]))
    return (
        found if found and all(at_old[key] <= (1 - _AGREEMENT) * at_new[key] for key in at_new.keys() - found) else None
    )


def _keys_by_correctness(
    presses: Sequence[str | None], old: Sequence[bool], correct: Sequence[bool | None]
) -> frozenset[str] | None:
    """The keys with which a response was correct at old items and wrong at new ones; None if not all can be told."""
    says_seen: dict[str, list[bool]] = defaultdict(list)
    for press, was, right in zip(presses, old, correct, strict=True):
        if press is not None and right is not None:
            says_seen[press].append(was == right)
    pressed = {press for press in presses if press is not None}
    if says_seen.keys() != pressed:
        return None
    shares = {key: sum(each) / len(each) for key, each in says_seen.items()}
    if any(1 - _AGREEMENT < share < _AGREEMENT for share in shares.values()):
        return None
    found = frozenset(key for key, share in shares.items() if share >= _AGREEMENT)
    return found if found and found != pressed else None


def own_keys(
    people: Sequence[str], presses: Sequence[str | None], old: Sequence[bool], correct: Sequence[bool | None]
) -> tuple[list[bool], str] | None:
    """Whether each trial's press means "seen before", where each participant has keys of their own, and a note.

    The keys of a participant are those with which a response was correct at old items and wrong at new ones. None if
    these cannot be told of everybody. Arguments as in `seen_keys`; `people` are the trials'
    participants.
    """
    says_seen: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for person, press, was, right in zip(people, presses, old, correct, strict=True):
        if press is not None:
            if right is None:
                return None
            says_seen[person, press].append(was == right)
    shares = {key: sum(each) / len(each) for key, each in says_seen.items()}
    if any(1 - _AGREEMENT < share < _AGREEMENT for share in shares.values()):
        return None
    found = {key for key, share in shares.items() if share >= _AGREEMENT}
    keys = Counter(press for _, press in found)
    if not found:
        return None
    listed = ", ".join(f"{key!r} ({quantity(count, 'participant')})" for key, count in keys.most_common(8))
    said = [(person, press) in found for person, press in zip(people, presses, strict=True)]
    return said, f"seen before: each participant's own key, by the column that says what was correct: {listed}"


def _quoted(keys: Any) -> str:
    return ", ".join(repr(key) for key in sorted(keys))
