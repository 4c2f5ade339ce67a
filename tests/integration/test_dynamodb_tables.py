"""Tables made by a plan, and their streams: read across shards, splits, faults and expired iterators."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from botocore.exceptions import ClientError
from sluice.migration.kinds.dynamodb_source.headroom import probe_changes
from sluice.migration.kinds.dynamodb_source.stream_findings import about_stream
from sluice.stores.dynamodb.applying import TableRefused, apply_tables
from sluice.stores.dynamodb.client import DynamoDown, Throttled
from sluice.stores.dynamodb.streams import ImagesLacking, StreamGone, TableStream, Trimmed, open_stream, readable
from sluice.stores.dynamodb.tables import Index, TableDefinition, describe

from tests.documents import Between
from tests.streams_that_lie import StreamThatLies


@pytest.fixture(scope="module")
def client(documents):
    return documents.client()


@pytest.fixture(scope="module")
def streams(documents):
    return documents.streams()


@pytest.fixture
def wanted(documents) -> Iterator[TableDefinition]:
    """A table that is not there yet, and is gone after the test."""
    index = Index("GSI1", "GSI1PK", "GSI1SK")
    name = documents.fresh_name("wanted")
    yield TableDefinition(name, "PK", "SK", {"GSI1SK": "N"}, (index,), ttl="expiresAt", stream=True)
    documents.drop(name)


def apply(client, *wanted: TableDefinition) -> list[str]:
    return [plan.what for plan in apply_tables(client, wanted)]


def test_a_table_is_made_once(client, wanted) -> None:
    assert describe(client, wanted.name) is None
    assert apply(client, wanted) == ["created"]
    types = {"PK": "S", "SK": "S", "GSI1PK": "S", "GSI1SK": "N"}
    assert describe(client, wanted.name) == replace(wanted, types=types)
    assert apply(client, wanted) == ["unchanged"]


def test_a_table_grows_and_keeps_its_items(client, wanted) -> None:
    bare = replace(wanted, indexes=(), ttl=None, stream=False, capacity=(5, 100))
    apply(client, bare)
    client.put_item(
        TableName=wanted.name, Item={"PK": {"S": "a"}, "SK": {"S": "b"}, "GSI1PK": {"S": "x"}, "GSI1SK": {"N": "1"}}
    )
    full = replace(wanted, indexes=(*wanted.indexes, Index("GSI2", "PK", "GSI1PK")), capacity=(7, 100))
    assert apply(client, full) == ["changed"]
    assert apply(client, full) == ["unchanged"]
    assert describe(client, wanted.name).capacity == (7, 7)
    assert client.scan(TableName=wanted.name, IndexName="GSI2")["Count"] == 1
    assert apply(client, wanted) == ["changed"], "on demand"
    assert describe(client, wanted.name).capacity is None


def test_nothing_is_done_where_one_table_is_refused(client, wanted, make_table) -> None:
    other = TableDefinition(make_table("id"), "PK")
    with pytest.raises(TableRefused, match="its key is id, not PK"):
        apply_tables(client, (wanted, other))
    assert describe(client, wanted.name) is None


def write(client, table, keys: int, count: int, begin: int = 0) -> None:
    for number in range(begin, begin + count):
        client.put_item(TableName=table, Item={"id": {"S": f"k{number % keys}"}, "n": {"N": str(number)}})


def follow(stream, finished: set[str], positions: dict[str, str | None], rounds: int = 200) -> list:
    """Read as a consumer does, trying again on faults, until nothing comes for a while."""
    found, quiet = [], 0
    while quiet < 8 and rounds:
        rounds, quiet = rounds - 1, quiet + 1
        try:
            for shard in readable(stream.shards(), finished):
                page = stream.read(shard.id, positions.get(shard.id), limit=7)
                positions[shard.id] = page.position
                found += page.changes
                quiet = 0 if page.changes or page.ended else quiet
                finished |= {shard.id} if page.ended else set()
        except (Throttled, DynamoDown):
            continue
    return found


def of_key(changes, key: str) -> list[int]:
    return [int(change.new["n"]["N"]) for change in changes if change.key == {"id": {"S": key}}]


def test_every_change_of_a_key_comes_in_order_whatever_the_stream_does(streams, client, make_table) -> None:
    table = make_table()
    stream = StreamThatLies(
        open_stream(client, streams, table),
        shards=3,
        seed=11,
        twice=0.4,
        throttled=0.1,
        broken=0.1,
        empty=0.2,
    )
    finished, positions = set(), {}
    write(client, table, 10, 60)
    stream.split("shard-0")
    stream.split("shard-1", into=1)
    write(client, table, 10, 60, begin=60)
    stream.split("shard-0.1")
    write(client, table, 10, 60, begin=120)
    told = follow(stream, finished, positions)
    assert finished == {"shard-0", "shard-1", "shard-0.1"}
    assert len(told) > 180, "some came twice"
    for key in range(10):
        numbers = of_key(told, f"k{key}")
        first_told = list(dict.fromkeys(numbers))
        assert first_told == list(range(key, 180, 10))


def test_a_trimmed_stream_is_loud_for_who_was_late_and_starts_at_its_horizon_for_who_is_new(
    streams, client, make_table
) -> None:
    table = make_table()
    stream = StreamThatLies(open_stream(client, streams, table), shards=1)
    write(client, table, 4, 20)
    stream.listen()
    late = stream.read("shard-0", None, limit=5).position
    assert stream.trim(10) == 10
    with pytest.raises(Trimmed):
        stream.read("shard-0", late)
    assert len(stream.read("shard-0", None).changes) == 10
    (child,) = stream.split("shard-0", into=1)
    write(client, table, 4, 1, begin=20)
    assert stream.trim() == 11
    assert [(shard.id, shard.parent) for shard in stream.shards()] == [(child, "shard-0")]
    assert [shard.id for shard in readable(stream.shards(), set())] == [child]
    with pytest.raises(Trimmed):
        stream.read("shard-0", late)


def test_what_the_tables_ttl_removed_is_told_apart(streams, client, make_table) -> None:
    table = make_table()
    stream = StreamThatLies(open_stream(client, streams, table), shards=1)
    write(client, table, 2, 2)
    stream.expire(client, table, {"id": {"S": "k0"}})
    client.delete_item(TableName=table, Key={"id": {"S": "k1"}})
    removed = [change for change in stream.read("shard-0", None).changes if change.kind == "REMOVE"]
    assert [(change.key["id"]["S"], change.expired) for change in removed] == [("k0", True), ("k1", False)]


def test_a_reader_may_go_back_and_asks_for_one_iterator_if_it_does_not(streams, client, make_table) -> None:
    table = make_table()
    write(client, table, 3, 9)
    asked = Between(streams, "get_shard_iterator", lambda _, real, asked: real(**asked))
    stream = open_stream(client, asked, table)
    told = follow(stream, set(), {})
    assert (len(told), asked.calls) == (9, 1)
    (shard,) = [shard for shard in stream.shards() if not shard.ended]
    assert list(stream.read(shard.id, told[4].sequence).changes) == told[5:]
    assert list(stream.read(shard.id, None).changes) == told


class Aged:
    """A client of streams whose iterators expire, and that says who removed what."""

    def __init__(self, client, identity=None) -> None:
        self.client, self.identity, self.expired = client, identity, set()

    def __getattr__(self, name):
        return getattr(self.client, name)

    def get_records(self, **asked):
        iterator = asked["ShardIterator"]
        if iterator in self.expired:
            raise ClientError({"Error": {"Code": "ExpiredIteratorException", "Message": "old"}}, "GetRecords")
        answer = self.client.get_records(**asked)
        self.expired.add(answer.get("NextShardIterator"))
        for record in answer["Records"]:
            record |= {"userIdentity": self.identity} if self.identity else {}
        return answer


def test_an_expired_iterator_is_renewed_where_it_was(streams, client, make_table) -> None:
    table = make_table()
    write(client, table, 3, 9)
    stream = open_stream(client, Aged(streams), table)
    told = follow(stream, set(), {})
    assert [int(change.new["n"]["N"]) for change in told] == list(range(9))


@pytest.mark.parametrize(
    ("identity", "expired"),
    [
        ({"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"}, True),
        ({"Type": "Service", "PrincipalId": "other.amazonaws.com"}, False),
        (None, False),
    ],
)
def test_a_removal_by_the_service_itself_is_an_expiry(streams, client, make_table, identity, expired) -> None:
    table = make_table()
    write(client, table, 1, 1)
    stream = open_stream(client, Aged(streams, identity), table)
    assert [change.expired for change in follow(stream, set(), {})] == [expired]


def test_a_table_without_a_stream_and_a_stream_that_is_gone(streams, client, make_table) -> None:
    with pytest.raises(StreamGone, match="has no stream"):
        open_stream(client, streams, make_table(stream=False))
    stream = open_stream(client, streams, make_table())
    gone = TableStream(streams, stream.table, f"{stream.arn[:-3]}999")
    for ask in (gone.shards, lambda: gone.read(stream.shards()[0].id, None)):
        with pytest.raises(StreamGone, match="is gone"):
            ask()


def test_a_stream_that_leaves_an_image_out_is_not_read(streams, client, make_table) -> None:
    table = make_table(stream=False)
    client.update_table(TableName=table, StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"})
    with pytest.raises(ImagesLacking, match=rf"{table} holds NEW_IMAGE.*switch it off and on again"):
        open_stream(client, streams, table)
    assert probe_changes(client, streams, table) is None
    (found,) = about_stream(client, table)
    assert found.blocks and "holds NEW_IMAGE" in found.what
