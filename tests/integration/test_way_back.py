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
SHORTER = {"columns": {"note": {"type": "varchar(5)", "from": "note::varchar(5)", "back": "note"}}}
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


@pytest.mark.parametrize(
    "write",
    (
        "INSERT INTO app.thing SELECT id, at + interval '1 month', 5, 'dup' FROM app.thing WHERE id = 7",
        "UPDATE app.thing SET id = 7, at = at + interval '1 month' WHERE id = 8",
    ),
)
def test_a_second_row_of_a_key_that_does_not_fit_is_refused_as_it_was(moving, write):
    moved = unread(moving(INTO["months"], *TABLE, accept=("weaker_key",)))
    moved.to(Phase.CUT_OVER)
    moved.use(UNFIT)
    with pytest.raises(errors.UniqueViolation):
        moved.use(write)
    assert moved.kind().standing()["quarantined"] == 1


def test_a_row_that_a_trigger_moved_before_we_were_told_stays_in_quarantine(moving):
    moved = unread(moving(INTO["months"], *TABLE, accept=("weaker_key",)))
    moved.own(
        "CREATE FUNCTION app.f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE app.thing SET"
        " at = date_trunc('month', now()) WHERE amount > 60000 AND at < date_trunc('month', now()); RETURN NULL; END $$",
        "CREATE TRIGGER zz AFTER INSERT ON app.thing FOR EACH ROW EXECUTE FUNCTION app.f()",
    )
    moved.to(Phase.CUT_OVER)
    ago = "date_trunc('month', now()) - interval '1 month'"
    moved.use(f"INSERT INTO app.thing VALUES (100, {ago}, 1, 'a'), (101, {ago}, 70000, 'b')")
    with pytest.raises(NotYet, match=r"\[101\]"):
        moved.kind().cut_back()


def test_a_row_that_came_back_to_its_key_stays_in_quarantine(moving):
    moved = unread(moving(MONTHS, *TABLE, accept=("weaker_key",)))
    moved.own(
        "CREATE TABLE app.other (id int PRIMARY KEY, thing int)",
        "GRANT ALL ON app.other TO certify_app",
        "CREATE FUNCTION app.f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE app.thing SET id = 7, at = '2090-01-01'"
        " WHERE id = NEW.thing; RETURN NULL; END $$",
        "CREATE TRIGGER zz AFTER INSERT ON app.other FOR EACH ROW EXECUTE FUNCTION app.f()",
    )
    moved.to(Phase.VERIFIED)
    moved.use(
        "WITH o AS (INSERT INTO app.other VALUES (1, 107) RETURNING thing)"
        " UPDATE app.thing SET id = o.thing FROM o WHERE app.thing.id = 7"
    )
    assert moved.ask("SELECT id, at FROM app.thing WHERE id IN (7, 107)")[0][0] == 7
    with pytest.raises(NotYet, match=r"\[7\]"):
        moved.kind().cut_over()


LOSSY = {
    "columns": {
        "code": {"type": "text", "from": "code", "back": "code::varchar(5)"},
        "cents": {"type": "bigint", "from": "(price * 100)::bigint"},
        "price": {"drop": True, "back": "(cents / 100)::numeric(10, 2)"},
        "day": {"type": "date", "from": "(at AT TIME ZONE 'UTC')::date"},
    }
}
PRICED = (
    "CREATE TABLE app.thing (id int PRIMARY KEY, at timestamptz NOT NULL, code varchar(5), price numeric(10, 2))",
    "INSERT INTO app.thing SELECT i, now(), 'abc', i FROM generate_series(1, 60) i",
    "GRANT ALL ON app.thing TO certify_app",
)


@pytest.mark.parametrize(
    ("lost", "kept"),
    (
        ("code = 'abcdefghij'", "code = 'abcde'"),
        ("cents = 123", "cents = 100"),
        ("code = NULL, cents = 1", "cents = NULL"),
    ),
)
def test_what_would_come_back_as_another_value_is_quarantined(moving, lost, kept):
    moved = unread(moving(LOSSY, *PRICED))
    moved.to(Phase.CUT_OVER)
    moved.use("UPDATE app.thing SET day = '1999-09-09' WHERE id = 8", f"UPDATE app.thing SET {lost} WHERE id = 7")
    with pytest.raises(NotYet, match=r"the old table cannot hold 1 rows .*\[7\]"):
        moved.kind().cut_back()
    moved.use(f"UPDATE app.thing SET {kept} WHERE id = 7")
    moved.kind().cut_back()


def test_what_would_be_lost_on_the_way_there_is_quarantined_too(moving):
    moved = unread(moving(SHORTER, *TABLE))
    moved.to(Phase.VERIFIED)
    moved.use("UPDATE app.thing SET note = 'abcdefghij' WHERE id = 7")
    with pytest.raises(NotYet, match=r"\[7\]"):
        moved.kind().cut_over()


def test_a_key_that_gets_finer_and_is_used_so_keeps_one_from_going_back(moving):
    finer = {"columns": {"id": {"type": "timestamp", "from": "id", "back": "id::date"}}}
    moved = unread(
        moving(
            finer,
            "CREATE TABLE app.thing (id date PRIMARY KEY, note text)",
            "INSERT INTO app.thing SELECT date '2025-01-01' + i, 'n' FROM generate_series(1, 90) i",
            "GRANT ALL ON app.thing TO certify_app",
        )
    )
    moved.to(Phase.CUT_OVER)
    moved.use(
        "INSERT INTO app.thing VALUES ('2025-03-01 12:00', 'noon')",
        "UPDATE app.thing SET note = 'x' WHERE id = '2025-03-01 12:00'",
    )
    with pytest.raises(NotYet, match="the old table cannot hold 1 rows"):
        moved.kind().cut_back()
    moved.use("DELETE FROM app.thing WHERE id = '2025-03-01 12:00'")
    written = moved.ask("SELECT id::date, note FROM app.thing ORDER BY 1")
    moved.kind().cut_back()
    assert moved.ask("SELECT id, note FROM app.thing ORDER BY 1") == written


def test_what_the_new_table_has_not_stays_where_a_row_only_moves(moving):
    moved = unread(moving({**MONTHS, "columns": {"note": {"drop": True}}}, *TABLE, accept=("weaker_key", "no_inverse")))
    moved.to(Phase.CUT_OVER)
    moved.use(
        "UPDATE app.thing SET amount = 3 WHERE id = 8",
        "UPDATE app.thing SET at = at + interval '1 month' WHERE id = 7",
    )
    moved.kind().cut_back()
    assert moved.ask("SELECT note FROM app.thing WHERE id IN (7, 8)") == [("n",), ("n",)]


@pytest.mark.parametrize("into", ({"partition": {"list": "note"}}, HASHED), ids=("list", "hash"))
def test_a_partition_that_takes_any_value_is_missed_before_cutting_back(moving, into):
    moved = unread(moving(into, *TABLE, accept=("weaker_key", "nullable_partition_column")))
    moved.to(Phase.CUT_OVER)
    ((part,),) = moved.ask(
        "SELECT min(inhrelid::regclass::text) FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhparent ="
        " 'app.thing'::regclass AND pg_get_expr(relpartbound, oid) SIMILAR TO '(DEFAULT|%remainder 3%)'"
    )
    moved.own(f"DELETE FROM app.thing WHERE tableoid = '{part}'::regclass", f"DROP TABLE {part}")
    with pytest.raises(NotYet, match="Make it again"):
        moved.kind().cut_back()


def test_months_cut_further_by_hand_are_no_hindrance(moving):
    moved = unread(moving(MONTHS, *TABLE, accept=("weaker_key",)))
    moved.to(Phase.CUT_OVER)
    moved.own(
        f"{FAR} PARTITION BY RANGE (id)",
        "CREATE TABLE app.far1 PARTITION OF app.far FOR VALUES FROM (1) TO (1000)",
        "CREATE TABLE app.ever PARTITION OF app.thing FOR VALUES FROM ('2091-01-01') TO (MAXVALUE)",
    )
    moved.kind().cut_back()


@pytest.mark.parametrize("rewritten", ("TRUNCATE app.thing", "VACUUM FULL app.thing"))
def test_a_file_that_was_rewritten_is_no_hindrance(moving, rewritten):
    moved = unread(moving(WIDER, *TABLE))
    moved.to(Phase.CUT_OVER)
    moved.kind().cut_back()
    moved.admin(rewritten)
    moved.use(ANEW.format(100, 1))
    moved.to(Phase.CUT_OVER)


def test_a_row_in_quarantine_does_not_stop_columns_from_being_made_anew(moving):
    moved = unread(moving(INTO["months"], *TABLE, accept=("weaker_key",)))
    moved.to(Phase.CUT_OVER)
    moved.kind().cut_back()
    moved.use("INSERT INTO app.thing VALUES (100, '2090-01-05', 1, 'far')")
    assert steps.verify(moved.kind())["quarantined"] == 1


def test_a_row_that_came_before_capture_and_would_come_back_as_another_is_found_when_all_is_copied(moving):
    moved = unread(moving(SHORTER, *TABLE))
    moved.to(Phase.EXPANDED)
    moved.use("UPDATE app.thing SET note = 'abcdefghij' WHERE id = 7")
    with pytest.raises(NotYet, match=r"1 rows of app\.thing have another note"):
        moved.to(Phase.BACKFILLED)
    moved.use("UPDATE app.thing SET note = 'abcde' WHERE id = 7")
    moved.to(Phase.VERIFIED)
