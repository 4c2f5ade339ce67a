"""From what a copy is made, asked by the service's own model: the instance that lives, or what is kept of one that is gone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from sluice.safety.census import Census, Moment
from sluice.safety.drill.certificate import Goals
from sluice.safety.drill.drilling import Asked, Counted, expected
from sluice.safety.driver import Restored
from sluice.safety.rds.kept import Kept
from sluice.safety.rds.origin import NotReachable, OfACluster, Source, origin_of, source_of, window_of
from sluice.safety.target import Target
from sluice.stores.rds import Absent

EARLIEST, LATEST = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC)
GONE = Source("shop", "db-SHOP", {}, lives=False)


@pytest.fixture
def stub() -> Iterator[Stubber]:
    """RDS without a network: it answers what it was told to, and only to requests that its model knows."""
    client = boto3.client("rds", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as made:
        yield made


def kept(stub: Stubber, *windows: dict[str, datetime]) -> Any:
    """Have RDS keep the backups of these windows."""
    told = [{"DbiResourceId": "db-SHOP", "Status": "retained", "RestoreWindow": one} for one in windows]
    asked = {"DBInstanceIdentifier": "shop"}
    stub.add_response("describe_db_instance_automated_backups", {"DBInstanceAutomatedBackups": told}, asked)
    return stub.client


def test_an_instance_that_is_gone_comes_back_from_what_rds_keeps_of_it(stub: Stubber) -> None:
    client = kept(stub, {"EarliestTime": EARLIEST, "LatestTime": LATEST})
    found = origin_of(client, "shop", GONE, Target.at(LATEST - timedelta(seconds=0.5)))
    assert found.parameters == {"SourceDbiResourceId": "db-SHOP", "RestoreTime": LATEST - timedelta(seconds=1)}
    kept(stub, {"EarliestTime": EARLIEST, "LatestTime": LATEST})
    assert origin_of(client, "shop", GONE, Target("latest")).parameters["UseLatestRestorableTime"] is True
    stub.assert_no_pending_responses()


def test_the_window_of_one_that_lives_ends_where_the_instance_says(stub: Stubber) -> None:
    live = {"BackupRetentionPeriod": 7, "LatestRestorableTime": LATEST}
    found = window_of(kept(stub, {"EarliestTime": EARLIEST, "LatestTime": EARLIEST}), "shop", live)
    assert found
    assert (found.earliest, found.latest) == (EARLIEST, LATEST)


def test_where_rds_keeps_nothing_there_is_no_way_back_by_time(stub: Stubber) -> None:
    client = kept(stub)
    stub.add_response("describe_db_snapshots", {"DBSnapshots": []}, {"DBInstanceIdentifier": "shop"})
    with pytest.raises(NotReachable, match="switch its retention on"):
        origin_of(client, "shop", GONE, Target("latest"))


def test_settings_come_from_the_instance_or_from_what_was_kept_of_it() -> None:
    live = {"DbiResourceId": "db-SHOP", "MultiAZ": True, "DBInstanceStatus": "available"}
    assert source_of("shop", "shop", live, lambda: None) == Source("shop", "db-SHOP", {"MultiAZ": True}, True)
    last = Kept("shop", "db-SHOP", {"MultiAZ": True})
    assert source_of("shop", "shop", None, lambda: last) == Source("shop", "db-SHOP", {"MultiAZ": True}, False)
    with pytest.raises(Absent, match="keeps no settings"):
        source_of("shop", "shop", None, lambda: None)
    with pytest.raises(OfACluster, match="aurora-1"):
        source_of("shop", "shop", {**live, "DBClusterIdentifier": "aurora-1"}, lambda: None)


def test_a_copy_of_the_latest_moment_is_compared_as_of_when_rds_says_that_it_is() -> None:
    """RDS is some minutes behind: a count of the minute before the drill has what the copy has not yet."""
    asked_at = LATEST + timedelta(minutes=5)
    times = (LATEST - timedelta(days=1), LATEST + timedelta(minutes=4))
    counts = [
        Counted(str(n), Census("shop", Moment(None, at.isoformat(), "9", ()), {}, {}, {})) for n, at in enumerate(times)
    ]
    asked = Asked(Target("latest"), asked_at, Goals(1, 1), counts, "a night")
    copy: Any = None
    found = expected(asked, Restored("copy", "", (), LATEST, None), copy)
    assert found.counted
    assert found.counted.key == "0"
    assert "from after" in expected(asked, Restored("copy", "", (), None, None), copy).unknown
