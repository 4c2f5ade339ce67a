"""An application's entities: every look-up answers, every write is whole, nobody's change is lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from sluice.access.breaker import Breaker
from sluice.access.entities import (
    ABSENT,
    AlreadyExists,
    Changed,
    Entities,
    EntityRefused,
    KeyChanged,
    NoSuchEntity,
    NotWhole,
)
from sluice.access.layout import Layout, NotAnswered
from sluice.access.spans import NoMoment
from sluice.access.store import Endpoint, Store
from sluice.access.values import NotStorable
from sluice.estate.design import EntityDesign
from sluice.records.record import Unmappable
from sluice.records.shape import records_of
from sluice.stores.dynamodb.client import DynamoDown, dynamodb_client

from tests.integration.accessing import Tyler

ANN: dict[str, Any] = {
    "id": "1",
    "email": "Ann@Example.com",
    "name": "Ann",
    "status": "ACTIVE",
    "roles": ["admin", "editor"],
    "createdAt": "2024-01-01T10:00:00Z",
}
ANN_IN_SHORT = {name: ANN[name] for name in ("id", "name", "email", "status", "createdAt")}


def audit(number: int, at: str, user: str = "1") -> dict[str, Any]:
    return {"id": f"a{number}", "userId": user, "timestamp": at, "action": "LOGIN"}


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def keys(tyler: Tyler) -> set[str]:
    return {item["SK"]["S"] for item in tyler.items()}


def test_every_look_up_finds_an_entity_that_was_put(tyler: Tyler) -> None:
    put = tyler.entities.create("user", ANN)
    assert put.attributes == ANN
    assert tyler.entities.get("user", {"id": "1"}) == put
    assert tyler.entities.get("user", {"id": "1"}, "eventual") == put
    assert tyler.entities.get("user", {"id": "2"}) is None
    assert tyler.entities.list("user").nodes == (put,)
    for by in ({"email": "ANN@example.COM"}, {"status": "ACTIVE"}, {"role": "admin"}, {"role": "editor"}):
        assert tyler.entities.search("user", by).nodes == (put,), by
    assert tyler.entities.search("user", {"status": "GONE"}).nodes == ()


def test_a_look_up_record_alone_has_what_it_carries_and_no_version(tyler: Tyler) -> None:
    tyler.entities.create("user", ANN)
    (part,) = tyler.entities.search("user", {"status": "ACTIVE"}, whole=False).nodes
    assert (part.attributes, part.whole) == (ANN_IN_SHORT, False)


def test_records_that_the_new_version_has_not_are_removed_with_it(tyler: Tyler) -> None:
    tyler.entities.create("user", ANN)
    assert keys(tyler) == {"METADATA", "LOOKUP#STATUS", "LOOKUP#ROLE#admin", "LOOKUP#ROLE#editor"}
    changed = tyler.entities.update("user", {"id": "1"}, {"roles": ["admin"], "status": None, "email": "ann@new.org"})
    assert changed.attributes == {key: value for key, value in ANN.items() if key != "status"} | {
        "roles": ["admin"],
        "email": "ann@new.org",
    }
    assert keys(tyler) == {"METADATA", "LOOKUP#ROLE#admin"}
    assert tyler.entities.search("user", {"email": ANN["email"]}).nodes == ()
    assert tyler.entities.search("user", {"email": "ann@new.org"}).nodes == (changed,)


def test_a_deleted_entity_leaves_nothing(tyler: Tyler) -> None:
    tyler.entities.create("user", ANN)
    assert tyler.entities.delete("user", {"id": "1"})
    assert tyler.items() == []
    assert not tyler.entities.delete("user", {"id": "1"})
    with pytest.raises(NoSuchEntity, match="create it"):
        tyler.entities.update("user", {"id": "1"}, {"name": "x"})


def test_who_changes_what_was_changed_meanwhile_is_told_and_nothing_is_written(tyler: Tyler) -> None:
    first = tyler.entities.create("user", ANN)
    second = tyler.entities.put("user", {**ANN, "name": "Anna"}, first.version)
    before = tyler.items()
    for write in (
        lambda: tyler.entities.put("user", {**ANN, "roles": []}, first.version),
        lambda: tyler.entities.delete("user", {"id": "1"}, first.version),
        lambda: tyler.entities.put("user", {**ANN, "id": "2"}, "of nothing"),
    ):
        with pytest.raises(Changed, match="read it again"):
            write()
    assert sorted(map(str, tyler.items())) == sorted(map(str, before))
    assert tyler.entities.delete("user", {"id": "1"}, second.version)


def test_what_was_written_between_reading_and_writing_is_not_written_over(tyler: Tyler) -> None:
    """The version is looked at once more by the transaction itself: between our read and it, others write."""
    tyler.entities.create("user", ANN)
    other = Entities(Store(Endpoint(tyler.documents.client())), tyler.layout, tyler.seal)
    turns = []

    def overtaken(seen: dict[str, Any]) -> dict[str, Any]:
        if not turns:
            other.update("user", {"id": "1"}, {"name": "theirs"})
        turns.append(seen["name"])
        return {**seen, "status": "OURS"}

    found = tyler.entities.update("user", {"id": "1"}, overtaken)
    assert turns == ["Ann", "theirs"]
    assert (found["name"], found["status"]) == ("theirs", "OURS")


def test_no_update_of_many_at_once_is_lost(tyler: Tyler) -> None:
    tyler.entities.create("config", {"key": "n", "count": 0})

    def count(_: int) -> None:
        for _ in range(5):
            tyler.entities.update("config", {"key": "n"}, lambda seen: {**seen, "count": seen["count"] + 1})

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(count, range(3)))
    found = tyler.entities.get("config", {"key": "n"})
    assert found is not None
    assert found["count"] == 15


def test_values_come_back_as_they_were_stored(tyler: Tyler) -> None:
    told = {
        "key": "n",
        "price": Decimal("12345678901234567890.123456789012345678"),
        "tags": {"a", "b"},
        "numbers": {Decimal(1), Decimal("2.5")},
        "blob": b"\x00\xff",
        "nothing": None,
        "nested": {"list": [Decimal(1), "x", False, {"deep": None}]},
    }
    tyler.entities.create("config", told)
    found = tyler.entities.get("config", {"key": "n"})
    assert found is not None
    assert found.attributes == told


@pytest.mark.parametrize("wrong", [{"price": 1.5}, {"_token": "x"}, {"when": datetime(2024, 1, 1)}])
def test_what_cannot_be_stored_is_refused_with_the_reason(tyler: Tyler, wrong: dict[str, Any]) -> None:
    with pytest.raises(NotStorable, match=r"Decimal|Rename|isoformat"):
        tyler.entities.create("config", {"key": "n", **wrong})
    with pytest.raises(Unmappable, match="createdAt"):
        tyler.entities.create("user", {"id": "1"})
    assert tyler.items() == []


def test_what_a_migration_keeps_on_records_stays_on_them_and_is_not_shown(tyler: Tyler) -> None:
    """A write by an application leaves the token as it was: so is told whose it is, and later ones have an order."""
    tyler.entities.create("user", ANN)
    token = {"S": f"0000000001#{7:040}"}
    marked = [
        {**{n: v for n, v in item.items() if n != "_write"}, "_token": token, "_from": {"S": "users/1"}}
        for item in tyler.items()
    ]
    tyler.fill(marked)
    seen = tyler.entities.get("user", {"id": "1"})
    assert seen is not None
    assert seen.attributes == ANN
    tyler.entities.put("user", {**ANN, "roles": ["admin", "new"]}, seen.version)
    found = {item["SK"]["S"]: item for item in tyler.items()}
    assert set(found) == {"METADATA", "LOOKUP#STATUS", "LOOKUP#ROLE#admin", "LOOKUP#ROLE#new"}
    assert all(found[sk].get("_token") == token for sk in found if sk != "LOOKUP#ROLE#new")
    assert "_token" not in found["LOOKUP#ROLE#new"]


def test_a_tombstone_is_no_entity_and_its_token_outlives_the_next_write(tyler: Tyler) -> None:
    token = {"S": f"0000000001#{9:040}"}
    gone = {"_gone": {"BOOL": True}, "_token": token, "_from": {"S": "users/1"}}
    tyler.fill([{"PK": {"S": "USER#1"}, "SK": {"S": sk}, **gone} for sk in ("METADATA", "LOOKUP#STATUS")])
    assert tyler.entities.get("user", {"id": "1"}) is None
    assert not tyler.entities.delete("user", {"id": "1"})
    tyler.entities.create("user", ANN)
    found = {item["SK"]["S"]: item for item in tyler.items()}
    assert found["METADATA"]["_token"] == found["LOOKUP#STATUS"]["_token"] == token
    assert not any("_gone" in item for item in found.values())
    assert tyler.entities.get("user", {"id": "1"}) is not None


def test_relations_are_followed_in_order_page_by_page(tyler: Tyler) -> None:
    for number in range(5):
        tyler.entities.create("audit", audit(number, f"2024-01-0{5 - number}T00:00:00Z"))
    tyler.entities.create("audit", audit(9, "2024-01-01T00:00:00Z", user="2"))
    first = tyler.entities.relations("audit", {"userId": "1"}, first=3)
    rest = tyler.entities.relations("audit", {"userId": "1"}, first=3, after=first.end_cursor)
    assert [one["id"] for one in (*first.nodes, *rest.nodes)] == ["a4", "a3", "a2", "a1", "a0"]
    assert (first.page_info["hasNextPage"], rest.page_info["hasNextPage"]) == (True, False)
    newest = tyler.entities.relations("audit", {"userId": "1"}, newest_first=True)
    assert [one["id"] for one in newest.nodes] == ["a0", "a1", "a2", "a3", "a4"]


def test_a_time_is_read_over_months_and_buckets_in_order(tyler: Tyler) -> None:
    times = ["2023-12-31T23:59:59Z", "2024-01-01T00:00:00Z", "2024-01-31T12:00:00Z", "2024-02-15T00:00:00Z"]
    times += ["2024-03-01T00:00:00Z", "2024-03-01T00:00:01Z"]
    for number, at in enumerate(times):
        tyler.entities.create("audit", audit(number, at))
    since, until = moment("2024-01-01"), moment("2024-03-01")
    assert [one["timestamp"] for one in tyler.entities.between("audit", since, until).nodes] == times[1:4]
    backwards, after = [], None
    for _ in range(4):
        page = tyler.entities.between("audit", since, until, 1, after, newest_first=True)
        backwards += [one["timestamp"] for one in page.nodes]
        after = page.end_cursor
    assert backwards == times[3:0:-1]


def test_what_the_design_does_not_answer_is_refused_with_what_it_does(tyler: Tyler) -> None:
    with pytest.raises(NotAnswered, match=r"\{email\|trim\|lower\}"):
        tyler.entities.search("user", {"phone": "1"})
    with pytest.raises(NotAnswered, match="has no entity 'cat'"):
        tyler.entities.list("cat")
    with pytest.raises(NotAnswered, match="id: it is missing"):
        tyler.entities.get("user", {"email": "a@b.c"})
    with pytest.raises(NotAnswered, match="add a record"):
        tyler.entities.between("user", moment("2024-01-01"), moment("2024-02-01"))


def test_many_keys_are_few_requests_in_order_and_each_once(tyler: Tyler) -> None:
    asked: list[int] = []
    client = tyler.documents.client()
    client.meta.events.register(
        "provide-client-params.dynamodb.BatchGetItem",
        lambda params, **_: asked.append(sum(len(one["Keys"]) for one in params["RequestItems"].values())),
    )
    users = [{"id": {"S": f"n{number}"}, "createdAt": {"S": "2024-01-01"}} for number in range(130)]
    tyler.fill([record.item for one in users for record in records_of(tyler.layout.shape("user"), one)])
    loader = Entities(Store(Endpoint(client)), tyler.layout, tyler.seal).loader("user")
    later = [loader.ask(f"n{number}") for number in (5, 129, 5, 999)]
    wanted = [f"n{number}" for number in reversed(range(130))]
    assert [one and one["id"] for one in loader.load_many(wanted)] == wanted
    assert [(one := each.value()) and one["id"] for each in later] == ["n5", "n129", "n5", None]
    assert asked == [100, 31]


def test_eventual_reads_go_to_the_faster_endpoint_and_past_it_when_it_is_down(tyler: Tyler) -> None:
    asked: list[str] = []
    fast = tyler.documents.client()
    fast.meta.events.register("before-call.dynamodb.*", lambda model, **_: asked.append(model.name))
    entities = Entities(Store(Endpoint(tyler.client), Endpoint(fast)), tyler.layout, tyler.seal)
    entities.create("config", {"key": "n"})
    assert entities.get("config", {"key": "n"}, "strong") is not None
    assert asked == []
    assert entities.get("config", {"key": "n"}, "eventual") is not None
    assert len(entities.list("config").nodes) == 1
    assert set(asked) == {"BatchGetItem", "Query"}
    nobody = dynamodb_client("http://127.0.0.1:9", "key", "secret", "us-east-1")
    alone = Entities(Store(Endpoint(tyler.client), Endpoint(nobody)), tyler.layout, tyler.seal)
    assert alone.get("config", {"key": "n"}, "eventual") is not None


def test_a_version_tells_what_is_there(tyler: Tyler) -> None:
    first = tyler.entities.put("config", {"key": "n"}, ABSENT)
    again = tyler.entities.put("config", {"key": "n"})
    assert ABSENT != first.version != again.version


def test_what_has_expired_is_not_there_and_can_be_written_anew(tyler: Tyler) -> None:
    """DynamoDB takes it away up to days later."""
    now = [1000.0]
    entities = Entities(tyler.store, tyler.layout, tyler.seal, clock=lambda: now[0])
    told = {"id": "s", "userId": "1", "expiresAt": 1001}
    entities.create("refresh_token", told)
    assert entities.get("refresh_token", {"id": "s", "userId": "1"}) is not None
    now[0] = 1001
    assert entities.get("refresh_token", {"id": "s", "userId": "1"}) is None
    assert entities.relations("refresh_token", {"userId": "1"}).nodes == ()
    assert entities.create("refresh_token", {**told, "expiresAt": 2000})["expiresAt"] == 2000
    now[0] = 2000
    assert not entities.delete("refresh_token", {"id": "s", "userId": "1"})
    assert tyler.items() == []


def test_every_look_up_of_the_legacy_tables_is_answered(tyler: Tyler) -> None:
    """users by e-mail; contractors by token and by expiry; refresh tokens by user; audit by time and user; config by key."""
    ours = tyler.entities
    user = ours.create("user", ANN)
    contractors = [
        ours.create(
            "contractor", {"id": f"c{n}", "token": f"t{n}", "expiresAt": f"2024-0{n}-01", "createdAt": "2023-01-01"}
        )
        for n in (3, 1, 2)
    ]
    tokens = [
        ours.create("refresh_token", {"id": f"r{n}", "userId": "1", "expiresAt": f"209{n}-01-01"}) for n in (2, 1)
    ]
    audits = [ours.create("audit", audit(n, f"2024-01-0{n}T00:00:00Z", user="12"[n % 2])) for n in (1, 2, 3)]
    config = ours.create("config", {"key": "theme", "value": "dark"})

    assert ours.search("user", {"email": " ann@example.com "}).nodes == (user,)
    assert ours.search("contractor", {"token": "t2"}).nodes == (contractors[2],)
    assert [one["id"] for one in ours.list("contractor", order="LOOKUP#EXPIRY").nodes] == ["c1", "c2", "c3"]
    soon = ours.list("contractor", order="LOOKUP#EXPIRY", since=moment("2024-02-01"), until=moment("2024-03-01"))
    assert soon.nodes == (contractors[2],)
    assert ours.relations("refresh_token", {"userId": "1"}).nodes == (tokens[1], tokens[0])
    assert ours.search("refresh_token", {"id": "r1"}).nodes == (tokens[1],)
    assert ours.relations("audit", {"userId": "2"}).nodes == (audits[0], audits[2])
    assert ours.relations("audit", {"userId": "2"}, since=moment("2024-01-02")).nodes == (audits[2],)
    assert ours.between("audit", moment("2024-01-01"), moment("2024-02-01")).nodes == tuple(audits)
    assert ours.search("audit", {"id": "a3"}).nodes == (audits[2],)
    assert ours.get("config", {"key": "theme"}) == config
    assert ours.list("config").nodes == (config,)


def test_what_an_entity_was_is_kept_in_the_same_transaction_when_asked(tyler: Tyler) -> None:
    told = {"id": "1", "createdAt": "2024-01-01", "updatedAt": "2024-01-01T10:00:00Z", "name": "first"}
    tyler.entities.create("user", told)
    for day, name in ((2, "second"), (3, "third")):
        change = {"name": name, "updatedAt": f"2024-01-0{day}T10:00:00Z"}
        tyler.entities.update("user", {"id": "1"}, change, keep=True)
    tyler.entities.update("user", {"id": "1"}, {"name": "unkept"})
    tyler.entities.delete("user", {"id": "1"}, keep=True)
    assert [one["name"] for one in tyler.entities.versions("user", {"id": "1"})] == ["unkept", "second", "first"]
    oldest = tyler.entities.versions("user", {"id": "1"}, 1, newest_first=False)
    assert (oldest.nodes[0].attributes, oldest.has_next_page) == (told, True)
    assert oldest.nodes[0].until.year >= 2024
    assert tyler.entities.get("user", {"id": "1"}) is None
    with pytest.raises(Changed):
        tyler.entities.put("user", told, oldest.nodes[0].version)
    assert tyler.entities.put("user", oldest.nodes[0].attributes).attributes == told


def test_every_version_is_kept_also_of_one_moment(tyler: Tyler) -> None:
    """Whatever `updatedAt` says, and where the clock stands still."""
    entities = Entities(tyler.store, tyler.layout, tyler.seal, clock=lambda: 1_700_000_000.5)
    entities.create("user", {"id": "1", "createdAt": "2024-01-01", "updatedAt": "2024-01-01", "name": "v0"})
    for number in range(1, 4):
        entities.update("user", {"id": "1"}, {"name": f"v{number}"}, keep=True)
    assert [one["name"] for one in entities.versions("user", {"id": "1"})] == ["v2", "v1", "v0"]


def test_versions_are_of_one_entity_whatever_it_is_known_by(tyler: Tyler) -> None:
    """By another attribute than `id`, or by two: equal ids of two users are two audits."""
    ours = tyler.entities
    ours.create("config", {"key": "theme", "value": "dark"})
    ours.update("config", {"key": "theme"}, {"value": "light"}, keep=True)
    (kept,) = ours.versions("config", {"key": "theme"})
    assert kept.attributes == {"key": "theme", "value": "dark"}
    for user, number in (("1", "a"), ("1", "a#b"), ("2", "a")):
        known = {"userId": user, "id": number}
        ours.create("audit", {**known, "timestamp": "2024-01-01", "was": f"{user}/{number}"})
        ours.update("audit", known, {"was": "changed"}, keep=True)
    assert [one["was"] for one in ours.versions("audit", {"userId": "1", "id": "a"})] == ["1/a"]
    assert [one["was"] for one in ours.versions("audit", {"userId": "1", "id": "a#b"})] == ["1/a#b"]
    assert ours.relations("audit", {"userId": "1"}).nodes[0].whole  # versions are no audits


def test_a_design_that_would_lose_versions_is_told_how_to_keep_them(tyler: Tyler) -> None:
    model = tyler.layout.model
    old = EntityDesign.model_validate(
        {
            "records": (
                {"record": "VERSION", "whole": True, "key": {"PK": "{entity}#{id}", "SK": "VERSION#{updatedAt|iso}"}},
            )
        }
    )
    layout = Layout(model.model_copy(update={"entities": {**model.entities, "version": old}}), tyler.layout.prefix)
    entities = Entities(tyler.store, layout, tyler.seal)
    entities.create("user", ANN)
    for ask in (
        lambda: entities.update("user", {"id": "1"}, {"name": "x"}, keep=True),
        lambda: entities.versions("user", {"id": "1"}),
    ):
        with pytest.raises(NotAnswered, match=r"VERSION#\{sort\}#\{sequence\}"):
            ask()
    assert entities.get("user", {"id": "1"})["name"] == "Ann"


def copied(tyler: Tyler, *ids: str, **more: Any) -> None:
    """Users as a copy leaves them: all with one token, or with none."""
    for one in ids:
        wire = {"id": {"S": one}, "name": {"S": f"user {one}"}, "createdAt": {"S": "2024-01-01"}}
        tyler.fill([{**record.item, **more} for record in records_of(tyler.layout.shape("user"), wire)])


@pytest.mark.parametrize("more", [{}, {"_token": {"S": "0000000001#" + "0" * 40}}])
def test_a_change_of_what_an_entity_is_known_by_overwrites_nobody(tyler: Tyler, more: dict[str, Any]) -> None:
    copied(tyler, "A", "B", **more)
    seen = tyler.entities.get("user", {"id": "A"})
    assert seen is not None
    for write in (
        lambda: tyler.entities.update("user", {"id": "A"}, {"id": "B"}),
        lambda: tyler.entities.update("user", {"id": "A"}, {"id": "nobody"}),
        lambda: tyler.entities.put("user", {**seen.attributes, "id": "B"}, seen.version),
        lambda: tyler.entities.delete("user", {"id": "B"}, seen.version),
    ):
        with pytest.raises(KeyChanged, match="create the new one, then delete the old one"):
            write()
    for one in ("A", "B"):
        assert tyler.entities.get("user", {"id": one})["name"] == f"user {one}"
    written = tyler.entities.create("user", {"id": "C", "createdAt": "2024-01-01"})
    with pytest.raises(KeyChanged):
        tyler.entities.put("user", {**written.attributes, "id": "A"}, written.version)


def test_a_part_of_an_entity_is_not_written_over_the_whole(tyler: Tyler) -> None:
    tyler.entities.create("user", {**ANN, "bio": "long"})
    (part,) = tyler.entities.search("user", {"status": "ACTIVE"}, whole=False)
    for write in (
        lambda: tyler.entities.put("user", {**part.attributes, "name": "Z"}, part.version),
        lambda: tyler.entities.delete("user", {"id": "1"}, part.version),
    ):
        with pytest.raises(NotWhole, match="without `whole=False`"):
            write()
    assert tyler.entities.get("user", {"id": "1"})["bio"] == "long"


def test_a_second_one_of_the_same_key_is_refused_as_such(tyler: Tyler) -> None:
    tyler.entities.create("user", ANN)
    with pytest.raises(AlreadyExists, match="user PK=USER#1&SK=METADATA is there already"):
        tyler.entities.create("user", {**ANN, "name": "another"})
    assert tyler.entities.get("user", {"id": "1"})["name"] == "Ann"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"id": "2"}, r"user PK=USER#2&SK=METADATA was not written: createdAt: it is missing. Give it one"),
        ({"createdAt": "2024-01-01"}, r"^user was not written: id: it is missing"),
        (
            {"id": "2", "createdAt": "2024-01-01", "PK": "x"},
            r"PK: the record has an attribute of this name.*another name",
        ),
        ({"id": "2", "createdAt": "yesterday"}, r"createdAt: no time can be read from this S. Mend that value"),
    ],
)
def test_an_entity_that_the_design_has_no_records_for_is_refused_by_name(
    tyler: Tyler, wrong: dict[str, Any], said: str
) -> None:
    for write in (tyler.entities.create, tyler.entities.put):
        with pytest.raises(EntityRefused, match=said):
            write("user", wrong)


def test_what_is_not_what_it_should_be_is_said_plainly(tyler: Tyler) -> None:
    tyler.entities.create("user", ANN)
    with pytest.raises(NotStorable, match="are a dict"):
        tyler.entities.get("user", "1")
    with pytest.raises(NotStorable, match="gave a NoneType"):
        tyler.entities.update("user", {"id": "1"}, lambda seen: seen.update(name="x"))
    with pytest.raises(NoMoment, match="zone"):
        tyler.entities.list("user", since="2023-01-01")
    with pytest.raises(NoMoment, match="zone"):
        tyler.entities.between("audit", datetime(2024, 1, 1), datetime(2024, 2, 1))
    with pytest.raises(NotAnswered, match="the orders in GSI1 are METADATA, LOOKUP#UPDATED"):
        tyler.entities.list("user", order="updatedAt")
    with pytest.raises(NotAnswered, match="known by id, not by email"):
        tyler.entities.get("user", {"email": "a@b.c"})


def test_an_entity_and_a_page_are_used_as_one_would(tyler: Tyler) -> None:
    ann = tyler.entities.create("user", ANN)
    assert ("name" in ann, "phone" in ann, ann.get("phone"), ann.get("phone", "none")) == (True, False, None, "none")
    page = tyler.entities.list("user")
    assert [one["id"] for one in page] == ["1"]
    assert len(page) == 1
    known = {"userId": "1", "id": "a1"}
    tyler.entities.create("audit", {**known, "timestamp": "2024-01-01"})
    loader = tyler.entities.loader("audit", ("userId", "id"))
    asked = [loader.ask(("1", "a1")), loader.ask(("1", "")), loader.ask(("1", "a2"))]
    assert (asked[0].value()["id"], asked[2].value()) == ("a1", None)
    with pytest.raises(NotAnswered, match="id: it is empty"):
        asked[1].value()


WAIT = ClientError({"Error": {"Code": "ThrottlingException", "Message": "wait"}}, "TransactWriteItems")
LOST = ReadTimeoutError(endpoint_url="http://dynamodb")


@pytest.mark.parametrize(("when", "error"), [("before-call", LOST), ("after-call", LOST), ("after-call", WAIT)])
def test_a_write_whose_answer_was_lost_is_known_by_its_name(tyler: Tyler, when: str, error: Exception) -> None:
    """The connection breaks before the request arrives, or before the answer does; and the next try is asked to wait."""
    client = tyler.documents.client()
    entities = Entities(Store(Endpoint(client)), tyler.layout, tyler.seal)
    first = entities.create("user", ANN)

    def broken(**_: Any) -> None:
        raise error

    client.meta.events.register(f"{when}.dynamodb.TransactWriteItems", broken)
    if when == "after-call":
        put = entities.put("user", {**ANN, "name": "Anna"}, first.version)
        assert entities.get("user", {"id": "1"}) == put
        assert entities.delete("user", {"id": "1"}, put.version)
        assert tyler.items() == []
    else:
        for write in (lambda: entities.put("user", {**ANN, "name": "x"}), lambda: entities.delete("user", {"id": "1"})):
            with pytest.raises(DynamoDown):
                write()
        assert entities.get("user", {"id": "1"}) == first


def test_a_write_that_may_be_done_is_never_said_to_be_one_that_nobody_sent(tyler: Tyler) -> None:
    """The answer is lost, and with it the breaker opens: who then cannot look says so by the first error."""
    client = tyler.documents.client()

    def broken(**_: Any) -> None:
        raise LOST

    client.meta.events.register("after-call.dynamodb.TransactWriteItems", broken)
    entities = Entities(Store(Endpoint(client, Breaker(failures=1))), tyler.layout, tyler.seal)
    with pytest.raises(DynamoDown, match="cannot write to"):
        entities.create("user", ANN)
    assert tyler.entities.get("user", {"id": "1"}) is not None
