"""The page that sets a watch up is enough: its file is read, its role sees all, its connections and policy are those wanted."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo
from sluice.estate import read_stores
from sluice.estate.models import EstateFile
from sluice.flow.connections import dsn_of
from sluice.insight.collecting.lifeline import Lifeline
from sluice.insight.collecting.postgres import EVERYBODYS, SESSIONS, STATEMENTS, look_at_postgres
from sluice.insight.collecting.sizes import measure_sizes
from sluice.stores.postgres import Refused, connect

from tests.conftest import Database

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/howto/collect-numbers.md").read_text().partition("## Three stores, whole")[2]
ASKS = [
    *(ROOT / "plugins/sluice/insight/collecting").glob("*.py"),
    *(ROOT / "plugins/sluice/flow/insight").glob("*.py"),
]
"""Whatever asks AWS for numbers is among these."""
ACTIONS = {
    "describe_table": "dynamodb:DescribeTable",
    "list_tables": "dynamodb:ListTables",
    "get_metric_data": "cloudwatch:GetMetricData",
    "describe_db_instances": "rds:DescribeDBInstances",
}


def block(language: str) -> str:
    """Give the first block of a language."""
    found = re.search(rf"^```{language}\n(.*?)^```", TEXT, re.M | re.S)
    assert found, language
    return found[1]


@pytest.fixture
def estate(tmp_path: Path) -> EstateFile:
    """The page's file, by itself."""
    (tmp_path / "include/estate").mkdir(parents=True)
    (tmp_path / "include/estate/estate.yaml").write_text(block("yaml"))
    return read_stores(tmp_path)


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The page's connections, in the environment."""
    lines = [shlex.split(line)[1].partition("=") for line in block("sh").splitlines()]
    for name, _, value in lines:
        monkeypatch.setenv(name, value.replace("…", "secret"))
    return [name.removeprefix("AIRFLOW_CONN_").lower() for name, _, _ in lines]


def test_the_page_s_file_is_whole_and_has_each_kind_of_store(estate: EstateFile) -> None:
    orders, stock, carts = estate.stores.values()
    assert orders.watch.cloud and orders.watch.pooler
    assert stock.watch.disk.size and not stock.watch.cloud
    assert carts.engine == "dynamodb"


def test_each_connection_that_the_file_names_has_its_line(estate: EstateFile, connections: list[str]) -> None:
    watched = [
        (one.connection, one.watch.pooler, one.watch.cloud and one.watch.cloud.connection)
        for one in estate.stores.values()
    ]
    assert set(connections) == {name for names in watched for name in names if name}


def test_the_lines_of_the_connections_can_be_read(connections: list[str]) -> None:
    from airflow.sdk import BaseHook

    found = {name: BaseHook.get_connection(name) for name in connections}
    assert [one.conn_type for one in found.values()] == ["postgres", "postgres", "postgres", "aws"]
    assert found["aws_watch"].extra_dejson == {"region_name": "eu-central-1"}
    assert "sslmode=require" in dsn_of("pg_orders") and "user=sluice_watch" in dsn_of("pg_orders")
    assert found["pg_orders_pooler"].port == 6432


def test_the_role_of_the_page_sees_all_that_there_is(database: Database) -> None:
    with connect(database.dsn("admin"), purpose="test") as c:
        c.execute(b"DROP EXTENSION pg_stat_statements; DROP ROLE IF EXISTS sluice_watch")
        c.execute(b"CREATE TABLE app.wide AS SELECT n, repeat('x', 500) AS text FROM generate_series(1, 5000) AS n")
        c.execute(b"ANALYZE app.wide")
        here = block("sql").replace("…", "secret").replace("DATABASE orders", f"DATABASE {c.info.dbname}")
        c.execute(here.encode())
    try:
        dsn = make_conninfo(database.dsn(), user="sluice_watch", password="secret")
        found = look_at_postgres(dsn, "certify", Lifeline(), disk=10**12)
        assert found.notes == ()
        assert {*EVERYBODYS, *SESSIONS, "disk_used_percent"} <= {series.metric for series in found.values}
        assert {*STATEMENTS} <= {series.metric for series in found.counters}
        sizes = measure_sizes(dsn, "certify", {}).values
        assert {"bloat_percent", "table_bytes"} <= {one.metric for one in sizes if one.subject == "app.wide"}
    finally:
        with connect(database.dsn("admin"), purpose="test") as c:
            c.execute(b"DROP OWNED BY sluice_watch; DROP ROLE sluice_watch")


@pytest.mark.parametrize(
    "sql", ["CREATE ROLE stranger LOGIN PASSWORD 'secret'", "CREATE ROLE stranger NOLOGIN PASSWORD 'secret'"]
)
def test_a_role_that_may_not_enter_is_a_mistake_and_no_outage(database: Database, sql: str) -> None:
    with connect(database.dsn("admin"), purpose="test") as c:
        c.execute(sql.encode())
    try:
        with pytest.raises(Refused, match="'stranger'"):
            connect(make_conninfo(database.dsn(), user="stranger", password="secret"), purpose="test")
    finally:
        with connect(database.dsn("admin"), purpose="test") as c:
            c.execute(b"DROP ROLE stranger")


def test_the_policy_allows_what_is_asked_of_aws_for_numbers_and_no_more() -> None:
    text = "".join(path.read_text() for path in ASKS)
    asked = {action for call, action in ACTIONS.items() if f".{call}(" in text or f'"{call}"' in text}
    (allowed,) = json.loads(block("json"))["Statement"]
    assert set(allowed["Action"]) == asked == set(ACTIONS.values())
