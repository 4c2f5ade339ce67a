"""Every shape that a table can be given: cut by time, hash, list or two of them, or plain with changed columns."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest
import yaml
from sluice.estate.models import SameClusterMigration
from sluice.local.certify import Workload, seed, verify
from sluice.migration.engine.contract import Kind, NotYet, Phase
from sluice.migration.engine.steps import PreflightRefused, check_findings
from sluice.migration.engine.way import Step
from sluice.migration.kinds import open_kind
from sluice.stores.postgres import connect

from tests.conftest import Database
from tests.harness import advance, unhurried

SHAPES = {
    "by week": "{range: started_at, every: week}",
    "by day": "{range: started_at, every: day}",
    "by hash of the key": "{hash: id, parts: 5}",
    "by list": "{list: tenant_id}",
    "by tenant, then month": "{list: tenant_id, then: {range: started_at, every: month}}",
    "by hash, then month": "{hash: tenant_id, parts: 3, then: {range: started_at, every: month}}",
    "plain": "null",
}


def migration_of(text: str) -> SameClusterMigration:
    """Read a migration as its file would be; a file's checks are not ours here."""
    return unhurried(
        SameClusterMigration.model_validate_json(json.dumps(yaml.safe_load(text)), by_alias=True, by_name=False)
    )


@contextmanager
def opening(database: Database, migration: SameClusterMigration) -> Iterator[Callable[[], Kind]]:
    """A function that opens the kind, each time with a connection of its own."""
    connections = []

    def connected(purpose: str):
        connections.append(connect(database.dsn(), purpose=purpose))
        return connections[-1]

    try:
        yield lambda: open_kind(migration, connected)
    finally:
        for connection in connections:
            connection.close()


@pytest.mark.parametrize("partition", SHAPES.values(), ids=SHAPES)
def test_every_shape_goes_there_and_back_under_writes_and_loses_none(database, partition):
    with connect(database.dsn("admin"), purpose="seed") as c:
        seed(c, rows=1_500, months=2)
    migration = migration_of(f"""
migration: shaped
from: {{store: certify, table: app.user_sessions}}
into: {{table: app.user_sessions_shaped, partition: {partition}, months_ahead: 1}}
accept: [weaker_key]
""")
    workload = Workload(database.dsn("certify_app"), seed=11, writers=2, rate=150)
    with opening(database, migration) as opened:
        check_findings("shaped", opened().preflight(), migration.accept)
        with workload:
            first = advance(opened, Phase.CUT_OVER)
            workload.burst(100)
            back = advance(opened, Phase.VERIFIED)
            workload.burst(50)
        assert opened().diff().clean
    assert first[Step.EXPAND]["partitions_missing"] == 0 == first[Step.EXPAND]["partitions_gaps"]
    for facts in (first[Step.VERIFY], back[Step.CUT_BACK]):
        assert (facts["rows_missing"], facts["rows_extra"], facts["rows_different"]) == (0, 0, 0), facts
    with connect(database.dsn(), purpose="oracle") as c:
        report = verify(c, workload.acknowledged)
    assert report.ok, report
    assert workload.snapshot().total.user_errors == 0, workload.snapshot()


def test_a_row_written_outside_the_partitions_waits_in_quarantine_and_stops_no_lane(database):
    with connect(database.dsn("admin"), purpose="seed") as c:
        seed(c, rows=500, months=2)
    daily = migration_of("""
migration: shaped
from: {store: certify, table: app.user_sessions}
into: {table: app.user_sessions_shaped, partition: {range: started_at, every: day}}
""")
    with opening(database, daily) as opened, psycopg.connect(database.dsn("admin"), autocommit=True) as user:
        advance(opened, Phase.EXPANDED)
        user.execute("UPDATE app.user_sessions SET started_at = '2001-01-01' WHERE id = 3")  # nobody captures it yet
        advance(opened, Phase.CAPTURING)
        user.execute("UPDATE app.user_sessions SET started_at = '2001-01-01' WHERE id = 4")
        facts = advance(opened, Phase.VERIFIED)
        assert facts[Step.BACKFILL]["quarantined"] == 2
        assert facts[Step.VERIFY]["rows_missing"] == 2
        user.execute("UPDATE app.user_sessions SET started_at = now() WHERE id IN (3, 4)")
        facts = advance(opened, Phase.VERIFIED)
        assert (facts[Step.VERIFY]["rows_missing"], facts[Step.VERIFY]["quarantined"]) == (0, 0)


@pytest.mark.parametrize("rows", (0, 1))
def test_a_table_of_next_to_nothing_is_migrated_too(database, rows):
    with psycopg.connect(database.dsn("admin"), autocommit=True) as c:
        c.execute("CREATE TABLE app.few (id int PRIMARY KEY, at timestamptz NOT NULL)")
        c.execute("INSERT INTO app.few SELECT i, now() FROM generate_series(1, %s) i", [rows])
        c.execute("ALTER TABLE app.few OWNER TO certify_owner")
    few = migration_of("""
migration: few
from: {store: certify, table: app.few}
into: {table: app.few_by_month, partition: {range: at, every: month}}
accept: [weaker_key]
""")
    with opening(database, few) as opened:
        check_findings("few", opened().preflight(), few.accept)
        facts = advance(opened, Phase.CUT_OVER)
        assert (facts[Step.VERIFY]["rows_compared"], facts[Step.VERIFY]["counted_empty"]) == (rows, 1 - rows)
        assert opened().diff().clean
        advance(opened, Phase.RETIRED)


UNKEYED = """
CREATE TABLE app.visits (code text COLLATE "C" NOT NULL CONSTRAINT visits_code UNIQUE, at timestamptz NOT NULL, note text)
    WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01);
INSERT INTO app.visits SELECT 'v' || i, now(), 'n' FROM generate_series(1, 300) i;
ALTER TABLE app.visits OWNER TO certify_owner;
"""


@pytest.mark.parametrize("partition", ("{hash: code, parts: 3}", "{range: at, every: month}", "null"))
def test_a_unique_index_over_columns_never_null_is_a_key(database, partition):
    visits = migration_of(f"""
migration: visits
from: {{store: certify, table: app.visits}}
into: {{table: app.visits_new, partition: {partition}}}
accept: [weaker_key]
""")
    with opening(database, visits) as opened, psycopg.connect(database.dsn("admin"), autocommit=True) as user:
        user.execute(UNKEYED)
        check_findings("visits", opened().preflight(), visits.accept)
        advance(opened, Phase.CAPTURING)
        options = "SELECT DISTINCT reloptions FROM pg_class WHERE relkind = 'r' AND relname LIKE 'visits%'"
        assert user.execute(options).fetchall() == [(["fillfactor=70", "autovacuum_vacuum_scale_factor=0.01"],)]
        user.execute("DELETE FROM app.visits WHERE code < 'v2'")
        user.execute("UPDATE app.visits SET code = 'w' || code WHERE code < 'v25'")
        advance(opened, Phase.CUT_OVER)
        if "range" not in partition:
            user.execute(
                "INSERT INTO app.visits VALUES ('v9', now(), 'again') ON CONFLICT (code) DO UPDATE SET note = 'again'"
            )
            user.execute(
                "INSERT INTO app.visits VALUES ('v9', now(), 'x') ON CONFLICT ON CONSTRAINT visits_code DO NOTHING"
            )
        user.execute("UPDATE app.visits SET note = 'new' WHERE code = 'v8'")
        advance(opened, Phase.VERIFIED)
        assert opened().diff().clean
        assert user.execute("SELECT note FROM app.visits WHERE code = 'v8'").fetchone() == ("new",)


PERCENT = """
CREATE TABLE app."t.%s" (
    "100 %" int PRIMARY KEY, at timestamptz NOT NULL, n int DEFAULT 7 CHECK (n % 7 = 0), w text CHECK (w LIKE '%x%')
);
INSERT INTO app."t.%s" SELECT i, now(), 7 * i, 'axb' FROM generate_series(1, 300) i;
ALTER TABLE app."t.%s" OWNER TO certify_owner;
CREATE INDEX "% of" ON app."t.%s" ("100 %") WHERE w LIKE 'a%';
"""


def test_a_percent_sign_is_a_letter_like_any_other(database):
    percent = migration_of("""
migration: percent
from: {store: certify, table: 'app."t.%s"'}
into:
  table: 'app."%(new)s"'
  partition: {hash: "100 %", parts: 2}
  columns: {n: {type: int, from: n + n % 7, back: n - n % 7}, odd: {type: text, from: "replace(w, '%', '!')"}}
""")
    with opening(database, percent) as opened, psycopg.connect(database.dsn("admin"), autocommit=True) as user:
        user.execute(PERCENT)
        check_findings("percent", opened().preflight(), percent.accept)
        assert "%%" not in opened().describe_plan()
        advance(opened, Phase.CUT_OVER)
        user.execute('UPDATE app."t.%s" SET w = \'%x%\' WHERE "100 %" < 5')
        advance(opened, Phase.VERIFIED)
        user.execute('DELETE FROM app."t.%s" WHERE "100 %" = 9')
        assert opened().diff().clean
        advance(opened, Phase.PLANNED)


@pytest.mark.parametrize(("least", "greatest"), (("4713-01-01 BC", "294276-12-30"), ("0001-01-01", "2026-01-01")))
def test_dates_at_the_ends_of_time_are_refused_with_a_reason(database, least, greatest):
    ends = migration_of("""
migration: ends
from: {store: certify, table: app.ends}
into: {table: app.ends_by_day, partition: {range: at, every: day}}
""")
    with opening(database, ends) as opened, psycopg.connect(database.dsn("admin"), autocommit=True) as user:
        user.execute(
            "CREATE TABLE app.ends (id int, at date, PRIMARY KEY (id, at)); ALTER TABLE app.ends OWNER TO certify_owner"
        )
        user.execute(f"INSERT INTO app.ends VALUES (1, '{least}'), (2, '{greatest}')")
        assert "too_many_partitions" in {finding.code for finding in opened().preflight()}


def test_a_few_old_rows_that_make_hundreds_of_partitions_are_told(database):
    old = migration_of("""
migration: old
from: {store: certify, table: app.old}
into: {table: app.old_by_month, partition: {range: at, every: month}}
""")
    with opening(database, old) as opened, psycopg.connect(database.dsn("admin"), autocommit=True) as user:
        user.execute(
            "CREATE TABLE app.old (id int, at date, PRIMARY KEY (id, at)); ALTER TABLE app.old OWNER TO certify_owner"
        )
        user.execute("INSERT INTO app.old VALUES (1, current_date)")
        assert "many_partitions" not in {finding.code for finding in opened().preflight()}
        user.execute("INSERT INTO app.old VALUES (2, current_date - interval '30 years')")
        (found,) = (finding for finding in opened().preflight() if finding.code == "many_partitions")
        assert not found.blocks and re.search(r"gets 3[67]\d partitions, from \d{4}-", found.what), found.what


EXTENDED = """
CREATE SCHEMA ext; CREATE EXTENSION ltree SCHEMA ext; CREATE EXTENSION citext SCHEMA ext;
GRANT USAGE ON SCHEMA ext TO PUBLIC;
CREATE TABLE app.trees (path ext.ltree, name ext.citext, n smallint GENERATED BY DEFAULT AS IDENTITY
    (INCREMENT -1 MINVALUE -32000 MAXVALUE -1), PRIMARY KEY (path, name));
INSERT INTO app.trees SELECT ('a.b' || i)::ext.ltree, 'N' || i FROM generate_series(1, 300) i;
ALTER TABLE app.trees OWNER TO certify_owner;
"""


def test_keys_of_an_extensions_types_are_compared_by_its_own_operators(database):
    trees = migration_of("""
migration: trees
from: {store: certify, table: app.trees}
into: {table: app.trees_new, partition: {hash: path, parts: 2}}
""")
    with opening(database, trees) as opened, psycopg.connect(database.dsn("admin"), autocommit=True) as user:
        user.execute(EXTENDED)
        check_findings("trees", opened().preflight(), ())
        advance(opened, Phase.CAPTURING)
        user.execute("UPDATE app.trees SET n = 7 WHERE n > -9")
        user.execute("UPDATE app.trees SET name = 'moved' || name::text WHERE n < -290")
        user.execute("DELETE FROM app.trees WHERE n = -200")
        facts = advance(opened, Phase.CUT_OVER)
        assert (facts[Step.VERIFY]["rows_compared"], facts[Step.CUT_OVER]["sequence_behind"]) == (299, 0)
        user.execute("UPDATE app.trees SET path = ('z.' || path::text)::ext.ltree WHERE n = 7")
        user.execute("INSERT INTO app.trees VALUES ('q', 'q')")
        advance(opened, Phase.VERIFIED)
        user.execute("INSERT INTO app.trees VALUES ('r', 'r')")
        assert user.execute("SELECT count(*), min(n) FROM app.trees WHERE path::text LIKE 'z.%'").fetchone() == (8, 7)
        assert user.execute("SELECT min(n) < -300 FROM app.trees").fetchone() == (True,)


# ---- changed columns ----

ORDERS = """
CREATE TABLE app."Orders" (
    id integer GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    amount numeric(12, 2) NOT NULL,
    state text NOT NULL DEFAULT 'new',
    placed timestamptz NOT NULL DEFAULT now()
);
INSERT INTO app."Orders" (amount, state) SELECT i / 100.0, 'open' FROM generate_series(1, 500) i;
ALTER TABLE app."Orders" OWNER TO certify_owner;
GRANT SELECT, INSERT, UPDATE, DELETE ON app."Orders" TO certify_app;
"""
CHANGED = """
migration: orders
from: {store: certify, table: app."Orders"}
into:
  table: app.orders_v2
  columns:
    id: {type: bigint, from: id, back: id::integer}
    amount_cents: {type: bigint, from: "(amount * 100)::bigint"}
    amount: {drop: true, back: "(amount_cents / 100.0)::numeric(12, 2)"}
    day: {type: date, from: "(placed AT TIME ZONE 'UTC')::date"}
"""


@pytest.fixture
def orders(database) -> Iterator[psycopg.Connection]:
    """The owner's session on a table of 500 orders."""
    with psycopg.connect(database.dsn("admin"), autocommit=True) as c:
        c.execute(ORDERS)
        yield c


def test_changed_columns_follow_every_write_and_lead_back(database, orders):
    with opening(database, migration_of(CHANGED)) as opened:
        check_findings("orders", opened().preflight(), ())
        advance(opened, Phase.CAPTURING)
        orders.execute('UPDATE app."Orders" SET amount = 7.77 WHERE id = 7')
        orders.execute('DELETE FROM app."Orders" WHERE id = 8')
        orders.execute('UPDATE app."Orders" SET id = 9000 WHERE id = 9')
        facts = advance(opened, Phase.CUT_OVER)
        assert facts[Step.VERIFY]["rows_compared"] == 499
        assert orders.execute('SELECT amount_cents FROM app."Orders" WHERE id = 7').fetchone() == (777,)
        columns = "SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum) FROM pg_attribute"
        where = " WHERE attrelid = 'app.\"Orders\"'::regclass AND attnum > 0 AND NOT attisdropped"
        assert orders.execute(columns + where).fetchone() == (
            "id bigint, state text, placed timestamp with time zone, amount_cents bigint, day date",
        )
        orders.execute("INSERT INTO app.\"Orders\" (amount_cents, day) VALUES (1234, '2026-01-01')")
        orders.execute('UPDATE app."Orders" SET amount_cents = 1 WHERE id = 7')
        assert opened().diff().clean
        orders.execute("UPDATE app.\"Orders\" SET day = '1999-09-09' WHERE id = 11")  # no old column says so
        advance(opened, Phase.VERIFIED)
        assert opened().diff().clean
        found = orders.execute(
            'SELECT amount::text FROM app."Orders" WHERE id = 7 OR amount = 12.34 ORDER BY id'
        ).fetchall()
        assert found == [("0.01",), ("12.34",)]


@pytest.mark.parametrize("kind", ["text", "numeric"])
def test_a_key_that_would_sort_otherwise_or_find_no_index_is_refused(database, orders, kind):
    orders.execute('ALTER TABLE app."Orders" ALTER id DROP IDENTITY')
    changed = CHANGED.replace("{type: bigint, from: id,", f"{{type: {kind}, from: 'id::{kind}',")
    with opening(database, migration_of(changed)) as opened:
        refused = {finding.code: finding.what for finding in opened().preflight() if finding.blocks}
    assert f"integer to {kind}" in refused["key_order"]


def test_a_value_that_does_not_fit_is_quarantined_and_no_user_notices(database, orders):
    narrow = CHANGED.replace("amount_cents: {type: bigint", "amount_cents: {type: smallint").replace(
        ")::bigint", ")::smallint"
    )
    with opening(database, migration_of(narrow)) as opened:
        advance(opened, Phase.BACKFILLED)
        orders.execute('UPDATE app."Orders" SET amount = 99999 WHERE id = 7')
        orders.execute('INSERT INTO app."Orders" (id, amount) VALUES (7000, 88888)')
        assert orders.execute("SELECT count(*) FROM app.orders_v2 WHERE id IN (7, 7000)").fetchone() == (0,)
        assert opened().standing()["quarantined"] == 2
        orders.execute('UPDATE app."Orders" SET amount = 3 WHERE id = 7')
        orders.execute('DELETE FROM app."Orders" WHERE id = 7000')
        assert opened().standing()["quarantined"] == 0
        assert opened().diff().clean


def test_a_new_value_that_the_old_table_cannot_hold_keeps_one_from_cutting_back(database, orders):
    with opening(database, migration_of(CHANGED)) as opened:
        advance(opened, Phase.CUT_OVER)
        orders.execute('INSERT INTO app."Orders" (id, amount_cents) VALUES (5000000000, 1)')
        with pytest.raises(NotYet, match="quarantine"):
            opened().cut_back()
        orders.execute('DELETE FROM app."Orders" WHERE id = 5000000000')
        advance(opened, Phase.VERIFIED)


def test_a_column_dropped_by_somebody_while_capture_guards_costs_no_user_a_write(database, orders):
    with opening(database, migration_of(CHANGED)) as opened:
        advance(opened, Phase.CAPTURING)
        orders.execute('ALTER TABLE app."Orders" RENAME COLUMN amount TO price')
        orders.execute('UPDATE app."Orders" SET price = 5 WHERE id = 7')
        assert opened().standing()["quarantined"] == 1


REFUSED = {
    "no_inverse": ("""    amount: {drop: true}""", "may not be NULL"),
    "wrong_inverse": (
        """    amount: {type: integer, from: "amount::integer", back: "amount::numeric(12, 2)"}""",
        "495 rows",
    ),
    "volatile_column": ("""    seen: {type: timestamptz, from: "now()"}""", "seen"),
    "bad_column": ("""    total: {type: bigint, from: "amuont * 100"}""", "amuont"),
    "bad_values": (
        """    state: {type: integer, from: "state::integer", back: state::text}""",
        "InvalidTextRepresentation",
    ),
    "key_changes": ("""    id: {type: bigint, from: id * 2, back: (id / 2)::integer}""", "is in the key"),
    "no_column": ("""    nothing: {drop: true}""", "nothing"),
}


@pytest.mark.parametrize("code", REFUSED)
def test_what_a_column_cannot_become_is_refused_with_the_reason(database, orders, code):
    columns, said = REFUSED[code]
    text = CHANGED[: CHANGED.index("    id:")] + columns
    with opening(database, migration_of(text)) as opened, pytest.raises(PreflightRefused) as refused:
        check_findings("orders", opened().preflight(), ())
    assert f"[{code}]" in str(refused.value)
    assert said in str(refused.value)
