"""Bring a dump back into an empty database: fetched, every byte by its checksum; roles; pg_restore, which may fail in nothing."""

from __future__ import annotations

from pathlib import Path

from sluice.failpoints import failpoint
from sluice.safety.driver import Clock, Tell
from sluice.safety.logical.dump import DATA, Dump
from sluice.safety.logical.dumping import check_tool
from sluice.safety.logical.places import Place, Room
from sluice.safety.logical.progress import Progress, attend
from sluice.safety.logical.roles import Around, apply, make_roles, names_in, opened, plan_rest
from sluice.safety.physical.fetching import unpack
from sluice.safety.physical.scratch import NotRecovered
from sluice.safety.room import check_free
from sluice.stores.objects import Vault
from sluice.stores.postgres import Connection, connect, one, translated
from sluice.stores.privileges import Identity
from sluice.stores.programs import running
from sluice.stores.statements import statement

SHOWN = 4
"""Lines of the first error that are told: what, where, and the statement."""


def bring_back(dump: Dump, vault: Vault, place: Place, name: str, jobs: int, clock: Clock, tell: Tell) -> str:
    """Bring a dump back under a name; gives the copy's address. Raises NotRecovered, NotDumped, Damaged, NoPlace, NoRoom."""
    check_tool("pg_restore", dump.store, int(dump.tool.split(".")[0]))
    data = place.folder_of(name) / DATA
    check_free(f"{dump.id} of {dump.store}", dump.size, data.parent)
    unpack(dump, vault, data, Identity())
    clock.note("fetched")
    failpoint("dump.fetched")
    room = place.make(name, dump)
    with connect(room.admin, purpose="scratch") as admin, translated(f"bringing {dump.store} back"):
        around = Around(dump.globals, room.database, dump.database.owner, names_in(admin), room.lent)
        make_roles(admin, around, tell)
        clock.note("made")
        failpoint("dump.room_made")
        with connect(room.address, purpose="scratch") as c, opened(c, around):
            _run(dump, data, room, jobs, c, tell)
        apply(admin, plan_rest(around), room.lent, tell)
    clock.note("available")
    return room.address


def _run(dump: Dump, data: Path, room: Room, jobs: int, c: Connection, tell: Tell) -> None:
    """Run pg_restore; its first error is the end of it."""
    progress = Progress(tell, f"{dump.store} comes back", dump.database_bytes)
    # A subscription of the original would take from its publisher's slot.
    how = [f"--jobs={jobs}", "--exit-on-error", "--no-tablespaces", "--no-subscriptions", str(data)]
    with running("pg_restore", room.address, how, cwd=data.parent, dies_with_us=True) as run:
        attend(run, lambda: int(one(c, statement("logical.find_size"))["bytes"]), progress)
        if run.process.returncode:
            raise NotRecovered(f"{dump.id} of {dump.store} does not come back whole: {first_error(run.words)}")


def first_error(words: str) -> str:
    """Give the first error of what a program has said. Pure."""
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    at = next((number for number, line in enumerate(lines) if ": error: " in line), 0)
    return " ".join(lines[at : at + SHOWN])[:600] or "it said nothing"
