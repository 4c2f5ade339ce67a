"""Views, functions, policies and publications of a table that is moved: they mean whichever table is live, or are refused."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from psycopg import errors
from sluice.migration.engine.contract import NotYet, Phase
from sluice.migration.kinds.same_cluster.surroundings import carry
from sluice.stores.postgres import LockBusy

from tests.integration.moved import HASHED, MONTHS, PLAIN

THING = (
    "CREATE TABLE app.thing (id bigint PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(), tenant int DEFAULT 1, note text)",
    "INSERT INTO app.thing (id, tenant, note) SELECT n, n % 3, 'n' FROM generate_series(1, 300) n",
)
READERS = (
    "CREATE VIEW app.seen WITH (security_barrier, check_option = local) AS SELECT id, note FROM app.thing WHERE id > 0",
    "CREATE VIEW app.liked AS SELECT id FROM app.thing WHERE note LIKE '%n%' OR id % 2 = 0",
    "CREATE VIEW app.seen_twice AS SELECT * FROM app.seen",
    "CREATE VIEW app.counted (tenant, n) WITH (security_invoker) AS SELECT t.tenant, count(*) FROM app.thing t GROUP BY t.tenant",
    "GRANT SELECT, INSERT ON app.seen TO certify_app",
    "REVOKE ALL ON app.seen_twice FROM certify_app",
    "COMMENT ON VIEW app.seen IS 'kept'",
    "CREATE FUNCTION app.how_many() RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER"
    " BEGIN ATOMIC SELECT count(*) FROM app.thing; END",
    "CREATE TABLE app.other (id bigint)",
    "INSERT INTO app.other SELECT n FROM generate_series(1, 2000) n",
    "ALTER TABLE app.other ENABLE ROW LEVEL SECURITY",
    "CREATE POLICY of_thing ON app.other TO certify_app USING (id IN (SELECT t.id FROM app.thing t))",
)
STATE = """SELECT c.oid::text, c.relname::text, pg_get_userbyid(relowner)::text, relacl::text, reloptions::text,
           obj_description(c.oid)
           FROM pg_class c WHERE relkind = 'v' AND relnamespace = 'app'::regnamespace ORDER BY 2"""


@pytest.mark.parametrize(
    ("into", "accept"), [(PLAIN, ()), (HASHED, ()), (MONTHS, ("weaker_key",))], ids=["plain", "hashed", "months"]
)
def test_who_reads_the_table_reads_the_live_one(moving, into, accept):
    moved = moving(into, *THING, *READERS, accept=accept)
    before = moved.ask(STATE)
    for number, phase in enumerate((Phase.VERIFIED, Phase.CUT_OVER, Phase.VERIFIED, Phase.CUT_OVER)):
        facts = moved.to(phase)
        assert all(step["carried_missing"] == 0 for step in facts.values() if "carried_missing" in step)
        assert moved.ask(STATE) == before
        new = 1000 + number
        moved.use(f"INSERT INTO app.seen VALUES ({new}, 'by the view')")
        assert moved.ask(f"SELECT note FROM app.thing WHERE id = {new}") == [("by the view",)]
        assert moved.ask(f"SELECT note FROM app.seen_twice WHERE id = {new}") == [("by the view",)]
        assert moved.ask("SELECT sum(n) FROM app.counted") == [(301 + number,)]
        assert moved.ask("SELECT app.how_many()") == [(301 + number,)]
        with moved.session("certify_app") as c:
            assert c.execute("SELECT count(*) AS n FROM app.other").fetchone()["n"] == 301 + number
            with pytest.raises(errors.InsufficientPrivilege):
                c.execute("SELECT FROM app.seen_twice")
        # The follower is nobody's any more: without its capture, no reader would notice the row.
        moved.use(f"UPDATE app.thing SET note = 'changed' WHERE id = {new}")
        assert moved.ask(f"SELECT note FROM app.seen WHERE id = {new}") == [("changed",)]
        assert moved.equal()
    moved.to(Phase.PLANNED)
    assert moved.ask(STATE) == before
    assert moved.ask("SELECT count(*) FROM pg_class WHERE relname LIKE 'thing\\_%' AND relkind IN ('r', 'p')") == [(0,)]


def test_a_reader_made_between_preflight_and_cutover_comes_along(moving):
    moved = moving(PLAIN, *THING)
    moved.to(Phase.VERIFIED)
    moved.own(READERS[0])
    moved.to(Phase.CUT_OVER)
    moved.own("CREATE VIEW app.later AS SELECT id FROM app.thing")
    moved.to(Phase.VERIFIED)
    moved.use("INSERT INTO app.thing (id) VALUES (5000)")
    assert moved.ask("SELECT count(*) FROM app.later WHERE id = 5000") == [(1,)]
    moved.to(Phase.PLANNED)


def test_what_cannot_be_carried_stops_the_cutover_and_nothing_is_changed(moving):
    moved = moving(PLAIN, *THING)
    moved.to(Phase.SHADOWING)
    moved.own("CREATE MATERIALIZED VIEW app.stale AS SELECT id FROM app.thing")
    with pytest.raises(NotYet, match=r"app\.stale"):
        moved.kind().cut_over()
    assert moved.kind().position().phase is Phase.SHADOWING
    moved.own("DROP MATERIALIZED VIEW app.stale")
    moved.to(Phase.CUT_OVER)


def test_what_changes_between_the_plan_and_the_locks_stops_the_cutover(moving, monkeypatch):
    moved = moving(PLAIN, *THING)
    moved.to(Phase.SHADOWING)
    planned = carry.plan

    def late(*known, **named):
        found = planned(*known, **named)
        moved.own("CREATE VIEW app.sudden AS SELECT id FROM app.thing")
        return found

    with monkeypatch.context() as between:
        between.setattr(carry, "plan", late)
        with pytest.raises(NotYet, match=r"app\.sudden"):
            moved.kind().cut_over()
    assert moved.kind().position().phase is Phase.SHADOWING
    moved.to(Phase.CUT_OVER)


def test_who_holds_a_view_is_waited_for_before_the_table_is_locked(moving):
    """Readers of the view hold it and want the table: the other way round, each would wait for the other."""
    moved = moving(PLAIN, *THING, READERS[0])
    slow = moved.migration.cutover.model_copy(update={"lock_timeout": timedelta(seconds=2), "tries": 1})
    moved.migration = moved.migration.model_copy(update={"cutover": slow})
    moved.to(Phase.SHADOWING)
    waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'app.seen'::regclass AND NOT granted"
    locked = """SELECT count(*) FROM pg_locks WHERE relation = 'app.thing'::regclass AND granted
                AND mode = 'AccessExclusiveLock'"""
    kind = moved.kind()
    with moved.session("admin") as holder, holder.transaction(), ThreadPoolExecutor(1) as pool:
        holder.execute("COMMENT ON VIEW app.seen IS 'held'")
        swap = pool.submit(kind.cut_over)
        while moved.ask(waiting) == [(0,)] and not swap.done():
            time.sleep(0.02)
        assert moved.ask(waiting) == [(1,)]
        assert moved.ask(locked) == [(0,)]
        with pytest.raises(LockBusy):
            swap.result()


SELF_READ = (
    "ALTER TABLE app.thing ENABLE ROW LEVEL SECURITY;"
    " CREATE POLICY own ON app.thing USING (id < (SELECT max(t.id) FROM app.thing t))"
)


@pytest.mark.parametrize(
    ("into", "more", "code", "said"),
    [
        (PLAIN, "CREATE MATERIALIZED VIEW app.m AS SELECT id FROM app.thing", "dependent", "Materialized view app.m"),
        (
            PLAIN,
            "CREATE RULE r AS ON DELETE TO app.thing DO ALSO NOTIFY gone",
            "dependent",
            "Rule r on table app.thing",
        ),
        (
            PLAIN,
            "CREATE TABLE app.o (id int); CREATE RULE r AS ON INSERT TO app.o DO ALSO INSERT INTO app.thing (id) VALUES (NEW.id)",
            "dependent",
            "Rule r on table app.o",
        ),
        (
            PLAIN,
            "CREATE FUNCTION app.f(app.thing) RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "dependent",
            "Function app.f(app.thing)",
        ),
        (PLAIN, "CREATE TABLE app.rows (t app.thing)", "dependent", "Table app.rows"),
        (PLAIN, "CREATE TABLE app.rows (t app.thing[])", "dependent", "Table app.rows"),
        (PLAIN, "CREATE VIEW app.whole AS SELECT t FROM app.thing t", "dependent", "View app.whole"),
        (PLAIN, "CREATE TABLE app.child () INHERITS (app.thing)", "inheritance", "parents or children"),
        (PLAIN, SELF_READ, "dependent", "Policy own on table app.thing"),
        (
            MONTHS,
            "CREATE VIEW app.grouped AS SELECT id, note FROM app.thing GROUP BY id",
            "dependent",
            "app.grouped groups by a key",
        ),
        (
            {"columns": {"note": {"drop": True}}},
            READERS[0],
            "refused_by_postgres",
            "refuses view seen: column",
        ),
        (
            {"columns": {"note": {"type": "varchar(50)", "from": "note", "back": "note"}}},
            READERS[0],
            "dependent",
            "View seen would change: note",
        ),
        (HASHED, "CREATE PUBLICATION p FOR TABLE app.thing", "publication", "publish_via_partition_root"),
        (PLAIN, "ALTER TABLE app.thing REPLICA IDENTITY FULL", "replica_identity", "REPLICA IDENTITY DEFAULT"),
        (
            PLAIN,
            "ALTER TABLE app.thing ADD COLUMN acl aclitem[]",
            "uncomparable",
            "acl of app.thing cannot be compared",
        ),
    ],
)
def test_what_cannot_be_carried_is_refused_with_its_reason(moving, into, more, code, said):
    moved = moving(into, *THING, accept=("weaker_key", "lossy_column", "way_back"))
    moved.admin("GRANT CREATE ON DATABASE " + moved.database.name + " TO certify_owner")
    moved.own(*more.split("; "))
    if "aclitem" in more:
        moved.own("UPDATE app.thing SET acl = (SELECT relacl FROM pg_class WHERE oid = 'app.thing'::regclass)")
    findings = [f for f in moved.kind().preflight() if f.code == code]
    assert any(said in str(f) for f in findings), moved.said()
    assert all(f.way_on for f in findings)


def test_views_that_group_by_a_key_that_stays_are_carried(moving):
    moved = moving(HASHED, *THING, "CREATE VIEW app.grouped AS SELECT id, note FROM app.thing GROUP BY id")
    for phase in (Phase.CUT_OVER, Phase.VERIFIED):
        moved.to(phase)
        moved.use(f"INSERT INTO app.thing (id, note) VALUES ({phase.rank + 5000}, 'g')")
        assert moved.ask("SELECT count(*) FROM app.grouped WHERE note = 'g'") == moved.ask(
            "SELECT count(*) FROM app.thing WHERE note = 'g'"
        )


@pytest.mark.parametrize("into", [PLAIN, HASHED], ids=["plain", "hashed"])
def test_a_policy_that_looks_elsewhere_for_each_row_holds_on_both_tables(moving, into):
    moved = moving(
        into,
        *THING,
        "CREATE TABLE app.member (tenant int, name text)",
        "INSERT INTO app.member VALUES (1, 'certify_app')",
        "ALTER TABLE app.thing ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY of_members ON app.thing USING (EXISTS (SELECT FROM app.member m"
        " WHERE m.tenant = thing.tenant AND m.name = current_user))",
    )
    for phase in (Phase.VERIFIED, Phase.CUT_OVER, Phase.VERIFIED):
        facts = moved.to(phase)
        assert all(step["rls_differs"] == 0 for step in facts.values() if "rls_differs" in step)
        with moved.session("certify_app") as c:
            assert c.execute("SELECT count(*) AS n FROM app.thing").fetchone()["n"] == 100
            with pytest.raises(errors.InsufficientPrivilege, match="row-level security"):
                c.execute("INSERT INTO app.thing (id, tenant) VALUES (9000, 2)")
    assert moved.ask("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'sluice %'") == [(0,)]


def test_a_view_of_somebody_else_is_refused(moving):
    moved = moving(PLAIN, *THING)
    moved.admin("CREATE VIEW app.foreign_view AS SELECT id FROM app.thing")
    assert moved.codes() == {"dependent"}


@pytest.mark.parametrize(
    ("into", "tail"), [(PLAIN, ""), (HASHED, " WITH (publish_via_partition_root = true)")], ids=["plain", "hashed"]
)
def test_a_publication_publishes_the_live_table(moving, into, tail):
    moved = moving(into, *THING)
    moved.admin("GRANT CREATE ON DATABASE " + moved.database.name + " TO certify_owner")
    moved.own(f"CREATE PUBLICATION p FOR TABLE app.thing (id, note) WHERE (id > 10){tail}")
    query = "SELECT tablename::text, attnames::text, rowfilter FROM pg_publication_tables WHERE pubname = 'p'"
    before = moved.ask(query)
    assert before[0][0] == "thing"
    for phase in (Phase.VERIFIED, Phase.CUT_OVER, Phase.VERIFIED, Phase.PLANNED):
        moved.to(phase)
        assert moved.ask(query) == before


def test_a_publication_of_everything_must_be_accepted(moving):
    moved = moving(HASHED, *THING)
    moved.admin("CREATE PUBLICATION everything FOR ALL TABLES")
    finding = next(f for f in moved.kind().preflight() if f.code == "publication")
    assert finding.acceptable
    assert "everything" in finding.what


def test_a_rehearsal_leaves_nothing_behind(moving):
    moved = moving(HASHED, *THING, *READERS)
    query = "SELECT (SELECT count(*) FROM pg_class), (SELECT count(*) FROM pg_namespace), (SELECT count(*) FROM pg_constraint)"
    moved.kind().preflight()
    before = moved.ask(query)
    moved.kind().preflight()
    assert moved.ask(query) == before


def test_a_rehearsal_waits_for_nobody_and_keeps_nobody_waiting(moving):
    """A writer and a reader of view and table hold what they have; the rehearsal passes between them."""
    moved = moving(HASHED, *THING, *READERS)
    with moved.session("certify_app") as writer, writer.transaction():
        writer.execute("UPDATE app.thing SET note = 'held' WHERE id = 1")
        writer.execute("SELECT count(*) FROM app.seen")
        assert moved.codes() == set()
