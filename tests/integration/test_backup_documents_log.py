"""The log of a table's stream: shards that split, are silent or forget; streams that lie; two who ship it at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sluice.safety.counting import Content
from sluice.safety.documents.counting import OneImage, StreamLied, carried, count_copy
from sluice.safety.documents.driver import NotReachable
from sluice.safety.documents.log import Place, Round
from sluice.safety.documents.replaying import Cut
from sluice.safety.documents.shipping import NoLog, Reading, Shipper, TableShipper
from sluice.safety.documents.tables import Clients, Streamed
from sluice.safety.driver import Clock, LogLost, name_scratch
from sluice.safety.target import Target
from sluice.stores.dynamodb.streams import Change, ImagesLacking, Shard, StreamPage
from sluice.stores.dynamodb.values import Item

from tests.documented import STORE, Shop, one_second, small_shop
from tests.streams_that_lie import StreamThatLies


@pytest.fixture(autouse=True)
def near() -> Iterator[None]:
    """Wait no longer than here is needed."""
    with one_second():
        yield


@pytest.fixture
def shop(documents, vault, make_table: Callable[..., str]) -> Iterator[Shop]:
    """One table of a few items, in a vault of its own."""
    made = small_shop(documents, vault, make_table("id"), "log")
    for number in range(20):
        made.put(number, "old")
    return made


@pytest.fixture
def lying(shop: Shop) -> tuple[Shop, StreamThatLies]:
    """The same, its stream torn apart."""
    return lied_to(shop)


def lied_to(shop: Shop, **how: object) -> tuple[Shop, StreamThatLies]:
    """Put a stream that lies between a table and whoever ships it."""
    true = shop.driver.tables.stream(shop.table)
    stream = StreamThatLies(true.stream, **how)  # type: ignore[arg-type]
    driver = replace(shop.driver, opened=lambda table: Streamed(stream, true.arn, true.both))
    return replace(shop, driver=driver), stream


def step(shop: Shop) -> None:
    """Ship a round."""
    shop.driver.shippers[shop.table].step()


def test_shards_that_split_and_tell_twice_make_one_log_and_one_that_holds_back_is_found_by_the_count(
    shop: Shop,
) -> None:
    shop, stream = lied_to(shop, shards=2, twice=0.5)
    shop.driver.take(shop.said.append)
    for turn, splits in enumerate(("shard-0", "shard-1", "shard-0.1")):
        for number in range(15, 25):
            shop.put(number, f"turn {turn}")
        shop.delete(turn)
        step(shop)
        stream.split(splits)
    counted = shop.counted()
    assert shop.drilled(Target.at(counted.at), counted).wrong == ()
    log = shop.driver.logs(shop.driver.backups()[0].id)[shop.table].log
    told = [change.sequence for round_ in log.since(0) for _, change in round_.changes]
    assert len(told) == len(set(told)), "what is told twice is stored once"
    stream.hushed = {"shard-1.0"}
    for number in range(30):
        shop.put(number, "unheard")
    counted = shop.counted()
    (line,) = shop.drilled(Target.at(counted.at), counted).wrong
    assert f"{shop.table}: 30 rows, " in line


def test_what_a_stream_tells_wrong_is_no_proof(shop: Shop) -> None:
    def mangled(change: Change) -> Change:
        return replace(change, new={**change.new, "text": {"S": "another"}}) if change.new else change

    shop, _ = lied_to(shop, mangled=mangled)
    shop.driver.take(shop.said.append)
    shop.driver.shippers[shop.table].next  # noqa: B018
    read = shop.driver.tables.clients.dynamodb.scan

    class Written:
        """Writes an item before it is read."""

        def __getattr__(self, name: str) -> object:
            return getattr(shop.client, name)

        def scan(self, **asked: object) -> object:
            shop.put(5, "true")
            return read(**asked)

    clients = replace(shop.driver.tables.clients, dynamodb=Written())
    driver = replace(shop.driver, tables=replace(shop.driver.tables, clients=clients))
    with pytest.raises(StreamLied, match="a version of which its stream has never told"):
        driver.count(shop.said.append)


def test_a_gap_ends_the_log_and_a_base_begins_another(lying: tuple[Shop, StreamThatLies]) -> None:
    shop, stream = lying
    with pytest.raises(NoLog, match="take a base"):
        step(shop)
    with pytest.raises(NotReachable, match="no base"):
        shop.drilled(Target("latest"))
    shop.driver.take(shop.said.append)
    before = shop.counted()
    for number in range(20):
        shop.put(number, "lost")
    assert stream.trim() > 20
    for _ in range(2):
        with pytest.raises(LogLost, match=r"trimmed past.*take a base now"):
            step(shop)
    with pytest.raises(LogLost), pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.sleep", lambda seconds: None)
        Shipper(tuple(shop.driver.shippers.values()), timedelta(seconds=1)).run(timedelta(seconds=1))
    assert shop.drilled(Target("latest"), before).wrong == (), "up to the gap all is there"
    again = shop.driver.take(shop.said.append)
    shop.put(1, "since")
    after = shop.counted()
    made = shop.drilled(Target.at(after.at), before, after)
    assert made.wrong == ()
    assert made.backups == (again.id,)
    younger = shop.engine.make("id")
    beside = replace(shop, driver=replace(shop.driver, tables=replace(shop.driver.tables, names=(shop.table, younger))))
    with_it = replace(after, census=replace(after.census, tables={**after.census.tables, younger: Content(1, "0")}))
    (missed,) = beside.drilled(Target.at(after.at), with_it).wrong
    assert missed == f"{younger}: the copy has no such table"
    shop.engine.drop(younger)
    window = shop.driver.window()
    assert window
    assert window.earliest == again.whole_at, "a window has no gap in it"
    shop.engine.drop(shop.table)
    name = name_scratch(STORE, after.at, "the table is gone")
    found = shop.driver.restore(Target.at(after.at), name, Clock(), shop.said.append)
    try:
        copies = replace(shop.driver.tables, names=(found.address,))
        assert count_copy(copies, after.at, {}, (shop.table,)).tables == after.census.tables
    finally:
        shop.driver.destroy(name)


def test_a_shard_that_came_and_went_unread_is_a_gap(lying: tuple[Shop, StreamThatLies]) -> None:
    shop, stream = lying
    shop.driver.take(shop.said.append)
    stream.split("shard-0", into=1)
    stream.split("shard-0.0", into=1)
    for number in range(20):
        shop.put(number, "lost")
    stream.split("shard-0.0.0", into=1)
    stream.trim()
    with pytest.raises(LogLost, match=r"shard shard-0.* was trimmed away before it was read|trimmed past"):
        step(shop)


def test_a_stream_that_was_switched_off_and_on_is_another(shop: Shop) -> None:
    shop.driver.take(shop.said.append)
    shipper = shop.driver.shippers[shop.table]
    for view in (None, "KEYS_ONLY", None, "NEW_IMAGE"):
        on = {"StreamEnabled": True, "StreamViewType": view} if view else {"StreamEnabled": False}
        shop.client.update_table(TableName=shop.table, StreamSpecification=on)
        if view is None:
            with pytest.raises(LogLost, match=r"has no stream.*switch it on with NEW_AND_OLD_IMAGES"):
                shipper.step()
        if view == "KEYS_ONLY":
            with pytest.raises(ImagesLacking, match="switch it off and on again with NEW_AND_OLD_IMAGES"):
                shipper.step()
    with pytest.raises(LogLost, match=r"was switched off and on again.*take a base now"):
        shipper.step()
    driver = replace(shop.driver)  # whoever comes next
    shop = replace(shop, driver=driver)
    driver.take(shop.said.append)
    shop.put(3, "new")
    shop.delete(4)
    counted = shop.counted()
    assert shop.drilled(Target.at(counted.at), counted).wrong == ()
    before = counted.at - timedelta(seconds=1)
    with pytest.raises(OneImage, match="does not tell what items were"):
        carried(counted.census, driver.logs(driver.backups()[-1].id), before)


def test_two_who_ship_at_once_make_one_log_without_a_gap(shop: Shop) -> None:
    shop.driver.take(shop.said.append)
    over, failed = threading.Event(), list[BaseException]()

    def ship() -> None:
        tables = replace(shop.driver.tables, clients=Clients(shop.engine.client(), shop.engine.streams()))
        mine = TableShipper(tables, shop.driver.vault, shop.table, shop.said.append)
        try:
            while not over.is_set():
                mine.step()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=ship) for _ in range(2)]
    for thread in threads:
        thread.start()
    for turn in range(50):
        shop.put(turn % 25, f"turn {turn}")
    over.set()
    for thread in threads:
        thread.join()
    assert not failed
    counted = shop.counted()
    assert shop.drilled(Target.at(counted.at), counted).wrong == ()
    log = shop.driver.logs(shop.driver.backups()[0].id)[shop.table].log
    told = [change.sequence for round_ in log.since(0) for _, change in round_.changes]
    assert len(told) == len(set(told)) >= 70


def test_a_log_is_cut_at_one_moment_in_every_shard_and_a_child_of_what_was_cut_is_cut_too() -> None:
    at = datetime(2026, 11, 1, tzinfo=UTC)
    places = {"a": Place(), "b": Place(parent="a"), "c": Place()}
    told = [("a", 0), ("a", 2), ("a", 1), ("c", 1), ("b", 0), ("c", 3), ("c", 1)]
    changes = [(shard, _change(at + timedelta(seconds=more))) for shard, more in told]
    round_, cut = Round(1, at, places, tuple(changes)), Cut(at + timedelta(seconds=1))
    assert [cut.takes(round_, *one) for one in changes] == [True, False, False, True, False, False, False]
    assert Round.of(1, round_.body()) == round_


def _change(at: datetime) -> Change:
    key: Item = {"id": {"B": b"\x00"}}
    return Change(key, "MODIFY", None, {**key, "n": {"NS": ["1", "2"]}}, "17", at, expired=True)


class Quiet:
    """A stream of one shard that has nothing to tell."""

    arn = "quiet"

    def __init__(self, *shards: Shard) -> None:
        self._shards = shards

    def shards(self) -> tuple[Shard, ...]:
        """Give what there is."""
        return self._shards

    def read(self, shard_id: str, after: str | None, limit: int = 1000) -> StreamPage:
        """Give nothing."""
        return StreamPage((), after, ended=any(one.ended for one in self._shards if one.id == shard_id))

    def from_now(self, shard_id: str) -> Callable[[], StreamPage]:
        """Nobody asks."""
        raise NotImplementedError


def test_nobody_who_shipped_for_a_day_is_a_gap_where_a_shard_was_never_read() -> None:
    now = datetime(2026, 11, 1, tzinfo=UTC)
    unread, read = Quiet(Shard("b", "a")), {"b": Place("17", parent="a")}
    Reading(unread, read, now).check("orders", now - timedelta(hours=30))
    Reading(unread, {"b": Place(parent="a")}, now).check("orders", now - timedelta(hours=2))
    with pytest.raises(LogLost, match=r"nobody has shipped its stream since 2026-10-30 18:00 UTC.*shard b"):
        Reading(unread, {"b": Place(parent="a")}, now).check("orders", now - timedelta(hours=30))
    with pytest.raises(LogLost, match="shard a of its stream was trimmed away"):
        Reading(unread, {"a": Place("17")}, now).check("orders", now)


def test_a_shard_that_has_ended_without_a_child_does_not_say_that_all_was_read() -> None:
    now = datetime(2026, 11, 1, tzinfo=UTC)
    assert not Reading(Quiet(Shard("a", None, ended=True)), {}, now).read()
    both = Reading(Quiet(Shard("a", None, ended=True), Shard("b", "a")), {}, now)
    assert both.read()
    assert both.places == {"a": Place(None, True), "b": Place(None, False, "a")}
    later = Reading(Quiet(Shard("b", "a")), both.places, now)
    assert later.read()
    assert later.places == {"b": Place(None, False, "a")}, "what is trimmed and was read is forgotten"
