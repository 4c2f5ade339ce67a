"""The sample estate on a real server: its rows, its application, and an oracle that is shown every kind of loss."""

from __future__ import annotations

import time
from datetime import date
from threading import Event

import psycopg
import pytest
from sluice.local.certify import Acknowledged, Workload, WorkloadProcess, WorkloadStuck, seed, verify
from sluice.local.certify.application import Transaction
from sluice.local.certify.shape import AUDIT, COLUMNS, SESSIONS, Effect, Key
from sluice.local.certify.tally import Tally
from sluice.local.certify.writer import Writer
from sluice.stores.postgres import connect

ROWS = 3000
UNTIL = date(2026, 11, 21)


def quiet(_: str) -> None: ...


def plant(connection, **options):
    return seed(connection, **{"rows": ROWS, "until": UNTIL, "report": quiet, **options})


def ask(connection, question: str, *values):
    return next(iter(connection.execute(question, values or None).fetchone().values()))


@pytest.fixture
def mover(database):
    with connect(database.dsn(), purpose="test") as connection:
        plant(connection)
        yield connection


@pytest.fixture
def app(database) -> str:
    return database.dsn("certify_app")


@pytest.fixture
def written(mover, app) -> Acknowledged:
    """What users did for a while; everything is as they were told."""
    workload = Workload(app)
    workload.start()
    try:
        workload.burst(400)
    finally:
        workload.stop()
    assert verify(mover, workload.acknowledged).ok
    return workload.acknowledged


# The rows


@pytest.mark.parametrize(("table", "column"), [(SESSIONS, "started_at"), (AUDIT, "performed_at")])
def test_every_month_has_rows_and_none_lies_outside(mover, table, column):
    month = f"date_trunc('month', {column})::date::text"
    months = mover.execute(f"SELECT {month} AS month FROM app.{table} GROUP BY 1 ORDER BY 1").fetchall()
    wanted = [f"{y}-{m:02d}-01" for y in (2024, 2025, 2026) for m in range(1, 13)][11:35]
    assert [row["month"] for row in months] == wanted


DIRT = (
    "note IS NULL", "note = ''", "note LIKE '% '", "note = U&'caf\\00E9'", "note = U&'cafe\\0301'", "note LIKE '%🎉'",
    "score = 'NaN'", "score::text = '1.0'", "score::text = '1.00'", "family(ip) = 6", "ended_at IS NULL",
    "device IS NULL", "device = 'null'", "pg_column_size(device) > 100000", "device::text LIKE '%]}]}]}]}%'",
    "started_at = '2026-01-01'", "started_at = '2025-12-31 23:59:59.999999'",
)  # fmt: skip


def test_the_rows_are_as_dirty_as_real_ones(mover):
    assert [dirt for dirt in DIRT if not ask(mover, f"SELECT count(*) FROM app.user_sessions WHERE {dirt}")] == []


def test_some_sessions_start_at_the_very_same_time(mover):
    assert ask(mover, "SELECT count(*) - count(DISTINCT started_at) FROM app.user_sessions") > 0


def test_the_largest_tenant_is_many_times_the_smallest(mover):
    sizes = mover.execute("SELECT count(*) AS n FROM app.user_sessions GROUP BY tenant_id ORDER BY n").fetchall()
    assert sizes[-1]["n"] > 20 * sizes[0]["n"]


def content(connection) -> str:
    return ask(
        connection,
        "SELECT md5((SELECT string_agg(s::text, '' ORDER BY id) FROM app.user_sessions s)"
        " || (SELECT string_agg(l::text, '' ORDER BY id) FROM app.audit_log l))",
    )


def test_a_seed_gives_the_same_rows_again_and_another_seed_others(make_database):
    made = []
    for number in (1, 1, 2):
        with connect(make_database().dsn(), purpose="test") as connection:
            plant(connection, rows=500, seed=number)
            made.append(content(connection))
    assert made[0] == made[1] != made[2]


def test_a_second_seeding_does_nothing_and_says_so(mover):
    before, said = content(mover), []
    again = plant(mover, report=said.append)
    assert not again.made and again.rows == 0
    assert "already seeded" in said[-1] and f"{ROWS} sessions" in said[-1]
    assert content(mover) == before


def test_an_interrupted_seeding_leaves_nothing_and_starts_again(database):
    def interrupt(said: str) -> None:
        if said.startswith("audit_log"):
            raise KeyboardInterrupt

    with connect(database.dsn(), purpose="test") as connection:
        with pytest.raises(KeyboardInterrupt):
            plant(connection, report=interrupt)
        assert ask(connection, "SELECT to_regclass('app.user_sessions') IS NULL")
        assert plant(connection).made
        assert ask(connection, "SELECT count(*) FROM app.user_sessions") == ROWS
        assert ask(connection, "SELECT max(id) FROM app.user_sessions") == ROWS


def test_the_owner_owns_and_the_policies_hold(mover, app):
    owners = "SELECT string_agg(DISTINCT tableowner, ',') FROM pg_tables WHERE schemaname = 'app'"
    assert ask(mover, owners) == "certify_owner"
    with psycopg.connect(app) as user:
        assert user.execute("SELECT count(*) FROM app.user_sessions").fetchone() == (0,)
        user.execute("SELECT set_config('app.tenant_id', 'tenant-001', true)")
        seen = user.execute("SELECT array_agg(DISTINCT tenant_id) FROM app.user_sessions").fetchone()
        assert seen == (["tenant-001"],)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            user.execute("UPDATE app.user_sessions SET tenant_id = 'tenant-002'")


# The application


def test_users_write_and_everything_is_as_they_were_told(mover, app):
    workload = Workload(app)
    with workload:
        with workload.phase("busy"):
            workload.burst(600)
        time.sleep(0.2)
    snapshot, report = workload.snapshot(), verify(mover, workload.acknowledged)
    assert report.ok and report.checked > 500 and report.unknown == 0, report
    assert snapshot.total.user_errors == 0, snapshot.total.samples
    assert snapshot.phases["busy"].writes >= 500
    kinds = {"inserts", "updates", "deletes", "key_changes", "moves", "rollbacks", "reads"}
    assert kinds == set(snapshot.total.counts)


def test_the_rate_is_kept(mover, app):
    snapshot = Workload(app, rate=100).run_for(3)
    assert 200 < snapshot.total.writes + snapshot.total.counts["rollbacks"] <= 305


def test_users_do_not_notice_a_swap_under_them(mover, app):
    workload = Workload(app, rate=400)
    with workload:
        time.sleep(1)
        for turn in range(3):
            with workload.phase("swap"):
                swap(mover, turn)
            time.sleep(0.3)
    snapshot, report = workload.snapshot(), verify(mover, workload.acknowledged)
    assert report.ok, report.samples
    assert snapshot.total.user_errors == 0, snapshot.total.samples
    assert snapshot.phases["swap"].longest_gap_ms > 0
    assert ask(mover, "SELECT relkind = 'p' FROM pg_class WHERE oid = 'app.user_sessions'::regclass")


COPIED = ", ".join(("id", *COLUMNS[SESSIONS]))
CRUDE_SWAP = f"""
LOCK TABLE app.user_sessions;
DROP TABLE IF EXISTS app.before;
CREATE TABLE app.next (LIKE app.user_sessions INCLUDING ALL EXCLUDING INDEXES) PARTITION BY RANGE (started_at);
CREATE TABLE app.early_%(turn)s PARTITION OF app.next FOR VALUES FROM (MINVALUE) TO ('2026-01-01');
CREATE TABLE app.late_%(turn)s PARTITION OF app.next FOR VALUES FROM ('2026-01-01') TO (MAXVALUE);
INSERT INTO app.next ({COPIED}) OVERRIDING SYSTEM VALUE SELECT {COPIED} FROM app.user_sessions;
SELECT setval(pg_get_serial_sequence('app.next', 'id'), (SELECT max(id) + 1000 FROM app.user_sessions));
GRANT SELECT, INSERT, UPDATE, DELETE ON app.next TO certify_app;
ALTER TABLE app.user_sessions RENAME TO before;
ALTER TABLE app.next RENAME TO user_sessions;
"""


def swap(mover, turn: int) -> None:
    """The crudest cutover: copy under the lock. Users wait, and that is all they may notice."""
    with mover.transaction():
        mover.execute(CRUDE_SWAP % {"turn": turn})


def test_users_outlive_lost_connections_and_unanswered_commits(mover, app, database):
    # A slow COMMIT, so that connections are cut within it.
    mover.execute(
        "CREATE FUNCTION app.dawdle() RETURNS trigger LANGUAGE plpgsql"
        " AS 'BEGIN PERFORM pg_sleep(0.02); RETURN NULL; END'"
    )
    mover.execute(
        "CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT OR UPDATE OR DELETE ON app.user_sessions"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION app.dawdle()"
    )
    with (
        psycopg.connect(database.dsn("admin"), autocommit=True) as admin,
        Workload(app, rate=400) as workload,
    ):
        for _ in range(15):
            time.sleep(0.1)
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'certify_app'")
        workload.burst(50)
    total, report = workload.snapshot().total, verify(mover, workload.acknowledged)
    assert report.ok, report.samples
    assert report.unknown > 0 and total.counts["unknown"] > 0
    assert sum(total.retries.values()) > 0 and total.user_errors == 0, total.samples


def test_a_connection_lost_within_a_rollback_is_a_rollback(app, database):
    """Nothing was committed and nobody saw an error: the user had changed their mind."""
    acknowledged, tally = Acknowledged(), Tally()
    writer = Writer(0, 1, app, seed=1, rate=100, acknowledged=acknowledged, tally=tally)

    def cut():
        with psycopg.connect(database.dsn("admin"), autocommit=True) as admin:
            admin.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'certify_app'")
        yield from ()

    transaction = Transaction("tenant-001", cut(), roll_back=True)
    writer._write(transaction, Event())
    report = tally.snapshot().total
    assert report.counts["rollbacks"] == 1 and report.user_errors == 0 and not len(acknowledged)


def test_a_refused_write_is_an_error_that_a_user_saw(mover, app):
    workload = Workload(app, rate=400)
    with workload:
        workload.burst(50)
        mover.execute("ALTER TABLE app.user_sessions ADD CHECK (started_at < '2000-01-01') NOT VALID")
        time.sleep(0.5)
    total, report = workload.snapshot().total, verify(mover, workload.acknowledged)
    assert total.errors["CheckViolation"] == total.user_errors > 0
    assert all(": CheckViolation: new row" in sample for sample in total.samples), total.samples
    assert report.ok, report.samples  # refused, and so rightly absent


def test_a_row_that_vanished_is_an_error_that_a_user_saw(mover, app):
    with Workload(app, rate=400) as workload:
        workload.burst(50)
        mover.execute("DELETE FROM app.user_sessions")
        time.sleep(0.5)
    assert workload.snapshot().total.errors["WrongRowCount"] > 0
    assert verify(mover, workload.acknowledged).lost > 0


def test_stop_waits_for_no_lock_for_ever(mover, app, monkeypatch):
    monkeypatch.setattr("sluice.local.certify.crew.GRACE", 0.5)
    workload = Workload(app, rate=400)
    workload.start()
    workload.burst(50)
    with mover.transaction():
        mover.execute("LOCK TABLE app.user_sessions, app.audit_log")
        time.sleep(0.2)
        assert workload.snapshot().waiting_ms > 100
        workload.stop()
    assert verify(mover, workload.acknowledged).ok


def test_a_burst_without_writers_is_refused(app):
    with pytest.raises(WorkloadStuck, match="started"):
        Workload(app).burst(1)


def test_a_workload_goes_on_from_what_it_was_told(mover, app, written):
    workload = Workload(app, seed=2, acknowledged=written)
    with workload:
        workload.burst(200)
    assert workload.acknowledged is written
    assert verify(mover, written).ok


def test_it_runs_as_a_process(mover, app, tmp_path):
    with WorkloadProcess(app, tmp_path / "ledger.jsonl") as process:
        with process.phase("cutover"):
            assert process.burst(300) > 0
        paused = verify(mover, process.pause())
        assert paused.ok and paused.checked > 200, paused
        process.resume()
        process.burst(100)
        assert process.snapshot().phase == "running"
        last = process.stop()
    assert last.phases["cutover"].writes >= 290 and last.total.user_errors == 0, last
    assert verify(mover, process.acknowledged).checked > paused.checked


def test_a_process_that_cannot_connect_says_so(app, tmp_path):
    wrong = psycopg.conninfo.make_conninfo(app, password="wrong")
    process = WorkloadProcess(wrong, tmp_path / "ledger.jsonl")
    with pytest.raises(WorkloadStuck):
        process.start()


# The oracle, shown every kind of loss. Each must be told, and nothing else.


def a_key(mover, acknowledged: Acknowledged, table: str, present: bool = True) -> str:
    """A key with a note worth corrupting, or one that must be absent."""
    for key, states in acknowledged.of(table):
        if len(states) == 1 and (states[0] is not None) is present:
            return key
    raise LookupError(table)


CORRUPTIONS = {
    "stale": "note = 'an older note'",
    "note NULL for ''": "note = NULL",
    "trailing space": "note = note || ' '",
    "Unicode form": "note = normalize(note, NFD)",
    "precision": "score = 1.00",
    "time": "started_at = started_at + interval '1 microsecond'",
    "end": "ended_at = started_at",
    "tenant": "tenant_id = 'tenant-999'",
    "user": "user_id = gen_random_uuid()",
    "address mask": "ip = '10.0.0.0/9'",
    "a deep JSON leaf": """device = '{"deep": {"er": [{"leaf": 2}]}}'""",
    "JSON precision": """device = '{"deep": {"er": [{"leaf": 1.0}]}}'""",
    "JSON null for NULL": "device = NULL",
}
BEFORE = {
    "note NULL for ''": {"note": ""},
    "Unicode form": {"note": "caf\u00e9"},
    "trailing space": {"note": "note"},
    "precision": {"score": "1.0"},
    "address mask": {"ip": "10.0.0.0/8"},
    "a deep JSON leaf": {"device": '{"deep": {"er": [{"leaf": 1}]}}'},
    "JSON precision": {"device": '{"deep": {"er": [{"leaf": 1}]}}'},
    "JSON null for NULL": {"device": "null"},
}


@pytest.fixture
def planted(mover) -> Acknowledged:
    """All seeded sessions as if a user had been told of each; quick, so that every corruption has its own."""
    acknowledged = Acknowledged()
    columns = ", ".join(f"{column}::text" for column in ("id", *COLUMNS[SESSIONS]))
    for image in mover.execute(f"SELECT {columns} FROM app.user_sessions WHERE id <= 200").fetchall():
        remember(acknowledged, SESSIONS, image)
    assert verify(mover, acknowledged).ok
    return acknowledged


def remember(acknowledged: Acknowledged, table: str, image) -> None:
    acknowledged.committed([Effect(Key(table, image["id"]), None, image)])


def test_the_oracle_sees_every_wrong_value(mover, planted):
    (states,) = [states for key, states in planted.of(SESSIONS) if key == "100"]
    for corruption, damage in CORRUPTIONS.items():
        image = {**states[0], **BEFORE.get(corruption, {})}
        mover.execute(
            "UPDATE app.user_sessions SET tenant_id = %(tenant_id)s, user_id = %(user_id)s::uuid,"
            " started_at = %(started_at)s::timestamptz, ended_at = %(ended_at)s::timestamptz,"
            " note = %(note)s, score = %(score)s::numeric, ip = %(ip)s::inet, device = %(device)s::jsonb"
            " WHERE id = 100",
            image,
        )
        remember(planted, SESSIONS, image)
        assert verify(mover, planted).ok, corruption
        mover.execute(f"UPDATE app.user_sessions SET {damage} WHERE id = 100")
        report = verify(mover, planted)
        assert (report.lost, report.wrong, report.resurrected) == (0, 1, 0) and not report.ok, corruption
        assert report.samples[0].key == "100" and report.samples[0].expected != report.samples[0].found


@pytest.mark.parametrize("table", [SESSIONS, AUDIT])
def test_the_oracle_sees_a_lost_row(mover, written, table):
    key = a_key(mover, written, table)
    mover.execute(f"DELETE FROM app.{table} WHERE id::text = %s", (key,))
    report = verify(mover, written)
    assert (report.lost, report.wrong, report.resurrected) == (1, 0, 0)
    assert (report.samples[0].table, report.samples[0].key) == (table, key)


def test_the_oracle_sees_an_audit_entry_that_differs(mover, written):
    mover.execute("UPDATE app.audit_log SET action = action || ' ' WHERE id = %s", (a_key(mover, written, AUDIT),))
    report = verify(mover, written)
    assert (report.lost, report.wrong, report.resurrected) == (0, 1, 0)


@pytest.mark.parametrize("table", [SESSIONS, AUDIT])
def test_the_oracle_sees_a_deleted_row_come_back(mover, written, table):
    key, source = a_key(mover, written, table, present=False), a_key(mover, written, table)
    copy_row(mover, table, source, key)
    report = verify(mover, written)
    assert (report.lost, report.wrong, report.resurrected) == (0, 0, 1)
    assert report.samples[0].key == key


def test_the_oracle_sees_an_old_version_beside_the_right_one(mover, written):
    # What a partition-key change leaves behind when the key has been weakened.
    mover.execute("ALTER TABLE app.user_sessions DROP CONSTRAINT user_sessions_pkey")
    key = a_key(mover, written, SESSIONS)
    copy_row(mover, SESSIONS, key, key)
    report = verify(mover, written)
    assert (report.lost, report.wrong, report.resurrected) == (0, 0, 1)


def copy_row(mover, table: str, source: str, key: str) -> None:
    columns = ", ".join(COLUMNS[table])
    id_, overriding = (int(key), "OVERRIDING SYSTEM VALUE") if table == SESSIONS else (key, "")
    mover.execute(
        f"INSERT INTO app.{table} (id, {columns}) {overriding}"
        f" SELECT %s, {columns} FROM app.{table} WHERE id::text = %s",
        (id_, source),
    )


def test_the_oracle_sees_a_generated_column_that_lies(mover, planted):
    mover.execute("ALTER TABLE app.user_sessions ALTER COLUMN note_length DROP EXPRESSION")
    mover.execute("UPDATE app.user_sessions SET note_length = 7777 WHERE id = 100")
    assert verify(mover, planted).wrong == 1


@pytest.mark.parametrize(("found", "wrong"), [("before", 0), ("after", 0), ("neither", 1)])
def test_the_oracle_takes_either_state_of_an_unanswered_commit_and_no_third(mover, planted, found, wrong):
    (states,) = [states for key, states in planted.of(SESSIONS) if key == "100"]
    before, after = {**states[0], "note": "before"}, {**states[0], "note": "after"}
    planted.unknown([Effect(Key(SESSIONS, "100"), before, after)])
    mover.execute("UPDATE app.user_sessions SET note = %s WHERE id = 100", (found,))
    report = verify(mover, planted)
    assert (report.unknown, report.wrong, report.lost, report.resurrected) == (1, wrong, 0, 0)


def test_an_oracle_with_nothing_to_check_is_not_content(mover):
    assert not verify(mover, Acknowledged()).ok


def test_an_oracle_that_a_policy_filters_is_refused(mover, planted, app):
    with connect(app, purpose="test") as user, pytest.raises(psycopg.errors.InsufficientPrivilege):
        verify(user, planted)
