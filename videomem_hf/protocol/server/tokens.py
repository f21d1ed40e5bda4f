"""Tokens and codes of participants, and the hashes of them that are stored.

Tokens have 256 random bits and return codes 80, so a plain SHA-256 hash can be stored. Ids of recruiting platforms can
be guessed, so they are hashed with the study's key (HMAC).
"""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Final

from videomem_hf.schema import InputError

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

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


def completion_code(key: str, participant: str, step: int, outcome: str = "passed") -> str:
    """The code that proves how a step ended; the table of participants has it too."""
    text = f"completion {participant} {step}" + ("" if outcome == "passed" else f" {outcome}")
    return _base32(hmac.digest(bytes.fromhex(key), text.encode(), "sha256"), 10)


def clip_proof(key: str, token: str, step: int, position: int) -> str:
    """What comes with a clip and must come back with its response: the holder of the token has fetched the clip."""
    return _base32(hmac.digest(bytes.fromhex(key), f"clip {token} {step} {position}".encode(), "sha256"), 16)


def platform_id(key: str, platform: str, identity: str) -> str:
    """The stored hash of an id at a recruiting platform."""
    return hmac.new(bytes.fromhex(key), f"{platform} {identity}".encode(), "sha256").hexdigest()


def seal(key: str, text: str) -> str:
    """Encrypt a short text with the study's key (Fernet); the same text gives another result each time."""
    return _fernet(key).encrypt(text.encode()).decode()


def unseal(key: str, sealed: str) -> str:
    """The text that was sealed. Raises InputError if it was changed or sealed with another key."""
    from cryptography.fernet import InvalidToken

    try:
        return _fernet(key).decrypt(sealed).decode()
    except InvalidToken:
        raise InputError(
            "An id in the database was encrypted with another key; put back this study's secrets.json."
        ) from None


def _fernet(key: str) -> "Fernet":
    from cryptography.fernet import Fernet

    return Fernet(urlsafe_b64encode(hmac.digest(bytes.fromhex(key), b"seal", "sha256")))


def _base32(digest: bytes, length: int) -> str:
    number = int.from_bytes(digest, "big")
    return "".join(_ALPHABET[(number >> (5 * digit)) & 31] for digit in range(length))
