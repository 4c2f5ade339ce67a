"""Cutting back keeps what the application wrote meanwhile, whatever it wrote, and whoever touched the partitions."""

from __future__ import annotations

import pytest
from psycopg import errors
from sluice.migration.engine import steps
from sluice.migration.engine.contract import Drifted, NotYet, Phase
from sluice.migration.kinds.same_cluster import backfill

from tests.integration.moved import HASHED, MONTHS, PLAIN, Moved

TABLE = (
    "CREATE TABLE app.thing (id int PRIMARY KEY, at timestamptz NOT NULL, amount smallint, note text)",
    "INSERT INTO app.thing SELECT i, date_trunc('month', now()) - (i % 3) * interval '1 month', i, 'n'"
    " FROM generate_series(1, 60) i",
    "GRANT ALL ON app.thing TO certify_app",
)
WIDER = {"columns": {"amount": {"type": "bigint", "from": "amount", "back": "amount::smallint"}}}
INTO = {"plain": WIDER, "months": {**MONTHS, **WIDER}}
UNFIT, MENDED = "UPDATE app.thing SET amount = 70000 WHERE id = 7", "UPDATE app.thing SET amount = 70 WHERE id = 7"
ANEW = "INSERT INTO app.thing VALUES ({}, date_trunc('month', now()), {}, 'anew')"
MENDS = {
    "in place": (UNFIT, MENDED),
    "by another write in between": (UNFIT, "UPDATE app.thing SET note = 'x' WHERE id = 7", MENDED),
    "in another partition": (UNFIT, "UPDATE app.thing SET amount = 70, at = at + interval '1 month' WHERE id = 7"),
    "after it went to another partition": (UNFIT.replace(" WHERE", ", at = at + interval '1 month' WHERE"), MENDED),
    "with another key": (UNFIT, "UPDATE app.thing SET id = 200, amount = 70 WHERE id = 7"),
    "after it got another key": (
        UNFIT,
        "UPDATE app.thing SET id = 200 WHERE id = 7",
        "UPDATE app.thing SET amount = 70 WHERE id = 200",
    ),
    "and its key is taken anew": (UNFIT, "UPDATE app.thing SET id = 200, amount = 1 WHERE id = 7", ANEW.format(7, 9)),
    "where it came unfit": (ANEW.format(100, 70000), "UPDATE app.thing SET amount = 3 WHERE id = 100"),
    "by deleting it": (UNFIT, "DELETE FROM app.thing WHERE id = 7"),
    "by deleting it and writing it anew": (UNFIT, "DELETE FROM app.thing WHERE id = 7", ANEW.format(7, 9)),
    "in one statement": (
        UNFIT,
        "WITH gone AS (DELETE FROM app.thing WHERE id = 7 RETURNING *)"
        " INSERT INTO app.thing SELECT id, at + interval '1 month', 3, note FROM gone",
    ),
    "by emptying the table": (UNFIT, "TRUNCATE app.thing", ANEW.format(7, 9)),
}
ROWS = "SELECT id, at, amount::bigint, note FROM app.thing ORDER BY 1"


def unread(moved: Moved) -> Moved:
    """The same, without the shadow read."""
    gates = moved.migration.gates.model_copy(update={"shadow": None})
    moved.migration = moved.migration.model_copy(update={"gates": gates})
    return moved


@pytest.mark.parametrize("into", INTO.values(), ids=INTO)
@pytest.mark.parametrize("mend", MENDS.values(), ids=MENDS)
def test_what_was_mended_is_there_after_cutting_back(moving, into, mend):
    moved = unread(moving(into, *TABLE, accept=("weaker_key",)))
    moved.to(Phase.CUT_OVER)
    moved.use(mend[0])
    with pytest.raises(NotYet, match=r"the old table cannot hold 1 rows"):
        moved.kind().cut_back()
    moved.use(*mend[1:])
    written = moved.ask(ROWS)
    moved.kind().cut_back()
    assert moved.ask(ROWS) == written
    assert moved.equal()


def test_two_rows_of_one_old_key_are_refused_though_the_old_table_cannot_hold_either(moving):
    moved = unread(moving(INTO["months"], *TABLE, accept=("weaker_key",)))
    moved.to(Phase.CUT_OVER)
    with pytest.raises(errors.UniqueViolation):
        moved.use("INSERT INTO app.thing SELECT id, at + interval '1 month', 70000, note FROM app.thing WHERE id = 7")
    moved.kind().cut_back()


NARROWER = {"columns": {"id": {"type": "int", "from": "id::int", "back": "id"}}}
"""A key that does not fit."""


def test_a_row_whose_key_does_not_fit_is_written_all_the_same(moving):
    made = TABLE[0].replace("id int", "id bigint")
    moved = unread(moving(NARROWER, made, *TABLE[1:]))
    moved.to(Phase.BACKFILLED)
    far = 5_000_000_000
    moved.use(
        ANEW.format(far, 1),
        f"UPDATE app.thing SET note = 'x' WHERE id = {far}",
        f"UPDATE app.thing SET id = id + 1 WHERE id = {far}",
        f"UPDATE app.thing SET id = 300 WHERE id = {far + 1}",
        ANEW.format(far, 1),
        "UPDATE app.thing SET id = 5000000001 WHERE id = 8",
        f"DELETE FROM app.thing WHERE id >= {far}",
    )
    assert moved.kind().standing()["quarantined"] == 0
    assert moved.kind().diff().samples == ()
    assert moved.ask("SELECT count(*) FROM app.thing WHERE id IN (8, 300)") == [(1,)]


def test_a_comparison_names_the_row_that_does_not_fit(moving):
    narrow = {"columns": {"amount": {"type": "smallint", "from": "amount::smallint", "back": "amount"}}}
    moved = unread(moving(narrow, TABLE[0].replace("smallint", "bigint"), *TABLE[1:]))
    moved.to(Phase.BACKFILLED)
    moved.use(UNFIT)
    with pytest.raises(NotYet, match=r"1 rows .*quarantine.*\[7\]"):
        steps.verify(moved.kind())
    moved.use(MENDED)
    steps.verify(moved.kind())


FAR = "CREATE TABLE app.far PARTITION OF app.thing FOR VALUES FROM ('2090-01-01') TO ('2090-02-01')"


def test_a_row_of_a_partition_made_since_the_cutover_does_not_come_back(moving):
    moved = unread(moving(MONTHS, *TABLE, accept=("weaker_key",)))
    moved.to(Phase.CUT_OVER)
    moved.own(FAR)
    moved.use("INSERT INTO app.thing VALUES (100, '2090-01-05', 1, 'far'), (101, '2090-01-06', 1, 'far')")
    moved.kind().cut_back()
    moved.to(Phase.VERIFIED)
    steps.verify(moved.kind())
    moved.use("DELETE FROM app.thing WHERE id = 100", "UPDATE app.thing SET at = now() WHERE id = 101")
    assert moved.equal()
    moved.kind().cut_over()
    assert moved.ask("SELECT id, at > '2090-01-01' FROM app.thing WHERE id >= 100") == [(101, False)]


def test_after_cutting_back_capture_knows_the_months_that_came_and_went(moving):
    moved = unread(moving(MONTHS, *TABLE, accept=("weaker_key",)))
    moved.to(Phase.CUT_OVER)
    month = "upper_bound::timestamptz + interval '1 month' AS a, lower_bound::timestamptz + interval '1 month' AS b"
    ((first, last, beyond, second),) = moved.ask(f"SELECT lower_bound, upper_bound, {month} FROM sluice.migration")
    ((oldest,),) = moved.ask(f"SELECT tableoid::regclass::text FROM app.thing WHERE at < '{second}' LIMIT 1")
    moved.own(
        f"CREATE TABLE app.next PARTITION OF app.thing FOR VALUES FROM ('{last}') TO ('{beyond}')",
        f"DROP TABLE {oldest}",
        f"DELETE FROM app.thing__old WHERE at < '{second}'",
    )
    moved.kind().cut_back()
    moved.use(f"INSERT INTO app.thing VALUES (100, '{last}', 1, 'next'), (101, '{first}', 1, 'old')")
    assert moved.ask("SELECT id FROM app.thing_new WHERE id >= 100") == [(100,)]
    assert moved.ask("SELECT key FROM sluice.quarantine") == [([101],)]


def test_a_partition_that_was_away_for_a_moment_makes_the_proof_void(moving):
    moved = unread(moving(MONTHS, *TABLE, accept=("weaker_key",)))
    moved.to(Phase.VERIFIED)
    ((part, bounds),) = moved.ask(
        "SELECT oid::regclass::text, pg_get_expr(relpartbound, oid) FROM pg_class WHERE oid ="
        " (SELECT tableoid FROM app.thing_new WHERE id = 7)"
    )
    moved.own(f"ALTER TABLE app.thing_new DETACH PARTITION {part}")
    moved.use("DELETE FROM app.thing WHERE id = 7")
    moved.own(f"ALTER TABLE app.thing_new ATTACH PARTITION {part} {bounds}")
    with pytest.raises(NotYet, match="run it again to verify anew"):
        moved.kind().cut_over()
    assert steps.verify(moved.kind())["rows_extra"] == 1


def test_rows_that_came_with_a_partition_are_missed_before_cutting_back(moving):
    moved = unread(moving(MONTHS, *TABLE, accept=("weaker_key",)))
    moved.to(Phase.CUT_OVER)
    moved.own(
        "CREATE TABLE app.far (LIKE app.thing INCLUDING ALL)",
        "INSERT INTO app.far VALUES (100, '2090-01-05', 1, 'loaded')",
        "ALTER TABLE app.thing ATTACH PARTITION app.far FOR VALUES FROM ('2090-01-01') TO ('2090-02-01')",
    )
    with pytest.raises(NotYet, match=r"the old table differs: .*100"):
        moved.kind().cut_back()
    moved.own("INSERT INTO app.thing__old SELECT * FROM app.thing WHERE id = 100")
    moved.kind().cut_back()
    assert moved.ask("SELECT note FROM app.thing WHERE id = 100") == [("loaded",)]


@pytest.mark.parametrize(
    "change",
    (
        "ALTER TABLE app.thing__old ENABLE ROW LEVEL SECURITY",
        "GRANT SELECT ON app.thing__old TO PUBLIC",
        "ALTER TABLE app.thing__old ADD CHECK (amount < 9999)",
    ),
)
def test_an_old_table_that_was_changed_does_not_go_live_unseen(moving, change):
    moved = unread(moving(HASHED, *TABLE))
    moved.to(Phase.CUT_OVER)
    assert moved.kind().standing()["fingerprint_differs"] == 0
    moved.own(change)
    with pytest.raises(Drifted, match=r"app\.thing__old was changed since the cutover"):
        moved.kind().cut_back()


def test_an_untouched_one_goes_back(moving):
    moved = unread(moving(PLAIN, *TABLE))
    moved.to(Phase.CUT_OVER)
    moved.kind().cut_back()


def test_columns_are_made_anew_though_somebody_died_over_it(moving, monkeypatch):
    twice = {"columns": {"twice": {"type": "bigint", "from": "amount * 2"}}}
    moved = unread(moving(twice, *TABLE))
    moved.to(Phase.CUT_OVER)
    moved.use("UPDATE app.thing SET twice = 999 WHERE id = 7")
    copied = "SELECT max(copied_by::text::bigint) FROM sluice.chunk"
    before = moved.ask(copied)
    with monkeypatch.context() as dying:
        dying.setattr(backfill, "failpoint", dies)
        with pytest.raises(KeyboardInterrupt):
            steps.cut_back(moved.kind())
    assert moved.kind().position().phase is Phase.VERIFIED
    assert moved.kind().diff().different == 1
    moved.to(Phase.CUT_OVER)
    assert moved.ask("SELECT twice FROM app.thing WHERE id = 7") == [(14,)]
    assert moved.ask(copied) > before, "the cutover waited for snapshots that are older than that"


def dies(edge: str) -> None:
    """Somebody is killed while columns are made anew."""
    assert edge == "window.remembered"
    raise KeyboardInterrupt
