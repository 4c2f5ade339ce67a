"""Every panel's query, run against a real ledger with numbers in it: it is SQL, and it finds what was kept."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sluice.insight.dashboards.panels import DASHBOARDS, Panel
from sluice.insight.dashboards.queries import asked_at, query_of, stores_query
from sluice.insight.health.incidents import carried
from sluice.insight.health.silence import Hushed
from sluice.ledger.control import Control
from sluice.ledger.incidents import Board, Incidents
from sluice.ledger.samples import Sample, Samples, Series, Span
from sluice.ledger.scalings import Scalings
from sluice.local import databases
from sluice.stores.postgres import Connection, connect

from tests.watched import a_trouble

NOON = datetime(2024, 4, 5, 12, tzinfo=UTC)
PAGE = Path(__file__).parents[2] / "docs/howto/see-it-in-grafana.md"
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
PANELS = {f"{one.name}: {panel.title}": panel for one in DASHBOARDS for panel in one.panels}
TOLD = {"rule": "cpu", "way": "up", "action": "add_replica", "subject": "s", "before": "0", "after": "1", "why": "busy"}


@pytest.fixture
def ledger(database) -> Iterator[Connection]:
    """A ledger with an hour of each metric, by a table where that has one; growth of days; a migration; a gate; a change."""
    with connect(database.dsn(databases.LEDGER), purpose="test") as c:
        samples = Samples(c).prepare()
        control = Control(c, "orders", "run").prepare()
        for metric in sorted({metric for one in DASHBOARDS for metric in one.metrics}):
            series = [Series(store, metric) for store in ("shop", "o'brien")]
            samples.record_history((one, Sample(NOON + n * MINUTE, float(n))) for one in series for n in range(60))
        samples.roll_up(NOON, NOON + HOUR)
        growing = Series("shop", "table_rows_count", "app.orders")
        midnight = NOON.replace(hour=0)
        days = [(growing, Span(midnight + n * DAY, 0, 0, 0, 100.0 * n * n, 24)) for n in (-4, -3, -1, 0)]
        samples.record_spans("day", days)
        control.record_transition("expand", "planned", "expanded", 1)
        control.record_evidence("verified", 1, passed=True, compared=3, key="k", sha256="s")
        control.record_evidence("verified", 1, passed=False, compared=3, key="k", sha256="s")
        Scalings(c).begin("shop", "run", "seal", 1, TOLD)
        c.execute("UPDATE insight.scaling SET begun_at = %(at)s", {"at": NOON + 5 * MINUTE})
        incidents = Incidents(c).prepare()
        troubles = [a_trouble("shop", "locks", severity="P2"), a_trouble("elsewhere", "locks")]
        incidents.keep({}, carried(troubles, Board(), Hushed(incidents.now())).incidents, ())
        yield c


def ran(ledger: Connection, panel: Panel, start: datetime, end: datetime, *stores: str) -> list[dict[str, Any]]:
    return ledger.execute(
        query_of(panel, asked_at(start, end, stores or ("shop", "o'brien"))).replace("%", "%%")
    ).fetchall()  # type: ignore[arg-type]


def test_every_panel_s_query_finds_what_was_kept(ledger: Connection) -> None:
    for name, panel in PANELS.items():
        start = NOON - (10 * DAY if panel.query == "show_growth" else timedelta())
        found = ran(ledger, panel, start, NOON + HOUR)
        assert found, f"{name} is empty"
        if not panel.table:
            assert set(found[0]) == {"time", "metric", "value"}, f"{name}: as Grafana takes lines"
            assert [row["time"] for row in found] == sorted(row["time"] for row in found), name


def test_the_role_of_the_page_reads_every_panel_and_can_do_nothing_else(ledger: Connection, database) -> None:
    (block,) = re.findall(r"```sql\n(.+?)```", PAGE.read_text(), re.DOTALL)
    role, there = f"grafana_{ledger.info.dbname}", conninfo_to_dict(ledger.info.dsn)["dbname"]
    with connect(make_conninfo(database.dsn("admin"), dbname=there), purpose="test") as admin:
        admin.execute(
            block.replace("DATABASE sluice ", f"DATABASE {there} ").replace("grafana", role).replace("…", "secret")
        )
        try:
            as_role = make_conninfo(database.dsn("admin"), dbname=there, user=role, password="secret")
            with connect(as_role, purpose="test") as reader:
                for name, panel in PANELS.items():
                    start = NOON - (10 * DAY if panel.query == "show_growth" else timedelta())
                    assert ran(reader, panel, start, NOON + HOUR), name
                for change in ("DELETE FROM insight.sample", "CREATE TABLE insight.mine (id int)"):
                    with pytest.raises(psycopg.Error, match="read-only transaction"):
                        reader.execute(change)
                    reader.rollback()
                reader.execute("SET default_transaction_read_only = off")
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    reader.execute("DELETE FROM insight.sample")
        finally:
            admin.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_each_line_is_called_by_its_store_and_by_its_metric_where_there_are_several(ledger: Connection) -> None:
    alone, several = PANELS["infrastructure: Processors"], PANELS["infrastructure: Network"]
    assert {row["metric"] for row in ran(ledger, alone, NOON, NOON + HOUR)} == {"shop", "o'brien"}
    assert {row["metric"] for row in ran(ledger, several, NOON, NOON + HOUR, "shop")} == {
        "shop network_received_bytes_rate", "shop network_sent_bytes_rate",
    }  # fmt: skip


def test_a_long_time_is_told_by_the_hour_and_a_short_one_by_the_minute(ledger: Connection) -> None:
    panel = PANELS["infrastructure: Processors"]
    assert len(ran(ledger, panel, NOON - HOUR, NOON + HOUR, "shop")) == 60
    (row,) = ran(ledger, panel, NOON - 3 * DAY, NOON + HOUR, "shop")
    assert (row["time"], row["value"]) == (NOON, 29.5)


def test_growth_is_told_for_days_whose_day_before_was_measured(ledger: Connection) -> None:
    found = ran(ledger, PANELS["business: Rows that came in a day"], NOON - 10 * DAY, NOON + DAY)
    told = [(row["time"].day, row["metric"], row["value"]) for row in found]
    assert told == [(2, "shop app.orders", -700.0), (5, "shop app.orders", -100.0)]


def test_what_is_wrong_at_the_stores_that_were_chosen_is_on_top(ledger: Connection) -> None:
    (row,) = ran(ledger, PANELS["database: What is wrong now"], NOON, NOON + HOUR, "shop")
    told = {name: row[name] for name in ("How urgent", "Store", "Cause", "What", "Do first", "And more")}
    assert list(told.values()) == ["P2", "shop", "locks", "locks is wrong", "Look.", 0]


def test_a_gate_that_was_green_and_is_red_is_told_as_both(ledger: Connection) -> None:
    (row,) = ran(ledger, PANELS["business: Since each gate was last green"], NOON, NOON + HOUR)
    assert (row["Of"], row["Gate"], row["Green now"]) == ("orders", "verified", False)
    assert row["Last green"] is not None


def test_the_stores_to_choose_from_are_those_that_are_measured(ledger: Connection) -> None:
    assert [row["store"] for row in ledger.execute(stores_query()).fetchall()] == ["o'brien", "shop"]  # type: ignore[arg-type]
