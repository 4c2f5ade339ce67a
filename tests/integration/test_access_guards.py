"""What guards an application's data: who is asked for the latest, and what stands between a read and the write after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from sluice.access.cache import Cache
from sluice.access.entities import AlreadyExists, Changed, Entities
from sluice.access.events import Events
from sluice.access.routing import ItemRoute
from sluice.access.shadow import new_side, old_side
from sluice.access.store import Endpoint, Store
from sluice.ledger.item_marks import ItemMarks
from sluice.records.shape import records_of
from sluice.stores.dynamodb.values import Item
from sluice.stores.dynamodb.writes import write_together

from tests.documents import Between, Documents
from tests.integration.accessing import Tyler
from tests.unit.tyler import sample_shape

ANN: dict[str, Any] = {"id": "1", "name": "Ann", "createdAt": "2024-01-01T10:00:00Z"}
DAY = datetime(2024, 1, 1, tzinfo=UTC)
USERS = sample_shape("tyler_users")


@dataclass
class Asking:
    """An application, and how consistently each of its reads was asked for."""

    tyler: Tyler
    client: Any
    strong: list[bool] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = Store(Endpoint(self.client))
        self.entities = Entities(self.store, self.tyler.layout, self.tyler.seal)

    def note(self, params: dict[str, Any], model: Any, **_: object) -> None:
        if model.name == "Query":
            self.strong.append(params["ConsistentRead"])
        elif model.name == "BatchGetItem":
            self.strong += [asked["ConsistentRead"] for asked in params["RequestItems"].values()]


@pytest.fixture(scope="module")
def client(documents: Documents) -> Any:
    """One for all of them: to make it takes longer than a test."""
    return documents.client()


@pytest.fixture
def app(tyler: Tyler, client: Any) -> Iterator[Asking]:
    """An application that is listened to."""
    made = Asking(tyler, client)
    client.meta.events.register("provide-client-params.dynamodb.*", made.note)
    yield made
    client.meta.events.unregister("provide-client-params.dynamodb.*", made.note)


def overtaken(tyler: Tyler, meanwhile: Callable[[], None]) -> Entities:
    """The entities of an application; right before each of its writes arrives, something else happens."""

    def instead(_: int, write: Callable[..., Any], asked: dict[str, Any]) -> Any:
        meanwhile()
        return write(**asked)

    return Entities(Store(Endpoint(Between(tyler.client, "transact_write_items", instead))), tyler.layout, tyler.seal)


def copied(tyler: Tyler, **more: Any) -> None:
    """A user as a migration's copy leaves it, with its token."""
    wire: Item = {name: {"S": value} for name, value in ANN.items()}
    token: Item = {"_token": {"S": "0000000001#" + "0" * 40}, **more}
    tyler.fill([{**record.item, **token} for record in records_of(tyler.layout.shape("user"), wire)])


STRONG: dict[str, Callable[[Asking], object]] = {
    "get": lambda app: app.entities.get("user", {"id": "1"}),
    "get_many": lambda app: app.entities.get_many("user", [{"id": "1"}, {"id": "2"}]),
    "loader": lambda app: app.entities.loader("user").load("1"),
    "put": lambda app: app.entities.put("user", ANN),
    "update": lambda app: app.entities.update("user", {"id": "1"}, {"name": "Anna"}),
    "delete": lambda app: app.entities.delete("user", {"id": "1"}),
    "route": lambda app: ItemRoute(app.store, "users", app.tyler.table("event")).read(),
    "old side": lambda app: old_side(app.store, USERS, app.tyler.table("event"), _place)("1"),
    "new side": lambda app: new_side(app.store, app.tyler.layout, "user", lambda asked: {"id": {"S": asked}})("1"),
    "cache": lambda app: Cache(app.store, app.tyler.layout).request().get("USER", "1", lambda: "x"),
    "events": lambda app: Events(app.store, app.tyler.layout, app.tyler.seal).reader("K").poll(look_back=True),
    "newest events": lambda app: Events(app.store, app.tyler.layout, app.tyler.seal).reader("K").poll(),
}
EVENTUAL: dict[str, Callable[[Asking], object]] = {
    "get": lambda app: app.entities.get("user", {"id": "1"}, "eventual"),
    "list": lambda app: app.entities.list("user"),
    "search": lambda app: app.entities.search("user", {"email": "a@b.c"}),
    "relations": lambda app: app.entities.relations("audit", {"userId": "1"}),
    "between": lambda app: app.entities.between("audit", DAY, DAY.replace(day=2)),
}


def _place(asked: str) -> Item:
    return {"PK": {"S": asked}, "SK": {"S": "LEGACY"}}


@pytest.mark.parametrize(
    ("ask", "strong"),
    [*((one, True) for one in STRONG.values()), *((one, False) for one in EVENTUAL.values())],
    ids=[*STRONG, *(f"{name}, eventual" for name in EVENTUAL)],
)
def test_what_decides_by_what_it_reads_is_asked_for_strongly(
    tyler: Tyler, app: Asking, ask: Callable[[Asking], object], strong: bool
) -> None:
    """A scratch engine has one copy of everything: here an old answer would never be seen."""
    copied(tyler)
    write_together(tyler.client, [ItemMarks(tyler.client, "users", tyler.table("event")).tell("old", "old", 1, 5.0)])
    ask(app)
    assert app.strong
    assert set(app.strong) == {strong}


MEANWHILE: dict[str, Item] = {
    "a migration's newer token": {"_token": {"S": "0000000002#" + "0" * 40}},
    "its tombstone": {"_gone": {"BOOL": True}},
    "another application": {"_write": {"S": "another's"}},
}
WRITES: dict[str, Callable[[Entities, str], object]] = {
    "put": lambda entities, version: entities.put("user", {**ANN, "name": "ours"}, version),
    "delete": lambda entities, version: entities.delete("user", {"id": "1"}, version, keep=True),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize("theirs", MEANWHILE.values(), ids=MEANWHILE)
def test_what_is_written_between_our_last_look_and_our_write_is_not_written_over(
    tyler: Tyler, write: Callable[[Entities, str], object], theirs: Item
) -> None:
    copied(tyler)
    entities = overtaken(tyler, lambda: copied(tyler, **theirs))
    seen = entities.get("user", {"id": "1"})
    assert seen is not None
    with pytest.raises(Changed):
        write(entities, seen.version)
    (whole,) = [item for item in tyler.items() if item["SK"]["S"] == "METADATA"]
    assert whole["name"] == {"S": "Ann"}
    assert whole.items() >= theirs.items()


def test_of_two_who_create_the_same_at_once_one_is_told(tyler: Tyler) -> None:
    with pytest.raises(AlreadyExists):
        overtaken(tyler, lambda: copied(tyler)).create("user", {**ANN, "name": "ours"})
    assert tyler.entities.get("user", {"id": "1"})["name"] == "Ann"


def test_a_tombstone_is_nothing_on_either_side(tyler: Tyler) -> None:
    """What a migration deleted and keeps a note of must not come back as an answer."""
    legacy: Item = {**_place("1"), "userId": {"S": "1"}, "created": {"S": "2024-01-01"}}
    old = old_side(tyler.store, USERS, tyler.table("event"), _place)
    new = new_side(tyler.store, tyler.layout, "user", lambda asked: {"id": {"S": asked}})
    copied(tyler)
    tyler.fill([legacy], "event")
    assert new("1") is not None
    copied(tyler, _gone={"BOOL": True})
    tyler.fill([{**legacy, "_gone": {"BOOL": True}}], "event")
    assert (old("1"), new("1")) == (None, None)


def test_the_fast_endpoint_is_passed_by_when_it_asks_for_patience(tyler: Tyler) -> None:
    def full(*_: object) -> None:
        raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "wait"}}, "BatchGetItem")

    fast = Between(tyler.client, "batch_get_item", full)
    entities = Entities(Store(Endpoint(tyler.client), Endpoint(fast)), tyler.layout, tyler.seal)
    entities.create("config", {"key": "n"})
    assert entities.get("config", {"key": "n"}, "eventual") is not None
    assert fast.calls == 1
