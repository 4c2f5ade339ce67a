"""Cursors that an application may hand out: opaque, signed, and good for the one query they came from."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64decode, b64encode, urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from dataclasses import dataclass
from typing import Any

from sluice.errors import Terminal

MAC_BYTES = 16


class CursorRefused(Terminal):
    """The cursor was changed, is of another query, or was signed with a key that is no longer known."""


@dataclass(frozen=True)
class Seal:
    """Signs cursors (HMAC-SHA256, 128 bits kept). What is inside can be read by whoever holds one, but not changed."""

    keys: tuple[bytes, ...]
    """The application's secrets, at least 16 bytes each: the first signs, all are accepted. So a key can be changed."""

    def __post_init__(self) -> None:
        several = isinstance(self.keys, tuple) and all(isinstance(key, bytes) for key in self.keys)
        if not several or not self.keys or min(map(len, self.keys)) < 16:
            raise ValueError(
                "cursors are sealed with a tuple of keys, (key,), each of at least 16 bytes and kept as a secret"
            )

    def sign(self, query: str, state: Any) -> str:
        """Make the cursor of a state within a query."""
        body = json.dumps(state, separators=(",", ":"), default=_packed).encode()
        return _text(_mac(self.keys[0], query, body) + body)

    def read(self, query: str, cursor: str) -> Any:
        """Give the state back. Raises CursorRefused unless this query's cursor is whole."""
        try:
            whole = urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4))
        except (NotBase64, UnicodeEncodeError, AttributeError):  # the last: no text at all
            whole = b""
        # Base64 has several texts for some bytes; only the one that we write is ours.
        whole = whole if _text(whole) == cursor else b""
        mac, body = whole[:MAC_BYTES], whole[MAC_BYTES:]
        # Every key is tried, found or not: time must not tell which.
        if not any([hmac.compare_digest(mac, _mac(key, query, body)) for key in self.keys]):
            raise CursorRefused("This cursor is not one of this query, or was changed. Start from the first page.")
        return json.loads(body, object_hook=_unpacked)


def _text(whole: bytes) -> str:
    return urlsafe_b64encode(whole).rstrip(b"=").decode()


def _mac(key: bytes, query: str, body: bytes) -> bytes:
    # The query goes in by its digest, of fixed length: nothing can slide from one part into the other.
    told = b"sluice.cursor.1" + hashlib.sha256(query.encode()).digest() + body
    return hmac.digest(key, told, "sha256")[:MAC_BYTES]


def _packed(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"bytes": b64encode(value).decode()}
    raise TypeError(f"{value!r} is no part of a cursor")


def _unpacked(found: dict[str, Any]) -> Any:
    return b64decode(found["bytes"]) if set(found) == {"bytes"} else found
