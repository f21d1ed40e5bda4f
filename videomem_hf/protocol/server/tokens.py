"""Secrets of participants and of the study: what is handed out, and what is kept of it.

Tokens are 256 random bits, return codes 80, so that a plain SHA-256 of them can be kept. Ids of recruiting platforms
can be guessed; they are kept under the study's key (HMAC).
"""

import hashlib
import hmac
import secrets
from typing import Final

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: without I, L, O and U, so that a code can be copied by hand."""

_MISREAD: Final = str.maketrans({"O": "0", "I": "1", "L": "1", " ": None, "-": None})


def new_token() -> str:
    """A participant's token: 256 random bits."""
    return secrets.token_urlsafe(32)


def kept(secret: str) -> str:
    """What the database keeps of a token or code."""
    return hashlib.sha256(secret.encode()).hexdigest()


def return_code(token: str) -> str:
    """The code to return with for step 2, made of the token: who has the token can be shown it again, nobody else."""
    return "-".join(
        _base32(hmac.digest(token.encode(), b"return code", "sha256"), 16)[i : i + 4] for i in range(0, 16, 4)
    )


def normal_code(typed: str) -> str:
    """A code as it was handed out, of what a person typed: any case, with or without dashes, O for 0, I or L for 1."""
    text = typed.strip().upper().translate(_MISREAD)
    return "-".join(text[i : i + 4] for i in range(0, len(text), 4))


def completion_code(key: str, participant: str, step: int) -> str:
    """The code that shows that a step was completed; the table of participants has it too."""
    return _base32(hmac.digest(bytes.fromhex(key), f"completion {participant} {step}".encode(), "sha256"), 10)


def platform_id(key: str, platform: str, identity: str) -> str:
    """What is kept of an id at a recruiting platform."""
    return hmac.new(bytes.fromhex(key), f"{platform} {identity}".encode(), "sha256").hexdigest()


def _base32(digest: bytes, length: int) -> str:
    number = int.from_bytes(digest, "big")
    return "".join(_ALPHABET[(number >> (5 * place)) & 31] for place in range(length))
