"""A lane: when it yields, when it is patient, when it stops."""

from __future__ import annotations

import time

import pytest
from sluice.estate.models import Limits
from sluice.migration.engine.contract import ChunkBusy, Copied, Fence, Fenced, Load, Phase
from sluice.migration.engine.lanes import TRIES, LaneResult, work_lane
from sluice.migration.engine.throttle import Throttle
from sluice.stores.postgres import LockBusy

from tests.harness import advance
from tests.unit.memory_kind import MemoryKind, World
from tests.unit.test_engine_memory_kind import seeded

CALM = Throttle(Limits())


def capturing(kind: type[MemoryKind] = MemoryKind, rows: int = 200, chunk_rows: int = 20) -> MemoryKind:
    world = seeded(rows)
    advance(lambda: MemoryKind(world), Phase.CAPTURING)
    opened = kind(world)
    opened.plan_chunks(chunk_rows)
    return opened


def work(kind: MemoryKind, throttle: Throttle = CALM, **options: float) -> tuple[LaneResult, list[float]]:
    slept: list[float] = []
    return work_lane(kind, 0, Fence(1), throttle, sleep=slept.append, **options), slept


def test_a_lane_copies_until_nothing_is_pending() -> None:
    kind = capturing()
    result, slept = work(kind)
    assert (result.finished, result.chunks, result.rows, slept) == (True, 10, 200, [])
    assert kind.world.target == kind.world.source


def test_a_lane_yields_when_its_budget_is_spent_and_the_next_goes_on() -> None:
    kind = capturing()
    kind.world.between = lambda: time.sleep(0.02)
    first, _ = work(kind, budget=0.05)
    assert not first.finished
    assert 1 <= first.chunks < 10
    rest, _ = work(kind)
    assert (rest.finished, first.chunks + rest.chunks, first.rows + rest.rows) == (True, 10, 200)


def test_a_lane_without_time_touches_nothing() -> None:
    kind = capturing()
    result, _ = work(kind, budget=0.0)
    assert (result.finished, result.chunks, kind.world.target) == (False, 0, {})


def test_a_chunk_that_gets_no_locks_is_halved_until_it_does() -> None:
    kind = capturing(rows=64, chunk_rows=64)
    kind.world.most_rows = 10
    result, slept = work(kind)
    assert (result.finished, result.chunks, result.rows) == (True, 8, 64)
    assert sorted((c.lo, c.hi) for c in kind.world.chunks) == [(n, n + 8) for n in range(0, 64, 8)]
    assert slept[:3] == pytest.approx([0.05, 0.1, 0.2])


class Locked(MemoryKind):
    """Somebody never lets go."""

    busy: LockBusy = ChunkBusy("pid 7 holds it", 0)
    asked = halved = 0

    def copy_chunk(self, lane: int, fence: Fence) -> Copied | None:
        self.asked += 1
        raise self.busy

    def halve_chunk(self, chunk: int) -> None:
        self.halved += 1


def test_a_lane_gives_up_after_its_tries_with_ever_longer_waits() -> None:
    kind, slept = Locked(World()), []
    with pytest.raises(ChunkBusy, match="pid 7"):
        work_lane(kind, 0, Fence(1), CALM, sleep=slept.append)
    assert (kind.asked, kind.halved, len(slept)) == (TRIES + 1, TRIES, TRIES)
    assert slept == pytest.approx([min(0.05 * 2**n, 2.0) for n in range(TRIES)])


def test_a_lock_without_a_chunk_is_waited_for_and_nothing_is_halved() -> None:
    kind = Locked(World())
    kind.busy = LockBusy("the fence is taken")
    with pytest.raises(LockBusy, match="fence"):
        work(kind)
    assert kind.halved == 0


def test_a_fenced_lane_stops_at_once() -> None:
    kind, slept = capturing(), []
    with pytest.raises(Fenced):
        work_lane(kind, 0, Fence(0), CALM, sleep=slept.append)
    assert (slept, kind.world.target) == ([], {})


class Slow(MemoryKind):
    """A store whose commits take a second, for the first three chunks."""

    measured = 0

    def load(self, lane: int) -> Load:
        self.measured += 1
        return Load(commit_latency=1.0 if self.measured <= 3 else 0.0)


def test_a_lane_rests_while_the_store_suffers_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "sluice.migration.engine.lanes")
    result, slept = work(capturing(Slow), Throttle(Limits()))
    assert slept == pytest.approx([0.1, 0.2, 0.4, 0.2, 0.1])
    assert result.rested == pytest.approx(sum(slept))
    assert [r.message for r in caplog.records if "resting 0.4 s: commit_latency 1.000 s > 0.050 s" in r.message]
