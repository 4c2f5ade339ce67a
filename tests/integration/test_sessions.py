"""Whose session it is makes no difference: what capture, copy and comparison make of a row depends on the row alone."""

from __future__ import annotations

import pytest
from sluice.migration.engine.contract import Phase
from sluice.stores.postgres import connect, one

from tests.integration.moved import MONTHS, Moved

ODD = {
    "TimeZone": "Pacific/Kiritimati",
    "DateStyle": "SQL, DMY",
    "IntervalStyle": "sql_standard",
    "extra_float_digits": "-15",
    "bytea_output": "escape",
    "standard_conforming_strings": "off",
    "search_path": "nowhere",
    "row_security": "on",
}
TABLE = (
    # A key of types whose text depends on a session: quarantine keeps keys as text.
    "CREATE TABLE app.thing (id double precision, born timestamptz DEFAULT '2020-02-02 UTC', pace interval DEFAULT '1 mon 1:00',"
    " mark bytea DEFAULT '\\x00ff', term daterange DEFAULT '[2020-02-03,2020-03-04)', PRIMARY KEY (id, born, pace, mark, term),"
    " at timestamptz NOT NULL, score double precision, span interval, raw bytea, phone text)",
    "INSERT INTO app.thing (id, at, score, span, raw, phone)"
    " SELECT i + 1/3.0::float8, now() - i * interval '1 day', i / 3.0::float8, i * interval '25 hours', '\\x00ff'::bytea,"
    " '+49 (0)30-' || i FROM generate_series(1, 90) i",
    "GRANT ALL ON app.thing TO certify_app",
)
COLUMNS = {
    "score_text": {"type": "text", "from": "score::text"},
    "seconds": {"type": "double precision", "from": "extract(epoch FROM span)::float8"},
    "digits": {"type": "text", "from": r"regexp_replace(phone, '\D', '', 'g')"},
    "day": {"type": "date", "from": "(at AT TIME ZONE 'Europe/Berlin')::date"},
    "code": {"type": "text", "from": "encode(raw, 'hex')"},
}
WRITES = (
    "UPDATE app.thing SET score = score / 7, at = at - interval '40 days' WHERE id < 20",
    "UPDATE app.thing SET id = id + 1000, phone = phone || '77' WHERE id BETWEEN 30 AND 40",
    "DELETE FROM app.thing WHERE id BETWEEN 50 AND 55",
    "INSERT INTO app.thing (id, at, score, span, raw, phone)"
    " SELECT 2000 + i / 7.0::float8, now() - i * interval '1 hour', i / 7.0::float8, i * interval '1 mon 1 day', 'abc',"
    " '1-2-' || i FROM generate_series(1, 30) i",
    # Far outside the partitions, and back in: whose key is written into quarantine in one session, and looked for in another.
    "INSERT INTO app.thing (id, at) VALUES (5000 + 1/3.0::float8, '2050-01-01 UTC')",
)


def written_in(moved: Moved, settings: dict[str, str], *statements: str) -> None:
    """Write as the application, in a session of its own settings."""
    with moved.session("certify_app") as c:
        for name, value in settings.items():
            c.execute("SELECT set_config(%s, %s, false)", [name, value])
        for statement in statements:
            c.execute(statement)


@pytest.fixture
def moved(moving) -> Moved:
    """A table whose every new column could depend on a session, and must not."""
    return moving({**MONTHS, "columns": COLUMNS}, *TABLE, accept=("weaker_key",))


def test_what_a_session_sets_changes_nothing_that_capture_writes(moved):
    moved.to(Phase.BACKFILLED)
    written_in(moved, ODD, *WRITES)
    assert moved.kind().standing()["quarantined"] == 1
    written_in(moved, {}, "UPDATE app.thing SET at = now() WHERE id > 5000")
    assert moved.kind().standing()["quarantined"] == 0, "put there in one session, looked for in another"
    diff = moved.kind().diff()
    assert diff.clean, diff.samples[:3]
    moved.to(Phase.CUT_OVER)
    written_in(moved, ODD, *WRITES[:1], "DELETE FROM app.thing WHERE id > 2003")
    assert moved.equal()


def test_what_our_own_role_and_database_set_changes_nothing(moved):
    for setting, value in ODD.items():
        moved.admin(f"ALTER DATABASE \"{moved.database.name}\" SET {setting} = '{value}'")
    moved.to(Phase.BACKFILLED)
    written_in(moved, {}, *WRITES[:-1])
    moved.to(Phase.CUT_OVER)
    moved.to(Phase.VERIFIED)
    assert moved.equal()


def test_our_own_session_is_ended_when_its_machine_falls_silent_in_a_transaction(moved):
    moved.admin(f'ALTER DATABASE "{moved.database.name}" SET idle_in_transaction_session_timeout = 0')
    with connect(moved.database.dsn(), purpose="test") as c:
        assert one(c, "SHOW idle_in_transaction_session_timeout")["idle_in_transaction_session_timeout"] == "1min"


def test_a_machine_that_is_lost_is_known_after_a_minute_on_either_side(server):
    with connect(server.cluster.dsn(), purpose="test") as c:
        asked = ("idle", "interval", "count")
        assert [one(c, f"SHOW tcp_keepalives_{name}")[f"tcp_keepalives_{name}"] for name in asked] == ["30", "10", "3"]
        assert [c.info.get_parameters()[f"keepalives_{name}"] for name in asked] == ["30", "10", "3"]
    with connect(f"{server.cluster.dsn()} keepalives_idle=7", purpose="test") as c:
        assert c.info.get_parameters()["keepalives_idle"] == "7"


def test_a_session_that_replays_is_captured_too(moved):
    moved.to(Phase.BACKFILLED)
    with moved.session("admin") as c:
        c.execute("SET session_replication_role = replica")
        c.execute("DELETE FROM app.thing WHERE id < 30")
    assert moved.equal()
