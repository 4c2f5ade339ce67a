"""The upkeep demo with few rows, its archive driven by hand instead of by Airflow: what it measures, it measures."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from sluice.estate.datasets import read_dataset
from sluice.local import databases
from sluice.local.certify import seed
from sluice.local.certify.months import month_of
from sluice.local.demo.sample.strangers import check_strangers
from sluice.local.demo.strangers import Strangers
from sluice.local.demo.upkeep import readers
from sluice.local.demo.upkeep.readers import long_report, short_reports
from sluice.local.demo.upkeep.weighing import weigh, weigh_files
from sluice.stores.objects import Vault
from sluice.stores.postgres import Connection, connect, rows
from sluice.stores.statements import statement
from sluice.upkeep.archive.archiving import Archive
from sluice.upkeep.partitions.spans import months_on, span_at, spans

from tests.conftest import Database

ROOT = Path(__file__).parents[2]


@pytest.fixture
def archive(database: Database, vault) -> Iterator[Archive]:
    """The sample's audit trail by month, and the demo's own file for it."""
    sample = read_dataset(ROOT / "include/samples/upkeep/audit_log.yaml", {"certify": "postgres"})
    dataset = sample.model_copy(update={"store": f"certify_{uuid4().hex[:8]}"})
    roles = (databases.MOVER, databases.EXPORTER, databases.DROPPER)
    with connect(database.dsn(), purpose="demo", lock_timeout="300ms") as keeper:
        seed(keeper, rows=100, months=36, report=lambda _: None, entries=3_000, by_month=True)
        sessions = [connect(database.dsn(role), purpose="demo", lock_timeout="300ms") for role in roles]
        made = Archive(dataset, Vault(vault.client(), vault.bucket), *sessions)
        made.let_roles()
        yield made
        for one in sessions:
            one.close()


def old(c: Connection) -> list:
    now = span_at(c.execute("SELECT now() AS now").fetchall()[0]["now"], "month").lower
    return list(spans(months_on(now, -35), months_on(now, -23), "month"))


def test_a_year_leaves_under_reports_and_lies_in_the_vault_as_it_was(
    archive: Archive, database: Database, vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "STAYS", 0.4)
    months = old(archive.keeper)
    before = {span.lower: weigh(archive.keeper, month_of(span)) for span in months}
    with short_reports(database.dsn(), months) as seen:
        assert archive.archive(print) == {"cooling": 12}
    assert (seen.errors, seen.differing) == ([], 0)
    assert seen.met > 0 < seen.reports
    listed = rows(archive.keeper, statement("demo.list_archived"))
    stored = {row["lower_bound"]: weigh_files(vault.client(), vault.bucket, row["manifest"]) for row in listed}
    assert {lower: filed.weight for lower, filed in stored.items()} == before
    assert sum(filed.weight.rows for filed in stored.values()) > 900
    assert archive.drop(print) == 12
    (back,) = archive.restore(months[3].lower, archive.retention.cooling, print)
    assert weigh(archive.keeper, back.partition) == before[months[3].lower]


def test_a_long_report_holds_every_detach_off(
    archive: Archive, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "HOLDS", 2.0)
    monkeypatch.setattr("sluice.upkeep.archive.detaching.LONGEST", timedelta(0))
    with long_report(database.dsn(), old(archive.keeper)) as told:
        due = archive.list_due(print)
        with pytest.raises(Exception, match=r"is not detached while session \d+ \(a report"):
            archive.advance(due[0].partition, print)
    assert (told.errors, told.left, told.same) == ([], 0, True)
    assert told.rows > 900 and told.seconds > 2


def test_months_of_somebodys_table_are_no_part_of_the_sample(archive: Archive, database: Database) -> None:
    check_strangers(archive.keeper, (), "upkeep")
    archive.list_due(print)
    check_strangers(archive.keeper, (), "upkeep")
    with connect(database.dsn("admin"), purpose="test") as c:
        c.execute(
            "INSERT INTO sluice_archive.month (parent_schema, parent_name, lower_bound, upper_bound, bounds,"
            " partition_schema, partition_name, partition_oid, state)"
            " SELECT 'shop', 'orders', lower_bound, upper_bound, bounds, 'shop', 'orders_old', 0, 'eligible'"
            " FROM sluice_archive.month LIMIT 1"
        )
    with pytest.raises(Strangers, match=r"the archive of shop\.orders\. Nothing was changed.*demo upkeep --fresh"):
        check_strangers(archive.keeper, (), "upkeep")
