"""New identifiers: UUIDv7 for entities (RFC 9562), ULID for what must sort within a millisecond."""

from __future__ import annotations

import secrets
import threading
import time
from uuid import UUID

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def uuid7() -> str:
    """Give a new UUIDv7: 48 bits of milliseconds, then chance."""
    bits = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    bits = bits & ~(0xF << 76) | 0x7 << 76
    return str(UUID(int=bits & ~(0x3 << 62) | 0x2 << 62))


class Ulids:
    """Gives ULIDs that rise within this process, also inside one millisecond and when the clock steps back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def next(self, millis: int) -> str:
        """Give one of this millisecond, or of the last one given if that was later."""
        with self._lock:
            self._last = max(self._last + 1, millis << 80 | secrets.randbits(80))
            number = self._last
        return "".join(CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))
