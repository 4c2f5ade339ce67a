"""The zoo's own tools can fail: each sort of loss, of untruth and of unlikeness is planted and found."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sluice.local import databases

from tests.conftest import Database
from tests.zoo import catalogue, journey, likeness, oracle, reasons, rows, shapes
from tests.zoo.catalogue import Connection, Thing
from tests.zoo.journey import BROKEN, MIGRATED, REFUSED, Journey
from tests.zoo.sources import Source
from tests.zoo.writers import Application

MADE = """
CREATE TYPE app.mood AS ENUM ('sad', 'ok');
CREATE DOMAIN app.code AS bytea CHECK (octet_length(VALUE) = 16);
CREATE TABLE app.parents (id serial PRIMARY KEY, code app.code NOT NULL, word varchar(4) UNIQUE);
CREATE TABLE app.things (
    parent int NOT NULL REFERENCES app.parents, no int, mood app.mood NOT NULL, state text CHECK (state IN ('a', 'b''c')),
    "100 %" numeric(6, 2), spans int4range, at timestamptz NOT NULL, PRIMARY KEY (parent, no))
"""


@pytest.fixture
def things(database: Database) -> Thing:
    """Two related tables, filled; gives the one that refers."""
    with catalogue.work(database.dsn("admin"), "app", "test") as c:
        c.execute(f"SET ROLE {databases.OWNER}")  # type: ignore[arg-type]
        c.execute(MADE)
    with catalogue.look(database.dsn("admin")) as look, catalogue.work(database.dsn("admin"), "app", "fill") as c:
        found = {thing.table: thing for thing in catalogue.in_order(catalogue.tables(look))}
        assert list(found) == ["parents", "things"]
        for thing in found.values():
            assert rows.fill(c, thing, 300) == (300, "")
    return found["things"]


def admin(database: Database) -> Connection:
    return catalogue.work(database.dsn("admin"), "app", "saboteur")


def test_rows_are_made_for_a_table_that_nobody_told_of(database, things):
    with admin(database) as c:
        (row,) = c.execute(
            "SELECT count(*) AS n, count(DISTINCT parent) AS parents, count(DISTINCT mood) AS moods,"
            ' count(DISTINCT state) AS states, count("100 %") AS numbers FROM app.things'
        ).fetchall()
    assert (row["n"], row["moods"], row["states"]) == (300, 2, 2)
    assert row["parents"] > 200
    assert 200 < row["numbers"] < 300


def lose(c: Connection, app: Application) -> None:
    c.execute("DELETE FROM app.things WHERE (parent, no) = (%s, %s)", _live(app))


def spoil(c: Connection, app: Application) -> None:
    c.execute("UPDATE app.things SET at = at + interval '1 microsecond' WHERE (parent, no) = (%s, %s)", _live(app))


def resurrect(c: Connection, app: Application) -> None:
    key = next(key for key, image in app.diary.book.items() if image is None)
    c.execute("INSERT INTO app.things (parent, no, mood, at) VALUES (%s, %s, 'ok', now())", key)


def double(c: Connection, app: Application) -> None:
    c.execute("ALTER TABLE app.things DROP CONSTRAINT things_pkey")
    c.execute("INSERT INTO app.things SELECT * FROM app.things WHERE (parent, no) = (%s, %s)", _live(app))


def _live(app: Application) -> tuple[str, ...]:
    return next(key for key, image in app.diary.book.items() if image is not None)


@pytest.mark.parametrize(
    ("plant", "verdict"),
    [(None, ""), (lose, "lost"), (spoil, "wrong"), (resurrect, "resurrected"), (double, "twice")],
    ids=["nothing", "lost", "wrong", "resurrected", "twice"],
)
def test_the_oracle_finds_what_was_planted(database, things, plant: Callable[[Connection, Application], None], verdict):
    app = Application(database.dsn(databases.APPLICATION), things, {})
    app.start()
    app.burst(300)
    app.rest()
    app.stop()
    assert {"insert", "again", "touch 100 %", "touch mood"} <= set(app.able)
    assert app.diary.errors == app.diary.vanished == []
    with admin(database) as c:
        if plant:
            plant(c, app)
        found = oracle.judge(c, things, app.columns, app.diary.book)
    counts = {name: getattr(found, name) for name in ("lost", "wrong", "resurrected", "twice")}
    assert counts == {name: int(name == verdict) for name in counts}, found
    assert found.checked == len(app.diary.book) > 100
    assert found.ok is not bool(plant)


def test_a_writer_that_misses_its_row_says_so(database, things):
    app = Application(database.dsn(databases.APPLICATION), things, {}, writers=1)
    app.start()
    app.burst(50)
    with admin(database) as c:
        c.execute("DELETE FROM app.things")
    app.burst(30)
    app.stop()
    assert "was acknowledged and is not there" in app.diary.vanished[0]


def test_sums_differ_by_one_digit(database, things):
    with admin(database) as c:
        c.execute("CREATE TABLE app.twin AS SELECT * FROM app.things")
        names = [column.name for column in things.columns]
        one, two = oracle.sums(c, ["app.things", "app.twin"], names)
        assert one == two
        c.execute(
            'UPDATE app.twin SET "100 %" = "100 %" + 0.01 WHERE ctid = (SELECT max(ctid) FROM app.twin WHERE "100 %" > 0)'
        )
        one, two = oracle.sums(c, ["app.things", "app.twin"], names)
        assert one != two


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("COMMENT ON COLUMN app.things.no IS 'x'", "comment"),
        ("ALTER TABLE app.things ALTER no SET DEFAULT 5", "column"),
        ("CREATE INDEX ON app.things (mood)", "index"),
        ("GRANT SELECT (no) ON app.things TO PUBLIC", "column grant"),
        ("ALTER TABLE app.things DROP CONSTRAINT things_parent_fkey", "foreign key out"),
        ("ALTER TABLE app.things SET (fillfactor = 50)", "table"),
        ("CREATE VIEW app.seen AS SELECT * FROM app.things", "view"),
        ("ALTER TABLE app.things DROP CONSTRAINT things_state_check", "check"),
    ],
)
def test_a_portrait_shows_what_changed(database, things, change, what):
    with catalogue.look(database.dsn("admin")) as c:
        before = likeness.portrait(c, things.oid)
        assert likeness.unlike(before, likeness.portrait(c, things.oid), set(), set()) == []
        c.execute(change)
        found = likeness.unlike(before, likeness.portrait(c, things.oid), set(), set())
    assert found
    assert all(f": {what}: " in line for line in found), found


def test_a_refusal_that_is_not_true_is_called_so(database, things):
    with catalogue.look(database.dsn("admin")) as c:
        case = reasons.Case(c, things, {"partition": {"range": "at", "every": "month"}})
        said = reasons.truth(case, ["no_key", "inheritance", "foreign_key", "null_partition_column", "never_heard_of"])
    assert said == {
        "no_key": "false",
        "inheritance": "false",
        "foreign_key": "true",
        "null_partition_column": "false",
        "never_heard_of": "unproven",
    }


def test_every_shape_is_offered_to_a_table_that_allows_all(database, things):
    with catalogue.look(database.dsn("admin")) as c:
        offered = shapes.candidates(shapes.traits(c, things))
    assert {name for name, _ in offered} == {name for name, _ in shapes.SHAPES}
    assert offered[-1] == ("plain", {})


@pytest.fixture
def travel(database, tmp_path) -> Callable[[], journey.Outcome]:
    """Take a plain table its way."""
    with catalogue.work(database.dsn("admin"), "app", "test") as c:
        c.execute(f"SET ROLE {databases.OWNER}")  # type: ignore[arg-type]
        c.execute("CREATE TABLE app.simple (id bigint PRIMARY KEY, note text, at timestamptz NOT NULL)")
        c.execute("INSERT INTO app.simple SELECT i, 'n', now() - i * interval '1 hour' FROM generate_series(1, 300) i")

    def go() -> journey.Outcome:
        with catalogue.look(database.dsn("admin")) as c:
            thing = next(thing for thing in catalogue.tables(c) if thing.table == "simple")
        return Journey(database, Source("test", lambda *_: None), thing, tmp_path, 1, retires=True).run()

    return go


def test_a_plain_table_arrives(travel):
    out = travel()
    assert (out.result, out.unlike) == (MIGRATED, []), out.faults
    assert out.good
    assert out.writes > 200
    assert out.checked > 100


def test_a_capture_that_was_off_for_a_moment_is_no_success(travel, database, monkeypatch):
    """The same way, with a product that forgets one write: the zoo must say so."""
    real = journey.advance

    def forgetful(opening, wanted, **more):
        facts = real(opening, wanted, **more)
        if wanted is journey.Phase.BACKFILLED:
            with catalogue.work(database.dsn(), "app", "saboteur") as c:
                c.execute('ALTER TABLE app.simple DISABLE TRIGGER "!sluice_capture"')
                c.execute("UPDATE app.simple SET note = 'unseen' WHERE id = 7")
                c.execute('ALTER TABLE app.simple ENABLE ALWAYS TRIGGER "!sluice_capture"')
        return facts

    monkeypatch.setattr(journey, "advance", forgetful)
    out = travel()
    assert out.result == BROKEN
    assert not out.good
    assert any("the diff is red" in fault for fault in out.faults), out.faults


def test_a_table_without_a_key_is_refused_and_that_is_true(travel, database):
    with admin(database) as c:
        c.execute("ALTER TABLE app.simple DROP CONSTRAINT simple_pkey")
    out = travel()
    assert (out.result, out.codes, out.good) == (REFUSED, {"no_key": "true"}, True)
