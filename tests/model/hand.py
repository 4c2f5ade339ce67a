"""The application: transactions that write a row at a time, and the capture that writes with them.

PostgreSQL's rules that matter here: a row has one writer at a time; at READ COMMITTED whoever waited goes on with the newest
version; at REPEATABLE READ it is refused (40001); an uncommitted insert is invisible to a DELETE and makes an INSERT wait. A
statement that must wait is not possible yet, and is possible once the other has ended.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.model.state import (
    BACKFILLED,
    BY_CAPTURE,
    CAPTURING,
    RETIRED,
    VERIFIED,
    Key,
    Row,
    State,
    Writer,
    noted,
)

CAPTURED_IN = (CAPTURING, BACKFILLED, VERIFIED)


class Waits(Exception):
    """Somebody else must end first."""


class Refused(Exception):
    """PostgreSQL ends the transaction: 40001. Whoever works in this isolation repeats it by agreement.

    `needless` is true when the row in the target was there in its snapshot, and the source's is still the same.
    """

    def __init__(self, needless: bool = False) -> None:
        super().__init__(needless)
        self.needless = needless


class Duplicate(Exception):
    """The statement fails: the key is taken."""


@dataclass
class Hand:
    """One writer at work on a copy of its own writes; `state` is what is committed and who else is in the way."""

    state: State
    number: int
    without: frozenset[str]
    writer: Writer = field(init=False)

    def __post_init__(self) -> None:
        self.writer = self.state.writers[self.number] or Writer()

    # ---- PostgreSQL ----

    def pending(self, table: str, key: Any) -> bool:
        """Whether somebody else has written or locked this row and has not ended."""
        for number, other in enumerate(self.state.writers):
            if other is not None and number != self.number and key in dict(getattr(other, table)):
                return True
        copier = self.state.copier
        return copier is not None and key in (copier.locked if table == "source" else dict(copier.wrote))

    def read(self, table: str, key: Any) -> Any:
        """The version that an UPDATE or DELETE would write over; None when it finds none."""
        own = dict(getattr(self.writer, table))
        if key in own:
            return own[key]
        committed = dict(getattr(self.state, table)).get(key)
        if self.writer.snapshot is None:
            if committed is not None and self.pending(table, key):
                raise Waits
            return committed
        seen = dict(getattr(self.writer.snapshot, table)).get(key)
        if seen is None:
            return None
        if self.pending(table, key):
            raise Waits
        if committed != seen:
            raise Refused(needless=self._only_follows(table))
        return seen

    def conflict(self, table: str, key: Any) -> Any:
        """What an INSERT meets under its key: it waits for the uncommitted, and sees past its snapshot."""
        own = dict(getattr(self.writer, table))
        if key in own:
            return own[key]
        if self.pending(table, key):
            raise Waits
        committed = dict(getattr(self.state, table)).get(key)
        if committed is not None and self.writer.snapshot is not None:
            seen = dict(getattr(self.writer.snapshot, table)).get(key)
            if seen != committed:
                raise Refused(needless=seen is not None and self._only_follows(table))
        return committed

    def _only_follows(self, table: str) -> bool:
        return table == "target" and self.state.phase in CAPTURED_IN

    def write(self, table: str, key: Any, value: Any) -> None:
        """Write a row, or None over it."""
        self.writer = self.writer._replace(**{table: noted(getattr(self.writer, table), key, value)})

    def check_id_is_free(self, id_: int) -> None:
        """The source's primary key. Raises Waits while anybody's open transaction has touched the id, or Duplicate."""
        self.wait_for_id(id_)
        there = {**dict(self.state.source), **dict(self.writer.source)}
        if any(row is not None and row.id == id_ for row in there.values()):
            raise Duplicate

    def wait_for_id(self, id_: int) -> None:
        """An index entry that is not committed, or not gone yet, makes an INSERT wait."""
        for number, other in enumerate(self.state.writers):
            if other is not None and number != self.number and id_ in dict(other.said):
                raise Waits

    def free_slot(self) -> int:
        """A slot for a new row, that nobody remembers anything of."""
        taken = {slot for slot, _ in self.state.source}
        for other in (*self.state.writers, self.writer):
            taken |= {slot for slot, _ in other.source} if other is not None else set()
            taken |= {slot for slot, _ in other.snapshot.source} if other is not None and other.snapshot else set()
        if self.state.copier is not None:
            taken |= {slot for slot, _ in self.state.copier.todo} | set(self.state.copier.locked)
        return next(slot for slot in range(len(taken) + 1) if slot not in taken)

    # ---- capture ----

    def forward(self, old: Row | None, new: Row | None) -> None:
        """The trigger on the source, keyed on OLD."""
        forgets = new is not None and "old key" in self.without
        if old is not None and (new is None or (old.id, old.month) != (new.id, new.month)) and not forgets:
            key = (old.id, old.month)
            looks = self.writer.snapshot is not None and "old snapshots in capture" not in self.without
            if looks and self.conflict("target", key) is None:
                self.write("target", key, (old.value, BY_CAPTURE))
            if self.read("target", key) is not None:
                self.write("target", key, None)
        if new is not None:
            self.conflict("target", (new.id, new.month))
            self.write("target", (new.id, new.month), (new.value, BY_CAPTURE))

    def reverse(self, old: Key | None, new: Row | None) -> None:
        """The trigger on the target after the cutover, keyed on OLD's id; its INSERT is plain."""
        if old is None and new is not None:
            self.check_id_is_free(new.id)
            self.write("source", self.free_slot(), new)
            return
        for slot, row in {**dict(self.state.source), **dict(self.writer.source)}.items():
            if row is not None and old is not None and row.id == old[0]:
                if self.read("source", slot) is None:
                    continue
                if new is None:
                    self.write("source", slot, None)
                elif "moved keys in reverse" in self.without:
                    self.write("source", slot, new._replace(id=row.id, page=row.page))
                else:
                    if new.id != row.id:
                        self.check_id_is_free(new.id)
                    self.write("source", slot, new._replace(page=row.page))

    # ---- what a statement does ----

    def on_source(self, slot: int | None, new: Row | None) -> None:
        """INSERT (no slot), UPDATE or DELETE (no row) on the source, with its trigger."""
        old = None if slot is None else self.read("source", slot)
        if new is not None and (old is None or old.id != new.id):
            self.check_id_is_free(new.id)
        self.write("source", self.free_slot() if slot is None else slot, new)
        if self.state.phase in CAPTURED_IN:
            self.forward(old, new)

    def on_target(self, old: Key | None, new: Row | None) -> None:
        """The same on the target, once it has the name."""
        key = (new.id, new.month) if new is not None else None
        if old is not None:
            self.read("target", old)
        if key is not None and key != old and self.conflict("target", key) is not None:
            raise Duplicate
        if old is not None:
            self.write("target", old, None)
        if key is not None and new is not None:
            self.write("target", key, (new.value, BY_CAPTURE))
        if self.state.phase == RETIRED or "reverse capture" in self.without:
            self.check_promise(new, old)
        else:
            self.reverse(old, new)

    def check_promise(self, new: Row | None, old: Key | None) -> None:
        """Once nothing follows, the target's key keeps no id from being used twice: the application promised to (weaker_key)."""
        if new is None or (old is not None and old[0] == new.id):
            return
        self.wait_for_id(new.id)
        if dict(self.writer.said).get(new.id, dict(self.state.truth).get(new.id)) is not None:
            raise Duplicate
