"""Each step refuses what it must: over the kind in memory, with one fault a test."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sluice.errors import Transient
from sluice.estate import Migration, read_estate
from sluice.estate.models import Cutover
from sluice.migration.engine import steps
from sluice.migration.engine.contract import COPIES_IN, Facts, Finding, Kind, Lag, NotYet, Phase
from sluice.migration.engine.way import Step

from tests.harness import advance
from tests.unit.memory_kind import MemoryKind, World
from tests.unit.test_engine_memory_kind import seeded

TUESDAY_NOON = datetime(2026, 6, 2, 12, tzinfo=UTC)


def standing(phase: Phase, kind: type[MemoryKind] = MemoryKind) -> MemoryKind:
    world = seeded(50)
    advance(lambda: MemoryKind(world), phase)
    return kind(world)


@pytest.fixture(scope="module")
def migration() -> Migration:
    return read_estate(Path(__file__).parents[2]).migrations["user_sessions"]


# ---- findings ----

NO_KEY = Finding("no_key", True, "app.t has no primary key.", "Add one.")
WEAKER = Finding("weaker_key", True, "The key gets weaker.", "accept: [weaker_key]", acceptable=True)
SIZE = Finding("size", False, "About 7 rows.", "")


def test_what_only_informs_and_what_is_accepted_passes() -> None:
    assert steps.check_findings("m", [WEAKER, SIZE], ("weaker_key",)) == [WEAKER, SIZE]


def test_what_nobody_may_accept_is_refused_though_it_is_named() -> None:
    with pytest.raises(steps.PreflightRefused, match=r"\[no_key\]"):
        steps.check_findings("m", [NO_KEY], ("no_key",))


def test_everything_refused_is_listed_at_once_and_nothing_else() -> None:
    with pytest.raises(steps.PreflightRefused) as refused:
        steps.check_findings("m", [NO_KEY, WEAKER, SIZE], ("size",))
    assert all(code in str(refused.value) for code in ("no_key", "weaker_key"))
    assert "[size]" not in str(refused.value)


# ---- verify ----


class Blind(MemoryKind):
    """A verifier that misses one of three planted faults."""

    def check_verifier(self) -> Facts:
        return {**super().check_verifier(), "planted_found": 2}


def test_a_verifier_that_misses_a_planted_fault_verifies_nothing() -> None:
    blind = standing(Phase.BACKFILLED, Blind)
    facts = steps.verify(blind)
    assert (facts["planted"], facts["planted_found"], facts["rows_missing"]) == (3, 2, 0)
    assert blind.position().phase is Phase.BACKFILLED
    steps.verify(MemoryKind(blind.world))
    assert blind.position().phase is Phase.VERIFIED


def test_an_empty_comparison_proves_nothing() -> None:
    world = World(position=standing(Phase.BACKFILLED).position())
    assert steps.verify(MemoryKind(world))["rows_compared"] == 0
    assert world.position.phase is Phase.BACKFILLED


def test_a_red_diff_is_given_as_facts_for_its_gate() -> None:
    kind = standing(Phase.BACKFILLED)
    kind.world.target[1] = kind.world.target[2]
    facts = steps.verify(kind)
    assert (facts["rows_different"], facts["diff_samples"]) == (1, "1 different")
    assert kind.position().phase is Phase.BACKFILLED


# ---- the shadow read ----


def test_a_read_that_is_answered_otherwise_takes_the_migration_back_to_verified() -> None:
    kind = standing(Phase.SHADOWING)
    assert steps.shadow(kind)["shadow_differences"] == 0
    kind.world.target[1] = kind.world.target[2]
    facts = steps.shadow(kind)
    assert (facts["shadow_differences"], facts["quarantined"]) == (1, 0)
    assert kind.position().phase is Phase.VERIFIED
    with pytest.raises(NotYet, match="verified, not shadowing"):
        steps.cut_over(kind)


def test_while_shadowing_a_proof_is_renewed_and_the_phase_stays() -> None:
    kind = standing(Phase.SHADOWING)
    before = kind.position().verified_at
    assert steps.verify(kind)["rows_different"] == 0
    now = kind.position()
    assert now.phase is Phase.SHADOWING
    assert before is not None
    assert now.verified_at is not None
    assert now.verified_at > before


# ---- the swap ----


class HeldUp(MemoryKind):
    """Somebody's old snapshot never ends."""

    def drain(self, seconds: float) -> Lag:
        return Lag(2, "pid 7 (report), pid 8")


def test_a_cutover_waits_for_what_is_pending_and_names_it() -> None:
    kind = standing(Phase.SHADOWING, HeldUp)
    with pytest.raises(steps.NotDrained, match=r"2 .*pid 7 \(report\), pid 8"):
        steps.cut_over(kind)
    assert kind.position().phase is Phase.SHADOWING
    assert steps.cut_over(MemoryKind(kind.world))["rows_different"] == 0


class LagsBehind(MemoryKind):
    """What was written is not read yet."""

    def drain(self, seconds: float) -> Lag:
        return Lag(2, "shard 7", counts="shards", way_on="It is tried again by itself", passes=True)


@pytest.mark.parametrize("turn", [steps.cut_over, steps.cut_back])
def test_a_lag_that_goes_by_is_tried_again_and_needs_nobody(turn: Callable[[Kind], Facts]) -> None:
    kind = standing(Phase.SHADOWING if turn is steps.cut_over else Phase.CUT_OVER, LagsBehind)
    with pytest.raises(Transient, match=r"waits for 2 shards: shard 7\. It is tried again by itself\.$"):
        turn(kind)


def test_the_pause_is_the_longest_try_and_both_sides_are_compared_again() -> None:
    kind = standing(Phase.SHADOWING)
    facts = steps.cut_over(kind)
    assert facts["failed_tries"] == 0
    assert 0 <= float(facts["pause_ms"]) < 1000
    assert facts["rows_compared"] == 50


def test_retire_refuses_while_the_old_table_differs() -> None:
    kind = standing(Phase.CUT_OVER)
    lost = kind.world.source.pop(9)
    with pytest.raises(NotYet, match="9 extra"):
        steps.retire(kind)
    assert kind.position().phase is Phase.CUT_OVER
    kind.world.source[9] = lost
    steps.retire(kind)
    assert kind.position().phase is Phase.RETIRED


def test_every_step_that_is_one_call_is_in_the_table() -> None:
    assert set(steps.TAKES) == set(Step) - {Step.BACKFILL, Step.ABORT}


# ---- time ----


def bounded(migration: Migration) -> Migration:
    """The same, on weekdays from nine to four and not on 9 June."""
    window = {"days": ("mon", "tue", "wed", "thu", "fri"), "from": "09:00", "to": "16:00"}
    cutover = Cutover.model_validate({"window": window, "freeze": ("2026-06-09",)})
    return migration.model_copy(update={"cutover": cutover})


def test_a_cutover_starts_inside_its_window_only(migration: Migration) -> None:
    steps.check_window(bounded(migration), TUESDAY_NOON)
    for closed in (TUESDAY_NOON.replace(hour=16), TUESDAY_NOON + timedelta(days=4), TUESDAY_NOON + timedelta(days=7)):
        with pytest.raises(NotYet, match="user_sessions may not cut over now"):
            steps.check_window(bounded(migration), closed)


def test_the_old_table_is_kept_as_long_as_the_yaml_says(migration: Migration) -> None:
    kind = standing(Phase.CUT_OVER)
    since = kind.position().cut_over_at
    assert since is not None
    with pytest.raises(NotYet, match="retire_early"):
        steps.check_kept_long_enough(migration, kind, since + migration.keep_old_for - timedelta(seconds=1))
    steps.check_kept_long_enough(migration, kind, since + migration.keep_old_for)


# ---- at any time ----


@pytest.mark.parametrize("phase", Phase)
def test_what_is_in_flight_is_validated_and_nothing_else_is(phase: Phase) -> None:
    kind = standing(phase)
    if phase in steps.IN_FLIGHT:
        assert steps.validate(kind)["rows_different"] == 0
    else:
        with pytest.raises(
            NotYet, match=f"memory is {phase}; .* {'first' if phase.rank < Phase.CAPTURING.rank else 'over'}"
        ):
            steps.validate(kind)


def test_while_copying_what_is_not_copied_yet_is_no_fault_and_everything_else_is() -> None:
    kind = standing(Phase.CAPTURING)
    kind.world.target[1] = kind.world.source[2]
    kind.world.target[99] = kind.world.source[2]
    facts = steps.validate(kind)
    assert (facts["rows_not_copied_yet"], facts["rows_missing"]) == (49, 0)
    assert (facts["rows_different"], facts["rows_extra"]) == (1, 1)


def test_after_the_backfill_a_missing_row_is_a_fault() -> None:
    kind = standing(Phase.BACKFILLED)
    del kind.world.target[1]
    facts = steps.validate(kind)
    assert (facts["rows_not_copied_yet"], facts["rows_missing"]) == (0, 1)


@pytest.mark.parametrize("phase", Phase)
def test_a_window_is_filled_between_capturing_and_the_cutover_only(phase: Phase) -> None:
    kind, lower = standing(phase), datetime(2026, 1, 1, tzinfo=UTC)
    if phase in COPIES_IN:
        assert steps.fill_window(kind, lower, lower + timedelta(days=1))[1]["rows_missing"] == 0
    else:
        with pytest.raises(NotYet):
            steps.fill_window(kind, lower, lower + timedelta(days=1))
