"""Keys, columns and constraints that cannot be followed, of which preflight says so."""

from __future__ import annotations

import psycopg
import pytest

from tests.integration.moved import PLAIN

THING = "CREATE TABLE app.thing (id int PRIMARY KEY, secs bigint NOT NULL, during int4range, {})"
DAYS = "day date GENERATED ALWAYS AS (date '1970-01-01' + (secs / 86400)::int) {}"


@pytest.fixture
def since_18(server) -> None:
    with psycopg.connect(server.cluster.dsn()) as c:
        if c.info.server_version < 180000:
            pytest.skip("before PostgreSQL 18 there is no such thing")


def test_an_exclusion_that_is_deferred_is_refused(moving):
    moved = moving(PLAIN, THING.format("EXCLUDE USING gist (during WITH &&) DEFERRABLE"))
    assert moved.codes() == {"deferrable_unique"}


@pytest.mark.usefixtures("since_18")
@pytest.mark.parametrize(("kept", "codes"), [("VIRTUAL", {"virtual_partition_column"}), ("STORED", set())])
def test_a_partition_column_made_of_a_virtual_one_is_refused(moving, kept, codes):
    into = {"partition": {"range": "d", "every": "month"}, "columns": {"d": {"type": "date", "from": "day"}}}
    moved = moving(
        into, THING.format(DAYS.format(kept)), "INSERT INTO app.thing SELECT i, 1790000000 FROM generate_series(1, 9) i"
    )
    assert moved.codes() - {"weaker_key"} == codes


@pytest.mark.usefixtures("since_18")
def test_a_key_without_overlaps_is_refused(moving):
    moved = moving(
        PLAIN, "CREATE TABLE app.thing (id int4range, during daterange, PRIMARY KEY (id, during WITHOUT OVERLAPS))"
    )
    assert "temporal_key" in moved.codes()


@pytest.mark.usefixtures("since_18")
def test_a_not_null_that_old_rows_break_is_refused(moving):
    moved = moving(
        PLAIN,
        "CREATE TABLE app.thing (id int PRIMARY KEY, v text)",
        "INSERT INTO app.thing VALUES (1, NULL)",
        "ALTER TABLE app.thing ADD CONSTRAINT v_told NOT NULL v NOT VALID",
    )
    assert moved.codes() == {"check_not_valid"}
