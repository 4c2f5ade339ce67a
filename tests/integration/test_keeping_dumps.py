"""Which dumps go and which stay, in a real bucket: real dumps of a real database, stored again under earlier moments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sluice.failpoints import Broken, armed
from sluice.flow.safety.letting_go import let_go, read_the_unread
from sluice.safety.backup import folder_of, name_at
from sluice.safety.censuses import censuses_of, key_of
from sluice.safety.driver import Clock, name_scratch
from sluice.safety.keeping.describing import describe
from sluice.safety.keeping.dropping import BeingRead, MustAsk
from sluice.safety.keeping.expiring import ClockWrong, Keeping, plan_expiry
from sluice.safety.keeping.locking import apply_locks, plan_locks, verify_locks
from sluice.safety.keeping.looking import look_at, unread
from sluice.safety.keeping.sweeping import sweep
from sluice.safety.keeping.tiers import TIERS
from sluice.safety.logical import driver as logical
from sluice.safety.logical.driver import Logical
from sluice.safety.logical.dump import Dump, dumps_of
from sluice.safety.logical.kept import DUMPS, thin_out_counts
from sluice.safety.logical.places import Here
from sluice.safety.target import Target
from sluice.stores.objects import Damaged, Vault
from sluice.stores.parts import TYPE, Part

from tests.conftest import Server
from tests.dumped import session

STORE = "small"
NOW = datetime(2099, 11, 23, 2, tzinfo=UTC)
DAY = timedelta(days=1)
LEAN = Keeping(
    tiers=(replace(TIERS[0], keep=2 * DAY), replace(TIERS[2], keep=60 * DAY, immutable=None)), window=2 * DAY
)
"""All of two days, and the first of each month for two."""


@dataclass
class Rack:
    """Dumps of one store, each a copy of a real one under a moment of its own."""

    driver: Logical
    original: Dump
    bodies: tuple[bytes, ...]
    said: list[str] = field(default_factory=list)

    @property
    def vault(self) -> Vault:
        """Where they lie."""
        return self.driver.vault

    def take(self, at: datetime, *, read: bool = True) -> Dump:
        """Have a dump of that moment, and read it back unless told otherwise."""
        name = name_at(at, "dump")
        parts = tuple(self._store(f"{folder_of(STORE, name)}/part-{at:05}.zst", at) for at in range(len(self.bodies)))
        census = self.vault.put_once(key_of(STORE, at), b"a count", TYPE).key
        made = replace(self.original, id=name, snapshot_at=at.isoformat(), parts=parts, census=census)
        made.keep(self.vault)
        if read:
            self.driver.verify(name, self.said.append)
        return made

    def days(self, count: int, *, read: bool = True) -> list[Dump]:
        """One each day until now, the oldest first."""
        return [self.take(NOW - ago * DAY, read=read) for ago in reversed(range(count))]

    def let_go(self, keeping: Keeping = LEAN, now: datetime = NOW + timedelta(hours=1), agreed: bool = False) -> Any:
        """One night's work."""
        return let_go(DUMPS, self.vault, STORE, keeping, now, agreed, self.said.append)

    @property
    def there(self) -> list[str]:
        """The dumps that are there."""
        return [dump.id for dump in dumps_of(self.vault, STORE)]

    def _store(self, key: str, number: int) -> Part:
        body, was = self.bodies[number], self.original.parts[number]
        stored = self.vault.put_once(key, body, TYPE)
        return replace(was, key=key, version=stored.version_id)


@pytest.fixture(scope="module")
def taken(vault, server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Logical, Dump]]:
    """One real dump."""
    name, bucket = f"small_{uuid4().hex[:6]}", f"small-{uuid4().hex[:6]}"
    vault.store.create_bucket(bucket)
    with session(server.cluster.dsn()) as c:
        c.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
    address = server.cluster.dsn(name)
    with session(address) as c:
        c.execute("CREATE TABLE orders AS SELECT generate_series(1, 50) AS id")
    folder = tmp_path_factory.mktemp("small")
    driver = Logical(STORE, address, Vault(vault.client(), bucket), folder / "dumps", Here(folder / "copies"))
    driver.take(print)
    yield driver, dumps_of(driver.vault, STORE)[0]
    with session(server.cluster.dsn()) as c:
        c.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[call-overload]


@pytest.fixture
def rack(vault, taken: tuple[Logical, Dump]) -> Rack:
    """A bucket that keeps versions and locks what it is told to, without a dump in it."""
    driver, dump = taken
    client, bucket = vault.client(), f"dumps-{uuid4().hex[:8]}"
    client.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    bodies = tuple(driver.vault.get(part.key) for part in dump.parts)
    return Rack(replace(driver, vault=Vault(client, bucket)), dump, bodies)


def test_dumps_that_are_over_go_with_their_counts_and_a_second_time_finds_nothing(rack: Rack) -> None:
    made = rack.days(10)
    facts = rack.let_go()
    stays = [made[0].id, *(one.id for one in made[6:])]
    assert rack.there == stays, "the first of the month, the two days, and the one with which these begin"
    assert (facts["gone"], facts["kept"], facts["lost"], facts["hidden"]) == (5, 5, 0, 0)
    assert rack.vault.ever(f"{folder_of(STORE, made[3].id)}/") == [], "no version of it is left"
    assert rack.let_go()["gone"] == 0
    thin_out_counts(rack.vault, STORE, rack.said.append)
    counts = censuses_of(rack.vault, STORE)
    assert {dump.census for dump in dumps_of(rack.vault, STORE)} <= set(counts)
    assert made[3].census not in counts


def test_without_a_newer_one_that_was_read_back_nothing_goes_and_the_newest_two_never(rack: Rack) -> None:
    made = rack.days(10, read=False)
    assert rack.let_go()["gone"] == 0, "nobody has read any of them"
    for one in made[:3]:
        rack.driver.verify(one.id, rack.said.append)
    only = replace(LEAN, tiers=(), window=timedelta(0))
    rack.let_go(only)
    assert rack.there == [one.id for one in made[1:]], "what is newer than the newest that was read back stays"
    rack.driver.verify(made[-1].id, rack.said.append)
    with pytest.raises(MustAsk, match=r"small: 7 of 9 backups would go at once"):
        rack.let_go(only)
    rack.let_go(only, agreed=True)
    assert rack.there == [made[2].id, made[-1].id]


def test_a_dump_that_nobody_has_read_back_is_read_before_others_go_by_it(rack: Rack) -> None:
    made = rack.days(10, read=False)
    for one in (made[2], made[-1]):
        rack.driver.verify(one.id, rack.said.append)
    seen = look_at(DUMPS, rack.vault, STORE)
    assert made[0].id in plan_expiry(seen.holding, LEAN, NOW).drop, "it stands for no month"
    assert unread(seen) == [one.id for one in made if one not in (made[2], made[-1])]
    with armed("expiry.manifest_gone=raise"):  # nothing goes yet
        read_the_unread(DUMPS, rack.driver, rack.vault, rack.said.append)
    assert unread(look_at(DUMPS, rack.vault, STORE)) == []
    rack.let_go()
    assert rack.there[0] == made[0].id


def test_a_dump_that_has_lost_something_counts_for_nothing_and_is_told(rack: Rack) -> None:
    made = rack.days(4)
    part = made[-1].parts[0]
    rack.vault.client.delete_object(Bucket=rack.vault.bucket, Key=part.key)
    facts = rack.let_go(replace(LEAN, tiers=(), window=timedelta(0)))
    assert facts["lost_told"] == f"{made[-1].id}: {part.key} is not there"
    assert rack.there == [one.id for one in made[1:]], "the newest two that can be had, and what nobody knows of"
    body = bytearray(rack.bodies[0])
    body[40] ^= 1
    second = made[2].parts[0]
    stored = rack.vault.client.put_object(Bucket=rack.vault.bucket, Key=second.key, Body=bytes(body))
    spoilt = replace(made[2], id=name_at(NOW + DAY, "dump"), parts=(replace(second, version=stored["VersionId"]),))
    spoilt.keep(rack.vault)
    with pytest.raises(Damaged, match="is not what was stored"):
        rack.driver.verify(spoilt.id, rack.said.append)
    seen = look_at(DUMPS, rack.vault, STORE)
    assert f"{spoilt.id}: when it was last read, it was not what was stored" in seen.lost
    assert spoilt.id not in {*seen.holding.verified, *unread(seen)}, "nobody reads it each night"


def test_while_a_dump_is_brought_back_none_goes(rack: Rack, monkeypatch: pytest.MonkeyPatch) -> None:
    made, seen = rack.days(10), []

    def tries_meanwhile(*_: object) -> str:
        with pytest.raises(BeingRead, match="small is being restored"):
            rack.let_go()
        with pytest.raises(BeingRead):
            sweep(rack.vault, STORE, NOW, rack.said.append)
        seen.append(rack.there)
        return "nowhere"

    monkeypatch.setattr(logical, "bring_back", tries_meanwhile)
    name = name_scratch(STORE, NOW, "one")
    rack.driver.restore(Target("latest"), name, Clock(), rack.said.append)
    rack.driver.destroy(name)
    assert seen == [[one.id for one in made]]
    assert rack.let_go()["gone"] == 5


@pytest.mark.parametrize(("now", "why"), [(NOW - DAY, "by our clock it is"), (NOW + 9 * DAY, "a clock has jumped")])
def test_by_a_clock_that_contradicts_the_dumps_nothing_goes(rack: Rack, now: datetime, why: str) -> None:
    rack.days(10)
    with pytest.raises(ClockWrong, match=why):
        rack.let_go(now=now)
    assert len(rack.there) == 10


def test_broken_off_half_of_one_is_none_and_halves_go_after_a_day(rack: Rack) -> None:
    made = rack.days(10)
    died = f"{folder_of(STORE, name_at(NOW, 'dump'))[:-8]}777Z-dump/part-00000.zst"
    rack.vault.put_once(died, b"half of one", TYPE)
    with armed("expiry.part_gone=raise"), pytest.raises(Broken):
        rack.let_go()
    assert len(rack.there) == 9
    assert rack.let_go()["halves_swept"] == 0, "a day has not gone by: somebody may be writing them"
    assert len(rack.there) == 5
    at_once = timedelta(microseconds=-1)
    swept = sweep(rack.vault, STORE, NOW, rack.said.append, at_once).gone
    assert died.rpartition("/")[0] in swept
    assert not rack.vault.ever(died)
    assert rack.there == [made[0].id, *(one.id for one in made[6:])], "whole ones are none of its business"


def test_what_is_immutable_of_dumps_is_locked_and_stays(rack: Rack) -> None:
    made = rack.days(3)
    monthly = replace(LEAN, tiers=(replace(TIERS[2], immutable="GOVERNANCE", keep=60 * DAY),))
    seen = look_at(DUMPS, rack.vault, STORE)
    wanted = plan_locks(seen.holding, monthly, NOW)
    assert [*wanted] == [made[0].id]
    apply_locks(rack.vault, seen, wanted, rack.said.append)
    assert verify_locks(rack.vault, seen, wanted) == len(made[0].parts) + 1
    rack.let_go(replace(LEAN, tiers=(), window=timedelta(0)))
    assert rack.there == [one.id for one in made]
    first, *_ = describe(DUMPS, rack.vault, STORE, LEAN, NOW)
    assert (first.id, first.tiers, first.locked_until) == (made[0].id, ("daily", "monthly"), made[0].moment + 60 * DAY)
    assert "locked until" in first.why
