"""What the users of `certify` do, drawn by chance: sign in and out, correct a date, change their mind.

Pure: it makes transactions out of the rows it knows and is told what became of them; writer.py sends them.
A writer owns whole tenants, so each key has one writer and its final state is exact.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

from sluice.local.certify.shape import AUDIT, MOMENT, SESSIONS, Effect, Image, Key

POOL = 5_000  # rows of each table that a writer keeps in mind

NOTES = (
    None, "", "signed in by passkey", "trailing space ", "caf\u00e9", "cafe\u0301", "👩‍👩‍👧 🎉",
    'two\nlines, a\ttab, a \\ and "quotes"', "NULL", "100 %",
)  # fmt: skip
ADDRESSES = (None, "10.0.0.7", "10.0.0.0/8", "192.168.1.20", "2001:db8::7")
SCORES = (None, "1.0", "1.00", "NaN", "0.10", "12345678901234567890.123456789", "-0.000000000000000000001")


@dataclass(frozen=True)
class Change:
    """One statement of certify.sql with its values, and the row before and after it."""

    kind: str
    table: str
    statement: str
    before: Image | None
    after: Image | None
    values: dict[str, str | None]


@dataclass(frozen=True)
class Transaction:
    """Changes of one tenant that happen together, or, with `roll_back`, on purpose not at all."""

    tenant: str
    changes: tuple[Change, ...]
    roll_back: bool = False


def effects_of(change: Change, after: Image | None) -> list[Effect]:
    """Say what a change did to which keys; `after` is the row as made, its id included."""
    before = change.before
    if before is None or after is None or before["id"] == after["id"]:
        return [Effect(_key(change.table, before or after), before, after)]
    return [
        Effect(_key(change.table, before), before, None),
        Effect(_key(change.table, after), None, after),
    ]


def net(effects: Sequence[Effect]) -> list[Effect]:
    """Fold several effects on one key into one: as it was first, as it is last."""
    folded: dict[Key, Effect] = {}
    for effect in effects:
        first = folded.get(effect.key, effect)
        folded[effect.key] = Effect(effect.key, first.before, effect.after)
    return list(folded.values())


class Application:
    """The users of some tenants: `next()` is what they do next."""

    def __init__(self, random: Random, tenants: Sequence[str]) -> None:
        self._random = random
        self._tenants = tenants
        # Rank k is named in k-th place, and has about 1/k of the users.
        self._weights = [1 / int(name[-3:]) for name in tenants]
        self._pools = {SESSIONS: Pool(), AUDIT: Pool()}
        self._oldest = datetime.now(UTC)

    def next(self) -> Transaction:
        """Draw a transaction; one in twenty is rolled back by the user."""
        (action,) = self._random.choices(list(ACTIONS), weights=list(ACTIONS.values()))
        drawn = action(self)
        return replace(drawn, roll_back=True) if self._random.random() < 0.05 else drawn

    def tenant(self) -> str:
        """Draw a tenant, by size."""
        return self._random.choices(self._tenants, weights=self._weights)[0]

    def moment(self) -> datetime:
        """Draw a time between the oldest row known and now (the client's clock)."""
        return self._oldest + (datetime.now(UTC) - self._oldest) * self._random.random()

    def learn(self, table: str, image: Image) -> None:
        """Remember a row that a page showed, so that users may change it."""
        self._oldest = min(self._oldest, datetime.fromisoformat(str(image[MOMENT[table]])))
        self._pools[table].put(image, self._random)

    def knows(self, key: Key) -> bool:
        """Whether the row is in mind."""
        return key.id in self._pools[key.table]

    def forget(self, effects: Sequence[Effect]) -> None:
        """Never touch these rows again: their state is not known, or wrong."""
        for effect in effects:
            self._pools[effect.key.table].remove(effect.key.id)

    def happened(self, effects: Sequence[Effect]) -> None:
        """Go on from the rows as they are now."""
        for effect in effects:
            if effect.after is None:
                self._pools[effect.key.table].remove(effect.key.id)
            else:
                self._pools[effect.key.table].put(effect.after, self._random)

    # What users do. Each gives a transaction; without a row to work on it becomes a sign-in.

    def sign_in(self) -> Transaction:
        """Insert a session."""
        tenant = self.tenant()
        return Transaction(tenant, (self._new_session(tenant),))

    def sign_in_logged(self) -> Transaction:
        """Insert a session and an audit entry which is amended and then given another id, all at once."""
        tenant = self.tenant()
        entry = self._new_audit(tenant)
        amended = self._amend(entry.after or {})
        rekeyed = self._rekey(amended.after or {})
        return Transaction(tenant, (self._new_session(tenant), entry, amended, rekeyed))

    def sign_out(self) -> Transaction:
        """Update the end and the score."""
        return self._on(SESSIONS, lambda row: (self._end(row),))

    def annotate(self) -> Transaction:
        """Append to the note where it stands, so an update lost earlier shows."""
        return self._on(SESSIONS, lambda row: (self._annotate(row),))

    def correct_start(self) -> Transaction:
        """Move a session to another time, mostly another month."""
        return self._on(SESSIONS, lambda row: (self._move(SESSIONS, "move_session", row),))

    def sign_off_for_good(self) -> Transaction:
        """Annotate, end and delete a session in one transaction."""
        return self._on(SESSIONS, lambda row: (noted := self._annotate(row), _deletion(SESSIONS, noted.after or {})))

    def delete_session(self) -> Transaction:
        """Delete a session."""
        return self._on(SESSIONS, lambda row: (_deletion(SESSIONS, row),))

    def log(self) -> Transaction:
        """Insert an audit entry."""
        tenant = self.tenant()
        return Transaction(tenant, (self._new_audit(tenant),))

    def amend_log(self) -> Transaction:
        """Update an audit entry."""
        return self._on(AUDIT, lambda row: (self._amend(row),))

    def correct_log_time(self) -> Transaction:
        """Move an audit entry to another time."""
        return self._on(AUDIT, lambda row: (self._move(AUDIT, "move_audit", row),))

    def rekey_log(self) -> Transaction:
        """Update the primary key of an audit entry."""
        return self._on(AUDIT, lambda row: (self._rekey(row),))

    def relog(self) -> Transaction:
        """Delete an audit entry and insert it again under the same id."""
        return self._on(AUDIT, lambda row: (_deletion(AUDIT, row), _insertion(AUDIT, {**row, "action": "relog"})))

    def delete_log(self) -> Transaction:
        """Delete an audit entry."""
        return self._on(AUDIT, lambda row: (_deletion(AUDIT, row),))

    def _on(self, table: str, act: Callable[[Image], tuple[Change, ...]]) -> Transaction:
        row = self._pools[table].any(self._random)
        return self.sign_in() if row is None else Transaction(str(row["tenant_id"]), act(row))

    def _new_session(self, tenant: str) -> Change:
        draw = self._random
        row: Image = {
            "id": None, "tenant_id": tenant, "user_id": str(UUID(int=draw.getrandbits(128))),
            "started_at": datetime.now(UTC).isoformat(), "ended_at": None, "device": self._device(),
            "ip": draw.choice(ADDRESSES),
            "score": draw.choice(SCORES), "note": draw.choice(NOTES),
        }  # fmt: skip
        return _insertion(SESSIONS, row)

    def _new_audit(self, tenant: str) -> Change:
        row: Image = {
            "id": self._uuid7(), "tenant_id": tenant, "entity_id": f"entity-{self._random.randrange(65536)}",
            "entity_type": "session", "action": "create", "changes": self._device(),
            "performed_by": "user", "performed_at": datetime.now(UTC).isoformat(),
        }  # fmt: skip
        return _insertion(AUDIT, row)

    def _end(self, row: Image) -> Change:
        started = datetime.fromisoformat(str(row["started_at"]))
        ended = (started + timedelta(seconds=self._random.random() * 7200)).isoformat()
        return _update("end_session", SESSIONS, row, ended_at=ended, score=self._random.choice(SCORES))

    def _annotate(self, row: Image) -> Change:
        added = self._random.choice(NOTES) or "+"
        note = ((row["note"] or "") + added)[-60:]
        change = _update("annotate_session", SESSIONS, row, note=note, device=self._device())
        return replace(change, values={**change.values, "added": added})

    def _move(self, table: str, statement: str, row: Image) -> Change:
        return _update(statement, table, row, kind="moves", **{MOMENT[table]: self.moment().isoformat()})

    def _amend(self, row: Image) -> Change:
        return _update("amend_audit", AUDIT, row, changes=self._device())

    def _rekey(self, row: Image) -> Change:
        return _update("rekey_audit", AUDIT, row, kind="key_changes", id=self._uuid7())

    def _device(self) -> str | None:
        draw = self._random.random()
        if draw < 0.06:
            return None if draw < 0.04 else "null"
        if draw < 0.062:
            return json.dumps({"trace": self._random.randbytes(20_000).hex()})  # out of line (TOAST)
        scale = self._random.choice(("1", "1.0", "1.00"))
        leaf = self._random.randrange(1000)
        return f'{{"os": "ios", "scale": {scale}, "deep": {{"er": [{{"leaf": {leaf}}}]}}}}'

    def _uuid7(self) -> str:
        stamp = int(datetime.now(UTC).timestamp() * 1000)
        return str(
            UUID(
                int=stamp << 80 | 7 << 76 | self._random.getrandbits(12) << 64 | 2 << 62 | self._random.getrandbits(62)
            )
        )


ACTIONS: dict[Callable[[Application], Transaction], int] = {
    Application.sign_in: 30,
    Application.sign_in_logged: 8,
    Application.sign_out: 16,
    Application.annotate: 10,
    Application.correct_start: 6,
    Application.sign_off_for_good: 2,
    Application.delete_session: 8,
    Application.log: 8,
    Application.amend_log: 3,
    Application.correct_log_time: 2,
    Application.rekey_log: 4,
    Application.relog: 2,
    Application.delete_log: 3,
}
"""What users do, and how often in a hundred."""


@dataclass
class Pool:
    """Rows by id, with a draw in constant time."""

    _rows: list[Image] = field(default_factory=list)
    _places: dict[str, int] = field(default_factory=dict)

    def __contains__(self, id_: str) -> bool:
        return id_ in self._places

    def any(self, random: Random) -> Image | None:
        """Draw a row, or None from an empty pool."""
        return random.choice(self._rows) if self._rows else None

    def put(self, image: Image, random: Random) -> None:
        """Add or replace a row; a full pool lets another one go."""
        id_ = str(image["id"])
        if id_ in self._places:
            self._rows[self._places[id_]] = image
            return
        if len(self._rows) >= POOL:
            self.remove(str(random.choice(self._rows)["id"]))
        self._places[id_] = len(self._rows)
        self._rows.append(image)

    def remove(self, id_: str) -> None:
        """Let a row go, if it is there: the last one takes its place."""
        place = self._places.pop(id_, None)
        if place is None:
            return
        last = self._rows.pop()
        if place < len(self._rows):
            self._rows[place] = last
            self._places[str(last["id"])] = place


def _key(table: str, image: Image | None) -> Key:
    return Key(table, str((image or {})["id"]))


def _insertion(table: str, row: Image) -> Change:
    return Change("inserts", table, "insert_session" if table == SESSIONS else "insert_audit", None, row, row)


def _deletion(table: str, row: Image) -> Change:
    statement = "delete_session" if table == SESSIONS else "delete_audit"
    return Change("deletes", table, statement, row, None, {"key": row["id"]})


def _update(statement: str, table: str, row: Image, kind: str = "updates", **changed: str | None) -> Change:
    after = {**row, **changed}
    return Change(kind, table, statement, row, after, {**after, "key": row["id"]})
