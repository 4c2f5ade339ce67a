"""The marks of a migration whose target is DynamoDB: items of the table `sluice-marks`, beside the data they vouch for.

One partition a migration: STATE (phase, epoch, proofs), ROUTE (who reads and writes where), FENCE#00 to FENCE#31, a
POSITION of each segment and shard, and what `items_aside.py` notes.
DynamoDB has no lock that a session holds, so the fence is a condition: a worker's transaction checks a FENCE item, and a
change of phase rewrites all of them together with STATE. Either the worker's data commits before the change or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sluice.errors import Terminal
from sluice.failpoints import failpoint
from sluice.ledger.items_aside import ItemsAside
from sluice.ledger.marks_table import MarksTable
from sluice.stores.dynamodb.applying import apply_tables
from sluice.stores.dynamodb.clock import store_clock
from sluice.stores.dynamodb.scan import scan_page
from sluice.stores.dynamodb.tables import TableDefinition, describe
from sluice.stores.dynamodb.values import Item, Key
from sluice.stores.dynamodb.writes import Action, Cancelled, Check, Condition, Delete, Put, write_together

SLOTS = 32
"""Fence items: one for each worker at once, so that their checks do not get in each other's way."""


class NoMarks(Terminal):
    """The migration has no marks where the step wants some."""


@dataclass(frozen=True)
class State:
    """Where a migration stands. `facts` is what a step wants to find again: texts by name."""

    phase: str
    epoch: int
    now: datetime
    facts: Mapping[str, str] = field(default_factory=dict)
    turn: int = 0
    """Grows with every change, so that of two who saw the same state one is refused."""

    def time(self, name: str) -> datetime | None:
        """A moment that was noted, or None."""
        return datetime.fromisoformat(self.facts[name]) if self.facts.get(name) else None


@dataclass(frozen=True)
class Place:
    """How far one segment or shard has been read. `turn` grows with each step, so that of two workers one is refused."""

    name: str
    turn: int = 0
    at: str | None = None
    done: bool = False
    counts: Mapping[str, int] = field(default_factory=dict)
    holder: str = ""
    held_until: float = 0.0
    """Seconds since 1970 by the holder's clock: a courtesy to the other lanes, which nothing is proven by."""

    def moved(
        self,
        at: str | None,
        counted: Mapping[str, int] | None = None,
        *,
        done: bool = False,
        holder: str = "",
        held_until: float = 0.0,
    ) -> Place:
        """The next place: what was counted is added."""
        more = counted or {}
        counts = {name: self.counts.get(name, 0) + more.get(name, 0) for name in {*self.counts, *more}}
        return Place(self.name, self.turn + 1, at, done, counts, holder, held_until)


class ItemMarks(MarksTable):
    """Where the migration stands, how far each of its readers is, and what applications are told."""

    @property
    def aside(self) -> ItemsAside:
        """Items that a person has to see to."""
        return ItemsAside(self.client, self.name, self.table)

    def prepare(self) -> None:
        """Make the table of marks if it is missing."""
        apply_tables(self.client, (TableDefinition(self.table, partition="PK", sort="SK"),))
        failpoint("item_marks.ready")

    def there(self) -> bool:
        """Whether the table of marks is there. Read-only."""
        return describe(self.client, self.table) is not None

    def phases(self) -> dict[str, str]:
        """Every migration that has marks here, with its phase. Read-only."""
        found: dict[str, str] = {}
        after: Key | None = None
        while self.there():
            page = scan_page(self.client, self.table, after=after)
            found |= {item["PK"]["S"]: item["phase"]["S"] for item in page.items if item["SK"] == {"S": "STATE"}}
            if (after := page.next_key) is None:
                break
        return found

    # ---- state and fence ----

    def find(self) -> State | None:
        """Read the migration's state, or None. Read-only."""
        item = self._get("STATE")
        if item is None:
            return None
        facts = {name: value["S"] for name, value in item["facts"]["M"].items()}
        now, turn = store_clock(self.client, self.table), int(item["turn"]["N"])
        return State(item["phase"]["S"], int(item["epoch"]["N"]), now, facts, turn)

    def state(self) -> State:
        """Read the migration's state. Raises NoMarks."""
        found = self.find()
        if found is None:
            raise NoMarks(f"{self.name} has no marks in {self.table}: expand it first.")
        return found

    def create(self, phase: str, facts: Mapping[str, str]) -> None:
        """Write the first state, with its fence; nothing if there is one."""
        new = Condition("attribute_not_exists(PK)")
        try:
            write_together(self.client, [self._put("STATE", _state(phase, 1, facts, 1), new), *self._fences(phase, 1)])
        except Cancelled as cancelled:
            if not cancelled.only_conditions:
                raise

    def move(
        self,
        seen: State,
        to: str,
        *,
        epochs: int = 0,
        also: Sequence[Action] = (),
        facts: Mapping[str, str] | None = None,
    ) -> bool:
        """Change what `seen` saw to phase `to`, fences and `also` with it, in one transaction; tells whether it did."""
        epoch = seen.epoch + epochs
        unchanged = Condition("#turn = :turn", {"#turn": "turn"}, {":turn": {"N": str(seen.turn)}})
        failpoint("state.moving")
        written = _state(to, epoch, {**seen.facts, **(facts or {})}, seen.turn + 1)
        try:
            write_together(self.client, [self._put("STATE", written, unchanged), *self._fences(to, epoch), *also])
        except Cancelled as cancelled:
            if not cancelled.only_conditions:
                raise
            return False
        failpoint("state.moved")
        return True

    def note(self, seen: State, **facts: str) -> bool:
        """Keep facts beside the state that was seen; tells whether it was still so."""
        return self.move(seen, seen.phase, facts=facts)

    def fence(self, slot: int, epoch: int, *phases: str) -> Check:
        """A check that refuses a transaction once the epoch or phase is another."""
        names = {f":p{number}": {"S": phase} for number, phase in enumerate(phases)}
        return Check(
            self.table,
            self._key(f"FENCE#{slot % SLOTS:02}"),
            Condition(
                f"#epoch = :epoch AND #phase IN ({', '.join(names)})",
                {"#epoch": "epoch", "#phase": "phase"},
                {":epoch": {"N": str(epoch)}, **names},
            ),
        )

    # ---- notes of a migration whose state lies elsewhere ----

    def noted(self, name: str, text: str) -> Put:
        """The write that keeps a text under a name."""
        return self._put(f"NOTE#{name}", {"text": {"S": text}})

    def notes(self) -> dict[str, str]:
        """Every text that is kept so, by name. Read-only."""
        return {item["SK"]["S"].removeprefix("NOTE#"): item["text"]["S"] for item in self._list("NOTE#")}

    # ---- places ----

    def places(self, kind: str) -> dict[str, Place]:
        """Every place of a kind (`segment`, `forward`, `reverse`), by name. Read-only."""
        prefix = f"POSITION#{kind}#"
        return {
            item["SK"]["S"].removeprefix(prefix): _place(item["SK"]["S"].removeprefix("POSITION#"), item)
            for item in self._list(prefix)
        }

    def step(self, before: Place, after: Place) -> Put:
        """The write that moves a place on; it is done with the data, or after it. Refused if somebody else moved it."""
        item: Item = {
            "turn": {"N": str(after.turn)},
            "at": {"NULL": True} if after.at is None else {"S": after.at},
            "done": {"BOOL": after.done},
            "holder": {"S": after.holder},
            "held_until": {"N": f"{after.held_until:.3f}"},
            "counts": {"M": {name: {"N": str(count)} for name, count in after.counts.items()}},
        }
        return self._put(f"POSITION#{before.name}", item, _not_moved(before))

    def unmoved(self, place: Place) -> Check:
        """A check that refuses a transaction once somebody else has moved the place."""
        return Check(self.table, self._key(f"POSITION#{place.name}"), _not_moved(place))

    def forgetting(self, kind: str) -> list[Delete]:
        """The writes that give up every place of a kind: what it stood for is read from the beginning."""
        return self._deletes(f"POSITION#{kind}#")

    def looking(self, name: str, at: datetime, by: str = "") -> Put:
        """The write that says that every shard of a stream was read at a time, and by whom where that matters."""
        return self._put(f"LOOKED#{name}", {"at": {"S": at.isoformat()}, "by": {"S": by}})

    def looking_still(self, name: str, by: str) -> Check:
        """A check that refuses a transaction where somebody else has said so since."""
        return Check(self.table, self._key(f"LOOKED#{name}"), Condition("#by = :by", {"#by": "by"}, {":by": {"S": by}}))

    def looked(self, name: str) -> datetime | None:
        """When every shard of a stream was read for the last time, or None. Read-only."""
        item = self._get(f"LOOKED#{name}")
        return None if item is None else datetime.fromisoformat(item["at"]["S"])

    # ---- what others have told ----

    def saw_canary(self, where: str) -> Put:
        """The write that says in which shard a flight's canaries have come out (`flight@shard`), whoever read them."""
        return self._put(f"CANARY#{where}", {})

    def canaries(self, flight: str) -> list[str]:
        """Where those of a flight have come out. Read-only."""
        return [item["SK"]["S"].removeprefix("CANARY#") for item in self._list(f"CANARY#{flight}@")]

    def forget_canaries(self, flight: str) -> None:
        """Delete what was noted of a flight."""
        for name in self.canaries(flight):
            self.client.delete_item(TableName=self.table, Key=self._key(f"CANARY#{name}"))

    def shadow_reports(self, epoch: int) -> list[Item]:
        """What readers have told of the reads that they compared in an epoch. Read-only."""
        return [item for item in self._list("SHADOW#") if item["epoch"] == {"N": str(epoch)}]

    # ---- the route ----

    def route(self) -> Item | None:
        """What applications are told, or None before there is a route. Read-only."""
        return self._get("ROUTE")

    def tell(
        self,
        read_from: str,
        write_to: str,
        epoch: int,
        lease_seconds: float,
        frozen: Mapping[str, str] | None = None,
        condition: Condition | None = None,
    ) -> Put:
        """The write that tells applications where to read and write. `frozen` says, while nobody may, by whom and until when."""
        return self._put(
            "ROUTE",
            {
                "read_from": {"S": read_from},
                "write_to": {"S": write_to},
                "epoch": {"N": str(epoch)},
                "lease_seconds": {"N": f"{lease_seconds:g}"},
                **{f"frozen_{name}": {"S": value} for name, value in (frozen or {}).items()},
            },
            condition,
        )

    # ---- within ----

    def _fences(self, phase: str, epoch: int) -> list[Put]:
        stamp: Item = {"phase": {"S": phase}, "epoch": {"N": str(epoch)}}
        return [self._put(f"FENCE#{slot:02}", stamp) for slot in range(SLOTS)]


def _not_moved(place: Place) -> Condition:
    if not place.turn:
        return Condition("attribute_not_exists(PK)")
    return Condition("#turn = :turn", {"#turn": "turn"}, {":turn": {"N": str(place.turn)}})


def _state(phase: str, epoch: int, facts: Mapping[str, str], turn: int) -> Item:
    return {
        "turn": {"N": str(turn)},
        "phase": {"S": phase},
        "epoch": {"N": str(epoch)},
        "facts": {"M": {name: {"S": value} for name, value in facts.items()}},
    }


def _place(name: str, item: Item) -> Place:
    counts = {name: int(value["N"]) for name, value in item["counts"]["M"].items()}
    held_until = float(item["held_until"]["N"])
    return Place(
        name, int(item["turn"]["N"]), item["at"].get("S"), item["done"]["BOOL"], counts, item["holder"]["S"], held_until
    )
