"""Partitions are made ahead on a real PostgreSQL, whoever reads and writes meanwhile, and whatever was left half done."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sluice.estate.dataset import Dataset
from sluice.failpoints import Broken, armed
from sluice.stores.catalogue import find_table
from sluice.stores.postgres import Connection, LockBusy, connect
from sluice.upkeep.partitions import as_sql, keeping, making
from sluice.upkeep.partitions.keeping import apply_partitions, plan_partitions, verify_partitions
from sluice.upkeep.partitions.looking import NotPartitioned
from sluice.upkeep.partitions.making import NameTaken
from sluice.upkeep.partitions.planning import Strays

from tests.conftest import Database

MONTHS = {"range": "at", "every": "month"}
TABLE = """CREATE TABLE app.thing (id bigint GENERATED ALWAYS AS IDENTITY, at timestamptz NOT NULL, tenant int NOT NULL DEFAULT 1,
    twice bigint GENERATED ALWAYS AS (tenant * 2) STORED, said text CHECK (said <> 'no'), PRIMARY KEY (id, at, tenant))
    PARTITION BY {how}"""


class Estate:
    """One table, and what keeps it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.c: Connection = connect(database.dsn(), purpose="upkeep", lock_timeout="300ms")

    def own(self, *statements: str) -> None:
        with connect(self.database.dsn("admin"), purpose="owner") as c:
            c.execute("SET ROLE certify_owner")
            for made in statements:
                c.execute(made)

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with connect(self.database.dsn("admin"), purpose="reader") as c:
            return [tuple(row.values()) for row in c.execute(sql.SQL(query)).fetchall()]  # type: ignore[arg-type]

    def names(self) -> list[str]:
        """All partitions, in order of their names."""
        query = "SELECT oid::regclass::text FROM pg_class WHERE relispartition AND relkind IN ('r', 'p') ORDER BY 1"
        return [name for (name,) in self.ask(query)]

    def apply(self, dataset: Dataset) -> list[str]:
        told: list[str] = []
        apply_partitions(self.c, dataset, told.append)
        return told


@pytest.fixture
def estate(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Estate]:
    monkeypatch.setattr(making.random, "uniform", lambda *_: 0.01)
    made = Estate(database)
    yield made
    made.c.close()


def dataset(**partition: Any) -> Dataset:
    return Dataset.model_validate(
        {"dataset": "thing", "store": "certify", "table": "app.thing", "partition": partition or MONTHS}
    )


def test_the_table_is_looked_at_once_for_all_that_is_made(estate: Estate, monkeypatch: pytest.MonkeyPatch):
    """After each partition the catalogue is read anew: twenty-four looks took longer than twenty-four partitions."""
    looks: list[Any] = []
    monkeypatch.setattr(as_sql, "find_table", lambda c, table: looks.append(table) or find_table(c, table))
    estate.own(TABLE.format(how="RANGE (at)"))
    assert (len(estate.apply(dataset())), len(looks)) == (4, 1)


def test_a_table_without_any_gets_this_month_and_three_more_once(estate: Estate):
    estate.own(
        TABLE.format(how="RANGE (at)"), "ALTER TABLE app.thing ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"
    )
    planned = plan_partitions(estate.c, dataset())
    assert estate.names() == []
    assert [len(planned.actions), planned.sql.count("ATTACH PARTITION")] == [4, 4]
    assert len(estate.apply(dataset())) == 4
    facts = verify_partitions(estate.c, dataset())
    assert [
        facts[name] for name in ("partitions", "left_to_make", "gaps", "odd_bounds", "unlike", "invalid_indexes")
    ] == [4, 0, 0, 0, 0, 0]
    assert 89 <= facts["headroom_days"] <= 123
    assert estate.apply(dataset()) == []
    (schema,) = {
        schema
        for (schema,) in estate.ask(
            "SELECT relnamespace::regnamespace::text FROM pg_class WHERE relispartition AND relkind = 'r'"
        )
    }
    assert schema == "app_partitions"


def test_the_plan_is_the_sql_that_is_run(estate: Estate):
    estate.own(TABLE.format(how="RANGE (at)"))
    planned = plan_partitions(estate.c, dataset())
    with connect(estate.database.dsn("admin"), purpose="by hand") as c:
        for one in planned.sql.split(";\n"):
            c.execute(one)  # type: ignore[arg-type]
    assert plan_partitions(estate.c, dataset()).actions == ()


def test_bounds_are_utc_in_whatever_zone_the_database_is(estate: Estate):
    estate.own(TABLE.format(how="RANGE (at)"))
    with connect(estate.database.dsn("admin"), purpose="owner") as c:
        for zone in ("America/New_York", "Asia/Kolkata"):
            c.execute(
                sql.SQL("ALTER DATABASE {} SET timezone = {}").format(
                    sql.Identifier(estate.database.name), sql.Literal(zone)
                )
            )
            fresh = Estate(estate.database)
            apply_partitions(fresh.c, dataset(), lambda told: None)
            assert verify_partitions(fresh.c, dataset())["odd_bounds"] == 0
            fresh.c.close()
    assert all("01 00:00:00+00" in bounds for bounds in estate_bounds_in_utc(estate))


def estate_bounds_in_utc(estate: Estate) -> list[str]:
    with connect(estate.database.dsn(), purpose="reader") as c:
        found = c.execute(
            "SELECT pg_get_expr(relpartbound, oid) AS b FROM pg_class WHERE relispartition AND relkind = 'r'"
        )
        return [row["b"] for row in found.fetchall()]


def test_readers_and_writers_wait_for_nothing(estate: Estate):
    estate.own(TABLE.format(how="RANGE (at)"))
    estate.apply(dataset())
    estate.own(
        "DROP TABLE app_partitions."
        + estate.ask("SELECT max(relname) FROM pg_class WHERE relispartition AND relkind = 'r'")[0][0]
    )
    with connect(estate.database.dsn("admin"), purpose="app", autocommit=False) as writer:
        writer.execute("INSERT INTO app.thing (at) VALUES (now())")  # and stays open: it holds its lock on the parent
        assert len(estate.apply(dataset())) == 1
        writer.execute("INSERT INTO app.thing (at) VALUES (now())")


def test_who_is_in_the_way_is_waited_for_and_told(estate: Estate):
    estate.own(TABLE.format(how="RANGE (at)"))
    with connect(estate.database.dsn("admin"), purpose="app", autocommit=False) as other:
        other.execute("LOCK TABLE app.thing IN ACCESS EXCLUSIVE MODE")
        estate.c.execute("SET lock_timeout = '20ms'")
        with pytest.raises(LockBusy, match=r"make app_partitions\.thing_"):
            estate.apply(dataset())
    assert len(estate.apply(dataset())) == 4


def test_two_at_once_make_each_once(estate: Estate, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sluice.upkeep.partitions.making.TRIES", 1)
    estate.own(TABLE.format(how="RANGE (at)"))
    held, going = threading.Event(), threading.Event()

    def stop(*_: object) -> None:
        held.set()
        assert going.wait(10)

    first = Estate(estate.database)
    thread = threading.Thread(target=lambda: apply_partitions(first.c, dataset(), stop))
    thread.start()
    assert held.wait(10)
    with pytest.raises(LockBusy, match="Another run"):
        estate.apply(dataset())
    going.set()
    thread.join()
    first.c.close()
    assert estate.apply(dataset()) == []


def test_what_one_run_plans_no_other_makes_before_it(estate: Estate, monkeypatch: pytest.MonkeyPatch):
    """It planned before it was alone once, and told of a name that was taken: by the other run of ours."""
    estate.own(TABLE.format(how="RANGE (at)"))
    find, other = keeping.find_strays, Estate(estate.database)

    def and_another_run(*seen: Any) -> Strays:
        monkeypatch.setattr(keeping, "find_strays", find)
        with suppress(LockBusy):
            other.apply(dataset())
        return find(*seen)

    monkeypatch.setattr(keeping, "find_strays", and_another_run)
    assert len(estate.apply(dataset())) == 4
    other.c.close()


@pytest.mark.parametrize("edge", ["ahead.attached", "ahead.made"])
def test_a_run_that_died_is_ended_by_the_next(estate: Estate, edge: str):
    estate.own(TABLE.format(how="RANGE (at)"))
    with armed(f"{edge}=raise@2"), pytest.raises(Broken):
        estate.apply(dataset())
    left = 4 - len(estate.names())
    assert left == {"ahead.attached": 3, "ahead.made": 2}[edge]
    assert len(estate.apply(dataset())) == left


def test_rows_of_a_default_partition_move_to_their_months_and_none_is_lost(estate: Estate):
    estate.own(
        TABLE.format(how="RANGE (at)"),
        "CREATE TABLE app.rest PARTITION OF app.thing DEFAULT",
        "INSERT INTO app.thing (at) SELECT generate_series('2024-01-31 23:00+00', '2024-03-30 23:00+00', interval '1 day')",
        "INSERT INTO app.thing (at) VALUES ('infinity')",
    )
    before = estate.ask("SELECT sum(hashtext(t::text)::bigint), count(*) FROM app.thing t")
    told = estate.apply(dataset())
    assert [line for line in told if "2024" in line] == [
        f"make app_partitions.thing_y2024m{n:02} for 2024-{n:02}-01 to 2024-{n + 1:02}-01, moving its rows out of app.rest"
        for n in (1, 2, 3)
    ]
    assert estate.ask("SELECT sum(hashtext(t::text)::bigint), count(*) FROM app.thing t") == before
    assert estate.ask("SELECT count(*) FROM app.rest") == [(1,)]
    assert verify_partitions(estate.c, dataset())["default_rows"] == 1


def test_a_new_tenant_gets_its_months(estate: Estate):
    cut = dataset(list="tenant", then=MONTHS)
    estate.own(TABLE.format(how="LIST (tenant)"), "CREATE TABLE app.rest PARTITION OF app.thing DEFAULT")
    estate.own("INSERT INTO app.thing (at, tenant) SELECT now(), 1 + n % 2 FROM generate_series(1, 10) n")
    told = estate.apply(cut)
    assert [line.split(" for ")[0] for line in told] == ["make app_partitions.thing_1", "make app_partitions.thing_2"]
    assert estate.ask("SELECT tenant, count(*) FROM app.thing GROUP BY 1 ORDER BY 1") == [(1, 5), (2, 5)]
    assert estate.ask("SELECT count(*) FROM app.rest") == [(0,)]
    assert verify_partitions(estate.c, cut)["partitions"] == 9


def test_hash_parts_that_are_missing(estate: Estate):
    estate.own(
        TABLE.format(how="HASH (id)"),
        "CREATE TABLE app.h0 PARTITION OF app.thing FOR VALUES WITH (MODULUS 4, REMAINDER 0)",
    )
    assert len(estate.apply(dataset(hash="id", parts=4))) == 3
    estate.own("INSERT INTO app.thing (at) SELECT now() FROM generate_series(1, 50)")


def test_a_detach_that_was_broken_off_is_finished(estate: Estate):
    estate.own(TABLE.format(how="RANGE (at)"))
    estate.apply(dataset())
    name = estate.names()[0]
    with connect(estate.database.dsn("admin"), purpose="reader", autocommit=False) as reader:
        reader.execute("SELECT count(*) FROM app.thing")  # what DETACH CONCURRENTLY waits for
        with connect(estate.database.dsn("admin"), purpose="owner") as c:
            c.execute("SET statement_timeout = '300ms'")
            with pytest.raises(psycopg.errors.QueryCanceled):
                c.execute(f"ALTER TABLE app.thing DETACH PARTITION {name} CONCURRENTLY")  # type: ignore[arg-type]
    assert estate.ask("SELECT count(*) FROM pg_inherits WHERE inhdetachpending") == [(1,)]
    told = estate.apply(dataset())
    assert told[0] == f"finish the detaching of {name} from app.thing, which was broken off"
    assert estate.ask("SELECT count(*) FROM pg_inherits WHERE inhdetachpending") == [(0,)]


def test_what_is_less_closed_than_the_table_is_told(estate: Estate):
    estate.own(TABLE.format(how="RANGE (at)"), "ALTER TABLE app.thing ENABLE ROW LEVEL SECURITY")
    estate.apply(dataset())
    name = estate.names()[0]
    estate.own(
        f"ALTER TABLE {name} DISABLE ROW LEVEL SECURITY",
        f"GRANT TRUNCATE ON {name} TO certify_app",
        f"CREATE POLICY open ON {name} USING (true)",
        "CREATE INDEX halfway ON ONLY app.thing (said)",
    )
    facts = verify_partitions(estate.c, dataset())
    told = str(facts["unlike_told"])
    assert facts["unlike"] == 3
    assert all(word in told for word in ("row security is off", "TRUNCATE is granted to certify_app", "policy open"))
    assert (facts["invalid_indexes"], facts["invalid_indexes_told"]) == (1, "app.halfway")


def test_the_sql_that_closes_a_partition_as_its_table_is_closed_is_told_before_and_after(estate: Estate):
    estate.own(
        TABLE.format(how="RANGE (at)"),
        "ALTER TABLE app.thing ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
        "CREATE TABLE app.\"by hand\" PARTITION OF app.thing FOR VALUES FROM ('2024-01-01+00') TO ('2024-02-01+00')",
        'GRANT TRUNCATE ON app."by hand" TO certify_app',
        'CREATE POLICY open ON app."by hand" USING (true)',
    )
    cure = plan_partitions(estate.c, dataset()).cure
    estate.apply(dataset())
    facts = verify_partitions(estate.c, dataset())
    assert facts["unlike"] == 4
    assert 'ALTER TABLE app."by hand" ENABLE ROW LEVEL SECURITY' in str(facts["unlike_told"])
    assert [facts["unlike"], len(cure)] == [4, 4]
    estate.own(*cure)
    assert verify_partitions(estate.c, dataset())["unlike"] == 0
    assert plan_partitions(estate.c, dataset()).cure == ()


def test_a_table_that_is_missing_and_one_that_is_plain_are_told_apart(estate: Estate):
    with pytest.raises(NotPartitioned, match=r"app\.thing is not in the database \w+\. Mend `store` or `table`"):
        plan_partitions(estate.c, dataset())
    estate.own("CREATE TABLE app.thing (at timestamptz)")
    with pytest.raises(NotPartitioned, match=r"app\.thing is there, and not partitioned\. Migrate it"):
        plan_partitions(estate.c, dataset())


def test_a_table_that_pg_partman_keeps_is_audited_and_left_alone(estate: Estate):
    estate.own(TABLE.format(how="RANGE (at)"))
    with connect(estate.database.dsn("admin"), purpose="admin") as c:
        c.execute("CREATE SCHEMA partman")
        c.execute("CREATE TABLE partman.part_config (parent_table text, partition_interval text)")
        c.execute("INSERT INTO partman.part_config VALUES ('app.thing', '1 month')")
        c.execute("GRANT USAGE ON SCHEMA partman TO PUBLIC; GRANT SELECT ON partman.part_config TO PUBLIC")
    assert plan_partitions(estate.c, dataset()).kept_by_another
    assert estate.apply(dataset()) == []
    facts = verify_partitions(estate.c, dataset())
    assert (facts["kept_by_another"], facts["headroom_days"]) == (1, 0)


def test_a_name_that_is_taken_is_told(estate: Estate):
    estate.own(TABLE.format(how="RANGE (at)"))
    name = plan_partitions(estate.c, dataset()).actions[1].partition.name
    estate.own("CREATE SCHEMA app_partitions", f"CREATE TABLE app_partitions.{name} (id int)")
    with pytest.raises(NameTaken, match=rf"needs a partition app_partitions\.{name}"):
        estate.apply(dataset())


def test_rows_that_come_to_the_default_meanwhile_are_no_success(estate: Estate, monkeypatch: pytest.MonkeyPatch):
    estate.own(TABLE.format(how="RANGE (at)"), "CREATE TABLE app.rest PARTITION OF app.thing DEFAULT")
    estate.apply(dataset())
    estate.own("INSERT INTO app.thing (at) VALUES ('2020-02-02')")
    with pytest.raises(keeping.NotThere, match="2020-02-01 to 2020-03-01"):
        verify_partitions(estate.c, dataset())
