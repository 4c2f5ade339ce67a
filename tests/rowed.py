"""A legacy audit trail, the PostgreSQL database that it goes to, and who writes meanwhile."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import psycopg
from sluice.estate.into_postgres import IntoPostgresMigration
from sluice.migration.engine import lanes, steps
from sluice.migration.engine.contract import Fence
from sluice.migration.engine.throttle import Throttle
from sluice.migration.kinds.into_postgres import IntoPostgres, delivering
from sluice.migration.kinds.into_postgres.following import Follower
from sluice.stores.dynamodb.values import Item
from sluice.stores.postgres import connect

from tests.conftest import Database
from tests.documents import Documents

TENANT = "00000000-0000-7000-8000-000000000001"
OTHER = "00000000-0000-7000-8000-000000000002"
PARTS = "app_partitions"
ITEMS = 120
LEASE = timedelta(milliseconds=300)


_CLIENTS: dict[str, tuple[Any, Any]] = {}


def clients(documents: Documents) -> tuple[Any, Any]:
    """Give the engine's clients, made once: that takes longer than most of what is done with them."""
    if documents.prefix not in _CLIENTS:
        _CLIENTS[documents.prefix] = documents.client(), documents.streams()
    return _CLIENTS[documents.prefix]


def migration(table: str, **more: Any) -> IntoPostgresMigration:
    """The audit trail's migration, as its YAML would say it."""
    columns = {
        "id": {"from": "{auditId}", "type": "text"},
        "performed_at": {"from": "{timestamp}", "type": "timestamptz"},
        "actor": {"from": "{userId}", "otherwise": "SYSTEM", "type": "text"},
        "action": {"from": "{action}", "type": "varchar(12)"},
        "amount": {"from": "{amount}", "type": "numeric"},
    }
    into = {
        "store": "launch",
        "table": "app.tyler_audit_log",
        "key": ("id", "performed_at"),
        "columns": columns,
        "extra": "extra",
        "tenant": {"column": "tenant_id", "value": TENANT},
        "partition": {"range": "performed_at", "every": "month"},
    }
    said = {
        "migration": f"audit_{random.randrange(10**9)}",
        "kind": "into_postgres",
        "from": {"store": "tyler", "table": table},
        "into": {**into, **more},
        "backfill": {"segments": 3, "chunk_rows": 100},
        "cutover": {"clock_skew": "0ms"},
        "accept": ("no_way_back",),
    }
    m = IntoPostgresMigration.model_validate(said)
    # A second is the least that a file may say; here nobody writes for longer than this.
    return m.model_copy(update={"cutover": m.cutover.model_copy(update={"lease": LEASE})})


def audit(number: int, **more: Any) -> Item:
    """One record of the legacy table, in one of three months; some have no user, some have more than there are columns for."""
    item: Item = {
        "auditId": {"S": f"a{number:05}"},
        "timestamp": {"S": f"2024-0{1 + number % 3}-{1 + number % 28:02}T{number % 24:02}:00:00Z"},
        "action": {"S": ("LOGIN", "", "EDIT")[number % 3]},
        "amount": {"N": f"{number}.50"},
    }
    user = {} if number % 5 == 0 else {"userId": {"S": f"u{number % 9}"}, "tags": {"SS": ["b", "a"]}}
    return {**item, **user, **more}


@dataclass
class Stage:
    """A legacy table, the database that it goes to, and the kind that moves it."""

    documents: Documents
    database: Database
    table: str
    m: IntoPostgresMigration
    client: Any
    open: list[Any] = field(default_factory=list)

    def kind(self) -> IntoPostgres:
        """A worker's own: nothing is shared with others but the stores."""
        return IntoPostgres(self.m, self._connect, *clients(self.documents), self.documents.prefix)

    def _connect(self, purpose: str) -> Any:
        self.open.append(connect(self.database.dsn(), purpose=purpose))
        return self.open[-1]

    def put(self, *items: Item) -> None:
        for item in items:
            self.client.put_item(TableName=self.table, Item=item)

    def fill(self, items: list[Item]) -> None:
        """Put many at once."""
        for begin in range(0, len(items), 25):
            puts = [{"PutRequest": {"Item": item}} for item in items[begin : begin + 25]]
            self.client.batch_write_item(RequestItems={self.table: puts})

    def delete(self, number: int) -> None:
        self.client.delete_item(TableName=self.table, Key={"auditId": {"S": f"a{number:05}"}})

    def ask(self, query: str, role: str = "admin", tenant: str | None = None) -> list[tuple[Any, ...]]:
        """Ask the database, as its administrator or as an application of a tenant."""
        with psycopg.connect(self.database.dsn(role), autocommit=True) as c:
            if tenant is not None:
                c.execute("SELECT set_config('app.tenant_id', %s, false)", [tenant])
            answer = c.execute(query)
            return answer.fetchall() if answer.description else []

    def rows(self) -> dict[str, tuple[Any, ...]]:
        """What an application sees, by id."""
        query = "SELECT id, performed_at, actor, action, amount, extra FROM app.tyler_audit_log"
        return {row[0]: row for row in self.ask(query, "certify_app", TENANT)}

    def quarantine(self) -> dict[str, tuple[str, str]]:
        """Reason and image by the item's key."""
        found = self.ask("SELECT key ->> 0, reason, image FROM sluice.quarantine")
        return {key: (reason, image) for key, reason, image in found}

    def close(self) -> None:
        for c in self.open:
            c.close()


@contextmanager
def staged(
    documents: Documents, make_table: Callable[..., str], database: Database, items: int = ITEMS
) -> Iterator[Stage]:
    """A legacy table with some records. It has no stream yet: history comes by the copy alone."""
    table = make_table("auditId", name="audit", stream=False)
    m = migration(table.removeprefix(documents.prefix))
    made = Stage(documents, database, table, m, clients(documents)[0])
    made.fill([audit(number) for number in range(items)])
    yield made
    made.close()
    documents.drop(f"{documents.prefix}sluice-marks")


def to_capturing(stage: Stage) -> IntoPostgres:
    """From planned to capturing."""
    kind = stage.kind()
    kind.expand()
    kind.start_capture()
    kind.plan_chunks()
    return kind


def copied(kind: IntoPostgres) -> None:
    """Work all segments off."""
    lanes.work_lane(kind, 0, Fence(kind.position().epoch), Throttle(kind.migration.backfill.limits))


def to_backfilled(stage: Stage) -> IntoPostgres:
    """From planned to backfilled."""
    kind = to_capturing(stage)
    copied(kind)
    kind.finish_backfill(Fence(kind.position().epoch))
    return kind


def to_shadowing(stage: Stage) -> IntoPostgres:
    """From planned to where it may be cut over."""
    kind = to_backfilled(stage)
    steps.verify(kind)
    kind.shadow()
    return kind


def follower(kind: IntoPostgres, stream: Any) -> Follower:
    """A reader of another stream than the table's own."""
    own = delivering.follower(kind.parts, kind.position())
    kind.parts.marks.execute(kind.parts.c, "delete_chunks")
    kind.parts.run("forget_places")
    return replace(own, stream=stream)


@dataclass(frozen=True)
class Remembering:
    """The marks in DynamoDB as one has them who read the route and then slept."""

    items: Any
    before: Item

    def route(self) -> Item:
        return self.before

    def __getattr__(self, name: str) -> Any:
        return getattr(self.items, name)


@dataclass
class Application:
    """A client that changes and deletes records, and remembers each write that was acknowledged."""

    stage: Stage
    kind: IntoPostgres
    acknowledged: dict[int, Item | None] = field(default_factory=dict)
    stopping: threading.Event = field(default_factory=threading.Event)
    to_postgres: int = 0

    def run(self) -> None:
        client = self.stage.documents.client()
        with psycopg.connect(self.stage.database.dsn("certify_app"), autocommit=True) as c:
            c.execute("SELECT set_config('app.tenant_id', %s, false)", [TENANT])
            while not self.stopping.is_set():
                self.write(client, c, random.randrange(ITEMS))
                time.sleep(0.003)

    def write(self, client: Any, c: psycopg.Connection[Any], number: int) -> None:
        told = (self.kind.parts.items.route() if self.kind.parts.items.there() else None) or {"write_to": {"S": "old"}}
        if told["write_to"]["S"] == "none":
            time.sleep(0.05)
        elif told["write_to"]["S"] == "new":
            self.to_postgres += 1
            values = [f"n{self.to_postgres}", TENANT]
            c.execute(
                "INSERT INTO app.tyler_audit_log (id, performed_at, tenant_id) VALUES (%s, '2024-02-01Z', %s)", values
            )
        elif random.random() < 0.2:
            client.delete_item(TableName=self.stage.table, Key={"auditId": {"S": f"a{number:05}"}})
            self.acknowledged[number] = None
        else:
            item = audit(number, note={"S": str(random.random())})
            client.put_item(TableName=self.stage.table, Item=item)
            self.acknowledged[number] = item
