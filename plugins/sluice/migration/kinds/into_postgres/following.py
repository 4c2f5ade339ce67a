"""Follow the table's stream: a page's rows and the place in its shard commit in one transaction, under the shared fence.

So a page counts once, whoever dies when: either both are there or neither. A worker whose shard another one has read on meanwhile
finds the place moved and does nothing; what a stream tells twice is known by its sequence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sluice.failpoints import failpoint
from sluice.ledger.marks import Marks
from sluice.migration.engine.contract import Fence, Lag
from sluice.migration.kinds.dynamodb_source.canary import flights_in
from sluice.migration.kinds.dynamodb_source.draining import Followed, Watch, unwatched
from sluice.migration.kinds.dynamodb_source.pages_ahead import PagesAhead
from sluice.migration.kinds.dynamodb_source.rounds import FEW, Round, Seen, in_rounds, read_each
from sluice.migration.kinds.into_postgres.applying import apply
from sluice.migration.kinds.into_postgres.fencing import working
from sluice.migration.kinds.into_postgres.target import Target
from sluice.migration.kinds.into_postgres.wishes import of_changes
from sluice.stores.dynamodb.streams import Shard, Stream, StreamPage, Trimmed, lost_shards, padded, readable
from sluice.stores.postgres import Connection, Row, one, rows
from sluice.stores.statements import statement


@dataclass(frozen=True)
class Follower:
    """Reads every shard, as far as it goes."""

    c: Connection
    marks: Marks
    target: Target
    stream: Stream
    fence: Fence
    phases: Sequence[str]
    """Phases in which it may write."""
    items_lead: bool = True
    watch: Watch = unwatched
    seen: Seen = field(default_factory=Seen)

    def deliver(self, seconds: float) -> Lag:
        """Read until no shard gives more than a few, so long at most; says how many did. Raises Trimmed, Fenced, Drifted."""
        with PagesAhead(self.stream) as pages:
            return in_rounds(lambda deadline: self._round(deadline, pages), seconds)

    @property
    def followed(self) -> Followed:
        """What is known of the stream, whoever reads it."""
        return Followed(self.stream.shards, self._finished, self._heard)

    def _finished(self) -> set[str]:
        return {name for name, place in self._places().items() if place["done"]}

    def _heard(self, flight: str) -> list[str]:
        found = rows(self.c, statement("into_postgres.list_canaries"), name=self.marks.name, flight=flight)
        return [row["name"] for row in found]

    def _round(self, deadline: float, pages: PagesAhead) -> Round:
        shards, places = self.stream.shards(), self._places()
        check_whole(shards, places, self.stream.arn)
        if fresh := [shard.id for shard in shards if shard.id not in places]:
            self.begin(fresh)
            places = self._places()
        open_ = readable(shards, {name for name, place in places.items() if place["done"]})

        def read(shard: str) -> tuple[datetime | None, bool]:
            position = places[shard]["position"]
            return self._deliver(shard, position, pages.read(shard, position))

        return read_each(open_, read, deadline, self.seen)

    def begin(self, shards: Sequence[str]) -> None:
        """Take note of shards that are to be read from their oldest record."""
        noted = {"epoch": self.fence.epoch, "stream": self.stream.arn, "shards": list(shards)}
        self.c.execute(statement("into_postgres.add_places"), {"name": self.marks.name, **noted})

    def _places(self) -> dict[str, Row]:
        found = rows(self.c, statement("into_postgres.list_places"), name=self.marks.name, epoch=self.fence.epoch)
        return {row["shard"]: row for row in found}

    def _deliver(self, shard: str, position: str | None, page: StreamPage) -> tuple[datetime | None, bool]:
        """Deliver one page of a shard; tell when its last change was made, and whether more may follow at once."""
        failpoint("rows.told")
        if (page.changes or page.ended) and not self._apply(shard, position, page):
            return None, True  # another consumer is at it: look again where it stands
        self.watch(shard, page.changes)
        if not page.changes:
            named = {"name": self.marks.name, "epoch": self.fence.epoch, "shard": shard}
            self.c.execute(statement("into_postgres.touch_place"), named)
        more = page.ended or len(page.changes) > FEW
        return (page.changes[-1].at if page.changes else None), more

    def _apply(self, shard: str, position: str | None, page: StreamPage) -> bool:
        named = {"name": self.marks.name, "epoch": self.fence.epoch, "shard": shard}
        with working(self.c, self.marks, self.fence, *self.phases):
            held = one(self.c, statement("into_postgres.hold_place"), **named)
            if held["position"] != position or held["done"]:
                return False
            new = [change for change in page.changes if position is None or change.order > padded(position)]
            asked = of_changes(new, self.target.shape, self.fence.epoch, items_lead=self.items_lead)
            done = apply(self.c, self.marks, self.target, asked)
            if asked.lapsed:
                self.c.execute(self.target.lapse, self.target.staged(asked.lapsed))
            if seen := flights_in(shard, page.changes):  # whoever waits for them need not be the one who reads them
                self.c.execute(statement("into_postgres.note_canaries"), {"name": self.marks.name, "names": seen})
            failpoint("rows.applied")
            counted = {"seen": asked.seen, "written": done.written, "older": done.older}
            moved = {"position": page.position, "done": page.ended, **named, **counted}
            self.c.execute(statement("into_postgres.move_place"), moved)
            failpoint("rows.place_moved")
        failpoint("rows.committed")
        return True


def check_whole(shards: Sequence[Shard], places: dict[str, Row], arn: str) -> None:
    """Raise Trimmed where what was never read is there no more: another stream, a shard that is gone, a day."""
    stale = sorted(name for name, place in places.items() if not place["done"] and place["stale"])
    # Without places it has just begun: what was gone before is missed by nobody.
    gone = lost_shards(shards, {name: place["done"] for name, place in places.items()}) if places else []
    other = sorted(place["stream"] for place in places.values() if place["stream"] != arn)
    for what, found in (("shard", [*gone, *stale]), ("stream", other)):
        if found:
            raise Trimmed(f"The {what} {found[0]} was not read to its end and is gone.")
