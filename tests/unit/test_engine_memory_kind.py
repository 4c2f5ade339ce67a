"""The engine, driven over a kind that knows no database: the same harness, the same question of acknowledged writes."""

from __future__ import annotations

import inspect
import random
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from sluice.migration.engine import steps
from sluice.migration.engine.contract import Fence, Fenced, Kind, NotYet, Phase
from sluice.migration.engine.way import Step
from sluice.migration.kinds.into_postgres import IntoPostgres
from sluice.migration.kinds.same_cluster import SameCluster
from sluice.migration.kinds.single_table import SingleTable

from tests.harness import advance
from tests.unit.memory_kind import MemoryKind, Row, Rows, World

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
SEEDED = 1_000


def seeded(rows: int = SEEDED) -> World:
    return World(source={key: Row(MOMENT + timedelta(hours=key), "seed") for key in range(rows)})


class Client:
    """An application that keeps its own list of what was acknowledged, on keys that nobody else writes."""

    def __init__(self, world: World, number: int, clients: int) -> None:
        self.world, self.number, self.clients = world, number, clients
        self.acknowledged: dict[int, Row | None] = {}
        self.writes = 0
        self._stop = threading.Event()
        self._random = random.Random(number)
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Client:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.0002):
            key = self._random.randrange(2 * SEEDED // self.clients) * self.clients + self.number
            row = Row(MOMENT + timedelta(hours=key), str(self.writes))
            acknowledged = None if self._random.random() < 0.2 else row
            self.world.write(key, acknowledged)
            self.acknowledged[key], self.writes = acknowledged, self.writes + 1


def expected(*clients: Client) -> Rows:
    """What must be there: the seed, and what was acknowledged since."""
    wanted: dict[int, Row | None] = {**seeded().source}
    for client in clients:
        wanted |= client.acknowledged
    return {key: row for key, row in wanted.items() if row is not None}


def written(client: Client, more: int) -> None:
    """Wait until the client has written so many more times."""
    until, deadline = client.writes + more, time.monotonic() + 20
    while client.writes < until:
        assert time.monotonic() < deadline, "the client stands still"
        time.sleep(0.002)


def test_forward_back_and_forward_again_loses_no_acknowledged_write() -> None:
    world = seeded()
    world.between = lambda: time.sleep(0.002)  # writers get in between the read and the write of every copy
    with Client(world, 0, 2) as one, Client(world, 1, 2) as two:
        written(one, 50)
        first = advance(lambda: MemoryKind(world), Phase.CUT_OVER)
        written(two, 100)
        assert world.live is world.target
        back = advance(lambda: MemoryKind(world), Phase.VERIFIED)
        written(two, 100)
        assert world.live is world.source
        again = advance(lambda: MemoryKind(world), Phase.CUT_OVER)
        written(one, 100)
    facts = [first[Step.VERIFY], first[Step.CUT_OVER], back[Step.CUT_BACK], again[Step.VERIFY], again[Step.CUT_OVER]]
    assert [(f["rows_missing"], f["rows_extra"], f["rows_different"]) for f in facts] == [(0, 0, 0)] * 5
    assert world.target == expected(one, two)
    assert advance(lambda: MemoryKind(world), Phase.RETIRED)[Step.RETIRE]["rows_extra"] == 0
    assert world.source == world.target


def test_what_was_deleted_between_a_copys_read_and_its_write_stays_deleted() -> None:
    world = seeded()
    advance(lambda: MemoryKind(world), Phase.CAPTURING)

    def delete_one() -> None:
        world.write(5, None)
        MemoryKind(world).replicate(1.0)

    world.between = delete_one
    advance(lambda: MemoryKind(world), Phase.VERIFIED)
    assert 5 not in world.target
    assert world.position.phase is Phase.VERIFIED


def test_what_was_deleted_and_written_again_is_there() -> None:
    world = seeded()
    advance(lambda: MemoryKind(world), Phase.CAPTURING)
    back = Row(MOMENT, "back")

    def delete_and_write() -> None:
        world.write(5, None)
        MemoryKind(world).replicate(1.0)
        world.write(5, back)

    world.between = delete_and_write
    advance(lambda: MemoryKind(world), Phase.VERIFIED)
    assert world.target[5] == back


def test_changes_are_delivered_while_the_lanes_copy() -> None:
    world = seeded()
    advance(lambda: MemoryKind(world), Phase.CAPTURING)
    backlog: list[int] = []

    def measure_and_write() -> None:
        backlog.append(len(world.log) - world.delivered)
        world.write(1, Row(MOMENT, str(len(backlog))))

    world.between = measure_and_write
    advance(lambda: MemoryKind(world), Phase.BACKFILLED, lanes=1)
    assert len(backlog) == 10
    assert max(backlog) == 0, "the log grows as long as the copy lasts"


@pytest.mark.parametrize("wanted", [Phase.VERIFIED, Phase.CUT_OVER])
def test_what_waits_in_the_log_is_delivered_before_it_is_compared(wanted: Phase) -> None:
    world = seeded()
    advance(lambda: MemoryKind(world), wanted)
    world.write(3, Row(MOMENT, "late"))
    assert world.other[3].note == "seed"
    assert steps.validate(MemoryKind(world))["rows_different"] == 0
    assert world.other[3].note == "late"


def test_a_worker_of_an_older_epoch_is_fenced_even_between_its_read_and_its_write() -> None:
    world = seeded()
    advance(lambda: MemoryKind(world), Phase.CAPTURING)
    late = MemoryKind(world)
    late.plan_chunks()

    def retreat() -> None:
        world.between = lambda: None
        advance(lambda: MemoryKind(world), Phase.PLANNED)
        advance(lambda: MemoryKind(world), Phase.CAPTURING)

    world.between = retreat
    with pytest.raises(Fenced, match="started for epoch 1"):
        late.copy_chunk(0, Fence(1))
    assert world.target == {}


def test_abort_leaves_the_source_as_it_was() -> None:
    world = seeded()
    advance(lambda: MemoryKind(world), Phase.VERIFIED)
    advance(lambda: MemoryKind(world), Phase.PLANNED)
    assert (world.source, world.target) == (seeded().source, {})
    assert (world.position.phase, world.position.epoch) == (Phase.PLANNED, 2)


def test_a_lost_row_makes_the_diff_red_and_keeps_the_phase() -> None:
    world = seeded()
    advance(lambda: MemoryKind(world), Phase.BACKFILLED)
    del world.target[7]
    facts = advance(lambda: MemoryKind(world), Phase.VERIFIED)[Step.VERIFY]
    assert (facts["rows_missing"], facts["diff_samples"]) == (1, "7 missing")
    assert world.position.phase is Phase.BACKFILLED
    with pytest.raises(NotYet):
        MemoryKind(world).cut_over()


@pytest.mark.parametrize("kind", [MemoryKind, SameCluster, SingleTable, IntoPostgres])
def test_a_kind_has_every_verb_of_the_contract_as_the_contract_has_it(kind: type) -> None:
    verbs = {name: verb for name, verb in vars(Kind).items() if inspect.isfunction(verb) and not name.startswith("_")}
    assert len(verbs) > 20
    for name, verb in verbs.items():
        assert inspect.signature(getattr(kind, name)) == inspect.signature(verb), name


def test_filling_a_window_fills_that_window_only() -> None:
    world = seeded()
    advance(lambda: MemoryKind(world), Phase.CAPTURING)
    filled, facts = steps.fill_window(MemoryKind(world), MOMENT, MOMENT + timedelta(hours=10))
    assert (filled, facts["rows_compared"], facts["rows_missing"]) == (10, 10, 0)
    assert sorted(world.target) == list(range(10))
    assert steps.fill_window(MemoryKind(world), MOMENT, MOMENT + timedelta(hours=10))[0] == 0
