"""Upkeep and migrations keep apart: a job is told whose table it is, and while it works no step is taken."""

from __future__ import annotations

import pytest
from sluice.ledger.alone import alone_at
from sluice.ledger.in_flight import GROWS_IN, InFlight, held_apart
from sluice.ledger.marks import Marks
from sluice.migration.engine.contract import Phase
from sluice.stores.postgres import LockBusy, StoreDown, Table, connect

from tests.conftest import Database
from tests.integration.moved import MONTHS, Moved

TABLE = (
    "CREATE TABLE app.thing (id int PRIMARY KEY, at timestamptz NOT NULL)",
    "INSERT INTO app.thing SELECT i, now() - i * interval '1 day' FROM generate_series(1, 40) i",
    "CREATE TABLE app.other (id int PRIMARY KEY)",
)
SOURCE, TARGET, OTHER = Table("app", "thing"), Table("app", "thing_new"), Table("app", "other")


@pytest.fixture
def moved(moving) -> Moved:
    return moving(MONTHS, *TABLE, accept=("weaker_key",))


@pytest.fixture
def c(moved):
    with connect(moved.database.dsn(), purpose="upkeep", lock_timeout="100ms") as connection:
        yield connection


def part_of(moved: Moved, table: str) -> Table:
    """One of its partitions."""
    ((name,),) = moved.ask(
        f"SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = '{table}'::regclass LIMIT 1"
    )
    return Table(*name.split("."))


def test_where_nothing_was_ever_migrated_nothing_is_in_flight(c):
    with held_apart(c, SOURCE):
        pass


@pytest.mark.parametrize("phase", (Phase.EXPANDED, Phase.VERIFIED))
def test_before_the_cutover_both_tables_and_each_partition_are_refused(moved, c, phase):
    moved.to(phase)
    for table in (SOURCE, TARGET, part_of(moved, "app.thing_new")):
        for allowed in ((), GROWS_IN):
            with (
                pytest.raises(InFlight, match=rf"{table} is part of thing, which is {phase}: .*\./sluice abort thing"),
                held_apart(c, table, allowed),
            ):
                pytest.fail("nobody may work here")
    with held_apart(c, OTHER):
        pass
    moved.to(Phase.CUT_OVER)


def test_after_the_cutover_months_may_be_added_and_none_may_go(moved, c):
    moved.to(Phase.CUT_OVER)
    with (
        pytest.raises(InFlight, match=r"would come back when it is cut back.*retire thing first"),
        held_apart(c, SOURCE),
    ):
        pytest.fail("nobody may work here")
    with held_apart(c, SOURCE, GROWS_IN):
        c.execute("CREATE TABLE app.far PARTITION OF app.thing FOR VALUES FROM ('2050-01-01') TO ('2050-02-01')")
    assert moved.equal()
    moved.to(Phase.RETIRED)
    with held_apart(c, SOURCE):
        c.execute("ALTER TABLE app.thing DETACH PARTITION app.far CONCURRENTLY")


def test_while_a_job_works_no_step_is_taken_and_the_other_way_round(moved, c):
    moved.to(Phase.CUT_OVER)
    hasty = moved.migration.cutover.model_copy(update={"tries": 2})
    moved.migration = moved.migration.model_copy(update={"cutover": hasty})
    with held_apart(c, SOURCE, GROWS_IN), pytest.raises(LockBusy, match="Nothing was changed"):
        moved.kind().cut_back()
    with moved.session("sluice_mover") as mover, Marks("thing").alone(mover):  # noqa: SIM117
        with (
            pytest.raises(LockBusy, match=r"looking whether app\.thing is being migrated"),
            held_apart(c, SOURCE, GROWS_IN),
        ):
            pytest.fail("a step is being taken")
    moved.kind().cut_back()


def test_a_migration_that_was_taken_back_cannot_begin_anew_meanwhile(moved, c):
    moved.to(Phase.EXPANDED)
    moved.to(Phase.PLANNED)
    hasty = moved.kind()
    hasty.position()
    moved.open[-1].execute("SET lock_timeout = '100ms'")
    with held_apart(c, SOURCE), pytest.raises(LockBusy):
        hasty.expand()
    hasty.expand()


def test_the_fence_is_let_go_of_whatever_happens(moved, c):
    moved.to(Phase.CUT_OVER)
    with pytest.raises(ZeroDivisionError), held_apart(c, SOURCE, GROWS_IN):
        raise ZeroDivisionError
    with pytest.raises(InFlight), held_apart(c, SOURCE):
        pass
    assert moved.ask("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == [(0,)]


def test_what_ended_a_session_is_what_one_hears_of(moved):
    moved.to(Phase.RETIRED)
    with moved.session("admin") as c, pytest.raises(ZeroDivisionError), held_apart(c, SOURCE):
        c.close()
        raise ZeroDivisionError


def test_one_is_alone_until_its_session_is_gone(database: Database) -> None:
    first, other = (connect(database.dsn("admin"), purpose=name) for name in ("first", "other"))
    with other, pytest.raises(StoreDown, match="keeping others away from a month"), alone_at(first, "a month") as look:
        look()
        with pytest.raises(LockBusy, match="a month: another run is at it"), alone_at(other, "a month"):
            pass
        other.execute("SELECT pg_terminate_backend(%s)", [first.info.backend_pid])
        look()
