"""Any PostgreSQL that can be reached, as every driver is asked: dumps in the vault, brought back where there is room."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from sluice.safety.backup import MANIFEST, Broken, folder_of, named, noting_damage
from sluice.safety.census import Census, take_census
from sluice.safety.driver import Clock, Restored, Taken, Tell, Window, made_at
from sluice.safety.keeping.notes import note_read
from sluice.safety.keeping.reading import reading
from sluice.safety.logical.dump import DATA, TOC, Dump, dumps_of, read_dump
from sluice.safety.logical.dumping import Dumping
from sluice.safety.logical.places import Place
from sluice.safety.logical.restoring import bring_back
from sluice.safety.physical.fetching import unpack
from sluice.safety.physical.scratch import NotRecovered
from sluice.safety.target import Target
from sluice.stores.binaries import client
from sluice.stores.objects import Damaged, Vault
from sluice.stores.postgres import connect
from sluice.stores.privileges import Identity


@dataclass(frozen=True)
class Logical:
    """One database behind an address, its dumps in the vault, and a place for copies."""

    store: str
    dsn: str = field(repr=False)
    vault: Vault
    folder: Path
    """On a disk of ours with room for a dump; dumps of one store alone lie in it."""
    place: Place
    jobs: int = 2
    """How many sessions pg_dump and pg_restore have at once."""

    def take(self, tell: Tell) -> Taken:
        """Dump it. Safe to repeat, and to kill."""
        return _taken(Dumping(self.dsn, self.store, self.vault, self.folder, self.jobs).take(tell))

    def count(self, tell: Tell) -> Census:
        """Count the living store as it is now; each dump has a count of its own snapshot. Raises Refused, Rewritten."""
        return take_census(lambda purpose: connect(self.dsn, purpose=f"{purpose} {self.store}"), tell)

    def backups(self) -> Sequence[Taken]:
        """List what there is, oldest first."""
        return [_taken(dump) for dump in dumps_of(self.vault, self.store)]

    def window(self) -> Window | None:
        """From the moment of the first dump to that of the last. Within it, only these moments can be had."""
        found = dumps_of(self.vault, self.store)
        return Window(found[0].moment, found[-1].moment) if found else None

    def verify(self, backup: str, tell: Tell) -> int:
        """Read every byte of a dump, and have pg_restore read its list of contents; tell of others that are damaged.

        That is noted beside it, so that older ones may go by it. One that is damaged loses its notes.
        Raises Broken, Damaged, NoSuchKey, VaultDown.
        """
        dump, began = self._named(backup, tell), time.monotonic()
        with noting_damage(self.vault, dump):
            self._read(dump)
        note_read(self.vault, dump, time.monotonic() - began)
        tell(f"{self.store}: {backup} read back, {dump.size:,} bytes")
        return dump.size

    def _read(self, dump: Dump) -> None:
        with tempfile.TemporaryDirectory(prefix="sluice-") as made:
            folder = Path(made) / DATA
            unpack(dump, self.vault, folder, Identity(), TOC)
            command = [str(client("pg_restore")), "--list", str(folder)]
            done = subprocess.run(command, capture_output=True, text=True, errors="replace")
        if done.returncode:
            raise Damaged(
                f"{dump.id} of {self.store} is as it was stored, and pg_restore cannot read what is in it:"
                f" {done.stderr.strip()[-300:]}. Nothing rests on it: take another, and keep this one as evidence."
            )

    def restore(self, target: Target, name: str, clock: Clock, tell: Tell) -> Restored:
        """Bring the newest dump back that is no later than the target; meanwhile none of them is taken away.

        Raises NotScratch, Broken, NotRecovered, Damaged.
        """
        with reading(self.vault, self.store, name, made_at(name)):
            return self._restore(target, name, clock, tell)

    def _restore(self, target: Target, name: str, clock: Clock, tell: Tell) -> Restored:
        dump = choose(dumps_of(self.vault, self.store), self.store, target)
        tell(f"{self.store} comes back to {dump.moment:%Y-%m-%d %H:%M:%S} UTC, from {dump.id}; asked for {target}")
        folder = self.place.folder_of(name)
        folder.mkdir(mode=0o700, parents=True)
        try:
            address = bring_back(dump, self.vault, self.place, name, self.jobs, clock, tell)
        finally:
            shutil.rmtree(folder / DATA, ignore_errors=True)
        return Restored(name, address, (dump.id,), dump.moment, None, dump.census)

    def hand_over(self, found: Restored, port: int | None) -> str:
        """Make a copy ready for people. Passwords were in no dump: give its roles new ones. Raises NotScratch, NotRecovered."""
        made_at(found.name)
        return self.place.hand_over(found, port)

    def scratches(self) -> Sequence[str]:
        """List the copies that stand there."""
        return self.place.names()

    def destroy(self, name: str) -> None:
        """Take a copy away. Safe to repeat. Raises NotScratch."""
        made_at(name)
        self.place.remove(name)

    def _named(self, backup: str, tell: Tell) -> Dump:
        manifest = f"{folder_of(self.store, backup)}/{MANIFEST}"
        if self.vault.list(manifest):
            read_dump(self.vault, manifest)  # what is damaged is told as that, and not as missing
        return named(dumps_of(self.vault, self.store, tell), self.store, backup)


def choose(dumps: Sequence[Dump], store: str, target: Target) -> Dump:
    """Choose the newest dump that is no later than the target. Pure. Raises NotRecovered, Broken."""
    if target.kind in ("position", "point"):
        raise NotRecovered(
            f"{store} is dumped: a dump has the one moment of its snapshot, and {target} lies in the log, which it has not."
            " Name a time, or back the server up with its log (physical), or by its platform's own recovery (PITR)."
        )
    early = [dump for dump in dumps if target.kind == "latest" or dump.moment <= datetime.fromisoformat(target.value)]
    if not early:
        first = f"the first is of {dumps[0].moment}" if dumps else "there is none at all"
        raise Broken(f"No dump of {store} is of {target} or before: {first}. That moment cannot be restored to.")
    return early[-1]


def _taken(dump: Dump) -> Taken:
    # Whole as of its snapshot: what was written while it was taken is not in it.
    return Taken(dump.id, dump.moment, dump.stored)
