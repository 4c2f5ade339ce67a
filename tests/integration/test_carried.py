"""What the target gets of the table, or why not: exclusion constraints, statistics targets; and an abort that comes too late."""

from __future__ import annotations

import pytest
from psycopg import errors
from sluice.migration.engine.contract import NotYet, Phase

TABLE = (
    "CREATE TABLE app.thing (id int, tenant int NOT NULL, room int NOT NULL, PRIMARY KEY (id, tenant),"
    " CONSTRAINT alone EXCLUDE ({} room WITH =))",
    "INSERT INTO app.thing SELECT i, i % 5, i FROM generate_series(1, 50) i",
    "GRANT ALL ON app.thing TO certify_app",
)
HASHED = {"partition": {"hash": "tenant", "parts": 4}}


def test_partitions_hold_one_that_has_their_column(moving):
    moved = moving(HASHED, TABLE[0].format("tenant WITH =,"), *TABLE[1:])
    if moved.kind()._c.info.server_version < 170000:
        pytest.skip("before PostgreSQL 17 no partitioned table takes one")
    for phase in (Phase.CUT_OVER, Phase.VERIFIED):
        moved.to(phase)
        with pytest.raises(errors.ExclusionViolation, match=r"tenant_room_excl|alone"):
            moved.use("INSERT INTO app.thing VALUES (900, 1, 1)")
        assert moved.equal()


def test_one_without_their_column_is_refused_and_why(moving):
    moved = moving(HASHED, TABLE[0].format(""), *TABLE[1:])
    assert moved.codes() == {"exclusion"}
    assert "Exclusion constraint alone of app.thing" in moved.said()


def test_what_somebody_said_of_a_columns_statistics_goes_along(moving):
    moved = moving(
        HASHED, TABLE[0].format("tenant WITH =,"), *TABLE[1:], "ALTER TABLE app.thing ALTER room SET STATISTICS 500"
    )
    moved.to(Phase.EXPANDED)
    query = "SELECT count(*) FROM pg_attribute WHERE attname = 'room' AND attstattarget = 500 AND attrelid IN ({})"
    assert moved.ask(query.format("SELECT relid FROM pg_partition_tree('app.thing_new')")) == [(5,)]


def test_an_abort_that_comes_too_late_says_what_to_do(moving):
    moved = moving({}, TABLE[0].format(""), *TABLE[1:])
    moved.to(Phase.CUT_OVER)
    with pytest.raises(NotYet, match=r"thing is cut_over: abort is for before the cutover. Cut back first"):
        moved.kind().abort()
