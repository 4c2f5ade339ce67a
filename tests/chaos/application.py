"""An application of two sessions and its own list of what it was promised: the oracle of the state machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from psycopg import errors

from tests.chaos.stage import Person

TABLE = "app.user_sessions"
Contents = dict[int, tuple[datetime, str | None]]
"""Id → when it started, and its note."""

INSERT = f"INSERT INTO {TABLE} (tenant_id, user_id, started_at, note) VALUES ('tenant-001', gen_random_uuid(), %(at)s, %(note)s)"
INSERT_AGAIN = (
    f"INSERT INTO {TABLE} (id, tenant_id, user_id, started_at, note) OVERRIDING SYSTEM VALUE"
    " VALUES (%(id)s, 'tenant-002', gen_random_uuid(), %(at)s, %(note)s)"
)
STATEMENTS = {
    "insert": INSERT,
    "insert again": INSERT_AGAIN,
    "delete": f"DELETE FROM {TABLE} WHERE id = %(id)s",
    "update": f"UPDATE {TABLE} SET note = %(note)s WHERE id = %(id)s",
    "update nothing": f"UPDATE {TABLE} SET note = note WHERE id = %(id)s",
    "change the month": f"UPDATE {TABLE} SET started_at = %(at)s WHERE id = %(id)s",
    "change the id": f"UPDATE {TABLE} SET id = DEFAULT, note = %(note)s WHERE id = %(id)s",
}
RETURNING = " RETURNING id, started_at, note"


@dataclass
class Writer:
    """A session. `wrote` is what its open transaction will have promised (None: deleted); `seen` is its snapshot, if any."""

    session: Person
    is_open: bool = False
    seen: Contents | None = None
    copies_seen: int = 0
    wrote: dict[int, tuple[datetime, str | None] | None] = field(default_factory=dict)
    touches: bool = False

    def end(self) -> None:
        """Back to idle."""
        self.is_open, self.seen, self.wrote, self.touches = False, None, {}, False


@dataclass
class Application:
    """Writers that never wait for each other, and the truth: what was acknowledged, committed, and not taken back."""

    writers: list[Writer]
    truth: Contents
    months: list[datetime]
    deleted: list[int] = field(default_factory=list)
    count: int = 0
    refused: int = 0

    @property
    def touches(self) -> bool:
        """Whether anybody holds a lock on the table."""
        return any(writer.touches for writer in self.writers)

    def open(self, number: int, *, isolated: bool, copies: int) -> None:
        """Begin; REPEATABLE READ takes its snapshot at once, without touching the table."""
        writer = self.writers[number]
        writer.is_open, writer.copies_seen = True, copies
        if isolated:
            writer.session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            writer.session.execute("SELECT 1")
            writer.seen = dict(self.truth)

    def view(self, writer: Writer) -> Contents:
        """What this transaction must find in the table."""
        found = {**(self.truth if writer.seen is None else writer.seen), **writer.wrote}
        return {id_: row for id_, row in found.items() if row is not None}

    def look(self, number: int) -> tuple[Contents, Contents]:
        """What it finds, and what it must find."""
        writer = self.writers[number]
        writer.touches = True
        found = writer.session.execute(f"SELECT id, started_at, note FROM {TABLE}").fetchall()
        return {id_: (at, note) for id_, at, note in found}, self.view(writer)

    def write(self, number: int, verb: str, choice: int, month: int) -> None:
        """One statement on a row that nobody else has in hand. A transaction that cannot be serialised is repeated, once."""
        writer = self.writers[number]
        try:
            self._write(writer, verb, choice, month)
        except errors.SerializationFailure:
            assert writer.seen is not None, "at READ COMMITTED nobody else had that row"
            self.refused += 1
            writer.session.rollback()
            writer.end()
            writer.is_open = True
            self._write(writer, verb, choice, month)

    def end(self, number: int, *, commits: bool) -> None:
        """The last word: from a commit on, it is promised."""
        writer = self.writers[number]
        if not commits:
            writer.session.rollback()
        else:
            writer.session.commit()
            for id_, row in writer.wrote.items():
                if row is not None:
                    self.truth[id_] = row
                elif self.truth.pop(id_, None) is not None:
                    self.deleted.append(id_)
        writer.end()

    def end_all(self, *, commits: bool = True) -> None:
        """Everybody goes home."""
        for number, writer in enumerate(self.writers):
            if writer.is_open:
                self.end(number, commits=commits)

    def _write(self, writer: Writer, verb: str, choice: int, month: int) -> None:
        taken = {id_ for other in self.writers if other is not writer for id_ in other.wrote}
        ids = self.deleted if verb == "insert again" else list(self.view(writer))
        free = sorted(
            {id_ for id_ in ids if id_ not in taken} - (set(self.view(writer)) if verb == "insert again" else set())
        )
        if verb == "insert again" and writer.seen is not None:
            free = [id_ for id_ in free if id_ not in self.truth]
        if not free and verb != "insert":
            return
        self.count += 1
        id_ = free[choice % len(free)] if free else 0
        values = {"id": id_, "at": self.months[month % len(self.months)], "note": f"write {self.count}"}
        writer.is_open = writer.touches = True
        cursor = writer.session.execute(STATEMENTS[verb] + RETURNING, values)
        written = cursor.fetchone()
        assert written is not None, f"{verb}: row {id_} was promised and is not there"
        if verb in ("delete", "change the id"):
            writer.wrote[id_] = None
        if verb != "delete":
            writer.wrote[written[0]] = (written[1], written[2])
