"""Where applications read and write: a view of PostgreSQL and an item in DynamoDB, both told by what the marks say.

An application polls the one that it likes. The row behind the view is written in the transaction of the fence, the item before
that commits: a process that dies in between leaves an item that whoever comes next sets right. A freeze has an owner and an end,
so that nobody opens the route under a switch, and one that has died keeps nobody waiting for long. What counts is the lease that
was handed out: who shortens it in the file is heard only behind a freeze, when nobody has a longer one any more.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sluice.failpoints import failpoint
from sluice.ledger.item_marks import ItemMarks
from sluice.ledger.marks import Marks
from sluice.migration.engine.contract import Fence, Fenced, NotYet, Phase
from sluice.stores.dynamodb.values import Item
from sluice.stores.dynamodb.writes import Cancelled, Condition, Put, write_one
from sluice.stores.postgres import Connection, Row, rows
from sluice.stores.statements import statement

OLD, SHADOW, NEW = ("old", "old"), ("shadow", "old"), ("new", "new")
TOLD = {Phase.SHADOWING: SHADOW, Phase.CUT_OVER: NEW, Phase.RETIRED: NEW}
"""Where to read and where to write, by phase; elsewhere both are the old side."""


class RouteHeld(NotYet):
    """A switch holds the route: nobody else tells applications anything meanwhile."""


@dataclass
class Held:
    """A freeze: who holds it, how many seconds it gives to leases, and whether these are over."""

    by: str
    waiting: float = 0.0
    waited: bool = False


@dataclass(frozen=True)
class Route:
    """The route of a migration, as applications are told it. `lease` and `skew` in seconds."""

    client: Any
    items: ItemMarks
    marks: Marks
    lease: float
    skew: float

    def publish(self, c: Connection, held: Held | None = None, *, reading_both: bool = False) -> None:
        """Tell applications what holds; `held` is our own freeze of the route. Raises RouteHeld while another one is.

        `reading_both`: from now on they may read both sides and compare, though nothing of that is judged yet.
        """
        with self.marks.alone(c):
            row, told = self.marks.row(c), self._told(c)
            if told and told["held"] and (held is None or told["frozen_by"] != held.by):
                raise RouteHeld(
                    f"{self.marks.name}: a switch holds the route until {told['frozen_until']:%H:%M:%S} UTC. Wait for it; if it"
                    " has died, replicate_changes opens the route then. After that clear this task."
                )
            self._tell(c, *_wanted(row, told, reading_both), row["epoch"], over=held is not None and held.waited)

    def is_told(self, c: Connection) -> bool:
        """Whether both places tell the same. Read-only."""
        told, item = self._told(c), self.items.route() or {}
        return told is not None and told["write_to"] == item.get("write_to", {}).get("S")

    def settle(self, c: Connection) -> bool:
        """Open what somebody who died left frozen, and tell again where only one place was told; tells whether it did."""
        row, told = self.marks.row(c), self._told(c)
        if told is None or told["held"]:
            return False
        wanted, item = _wanted(row, told), self.items.route() or {}
        there = (item.get("read_from", {}).get("S"), item.get("write_to", {}).get("S"))
        if wanted == (told["read_from"], told["write_to"]) == there:
            return False
        with suppress(RouteHeld):  # a switch has begun meanwhile
            self.publish(c)
        return True

    @contextmanager
    def frozen(self, c: Connection, fence: Fence, phase: Phase, longest: float) -> Iterator[Held]:
        """Nobody writes in here, to either side; afterwards the route says what holds by then.

        After `longest` seconds, beside the leases, whoever follows the stream may open it again. Raises Fenced, RouteHeld.
        """
        held = Held(uuid.uuid4().hex)
        with self.marks.alone(c):
            row, told = self.marks.row(c), self._told(c)
            if row["epoch"] != fence.epoch or row["phase"] != phase:
                raise Fenced(f"{self.marks.name} is {row['phase']} by now: the route was left as it is.")
            if told and told["held"]:
                raise RouteHeld(
                    f"{self.marks.name}: another switch holds the route. Wait for it, then clear this task."
                )
            lease = self._tell(c, TOLD.get(phase, OLD)[1], "none", fence.epoch, held.by, longest)
            held.waiting = lease + self.skew
        try:
            failpoint("rows.frozen")
            time.sleep(held.waiting)
            held.waited = True
            yield held
        finally:
            with suppress(RouteHeld):  # it was opened for us, and another switch has begun
                self.publish(c, held)

    def check_held(self, c: Connection, held: Held) -> None:
        """Raise Fenced unless the route is frozen by this one still; the caller holds the fence."""
        told = self._told(c)
        if told is None or told["frozen_by"] != held.by:
            raise Fenced(
                f"{self.marks.name}: this switch took so long that the route was opened. Nothing was switched."
            )

    def _told(self, c: Connection) -> Row | None:
        found = rows(c, statement("into_postgres.read_route"), name=self.marks.name)
        return found[0] if found else None

    def _tell(
        self,
        c: Connection,
        read_from: str,
        write_to: str,
        epoch: int,
        by: str | None = None,
        longest: float = 0.0,
        *,
        over: bool = False,
    ) -> float:
        """Write both, the item only if nobody else has since it was read: one who slept must not turn applications back.

        Gives the lease that it told: no shorter than the one before, unless all of these are `over`.
        """
        before = self.items.route() or {}
        lease = self.lease if over else max(self.lease, _leased(self._told(c), before))
        said = {"read_from": read_from, "write_to": write_to, "epoch": epoch, "lease": lease}
        frozen = {"by": by, "seconds": lease + self.skew + longest if by else None}
        query = statement("into_postgres.tell_route")
        until = rows(c, query, name=self.marks.name, **said, **frozen)[0]["frozen_until"]
        put = self.items.tell(read_from, write_to, epoch, lease, _frozen(by, until))
        turn = before.get("turn", {}).get("N")
        condition = (
            Condition("#turn = :turn", {"#turn": "turn"}, {":turn": {"N": turn}})
            if turn
            else Condition("attribute_not_exists(#turn)", {"#turn": "turn"})
        )
        item = {**put.item, "turn": {"N": str(int(turn or 0) + 1)}}
        try:
            write_one(self.client, Put(put.table, item, condition) if before else replace(put, item=item))
        except Cancelled as cancelled:
            raise Fenced(f"the route of {self.marks.name} was told otherwise meanwhile. Run it again.") from cancelled
        return lease


def _wanted(row: Row, told: Row | None, reading_both: bool = False) -> tuple[str, str]:
    """What applications are to be told. Once they compare, they go on with it while it is verified, in that epoch."""
    phase = Phase(row["phase"])
    begun = told is not None and told["read_from"] == "shadow" and told["epoch"] == row["epoch"]
    return SHADOW if phase is Phase.VERIFIED and (reading_both or begun) else TOLD.get(phase, OLD)


def _leased(told: Row | None, item: Item) -> float:
    """The longest lease that anybody may have: an application polls the row or the item."""
    return max(float(told["lease_seconds"]) if told else 0.0, float(item.get("lease_seconds", {}).get("N", 0)))


def _frozen(by: str | None, until: datetime | None) -> dict[str, str]:
    return {"by": by, "until": until.isoformat()} if by and until else {}
