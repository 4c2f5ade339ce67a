"""Other people's jobs meet a table in flight: columns, constraints, policies and indexes change, partitions come and go."""

from __future__ import annotations

import pytest
from psycopg import errors
from sluice.migration.engine import steps
from sluice.migration.engine.contract import Drifted, NotYet, Phase

from tests.harness import advance

SOURCE, TARGET, OLD = "app.user_sessions", "app.user_sessions_by_month", "app.user_sessions__old"


def altered(*words: str) -> tuple[str, ...]:
    """The same to a table that is named later."""
    return tuple(f"ALTER TABLE {{table}} {said}" for said in words)


CHANGES = {
    "a column is added": altered("ADD COLUMN mood text", "DROP COLUMN mood"),
    "a column becomes another type": altered(
        "ALTER COLUMN ended_at TYPE timestamptz(0)", "ALTER COLUMN ended_at TYPE timestamptz"
    ),
    "a column gets a default": altered("ALTER COLUMN score SET DEFAULT 7", "ALTER COLUMN score DROP DEFAULT"),
    "a constraint is added": altered("ADD CONSTRAINT brief CHECK (score < 1e9) NOT VALID", "DROP CONSTRAINT brief"),
    "row security is lifted": altered("DISABLE ROW LEVEL SECURITY", "ENABLE ROW LEVEL SECURITY"),
    "a policy is added": ("CREATE POLICY everybody ON {table} USING (true)", "DROP POLICY everybody ON {table}"),
    "a grant is given": ("GRANT TRUNCATE ON {table} TO PUBLIC", "REVOKE TRUNCATE ON {table} FROM PUBLIC"),
    "a unique index is made": (
        "CREATE UNIQUE INDEX odd ON {table} (tenant_id, started_at, id)",
        "DROP INDEX app.odd",
    ),
    "a trigger is added": (
        "CREATE TRIGGER odd AFTER UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "DROP TRIGGER odd ON {table}",
    ),
}
INSERT = (
    "INSERT INTO app.user_sessions (tenant_id, user_id, started_at) VALUES ('t', gen_random_uuid(), {}) RETURNING id"
)


def change(stage, table: str, words: str) -> None:
    """Do to a table what the words say."""
    stage.ask(words.replace("{table}", table))


def months(stage, table: str = TARGET) -> list[str]:
    """The partitions of a table, the oldest first."""
    question = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::text::regclass ORDER BY 1"
    return [name for (name,) in stage.ask(question, table)]


# ---- the shape of either table ----


@pytest.mark.parametrize("phase", (Phase.EXPANDED, Phase.CAPTURING, Phase.BACKFILLED, Phase.VERIFIED, Phase.CUT_OVER))
def test_a_change_of_either_table_is_seen_in_every_phase_and_forgiven_when_it_is_taken_back(stage, phase):
    advance(stage.open, phase)
    kind = stage.open()
    tables = (OLD, SOURCE) if phase is Phase.CUT_OVER else (SOURCE, TARGET)
    for table in tables:
        for what, (there, back) in CHANGES.items():
            change(stage, table, there)
            assert kind.standing()["fingerprint_differs"] == 1, f"{what} on {table} while {phase}"
            change(stage, table, back)
            assert kind.standing()["fingerprint_differs"] == 0, f"{what} on {table} while {phase}, and taken back"


@pytest.mark.parametrize(("table", "what"), ((SOURCE, "a unique index is made"), (TARGET, "a constraint is added")))
def test_what_is_seen_stops_capture_copy_and_cutover(stage, table, what):
    there, back = CHANGES[what]
    for phase, step in (
        (Phase.EXPANDED, lambda: stage.open().start_capture()),
        (Phase.CAPTURING, lambda: (stage.open().plan_chunks(), stage.open().copy_chunk(0, stage.fence()))),
        (Phase.VERIFIED, lambda: stage.open().cut_over()),
    ):
        advance(stage.open, phase)
        change(stage, table, there)
        with pytest.raises(Drifted, match=r"was changed since"):
            step()
        assert stage.open().position().phase is phase
        change(stage, table, back)
    advance(stage.open, Phase.CUT_OVER)


def test_a_plain_index_is_nobodys_business(stage):
    advance(stage.open, Phase.VERIFIED)
    stage.ask("CREATE INDEX CONCURRENTLY plain ON app.user_sessions (ended_at)")
    stage.ask("REINDEX TABLE CONCURRENTLY app.user_sessions")
    assert stage.open().standing()["fingerprint_differs"] == 0
    advance(stage.open, Phase.CUT_OVER)


@pytest.mark.parametrize("phase", (Phase.CAPTURING, Phase.CUT_OVER))
def test_a_column_that_is_renamed_or_dropped_costs_users_their_writes_until_it_is_back(stage, phase):
    advance(stage.open, phase)
    stage.ask("ALTER TABLE app.user_sessions RENAME COLUMN device TO machine")
    with pytest.raises(errors.UndefinedColumn, match="device"):
        stage.ask("UPDATE app.user_sessions SET note = 'lost' WHERE id = 700")
    assert stage.open().standing()["fingerprint_differs"] == 1
    stage.ask("ALTER TABLE app.user_sessions RENAME COLUMN machine TO device")
    stage.ask("UPDATE app.user_sessions SET note = 'kept' WHERE id = 700")
    if phase is Phase.CAPTURING:
        stage.ask("ALTER TABLE app.user_sessions DROP COLUMN device")
        with pytest.raises(errors.UndefinedColumn, match="device"):
            stage.ask("UPDATE app.user_sessions SET note = 'lost' WHERE id = 700")
        assert "is planned again" in stage.ask("SELECT sluice.abort('user_sessions')")[0][0]
        stage.ask("UPDATE app.user_sessions SET note = 'kept' WHERE id = 700")
        advance(stage.open, Phase.VERIFIED)
    assert stage.open().diff().clean


# ---- retention, and partitions that come and go ----


@pytest.mark.parametrize("phase", (Phase.CAPTURING, Phase.VERIFIED, Phase.CUT_OVER))
def test_retention_that_deletes_is_followed(stage, phase):
    if phase is Phase.CAPTURING:
        stage.lay_out(300)
        stage.open().copy_chunk(0, stage.fence())
    advance(stage.open, phase)
    gone = stage.ask("DELETE FROM app.user_sessions WHERE started_at < now() - interval '35 days' RETURNING 1")
    assert gone
    diff = stage.diff_at_the_end() if phase is Phase.CAPTURING else stage.open().diff()
    assert diff.clean
    assert diff.source_rows == 2_000 - len(gone)


@pytest.mark.parametrize("job", ("detached", "dropped"))
def test_a_partition_of_the_target_that_goes_before_the_cutover_stops_everything_of_ours(stage, job):
    stage.lay_out(300)
    stage.open().copy_chunk(0, stage.fence())
    part = months(stage)[1]
    ((inside, outside),) = stage.ask(
        f"SELECT (SELECT min(id) FROM {part}), (SELECT min(id) FROM {SOURCE} WHERE started_at >= date_trunc('month', now()))"
    )
    ((when,),) = stage.ask(f"SELECT started_at FROM {SOURCE} WHERE id = %s", inside)
    stage.ask(f"ALTER TABLE {TARGET} DETACH PARTITION {part}" if job == "detached" else f"DROP TABLE {part}")
    with pytest.raises(Drifted, match=r"by_month was changed since.*partition"):
        stage.copy_rest()
    with pytest.raises(NotYet):
        stage.open().finish_backfill(stage.fence())
    diff = stage.open().diff()
    assert diff.missing and not diff.clean
    # Users whose rows belong there are refused, all others go on.
    stage.ask(f"UPDATE {SOURCE} SET note = 'elsewhere' WHERE id = %s", outside)
    with pytest.raises(errors.CheckViolation, match="no partition of relation"):
        stage.ask(f"UPDATE {SOURCE} SET note = 'in it' WHERE id = %s", inside)
    if job == "dropped":
        assert "is planned again" in stage.ask("SELECT sluice.abort('user_sessions')")[0][0]
    else:
        ((bounds,),) = stage.ask(
            "SELECT format('FROM (%%L) TO (%%L)', date_trunc('month', %s::timestamptz AT TIME ZONE 'UTC') AT TIME ZONE 'UTC',"
            " (date_trunc('month', %s::timestamptz AT TIME ZONE 'UTC') + interval '1 month') AT TIME ZONE 'UTC')",
            when,
            when,
        )
        stage.ask(f"ALTER TABLE {TARGET} ATTACH PARTITION {part} FOR VALUES {bounds}")
    stage.ask(f"UPDATE {SOURCE} SET note = 'in it' WHERE id = %s", inside)
    advance(stage.open, Phase.CUT_OVER)
    assert stage.open().diff().clean


def test_a_delete_while_its_partition_is_away_is_found_by_the_comparison(stage):
    advance(stage.open, Phase.BACKFILLED)
    part = months(stage)[1]
    ((bounds, id_),) = stage.ask(
        f"SELECT pg_get_expr(relpartbound, oid), (SELECT min(id) FROM {part}) FROM pg_class WHERE oid = '{part}'::regclass"
    )
    stage.ask(f"ALTER TABLE {TARGET} DETACH PARTITION {part}")
    stage.ask(f"DELETE FROM {SOURCE} WHERE id = %s", id_)
    stage.ask(f"ALTER TABLE {TARGET} ATTACH PARTITION {part} {bounds}")
    assert stage.open().standing()["fingerprint_differs"] == 0, "back as it was: only the rows tell"
    diff = stage.open().diff()
    assert (diff.missing, diff.extra, diff.different) == (0, 1, 0)


def test_a_partition_that_comes_before_the_cutover_harms_nobody_and_does_not_count(stage):
    advance(stage.open, Phase.BACKFILLED)
    stage.ask(f"CREATE TABLE app.far PARTITION OF {TARGET} FOR VALUES FROM ('2050-01-01') TO ('2050-02-01')")
    ((id_,),) = stage.ask(INSERT.format("'2050-01-05'"))
    kind = stage.open()
    standing = kind.standing()
    assert (standing["fingerprint_differs"], standing["quarantined"]) == (0, 1), (
        "capture knows the months that it was made with"
    )
    stage.ask(f"DELETE FROM {SOURCE} WHERE id = %s", id_)
    advance(stage.open, Phase.CUT_OVER)


def test_a_month_made_after_the_cutover_is_captured_like_the_others(stage):
    advance(stage.open, Phase.CUT_OVER)
    stage.ask(f"CREATE TABLE app.far PARTITION OF {SOURCE} FOR VALUES FROM ('2050-01-01') TO ('2050-02-01')")
    stage.ask("CREATE TABLE app.farther (LIKE app.far INCLUDING ALL EXCLUDING IDENTITY)")
    stage.ask(f"ALTER TABLE {SOURCE} ATTACH PARTITION app.farther FOR VALUES FROM ('2050-02-01') TO ('2050-03-01')")
    for day in ("2050-01-05", "2050-02-05"):
        stage.ask(INSERT.format(f"'{day}'"))
    with stage.person("admin", autocommit=True) as replaying:
        replaying.execute("SET session_replication_role = replica")
        replaying.execute(f"UPDATE {SOURCE} SET note = 'replayed' WHERE started_at > '2050-01-01'")
    assert stage.open().diff().clean
    assert stage.ask(f"SELECT note FROM {OLD} WHERE started_at > '2050-01-01'") == [("replayed",)] * 2
    stage.open().cut_back()
    assert stage.open().diff().clean


def test_a_month_that_goes_after_the_cutover_is_told_and_would_come_back_with_the_old_table(stage):
    advance(stage.open, Phase.CUT_OVER)
    part = months(stage, SOURCE)[0]
    ((last, count),) = stage.ask(f"SELECT max(started_at), count(*) FROM {part}")
    assert count
    stage.ask(f"DROP TABLE {part}")
    diff = stage.open().diff()
    assert (diff.clean, diff.missing + diff.extra) == (False, count)
    with pytest.raises(NotYet, match=r"no longer equals the new one.*Nothing was retired"):
        steps.retire(stage.open())
    stage.ask(f"DELETE FROM {OLD} WHERE started_at <= %s", last)
    assert stage.open().diff().clean
    assert steps.retire(stage.open())["old_kept"] == 1
