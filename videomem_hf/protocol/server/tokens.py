"""Tokens and codes of participants, and the hashes of them that are stored.

Tokens have 256 random bits and return codes 80, so a plain SHA-256 hash can be stored. Ids of recruiting platforms can
be guessed, so they are hashed with the study's key (HMAC).
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


def hash_secret(secret: str) -> str:
    """The hash of a token or code that is stored."""
    return hashlib.sha256(secret.encode()).hexdigest()


def return_code(token: str) -> str:
    """The code for returning to step 2. Derived from the token, so that only its holder can be shown it again."""
    return normalise_code(_base32(hmac.digest(token.encode(), b"return code", "sha256"), 16))


def normalise_code(typed: str) -> str:
    """Normalise a typed code: any case, with or without dashes, O for 0, I or L for 1."""
    text = typed.strip().upper().translate(_MISREAD)
    return "-".join(text[i : i + 4] for i in range(0, len(text), 4))


def completion_code(key: str, participant: str, step: int) -> str:
    """The code that proves that a step was completed; the table of participants has it too."""
    return _base32(hmac.digest(bytes.fromhex(key), f"completion {participant} {step}".encode(), "sha256"), 10)


def clip_proof(key: str, token: str, step: int, position: int) -> str:
    """What comes with a clip and must come back with its response: the holder of the token has fetched the clip."""
    return _base32(hmac.digest(bytes.fromhex(key), f"clip {token} {step} {position}".encode(), "sha256"), 16)


def platform_id(key: str, platform: str, identity: str) -> str:
    """The stored hash of an id at a recruiting platform."""
    return hmac.new(bytes.fromhex(key), f"{platform} {identity}".encode(), "sha256").hexdigest()


def _base32(digest: bytes, length: int) -> str:
    number = int.from_bytes(digest, "big")
    return "".join(_ALPHABET[(number >> (5 * digit)) & 31] for digit in range(length))
