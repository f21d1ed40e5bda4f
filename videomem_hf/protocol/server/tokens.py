"""Tokens and codes of participants, and the hashes of them that are stored.

Tokens have 256 random bits and return codes 80, so a plain SHA-256 hash can be stored. Ids of recruiting platforms can
be guessed, so they are hashed with the study's key (HMAC).
"""

import hashlib
import hmac
import secrets
from typing import Final

from videomem_hf.schema import InputError

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
    """Encrypt a short text with the study's key; the same text gives another result each time.

    HMAC-SHA256 in counter mode makes the key stream, a second HMAC over nonce and ciphertext the tag (encrypt, then
    MAC).
    """
    nonce, plain = secrets.token_bytes(16), text.encode()
    body = nonce + bytes(one ^ other for one, other in zip(plain, _key_stream(key, nonce, len(plain)), strict=True))
    return (hmac.digest(_derived(key, "seal tag"), body, "sha256") + body).hex()


def unseal(key: str, sealed: str) -> str:
    """The text that was sealed. Raises InputError if it was changed or sealed with another key."""
    content = bytes.fromhex(sealed)
    tag, body = content[:32], content[32:]
    if not hmac.compare_digest(tag, hmac.digest(_derived(key, "seal tag"), body, "sha256")):
        raise InputError("An id in the database was encrypted with another key; put back this study's secrets.json.")
    nonce, cipher = body[:16], body[16:]
    return bytes(one ^ other for one, other in zip(cipher, _key_stream(key, nonce, len(cipher)), strict=True)).decode()


def _key_stream(key: str, nonce: bytes, length: int) -> bytes:
    derived = _derived(key, "seal")
    blocks = (hmac.digest(derived, nonce + block.to_bytes(4, "big"), "sha256") for block in range(length // 32 + 1))
    return b"".join(blocks)[:length]


def _derived(key: str, purpose: str) -> bytes:
    return hmac.digest(bytes.fromhex(key), purpose.encode(), "sha256")


def _base32(digest: bytes, length: int) -> str:
    number = int.from_bytes(digest, "big")
    return "".join(_ALPHABET[(number >> (5 * digit)) & 31] for digit in range(length))
