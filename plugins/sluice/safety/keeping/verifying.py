"""Read a backup back, byte by byte, where it is kept: its manifest, its objects, and the log that makes it consistent.

What stands under a key *now* is read, and held against its checksum: a restore asks for the version that was stored, and would
not see that somebody has put another on top of it, or hidden it. One go lasts as long as it may; the next goes on behind it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from sluice.errors import Transient
from sluice.failpoints import failpoint
from sluice.safety.backup import MANIFEST, Backup, folder_of, note_damaged, read_backup
from sluice.safety.driver import Tell
from sluice.safety.keeping.looking import one_of
from sluice.safety.keeping.notes import Verified, read_so_far
from sluice.safety.physical.log import LogFile, LogStore
from sluice.stores.objects import Damaged, NoSuchKey, Vault
from sluice.stores.parts import Part, in_order

Read = Callable[[], int]
A_GO = timedelta(seconds=30)
"""What one verification may take: what a disk reads in that time."""


LOOKS_EVERY = 2.0
"""Seconds between two looks for a log that is on its way."""


class LogNotYet(Transient):
    """The log that a backup needs is not in the vault yet."""


def verify(
    vault: Vault,
    store: str,
    backup: str,
    now: datetime,
    tell: Tell,
    within: timedelta = A_GO,
    behind: int | None = None,
) -> Verified:
    """Read a backup back from where the last go ended, for as long as `within`, and note how far that came.

    `behind` so many objects, whatever was noted before: one that was read before is read anew, go by go.

    What is damaged loses its notes. Raises Damaged, NoSuchKey, Unreadable, LogNotYet, VaultDown, AccessDenied.
    """
    began = time.monotonic()
    try:
        found = read_backup(vault, f"{folder_of(store, backup)}/{MANIFEST}")
        reads = _reads(vault, found)
        so_far = read_so_far(vault, found) if behind is None else behind
        so_far = 0 if so_far == len(reads) else so_far
        sizes = list(in_order(lambda read: read(), _while_time_is_left(reads[so_far:], began + within.total_seconds())))
    except (Damaged, NoSuchKey):
        note_damaged(vault, store, backup)
        raise
    took = time.monotonic() - began
    made = Verified(backup, found.seal, so_far + len(sizes), len(reads), sum(sizes), round(took, 3), now.isoformat())
    failpoint("verify.read")
    made.keep(vault, found)
    tell(
        f"{store}: {backup}: {made.read} of {made.of} objects read back, {made.bytes:,} bytes in {took:.1f} s,"
        f" {made.rate / 1e6:,.0f} MB a second"
    )
    return made


def verify_whole(vault: Vault, store: str, backup: str, tell: Tell, patience: timedelta) -> int:
    """Read all of a backup back, go by go, and note it; gives how many bytes. Its log may be on its way for `patience`.

    Raises Damaged, NoSuchKey, Unreadable, LogNotYet, VaultDown, AccessDenied.
    """
    read, behind, until = 0, None, time.monotonic() + patience.total_seconds()
    while True:
        try:
            made = verify(vault, store, backup, datetime.now(UTC), tell, behind=behind)
        except LogNotYet:
            if time.monotonic() > until:
                raise
            time.sleep(LOOKS_EVERY)
            continue
        read, behind = read + made.bytes, made.read
        if made.is_whole:
            return read


def _while_time_is_left(reads: Sequence[Read], until: float) -> Iterator[Read]:
    """Give one at least: who has less time than for one object would never come to an end."""
    for number, read in enumerate(reads):
        if number and time.monotonic() >= until:
            return
        yield read


def _reads(vault: Vault, backup: Backup) -> list[Read]:
    """Give what reads each object of a backup. The log comes last: it is shipped on its own way."""
    parts = (*backup.parts, backup.own_manifest)
    return [*(partial(check_part, vault, part) for part in parts), *log_reads(vault, backup)]


def check_part(vault: Vault, part: Part) -> int:
    """Read what stands under the key of a part; gives how many bytes. Raises Damaged, NoSuchKey, VaultDown."""
    body, version = vault.current(part.key)
    where = f"s3://{vault.bucket}/{part.key}"
    if len(body) != part.bytes or hashlib.sha256(body).hexdigest() != part.sha256:
        raise Damaged(
            f"{where} is not what was stored. Nothing rests on it: keep it as evidence. Where the bucket keeps versions, that of"
            f" the backup is {part.version}: take those away that lie on top of it."
        )
    if part.version and version != part.version and not vault.has(part.key, part.version):
        raise Damaged(f"{where} was stored anew: its version {part.version}, which a restore asks for, is gone.")
    return len(body)


def log_reads(vault: Vault, backup: Backup) -> Iterator[Read]:
    """Give what reads each file of the log that makes a backup consistent. Raises LogNotYet, VaultDown."""
    log = LogStore(vault, backup.store, backup.system, backup.segment_bytes)
    there = {file.name: file for file in log.files()}
    needs = one_of(backup).needs
    assert needs
    for name in needs.files:
        if name not in there:
            raise LogNotYet(
                f"{backup.id} of {backup.store} needs {name} of the log, and the vault does not have it yet. It is tried again"
                " by itself; if it stays, see that the log is shipped."
            )
        yield partial(_check_file, log, there[name])


def _check_file(log: LogStore, file: LogFile) -> int:
    return len(log.read(file))
