"""Take one part of the way into PostgreSQL away, and the same drill must go red: so each part is needed.

Each drill is played twice: whole, where the rows are what the items say, and mutilated, where the comparison says they are not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from psycopg import sql
from sluice.estate.single_table import ScanPace
from sluice.ledger.marks import Marks
from sluice.migration.engine.contract import Fence, Fenced, Phase, Window
from sluice.migration.kinds.into_postgres import IntoPostgres, applying, copying, finishing, following, windows
from sluice.migration.kinds.into_postgres.gap import Gap
from sluice.migration.kinds.into_postgres.target import Target
from sluice.stores.dynamodb import streams
from sluice.stores.dynamodb.streams import Stream, StreamPage
from sluice.stores.postgres import Connection

from tests.chaos.mutilation import Mutilation
from tests.conftest import Database
from tests.documents import Between, Documents
from tests.rowed import Stage, audit, clients, copied, staged, to_capturing

Play = Callable[["Drill"], None]
JANUARY = "2024-01-10T00:00:00Z"


@dataclass
class Numbered:
    """A stream whose changes are numbered from 9 on."""

    stream: Stream
    numbers: dict[str, str] = field(default_factory=dict)

    def read(self, shard: str, after: str | None, limit: int = 1000) -> StreamPage:
        """Read on, by those numbers."""
        real = {short: long for long, short in self.numbers.items()}
        page = self.stream.read(shard, real.get(after, after) if after else None, limit)
        changes = tuple(replace(change, sequence=self._short(change.sequence)) for change in page.changes)
        return replace(page, changes=changes, position=changes[-1].sequence if changes else after)

    def _short(self, sequence: str) -> str:
        return self.numbers.setdefault(sequence, str(9 + len(self.numbers)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


class Drill(Mutilation):
    """One drill: a few items, and the part that is taken out in the mutilated run."""

    def __init__(self, stage: Stage, monkeypatch: pytest.MonkeyPatch, mutilated: bool) -> None:
        super().__init__(monkeypatch, mutilated)
        self.stage, self.kind = stage, stage.kind()

    def put(self, number: int, version: int) -> None:
        """Write one item."""
        self.stage.put(audit(number, timestamp={"S": JANUARY}, v={"N": str(version)}))

    def deliver(self) -> None:
        """A worker of its own delivers what there is."""
        self.stage.kind().replicate(5)


def _whatever_stands(target: Target) -> Any:
    """`Target.write` without its condition."""
    text = _write(target).as_string(None).rpartition("\nWHERE ")[0]
    return sql.SQL(text.replace("{", "{{").replace("}", "}}")).format()


_write = Target.write.func


def changed_and_deleted(drill: Drill) -> None:
    drill.put(1, 2)
    drill.stage.delete(2)
    drill.deliver()


def the_copys_condition(drill: Drill) -> None:
    """A copy that overwrites brings back what was changed after it read."""
    to_capturing(drill.stage)
    lane = drill.stage.kind()
    lane.parts.__dict__["target"] = lane.parts.target
    if drill.mutilated:
        lane.parts.target.__dict__["write"] = _whatever_stands(lane.parts.target)
    with drill.meanwhile("rows.scanned", lambda: changed_and_deleted(drill)):
        copied(lane)


def the_windows_token(drill: Drill) -> None:
    """A window that writes as young as a change undoes what came while it read."""
    to_capturing(drill.stage)
    copied(drill.kind)
    drill.take_out(windows, "token", lambda epoch: copying.token(epoch, "9" * 40))
    with drill.meanwhile("rows.window_read", lambda: changed_and_deleted(drill)):
        january = Window(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC))
        windows.fill(drill.kind.parts, Fence(1), january, "performed_at")


def the_tombstone(drill: Drill) -> None:
    """Where nothing stays of what was deleted, a copy that read it before brings it back."""

    def without_tombstones(c: Connection, marks: Marks, target: Target, asked: Any) -> Any:
        done = applying.apply(c, marks, target, asked)
        c.execute(sql.SQL("DELETE FROM {} WHERE _deleted").format(target.table.identifier))
        return done

    drill.take_out(following, "apply", without_tombstones)
    to_capturing(drill.stage)
    with drill.meanwhile("rows.scanned", lambda: changed_and_deleted(drill)):
        copied(drill.kind)


def consistent_read(drill: Drill) -> None:
    """A scan may be answered by a replica that lags, and what it lacks was written before there was a stream to tell of it."""
    stage = drill.stage
    stale = stage.client.scan(TableName=stage.table)

    def scanned(number: int, scan: Callable[..., Any], asked: dict[str, Any]) -> Any:
        if drill.mutilated:
            asked = {name: value for name, value in asked.items() if name != "ConsistentRead"}
        return scan(**asked) if asked.get("ConsistentRead") else stale

    drill.put(1, 2)
    stage.delete(2)
    to_capturing(stage)
    client, stream = clients(stage.documents)
    copied(IntoPostgres(stage.m, stage._connect, Between(client, "scan", scanned), stream, stage.documents.prefix))


def capture_first(drill: Drill) -> None:
    """What is written between the copy's read and the stream's first record is in neither."""

    def without_stream(kind: IntoPostgres) -> None:
        p = kind.parts
        p.items.prepare()
        with p.marks.alone(p.c):
            p.marks.move(p.c, Phase.EXPANDED, to=Phase.CAPTURING)
            p.run("take_fingerprints", source=p.fingerprint)

    drill.take_out(IntoPostgres, "start_capture", without_stream)
    to_capturing(drill.stage)
    with drill.meanwhile("rows.scanned", lambda: (drill.put(1, 2), drill.put(3, 1))):
        while drill.kind.copy_chunk(0, Fence(1)):
            pass
    if drill.mutilated:
        drill.kind.parts.stream_on()


def padding(drill: Drill) -> None:
    """As texts, 9 sorts after 10: the tenth change would be refused as older than the ninth."""
    drill.take_out(streams, "padded", lambda sequence: sequence)
    drill.take_out(following, "padded", lambda sequence: sequence)
    kind = to_capturing(drill.stage)
    copied(kind)
    numbered = Numbered(kind.parts.stream)
    kind.parts.run("forget_places")
    kind.parts.__dict__["stream"] = drill.kind.parts.__dict__["stream"] = numbered
    for version in (2, 3):
        drill.put(1, version)
        kind.replicate(5)
    assert list(numbered.numbers.values()) == ["9", "10"]


def the_fence(drill: Drill) -> None:
    """A worker of an epoch gone by, awake again when the stream no longer knows of a deletion, copies what it remembers."""

    @contextmanager
    def nothing_checked(c: Connection, marks: Marks, fence: Fence, *phases: str) -> Iterator[None]:
        with c.transaction():
            yield

    to_capturing(drill.stage)
    drill.take_out(copying, "working", nothing_checked)

    late = drill.stage.kind()
    page = copying.scan_page(drill.stage.client, drill.stage.table)
    asked = copying.of_items(page.items, late.parts.source.key_names, late.parts.shape, copying.token(1))
    # It sleeps; its session is lost, and with it what it had locked.
    drill.stage.kind().abort()
    drill.stage.delete(2)
    drill.stage.client.update_table(TableName=drill.stage.table, StreamSpecification={"StreamEnabled": False})
    again = to_capturing(drill.stage)
    copied(again)
    again.finish_backfill(Fence(2))
    if drill.mutilated:
        with copying.working(late.parts.c, late.parts.marks, Fence(1), Phase.CAPTURING):
            copying.apply(late.parts.c, late.parts.marks, late.parts.target, asked)
        return
    with pytest.raises(Fenced), copying.working(late.parts.c, late.parts.marks, Fence(1), Phase.CAPTURING):
        raise AssertionError("it is over")


def the_sweep(drill: Drill) -> None:
    """What was deleted in a gap is in no stream, and a copy does not come by it."""
    kind = to_capturing(drill.stage)
    copied(kind)
    drill.stage.delete(2)
    drill.stage.client.update_table(TableName=drill.stage.table, StreamSpecification={"StreamEnabled": False})
    with pytest.raises(Gap):
        drill.stage.kind().replicate(5)
    again = drill.stage.kind()
    again.plan_chunks()
    copied(again)
    drill.take_out(finishing, "token", lambda epoch: copying.token(0))
    assert bool(again.finish_backfill(Fence(2))["rows_swept"]) is not drill.mutilated


TABLE: dict[str, Play] = {
    "the copy's condition": the_copys_condition,
    "the window's token": the_windows_token,
    "the tombstone": the_tombstone,
    "ConsistentRead": consistent_read,
    "capture before copy": capture_first,
    "the padding of sequence numbers": padding,
    "the fence": the_fence,
    "the sweep": the_sweep,
}
"""What is taken out, and the drill that goes red without it."""


@pytest.fixture
def few(documents: Documents, make_table: Callable[..., str], make_database: Callable[[], Database]) -> Iterator[Stage]:
    """Two items, which become rows of a database of their own."""
    with staged(documents, make_table, make_database(), items=0) as made:
        made.m = made.m.model_copy(update={"backfill": ScanPace(segments=1, chunk_rows=100)})  # both are on one page
        made.put(*(audit(number, timestamp={"S": JANUARY}, v={"N": "1"}) for number in (1, 2)))
        yield made


@pytest.mark.parametrize("mutilated", [False, True], ids=("whole", "mutilated"))
@pytest.mark.parametrize("part", TABLE)
def test_without_it_the_rows_are_not_what_the_items_say(
    few: Stage, monkeypatch: pytest.MonkeyPatch, mutilated: bool, part: str
) -> None:
    # Nothing is still on its way when it is compared: a red comparison need not wait long.
    monkeypatch.setattr("sluice.migration.kinds.into_postgres.comparing.WAITS", (0.05, 0.05))
    drill = Drill(few, monkeypatch, mutilated)
    TABLE[part](drill)
    last = few.kind()
    if "stream" in drill.kind.parts.__dict__:
        last.parts.__dict__["stream"] = drill.kind.parts.stream
    last.replicate(5)
    diff = last.diff()
    assert diff.compared > 0
    assert diff.clean is not mutilated, diff.samples
