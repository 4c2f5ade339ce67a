"""Foreign keys of a table that is moved: out of it, into it and to itself. Carried, used, back again."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors
from sluice.migration.engine.contract import Phase
from sluice.migration.engine.way import Step

from tests.integration.moved import HASHED, MONTHS, PLAIN

THING = (
    "CREATE TABLE app.owner (id bigint PRIMARY KEY, name text)",
    "INSERT INTO app.owner SELECT n, 'o' || n FROM generate_series(1, 20) n",
    "CREATE TABLE app.thing (id bigint PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(), owner_id bigint,"
    " parent bigint, note text)",
    "INSERT INTO app.thing (id, owner_id, note) SELECT n, 1 + n % 20, 'n' FROM generate_series(1, 500) n",
)
OUT = "ALTER TABLE app.thing ADD CONSTRAINT thing_owner FOREIGN KEY (owner_id) REFERENCES app.owner (id) ON DELETE CASCADE"
ITEM = (
    "CREATE TABLE app.item (id bigint PRIMARY KEY, thing_id bigint)",
    "INSERT INTO app.item SELECT n, n FROM generate_series(1, 100) n",
    "ALTER TABLE app.item ADD CONSTRAINT item_thing FOREIGN KEY (thing_id) REFERENCES app.thing (id) ON DELETE CASCADE",
)
ITSELF = (
    "ALTER TABLE app.thing ADD CONSTRAINT thing_parent FOREIGN KEY (parent) REFERENCES app.thing (id)"
    " ON DELETE CASCADE ON UPDATE CASCADE"
)
LEFT = r"SELECT count(*) FROM pg_class WHERE relname LIKE '%\_\_new' OR relname LIKE '%\_\_old'"
KEYS = """SELECT conrelid::regclass::text, conname::text, confrelid::regclass::text, convalidated, condeferrable, condeferred
          FROM pg_constraint WHERE contype = 'f' AND conparentid = 0 AND connamespace = 'app'::regnamespace ORDER BY 1, 2"""


@pytest.fixture(params=[PLAIN, HASHED], ids=["plain", "hashed"])
def into(request):
    return request.param


def skip_before_18(server, into):
    """A partitioned table that points at itself is refused there."""
    with psycopg.connect(server.cluster.dsn()) as c:
        if into is HASHED and c.info.server_version < 180000:
            pytest.skip("refused before PostgreSQL 18")


def refused(moved, statement):
    with pytest.raises(errors.ForeignKeyViolation):
        moved.use(statement)


def test_a_key_out_holds_on_whichever_table_is_live(moving, into):
    moved = moving(into, *THING, OUT)
    facts = moved.to(Phase.VERIFIED)
    assert facts[Step.BACKFILL]["foreign_keys_missing"] == 0
    assert moved.kind().standing()["fingerprint_differs"] == 0
    for phase in (Phase.VERIFIED, Phase.CUT_OVER, Phase.VERIFIED, Phase.CUT_OVER):
        moved.to(phase)
        refused(moved, "INSERT INTO app.thing (id, owner_id) VALUES (9000, 999)")
        owner = moved.ask("SELECT max(id) FROM app.owner")[0][0]
        moved.use(f"DELETE FROM app.owner WHERE id = {owner}")
        assert moved.ask(f"SELECT count(*) FROM app.thing WHERE owner_id = {owner}") == [(0,)]
        assert moved.equal()
    moved.to(Phase.RETIRED)
    assert moved.ask(KEYS) == [("app.thing", "thing_owner", "app.owner", True, False, False)]


def test_a_table_that_follows_never_fails_a_write_that_the_live_one_takes(moving, into):
    """Parents and children go in one statement, in whatever order; an isolation that sees the past cascades as well."""
    moved = moving(into, *THING, OUT.replace("ON DELETE CASCADE", ""))
    for phase in (Phase.VERIFIED, Phase.CUT_OVER):
        moved.to(phase)
        owner = moved.ask("SELECT max(id) FROM app.owner")[0][0]
        moved.use(
            f"WITH o AS (DELETE FROM app.owner WHERE id = {owner} RETURNING id)"
            " DELETE FROM app.thing WHERE owner_id IN (SELECT id FROM o)"
        )
        assert moved.equal()


def test_cascades_under_repeatable_read_reach_both_tables(moving, into):
    moved = moving(into, *THING, OUT)
    for phase in (Phase.VERIFIED, Phase.CUT_OVER):
        moved.to(phase)
        owner = moved.ask("SELECT max(id) FROM app.owner")[0][0]
        moved.use("BEGIN ISOLATION LEVEL REPEATABLE READ", f"DELETE FROM app.owner WHERE id = {owner}", "COMMIT")
        assert moved.equal()


def test_a_deferred_key_stays_deferred_for_the_live_table(moving, into):
    moved = moving(into, *THING, OUT + " DEFERRABLE INITIALLY DEFERRED")
    for number, phase in enumerate((Phase.VERIFIED, Phase.CUT_OVER, Phase.VERIFIED)):
        moved.to(phase)
        moved.use(
            "BEGIN",
            f"INSERT INTO app.thing (id, owner_id) VALUES ({9000 + number}, {100 + number})",
            f"INSERT INTO app.owner VALUES ({100 + number}, 'late')",
            "COMMIT",
        )
        assert moved.equal()


def test_a_key_in_points_at_whichever_table_is_live(moving, into):
    moved = moving(into, *THING, *ITEM)
    for number, phase in enumerate((Phase.VERIFIED, Phase.CUT_OVER, Phase.VERIFIED, Phase.CUT_OVER)):
        facts = moved.to(phase)
        assert all(step["carried_missing"] == 0 for step in facts.values() if "carried_missing" in step)
        assert moved.ask(KEYS) == [("app.item", "item_thing", "app.thing", True, False, False)]
        refused(moved, "INSERT INTO app.item VALUES (7000, 9999)")
        moved.use(f"DELETE FROM app.thing WHERE id = {number + 1}")
        assert moved.ask(f"SELECT count(*) FROM app.item WHERE thing_id = {number + 1}") == [(0,)]
        moved.use(
            f"INSERT INTO app.thing (id, owner_id) VALUES ({number + 1}, 1)",
            f"INSERT INTO app.item VALUES ({9000 + number}, {number + 1})",
        )
        assert moved.equal()
    assert moved.ask("SELECT count(*) FROM app.item") == [(100,)]


def test_a_key_in_that_was_not_validated_stays_so(moving):
    moved = moving(PLAIN, *THING, *ITEM[:2], "INSERT INTO app.item VALUES (5000, 5000)", ITEM[2] + " NOT VALID")
    for phase in (Phase.CUT_OVER, Phase.VERIFIED):
        moved.to(phase)
        assert moved.ask(KEYS)[0][3] is False


def test_a_key_in_whose_validation_was_broken_off_is_validated_by_the_next_run(moving, monkeypatch):
    from sluice.migration.kinds.same_cluster.surroundings import foreign_keys

    moved = moving(HASHED, *THING, *ITEM)
    moved.to(Phase.SHADOWING)
    with monkeypatch.context() as broken:
        broken.setattr(foreign_keys, "validate_in", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            moved.kind().cut_over()
    assert moved.ask(KEYS)[0][3] is False
    assert moved.kind().cut_over().facts["carried_missing"] == 0
    assert moved.ask(KEYS)[0][3] is True


def test_a_key_to_itself_is_on_the_live_table_alone(moving, into, server):
    skip_before_18(server, into)
    moved = moving(into, *THING, ITSELF)
    for number, phase in enumerate((Phase.VERIFIED, Phase.CUT_OVER, Phase.VERIFIED, Phase.CUT_OVER)):
        facts = moved.to(phase)
        assert all(step["carried_missing"] == 0 for step in facts.values() if "carried_missing" in step)
        assert moved.ask(KEYS) == [("app.thing", "thing_parent", "app.thing", True, False, False)]
        base = 1000 * (number + 1)
        # Children before parents, within one statement; a key that moves; a tree that goes: all as a table does it alone.
        moved.use(
            f"INSERT INTO app.thing (id, parent) SELECT n, n + 1 FROM generate_series({base}, {base + 3}) n"
            f" UNION ALL SELECT {base + 4}, NULL"
        )
        assert moved.equal()
        moved.use(f"UPDATE app.thing SET id = id + 500 WHERE id = {base + 2}")
        assert moved.ask(f"SELECT parent FROM app.thing WHERE id = {base + 1}") == [(base + 502,)]
        assert moved.equal()
        refused(moved, f"INSERT INTO app.thing (id, parent) VALUES ({base + 900}, 77777)")
        moved.use(f"DELETE FROM app.thing WHERE id = {base + 4}")
        assert moved.ask(f"SELECT count(*) FROM app.thing WHERE id BETWEEN {base} AND {base + 800}") == [(0,)]
        assert moved.equal()


def test_abort_leaves_the_keys_as_they_were(moving, into, server):
    skip_before_18(server, into)
    moved = moving(into, *THING, *ITEM, OUT, ITSELF)
    before = moved.ask(KEYS)
    moved.to(Phase.CUT_OVER)
    moved.to(Phase.PLANNED)
    assert moved.ask(KEYS) == before
    assert moved.ask(LEFT) == [(0,)]
    assert moved.ask("SELECT count(*) FROM pg_namespace WHERE nspname = 'app_partitions'") == [(0,)]


def test_a_retired_table_stands_in_nobodys_way(moving):
    moved = moving(HASHED, *THING, OUT.replace("ON DELETE CASCADE", ""))
    moved.to(Phase.RETIRED)
    moved.use("DELETE FROM app.thing WHERE owner_id = 20", "DELETE FROM app.owner WHERE id = 20")


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (ITEM, "foreign_key_in"),
        ((ITSELF,), "foreign_key_in"),
        ((OUT + " NOT VALID",), "unvalidated_key"),
        (("ALTER TABLE app.thing ADD CONSTRAINT u UNIQUE (at, note, id) DEFERRABLE",), "deferrable_unique"),
    ],
)
def test_what_the_new_key_cannot_bear_is_refused(moving, more, code):
    moved = moving(MONTHS, *THING, *more, accept=("weaker_key",))
    assert moved.codes() == {"weaker_key", code}


def test_a_key_out_of_a_column_that_is_dropped_is_refused(moving):
    moved = moving({"columns": {"owner_id": {"drop": True}}}, *THING, OUT)
    assert "foreign_key" in moved.codes()


def test_before_18_a_partitioned_table_that_points_in_is_refused(moving):
    partitioned = (
        "CREATE TABLE app.part (id bigint, thing_id bigint REFERENCES app.thing (id)) PARTITION BY HASH (id)",
        "CREATE TABLE app.part_0 PARTITION OF app.part FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
    )
    moved = moving(HASHED, *THING, *partitioned)
    with psycopg.connect(moved.database.dsn()) as c:
        version = c.info.server_version
    assert moved.codes() == (set() if version >= 180000 else {"foreign_key_in"})
    if version >= 180000:
        assert moved.to(Phase.CUT_OVER)[Step.CUT_OVER]["carried_missing"] == 0
        refused(moved, "INSERT INTO app.part VALUES (1, 99999)")
        assert moved.to(Phase.VERIFIED)[Step.CUT_BACK]["carried_missing"] == 0


def test_truncate_cascades_to_both_tables(moving, into):
    """The table that follows points at the truncated one too: it is emptied already, and in hand, when capture gets to it."""
    moved = moving(into, *THING, OUT, "GRANT TRUNCATE ON app.owner, app.thing TO certify_app")
    for phase in (Phase.VERIFIED, Phase.CUT_OVER, Phase.VERIFIED):
        moved.to(phase)
        moved.use(
            "INSERT INTO app.owner VALUES (1, 'o') ON CONFLICT DO NOTHING",
            "INSERT INTO app.thing (id, owner_id) VALUES (1, 1) ON CONFLICT DO NOTHING",
        )
        moved.use("TRUNCATE app.owner CASCADE")
        moved.use("INSERT INTO app.owner VALUES (1, 'o')", "INSERT INTO app.thing (id, owner_id) VALUES (2, 1)")
        assert moved.equal()


def test_a_key_out_reaches_partitions_of_partitions(moving):
    twice = {"partition": {"list": "owner_id", "then": {"hash": "id", "parts": 2}}}
    moved = moving(twice, *THING, OUT, accept=("weaker_key", "nullable_partition_column"))
    assert moved.to(Phase.CUT_OVER)[Step.BACKFILL]["foreign_keys_missing"] == 0
    refused(moved, "INSERT INTO app.thing (id, owner_id) VALUES (9000, 999)")
    moved.use("DELETE FROM app.owner WHERE id = 20")
    assert moved.equal()
