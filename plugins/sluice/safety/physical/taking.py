"""Take a backup of a whole server: pg_basebackup's stream goes into the vault as it comes, and never lies on a disk of ours."""

from __future__ import annotations

import json
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sluice.errors import Terminal
from sluice.failpoints import failpoint
from sluice.safety.backup import Backup, folder_of, name_at
from sluice.safety.driver import Tell
from sluice.safety.physical.rights import check_may_replicate
from sluice.stores.objects import Vault
from sluice.stores.parts import pieces_of, read_part, store_part, store_parts
from sluice.stores.postgres import connect, one, rows, translated
from sluice.stores.programs import running
from sluice.stores.statements import statement

OWN_MANIFEST = "backup_manifest"
SETTINGS = "postgresql.conf"


class NotTaken(Terminal):
    """This server cannot be backed up in this way."""


def take(dsn: str, store: str, vault: Vault, after: Backup | None, tell: Tell) -> Backup:
    """Back a server up into the vault: whole, or what has changed `after` another backup of it.

    The role needs REPLICATION. Raises NotTaken, MayNotReplicate, ProgramFailed, StoreDown, Refused, VaultDown, AccessDenied.
    """
    with connect(dsn, purpose=f"backup {store}") as c, translated(f"backing {store} up"):
        server = one(c, statement("safety.find_server"))
        check_may_replicate(store, server)
        check_can_take(store, server, after)
        settings = {row["name"]: row["setting"] for row in rows(c, statement("safety.list_replayed_settings"))}
        began: datetime = server["now"].astimezone(UTC)
        name = name_at(began, "increment" if after else "full")
        folder = folder_of(store, name)
        walk = Walk()
        parts = tuple(store_parts(vault, folder, _pieces(dsn, name, vault, after, walk)))
        failpoint("base.stored")
        own = store_part(vault, f"{folder}/{OWN_MANIFEST}.zst", bytes(walk.found))
        ended = one(c, statement("safety.find_position"))["now"].astimezone(UTC)
        own_settings = {row["name"]: row["setting"] for row in rows(c, statement("safety.list_own_settings"))}
    span = span_of(bytes(walk.found))
    made = Backup(
        store, name, after.id if after else None, server["system"], server["server"], server["superuser"], server["database"],
        span["Timeline"],
        server["segment_bytes"], span["Start-LSN"], span["End-LSN"], began.isoformat(), ended.isoformat(), settings, parts, own,
        {} if walk.has_settings else own_settings,
    )  # fmt: skip
    made.keep(vault)
    failpoint("base.kept")
    tell(
        f"{store}: {made.id}, {made.size:,} bytes, {made.stored:,} in the vault, in {(ended - began).total_seconds():.1f} s"
    )
    return made


def check_can_take(store: str, server: dict[str, Any], after: Backup | None) -> None:
    """Raise NotTaken where pg_basebackup cannot give it as one stream, or not as an increment."""
    if server["tablespaces"]:
        raise NotTaken(
            f"{store} has tablespaces of its own: back it up with pgbackrest (`backup: {{by: pgbackrest}}`)."
        )
    if after is None:
        return
    if after.system != server["system"]:
        raise NotTaken(f"{store} is another server than the one of {after.id}. Take a full backup first.")
    if after.timeline != server["timeline"]:
        raise NotTaken(
            f"{store} was promoted since {after.id}, and is on timeline {server['timeline']}. Take a full backup first."
        )
    if not server["summarizes"]:
        raise NotTaken(
            f"{store} keeps no summaries of its log: set summarize_wal = on (PostgreSQL 17 on), or take full backups."
        )


def span_of(own_manifest: bytes) -> dict[str, Any]:
    """Give what of the log a backup needs, by PostgreSQL's own manifest: Timeline, Start-LSN, End-LSN. The last span counts."""
    found: dict[str, Any] = json.loads(own_manifest)["WAL-Ranges"][-1]
    return found


@dataclass
class Walk:
    """Reads a tar as it passes by, and keeps PostgreSQL's manifest, which comes last in it; sees whether settings are in it."""

    found: bytearray = field(default_factory=bytearray)
    has_settings: bool = False
    """Whether postgresql.conf has passed by: a server may have it outside of its data folder."""
    _skip: int = 0
    _keep: int = 0
    _rest: bytes = b""

    def see(self, piece: bytes) -> None:
        """Look at the next bytes of the tar."""
        view = memoryview(self._rest + piece if self._rest else piece)
        at = 0
        while at < len(view):
            if self._keep:
                step = min(self._keep, len(view) - at)
                self.found += view[at : at + step]
                self._keep -= step
            elif self._skip:
                step = min(self._skip, len(view) - at)
                self._skip -= step
            elif len(view) - at < tarfile.BLOCKSIZE:
                break
            else:
                step = tarfile.BLOCKSIZE
                self._read_header(bytes(view[at : at + step]))
            at += step
        self._rest = bytes(view[at:])

    def _read_header(self, block: bytes) -> None:
        if not block.strip(b"\0"):
            return  # the end of the tar
        header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        self.has_settings = self.has_settings or header.name == SETTINGS
        padding = -header.size % tarfile.BLOCKSIZE
        if header.name == OWN_MANIFEST:
            self._keep, self._skip = header.size, padding
        else:
            self._skip = header.size + padding


def _pieces(dsn: str, label: str, vault: Vault, after: Backup | None, walk: Walk) -> Iterator[bytes]:
    """Run pg_basebackup, and give its tar in pieces. The log is not in it: that comes by itself."""
    how = ["--pgdata=-", "--format=tar", "--wal-method=none", "--checkpoint=fast", f"--label=sluice {label}"]
    with tempfile.NamedTemporaryFile() as manifest:
        if after:
            manifest.write(read_part(vault, after.own_manifest))
            manifest.flush()
            how.append(f"--incremental={manifest.name}")
        with running("pg_basebackup", dsn, how, stdout=subprocess.PIPE) as run:
            assert run.process.stdout is not None
            for piece in pieces_of(run.process.stdout):
                walk.see(piece)
                failpoint("base.part_read")
                yield piece
