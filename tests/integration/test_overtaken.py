"""Who comes between a write and our being told of it: what the row is in the end is what counts, on both tables."""

from __future__ import annotations

import pytest
from sluice.migration.engine.contract import Drifted, NotYet, Phase
from sluice.migration.kinds.same_cluster import capture

from tests.integration.moved import HASHED, MONTHS, PLAIN, Moved

TABLE = (
    "CREATE TABLE app.thing (id int PRIMARY KEY, at timestamptz NOT NULL DEFAULT date_trunc('month', now()), note text,"
    " rank int)",
    "INSERT INTO app.thing SELECT i, date_trunc('month', now()), i FROM generate_series(1, 50) i",
    "GRANT ALL ON app.thing TO certify_app",
)
NESTED = (
    "CREATE FUNCTION app.f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    " IF pg_trigger_depth() < 2 THEN {} END IF; RETURN NULL; END $$"
)
UPSERT = (
    "INSERT INTO app.thing (id, at, note) VALUES (1, date_trunc('month', now()), 'x'), (100, now(), 'new')"
    " ON CONFLICT ({}) DO UPDATE SET note = 'up'"
)
MERGE = (
    "MERGE INTO app.thing t USING generate_series(50, 51) g(i) ON t.id = g.i"
    " WHEN MATCHED THEN UPDATE SET note = 'm' WHEN NOT MATCHED THEN INSERT (id, note) VALUES (i, 'new')"
)
FINAL, GONE = "UPDATE app.thing SET note = 'final' WHERE note = 'new';", "DELETE FROM app.thing WHERE note = 'new';"


def by_statement(does: str, event: str) -> tuple[str, ...]:
    """The table's own trigger for statements: of another event it comes before ours, whatever its name."""
    return NESTED.format(
        does
    ), f"CREATE TRIGGER zz AFTER {event} ON app.thing FOR EACH STATEMENT EXECUTE FUNCTION app.f()"


def by_another(does: str) -> tuple[str, ...]:
    """Another table's trigger."""
    return (
        NESTED.format(does + " WHERE id = NEW.thing;"),
        "CREATE TABLE app.other (id int PRIMARY KEY, thing int)",
        "GRANT ALL ON app.other TO certify_app",
        "CREATE TRIGGER zz AFTER INSERT ON app.other FOR EACH ROW EXECUTE FUNCTION app.f()",
    )


OF_ANOTHER = (
    "WITH o AS (INSERT INTO app.other VALUES (1, 100) RETURNING thing)"
    " INSERT INTO app.thing (id, note) SELECT thing, 'new' FROM o"
)
CASES = {
    "an upsert, and then changed": (by_statement(FINAL, "INSERT OR UPDATE"), UPSERT),
    "an upsert, and then deleted": (by_statement(GONE, "UPDATE"), UPSERT),
    "a merge, and then changed": (by_statement(FINAL, "UPDATE"), MERGE),
    "a merge, and then deleted": (by_statement(GONE, "INSERT OR UPDATE"), MERGE),
    "changed by another table's": (by_another("UPDATE app.thing SET note = 'final'"), OF_ANOTHER),
    "deleted by another table's": (by_another("DELETE FROM app.thing"), OF_ANOTHER),
    "an update, and then changed by another table's": (
        by_another("UPDATE app.thing SET note = 'final'"),
        "WITH o AS (INSERT INTO app.other VALUES (1, 5) RETURNING thing)"
        " UPDATE app.thing SET note = 'new' FROM o WHERE id = o.thing",
    ),
    "an update, and then changed for another event": (
        by_statement(FINAL, "DELETE"),
        "WITH d AS (DELETE FROM app.thing WHERE id = 9 RETURNING 1), n AS (SELECT count(*) FROM d)"
        " UPDATE app.thing SET note = 'new' WHERE id = (SELECT 5 FROM n)",
    ),
    "changed by a function over what was inserted": (
        (
            "CREATE FUNCTION app.g(i int) RETURNS int LANGUAGE plpgsql AS"
            " $$ BEGIN UPDATE app.thing SET note = 'final' WHERE id = i; RETURN i; END $$",
        ),
        "WITH i AS (INSERT INTO app.thing (id) VALUES (100) RETURNING id) SELECT app.g(id) FROM i",
    ),
    "its key taken anew by another table's": (
        by_another("INSERT INTO app.thing SELECT 5, at, 'anew' FROM app.thing"),
        "WITH o AS (INSERT INTO app.other VALUES (1, 9) RETURNING thing)"
        " UPDATE app.thing SET id = 105 FROM o WHERE id = o.thing - 4",
    ),
    "changed by a default of the next row": (
        (
            "CREATE FUNCTION app.g() RETURNS int LANGUAGE plpgsql AS"
            " $$ BEGIN UPDATE app.thing SET note = 'older' WHERE id > 99; RETURN 1; END $$",
            "ALTER TABLE app.thing ALTER rank SET DEFAULT app.g()",
        ),
        "INSERT INTO app.thing (id, note) SELECT i, 'new' FROM generate_series(100, 103) i",
    ),
}
UNDO = (
    "ALTER TABLE app.thing ALTER rank DROP DEFAULT",
    "DROP FUNCTION IF EXISTS app.f() CASCADE",
    "DROP FUNCTION IF EXISTS app.g",
    "DROP TABLE IF EXISTS app.other",
)
WIDER = {"columns": {"note": {"type": "varchar(99)", "from": "note::varchar(99)", "back": "note::text"}}}


def unread(moved: Moved) -> Moved:
    """The same, without the shadow read: this is about capture."""
    gates = moved.migration.gates.model_copy(update={"shadow": None})
    moved.migration = moved.migration.model_copy(update={"gates": gates})
    return moved


@pytest.mark.parametrize("into", (PLAIN, MONTHS, WIDER), ids=("plain", "months", "changed"))
def test_what_a_row_is_in_the_end_is_what_counts(moving, into):
    moved = unread(moving(into, *TABLE, accept=("weaker_key", "way_back")))
    for phase, key in ((Phase.BACKFILLED, "id"), (Phase.CUT_OVER, "id, at" if into is MONTHS else "id")):
        moved.to(phase)
        for case, (setup, write) in CASES.items():
            moved.own("DELETE FROM app.thing", *TABLE[1:2], *setup)
            moved.use(write.format(key))
            diff = moved.kind().diff()
            assert diff.clean, (phase, case, diff.samples)
            moved.own(*UNDO)


def test_a_row_that_was_deleted_after_a_green_gate_does_not_come_back(moving):
    setup, write = CASES["an upsert, and then deleted"]
    moved = unread(moving(PLAIN, *TABLE, *setup))
    moved.to(Phase.VERIFIED)
    moved.use(write.format("id"))
    assert moved.ask("SELECT id FROM app.thing WHERE id >= 100") == []
    moved.kind().cut_over()
    assert moved.ask("SELECT id FROM app.thing WHERE id >= 100") == []


@pytest.mark.parametrize("name", ("found", "tg_op", "tg_argv", "new", "old", "live", "gone", "told", "fresh", "s"))
def test_a_key_may_have_the_name_of_a_variable(moving, name):
    moved = moving(
        PLAIN,
        f'CREATE TABLE app.thing ("{name}" int PRIMARY KEY, note text)',
        "INSERT INTO app.thing SELECT i, i FROM generate_series(1, 50) i",
        "GRANT ALL ON app.thing TO certify_app",
    )
    for phase, first in ((Phase.BACKFILLED, 1), (Phase.CUT_OVER, 11)):
        moved.to(phase)
        moved.use(
            f"INSERT INTO app.thing VALUES ({first + 100}, 'x')",
            f'UPDATE app.thing SET note = 1 WHERE "{name}" = {first}',
            f'UPDATE app.thing SET "{name}" = {first + 400} WHERE "{name}" = {first + 1}',
            f'DELETE FROM app.thing WHERE "{name}" = {first + 2}',
        )
        assert moved.equal()


def test_a_table_that_becomes_a_partition_meanwhile_is_drift(moving):
    moved = unread(moving(PLAIN, *TABLE))
    moved.to(Phase.VERIFIED)
    moved.own(
        "CREATE TABLE app.root (id int, at timestamptz NOT NULL, note text, rank int) PARTITION BY RANGE (id)",
        "ALTER TABLE app.root ATTACH PARTITION app.thing FOR VALUES FROM (0) TO (10000)",
        "INSERT INTO app.root VALUES (100, now(), 'through the root')",
    )
    assert moved.kind().standing()["fingerprint_differs"] == 1
    with pytest.raises(Drifted, match=r"app\.thing"):
        moved.kind().cut_over()
    assert moved.ask("SELECT note FROM app.thing WHERE id = 100") == [("through the root",)]


@pytest.mark.parametrize("into", (PLAIN, HASHED), ids=("the table", "one partition of four"))
def test_cutting_back_compares_first_where_capture_was_touched(moving, into):
    moved = unread(moving(into, *TABLE))
    moved.to(Phase.CUT_OVER)
    ((written,),) = moved.ask("SELECT tableoid::regclass::text FROM app.thing WHERE id = 7")
    moved.own(f'ALTER TABLE {written} DISABLE TRIGGER "!sluice_capture"')
    moved.use("UPDATE app.thing SET note = 'acknowledged' WHERE id = 7")
    with pytest.raises(NotYet, match=r"reverse capture on app\.thing is off: the old table lacks writes"):
        moved.kind().cut_back()
    moved.own(f'ALTER TABLE {written} ENABLE ALWAYS TRIGGER "!sluice_capture"')
    with pytest.raises(NotYet, match=r"the old table differs: .*7.* bring these over, then cut back"):
        moved.kind().cut_back()
    assert moved.kind().position().phase is Phase.CUT_OVER
    moved.own("UPDATE app.thing__old SET note = 'acknowledged' WHERE id = 7")
    moved.kind().cut_back()
    assert moved.ask("SELECT note FROM app.thing WHERE id = 7") == [("acknowledged",)]


def test_what_is_left_of_capture_is_counted_though_it_is_off(moving):
    moved = moving(PLAIN, *TABLE)
    moved.to(Phase.BACKFILLED)
    moved.own(
        'DROP TRIGGER "!sluice_capture" ON app.thing', 'ALTER TABLE app.thing DISABLE TRIGGER "!sluice_capture_insert"'
    )
    kind = moved.kind()
    assert capture.look(kind._c, kind.marks.row(kind._c)["source_oid"])["capture_triggers"] == 2
