"""Which snapshots in RDS go: those that Sluice took, in every region, and no other. Emulated: see tests/managed.py."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from moto.core import DEFAULT_ACCOUNT_ID
from moto.rds.models import RDSBackend, rds_backends
from sluice.failpoints import Broken, armed
from sluice.safety.driver import name_scratch
from sluice.safety.keeping.describing import describe_at
from sluice.safety.keeping.dropping import Changed, MustAsk, NotGone
from sluice.safety.keeping.expiring import ClockWrong, Keeping
from sluice.safety.keeping.services import let_go
from sluice.safety.keeping.tiers import TIERS
from sluice.safety.rds.driver import Rds
from sluice.safety.rds.ours import Snapshots
from sluice.safety.rds.snapshots import CopyTo, NotOurSnapshot, delete_snapshot, name_snapshot, named_at
from sluice.safety.target import Target
from sluice.stores.objects import Vault
from sluice.stores.rds import RdsDown

from tests.managed import INSTANCE, OTHER_REGION, REGION, STORE, Emulated, emulated

NOW = datetime(2026, 11, 23, 2, tzinfo=UTC)
DAY = timedelta(days=1)
LEAN = Keeping(tiers=(replace(TIERS[2], keep=60 * DAY, immutable=None),), window=2 * DAY)
"""All of two days, and the first of each month for two."""


@dataclass
class Night:
    """Snapshots of ten days, each copied into another region."""

    rds: Emulated
    driver: Rds
    names: list[str]
    said: list[str] = field(default_factory=list)

    def let_go(self, proven: str = "", keeping: Keeping = LEAN, now: datetime = NOW, agreed: bool = False) -> Any:
        """One night's work."""
        ours = Snapshots(self.driver, frozenset({proven} - {""}))
        return let_go(ours, STORE, keeping, now, agreed, self.said.append)

    def there(self, region: str = REGION) -> list[str]:
        """What stands in a region that was taken by hand, whoever took it."""
        found = self.rds.client(region=region).describe_db_snapshots(SnapshotType="manual")["DBSnapshots"]
        return sorted(one["DBSnapshotIdentifier"] for one in found)


def dated(name: str, moment: datetime, region: str) -> None:
    """Have a snapshot be of a moment."""
    snapshot = rds_backends[DEFAULT_ACCOUNT_ID][region].database_snapshots[name]
    snapshot.created = snapshot.original_snapshot_create_time = moment


@pytest.fixture
def night(vault, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Night]:
    bucket = f"rds-kept-{abs(hash(request.node.name))}"
    vault.store.create_bucket(bucket)
    with emulated(Vault(vault.client(), bucket), tmp_path / "copies") as rds:
        key = rds.client("kms", OTHER_REGION).create_key()["KeyMetadata"]["Arn"]
        driver = rds.driver(copies=[CopyTo(OTHER_REGION, rds.client(region=OTHER_REGION), key)])
        names = []
        for ago in reversed(range(10)):
            name = name_snapshot(STORE, NOW - ago * DAY)
            driver.begin_snapshot(name)
            dated(name, NOW - ago * DAY, REGION)
            driver.begin_copies(name)
            dated(name, NOW - ago * DAY, OTHER_REGION)
            names.append(name)
        yield Night(rds, driver, names)


def test_snapshots_that_are_over_go_in_every_region_and_a_second_time_finds_nothing(night: Night) -> None:
    facts = night.let_go()
    stays = [night.names[0], *night.names[6:]]
    assert (facts["kept"], facts["gone"], facts["lost"]) == (5, 5, 0)
    assert night.there() == night.there(OTHER_REGION) == stays
    assert night.let_go()["gone"] == 0
    first, *_ = describe_at(Snapshots(night.driver).look(NOW), LEAN, NOW)
    assert (first.id, first.tiers) == (night.names[0], ("monthly",))
    assert first.why.startswith("monthly until 2027-01-13")


def test_the_newest_two_stay_and_more_than_half_is_asked(night: Night) -> None:
    bare = replace(LEAN, tiers=(), window=timedelta(0))
    with pytest.raises(MustAsk, match="8 of 10 backups would go at once"):
        night.let_go(keeping=bare)
    assert night.there() == night.names
    night.let_go(keeping=bare, agreed=True)
    assert night.there() == night.names[-2:]


def test_the_newest_that_a_drill_has_brought_back_whole_stays_whatever_its_age(night: Night) -> None:
    night.let_go(proven=night.names[2])
    assert night.there() == [night.names[0], night.names[2], *night.names[6:]]


def test_what_anybody_else_took_is_never_touched(night: Night) -> None:
    client, moment = night.rds.client(), NOW - 8 * DAY
    of_ours = [{"Key": "sluice:store", "Value": STORE}]
    for name, tags in {
        "by-hand": of_ours,  # an instance's tags may be copied to what a person takes of it
        name_snapshot(STORE, moment - timedelta(hours=1)): [{"Key": "team", "Value": "shop"}],
        name_snapshot("shop-eu", moment): [{"Key": "sluice:store", "Value": "shop-eu"}],
    }.items():
        client.create_db_snapshot(DBInstanceIdentifier=INSTANCE, DBSnapshotIdentifier=name, Tags=tags)
        dated(name, moment, REGION)
    strangers = [name for name in night.there() if name not in night.names]
    assert len(strangers) == 3
    by_itself = [one.id for one in night.driver.backups() if one.id.startswith("rds:")]
    assert by_itself
    assert night.let_go()["gone"] == 5
    assert set(strangers) <= set(night.there())
    assert set(by_itself) <= {one.id for one in night.driver.backups()}
    with pytest.raises(NotOurSnapshot):
        delete_snapshot(client, STORE, name_snapshot("shop-eu", moment))
    assert named_at("by-hand", STORE) is None
    assert named_at(night.names[3], STORE) == NOW - 6 * DAY
    assert named_at(name_snapshot("shop-eu", moment), STORE) is None


def test_a_snapshot_of_which_a_copy_is_made_stays(night: Night) -> None:
    name = name_scratch(STORE, NOW, "one")
    night.driver.begin(Target("point", night.names[3]), name)
    facts = night.let_go()
    assert facts["stayed_told"] == f"{night.names[3]}: {name} is brought back from it"
    assert night.names[3] in night.there()
    night.driver.destroy(name)
    night.let_go()
    assert night.names[3] not in night.there()


def test_a_clock_that_contradicts_the_snapshots_and_a_service_that_is_down_take_nothing(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    for now in (NOW - DAY, NOW + 9 * DAY):
        with pytest.raises(ClockWrong):
            night.let_go(now=now)

    def down(*_: object, **__: object) -> None:
        from botocore.exceptions import ConnectTimeoutError

        raise ConnectTimeoutError(endpoint_url="https://rds")

    with monkeypatch.context() as patch:
        patch.setattr(RDSBackend, "describe_db_snapshots", down)
        with pytest.raises(RdsDown):
            night.let_go()
    assert night.there() == night.names


def test_broken_off_between_two_the_rest_goes_later_copies_without_their_original_too(night: Night) -> None:
    with armed("expiry.service_backup_gone=raise@2"), pytest.raises(Broken):
        night.let_go()
    assert len(night.there()) == 8
    night.rds.client().delete_db_snapshot(DBSnapshotIdentifier=night.names[4])
    assert night.names[4] in night.there(OTHER_REGION)
    night.let_go()
    assert night.there() == night.there(OTHER_REGION) == [night.names[0], *night.names[6:]]


def test_one_that_failed_goes_after_a_day_and_one_that_rds_cannot_read_any_more_is_lost(night: Night) -> None:
    night.rds.snapshot(night.names[5]).status = "failed"
    night.rds.snapshot(night.names[-1]).status = "failed"
    night.rds.snapshot(night.names[8]).status = "inaccessible-encryption-credentials"
    night.rds.snapshot(night.names[7]).status = "creating"
    facts = night.let_go()
    assert facts["lost_told"] == f"{night.names[8]} is inaccessible-encryption-credentials"
    assert facts["halves_swept"] == 1
    there = night.there()
    assert night.names[5] not in there
    assert {night.names[-1], night.names[8], night.names[7], night.names[6]} <= set(there), (
        "none of these was said to be over"
    )


def test_what_was_to_stay_and_is_gone_and_what_did_not_go_are_loud(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    delete = RDSBackend.delete_db_snapshot

    def takes_another(self: RDSBackend, db_snapshot_identifier: str) -> Any:
        self.database_snapshots.pop(night.names[-1], None)
        return delete(self, db_snapshot_identifier)

    with monkeypatch.context() as patch:
        patch.setattr(
            RDSBackend,
            "delete_db_snapshot",
            lambda self, db_snapshot_identifier: self.database_snapshots[db_snapshot_identifier],
        )
        with pytest.raises(NotGone, match=night.names[1]):
            night.let_go()
    monkeypatch.setattr(RDSBackend, "delete_db_snapshot", takes_another)
    night.driver = replace(night.driver, copies=())
    with pytest.raises(Changed, match=night.names[-1]):
        night.let_go()
