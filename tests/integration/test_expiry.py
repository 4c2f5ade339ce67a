"""The nightly look at expiry: what is wrong is counted and named, and it costs what was told."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sluice.stores.dynamodb import identity
from sluice.stores.dynamodb.applying import apply_tables
from sluice.stores.dynamodb.client import NoSuchTable
from sluice.stores.dynamodb.tables import TableDefinition
from sluice.upkeep.items import expiry
from sluice.upkeep.items.expiry import WRONG, Look

from tests.archived_items import items_of
from tests.documents import Documents

FILE = """items: trail
model: tyler
entity: event
expires: {within: 30d, lag: 1d}
"""
DAY = 86_400


class Events:
    """A table of events, and who looks at it."""

    def __init__(self, documents: Documents, root: Path) -> None:
        self.client, self.told = documents.client(), list[str]()
        self.look = Look(self.client, items_of(root, FILE), documents.fresh_name("expiring") + "-")
        self.table = f"{self.look.prefix}tyler-event"

    def make(self, ttl: str | None = "ttl") -> None:
        apply_tables(self.client, (TableDefinition(self.table, "PK", "SK", ttl=ttl),))

    def put(self, name: str, ttl: Any, sort: str | None = None) -> None:
        told = sort or f"1700000000000#{name}#01J"
        item = {"PK": {"S": "LOGIN#2026-01-01#P000"}, "SK": {"S": told}, **({"ttl": ttl} if ttl else {})}
        self.client.put_item(TableName=self.table, Item=item)

    def measure(self) -> dict[str, Any]:
        return dict(self.look.measure(self.told.append))


@pytest.fixture
def events(documents: Documents, tmp_path: Path) -> Iterator[Events]:
    made = Events(documents, tmp_path)
    yield made
    documents.drop(made.table)


def test_each_mistake_is_counted_and_named_by_its_key(events: Events) -> None:
    events.make()
    now = int(time.time())
    events.put("well", {"N": str(now + DAY)})
    events.put("bad", None)
    events.put("text", {"S": str(now + DAY)})
    events.put("milli", {"N": str((now + DAY) * 1000)})
    events.put("late", {"N": str(now + 31 * DAY)})
    events.put("old", {"N": "1"})
    events.put("due", {"N": str(now - 2 * DAY)})
    events.put("soon", {"N": str(now - 60)})
    events.put("a stranger", None, sort="STRANGER")
    facts = events.measure()
    assert (facts["records"], facts["alive"], facts["waiting"], facts["expiry_off"]) == (8, 1, 1, 0)
    assert {what: facts[what] for what in WRONG} == dict.fromkeys(WRONG, 1)
    assert facts["milliseconds_told"] == "PK=LOGIN#2026-01-01#P000&SK=1700000000000#milli#01J"
    (told,) = events.told
    assert told.startswith(f"{events.table}: part 1 of 1, about ")


@pytest.mark.parametrize(
    ("ttl", "told"), [(None, "expires nothing, not by ttl"), ("until", "expires by until, not by")]
)
def test_expiry_that_is_off_or_by_another_attribute_is_told(events: Events, ttl: str | None, told: str) -> None:
    events.make(ttl)
    facts = events.measure()
    assert facts["expiry_off"] == 1
    assert told in facts["expiry_off_told"]
    assert facts["records"] == 0


def test_a_table_that_is_not_there_is_loud(events: Events) -> None:
    with pytest.raises(NoSuchTable):
        events.measure()


def test_a_large_table_is_looked_at_part_by_part_and_in_the_end_as_a_whole(
    events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    events.make()
    for n in range(40):
        events.client.put_item(
            TableName=events.table,
            Item={"PK": {"S": f"LOGIN#2026-01-01#P{n:03}"}, "SK": {"S": f"1700000000000#{n}#01J"}},
        )
    sized = lambda client, name: identity.TableIdentity(name, "", "", datetime.now(), 40, 8000 * 4096 * 3, False)  # noqa: E731
    monkeypatch.setattr(expiry, "identify", sized)
    seen = []
    for day in range(1, 17):
        monkeypatch.setattr(
            expiry, "store_clock", lambda *_, day=day: datetime.fromisoformat(f"2026-06-{day:02}T00:00:00Z")
        )
        seen.append(events.measure()["missing"])
    assert sum(seen) == 40
    assert max(seen) < 40
    assert len(events.told) == len(set(events.told)) == 16
    assert all("of 16, about 1,500 read units" in one for one in events.told)
