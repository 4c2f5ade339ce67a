"""Notes beside a backup that it was read back: how far, when, how fast.

    backups/stores/<store>/base/<id>/read-<so many>-of-<all>-<seal>.json
    backups/stores/<store>/dumps/<id>/…                                    the same of a dump

A listing alone says what was verified, and of which manifest: a note for another one counts for nothing. A big backup is read in
several goes, each with a note of how far it came.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from sluice.safety.backup import DAMAGED, READ, Held
from sluice.safety.drill.certificate import Certificate
from sluice.stores.objects import Vault

_NAME = re.compile(rf"{READ}(\d{{6}})-of-(\d{{6}})-([0-9a-f]{{12}})\.json")


@dataclass(frozen=True)
class Verified:
    """How far a backup was read back."""

    backup: str
    seal: str
    """Of the manifest that it was held against."""
    read: int
    """Objects, the log that it needs among them."""
    of: int
    bytes: int
    """In this go."""
    seconds: float
    at: str
    by: str = "read back"
    """Or the drill that restored it."""

    @property
    def is_whole(self) -> bool:
        """Whether that was all of it."""
        return self.read == self.of

    @property
    def rate(self) -> float:
        """Bytes a second."""
        return self.bytes / self.seconds if self.seconds else 0.0

    def keep(self, vault: Vault, backup: Held) -> None:
        """Store it; safe to repeat: the first note of as much stays."""
        key = f"{backup.folder}/{READ}{self.read:06}-of-{self.of:06}-{self.seal[:12]}.json"
        if not vault.sizes(key):
            vault.put_once(key, json.dumps(asdict(self), indent=1).encode(), "application/json")
        if self.is_whole and vault.sizes(f"{backup.folder}/{DAMAGED}"):
            vault.remove(f"{backup.folder}/{DAMAGED}")


def note_read(vault: Vault, backup: Held, seconds: float) -> None:
    """Note that all of a backup was read back, in so many seconds. Raises VaultDown, AccessDenied."""
    count, now = len(backup.objects), datetime.now(UTC).isoformat()
    Verified(backup.id, backup.seal, count, count, backup.stored, round(seconds, 3), now).keep(vault, backup)


def note_restored(vault: Vault, backup: Held, certificate: Certificate) -> bool:
    """Note that a drill has restored a backup, and found all in it that had to be; gives whether it has."""
    if certificate.wrong or backup.id not in certificate.backups:
        return False
    count = len(backup.objects)
    at = datetime.fromisoformat(certificate.asked_at).astimezone(UTC).isoformat()
    Verified(backup.id, backup.seal, count, count, 0, 0.0, at, certificate.key).keep(vault, backup)
    return True


def read_note(vault: Vault, backup: Held) -> Verified | None:
    """Give the note that all of it was read back; None where there is none. Raises VaultDown, AccessDenied."""
    for key in _notes(backup, vault.list(f"{backup.folder}/{READ}")):
        if _is_whole(key):
            return Verified(**json.loads(vault.get(key)))
    return None


def verified_by(backup: Held, keys: Iterable[str]) -> bool:
    """Whether a listing has a note that all of it was read back. Pure."""
    return any(_is_whole(key) for key in _notes(backup, keys))


def noted_whole(backups: Iterable[Held], dated: Mapping[str, datetime]) -> dict[str, datetime]:
    """Give when it was first noted of each backup that all of it was read back, by S3's clock, out of a listing. Pure."""
    found = {one.id: [at for key, at in dated.items() if verified_by(one, [key])] for one in backups}
    return {name: min(moments) for name, moments in found.items() if moments}


def read_so_far(vault: Vault, backup: Held) -> int:
    """Tell how many of its objects were read back. Raises VaultDown, AccessDenied."""
    found = [_NAME.search(key) for key in _notes(backup, vault.list(f"{backup.folder}/{READ}"))]
    return max((int(one[1]) for one in found if one), default=0)


def _notes(backup: Held, keys: Iterable[str]) -> Iterator[str]:
    for key in keys:
        found = _NAME.search(key) if key.startswith(f"{backup.folder}/") else None
        if found and found[3] == backup.seal[:12]:
            yield key


def _is_whole(key: str) -> bool:
    found = _NAME.search(key)
    return bool(found) and found[1] == found[2]  # type: ignore[index]
