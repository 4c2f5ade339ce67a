"""If it died now: what would be lost, how long it would take, what is proven, and what is said where that is not good."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest
from sluice.local.safety import told
from sluice.safety.driver import Taken, Window
from sluice.safety.exposure import Facts, exposure

from tests.drilled import FIRST, FULL, GOALS, WHOLE, certificate

NOW = FIRST + timedelta(hours=8)
TAKEN = Taken(FULL, FIRST - timedelta(hours=2), 1_000)
BROKEN = replace(WHOLE, differences=("public.notes: 1 row fewer",))
FACTS = Facts(
    store="shop",
    goals=GOALS,
    window=Window(TAKEN.whole_at, NOW - timedelta(seconds=3)),
    backups=(TAKEN,),
    certificates=(certificate(0, 30),),
    drill_at=time(4),
    on_its_way=timedelta(seconds=10),
)


def test_what_would_be_lost_is_what_came_in_since_and_what_is_on_its_way() -> None:
    found = exposure(FACTS, NOW)
    assert found.lose_at_most == pytest.approx(13)
    stopped = replace(FACTS, window=replace(FACTS.window, latest=NOW - timedelta(minutes=9)))  # type: ignore[type-var]
    assert exposure(stopped, NOW).warnings == ("up to 9 min of writes would be lost; the RPO is 30 s",)
    ahead = replace(FACTS, window=Window(TAKEN.whole_at, NOW + timedelta(seconds=2)))
    assert exposure(ahead, NOW).lose_at_most == pytest.approx(10), "its clock goes ahead of ours"


def test_it_comes_back_as_the_last_drill_did_scaled_to_today() -> None:
    found = exposure(FACTS, NOW)
    # Two hours of log lay behind the backup in the drill, nearly ten do now.
    assert found.phases == {"fetched": pytest.approx(20), "available": pytest.approx(10 * 5, rel=0.01)}
    twice = Taken("later", NOW - timedelta(hours=1), 2_000)
    found = exposure(replace(FACTS, backups=(TAKEN, twice)), NOW)
    assert found.phases == {"fetched": pytest.approx(40), "available": pytest.approx(10)}, (
        "a replay is taken for no shorter"
    )
    increment = Taken("inc", NOW - timedelta(hours=1), 500, after=FULL)
    found = exposure(replace(FACTS, backups=(TAKEN, increment)), NOW)
    assert found.phases and found.phases["fetched"] == pytest.approx(30), "with what it rests on"
    gone = exposure(replace(FACTS, backups=(twice,)), NOW)
    assert gone.phases == {"fetched": pytest.approx(20), "available": pytest.approx(10)}, "nothing to scale by"


def test_a_history_that_a_service_keeps_has_no_size_and_nothing_is_left_without_the_service() -> None:
    found = exposure(replace(FACTS, backups=()), NOW)
    assert found.phases == {"fetched": pytest.approx(20), "available": pytest.approx(10)}
    assert found.warnings == (
        "there is a history and no backup beside it: nothing is left where whoever keeps that history is gone",
    )


def test_a_full_recovery_proves_nothing_of_today_and_is_told_where_it_was_red() -> None:
    old = certificate(0.1, 4_000, target=f"backup {FULL}", goals=replace(GOALS, back_within=10_000))
    assert exposure(replace(FACTS, certificates=(*FACTS.certificates, old)), NOW) == exposure(FACTS, NOW)
    red = certificate(0.1, 1, target=f"elsewhere {FULL}", compared=BROKEN)
    found = exposure(replace(FACTS, certificates=(*FACTS.certificates, red, old)), NOW)
    assert (found.proof, found.failed_since) == (FACTS.certificates[0].key, 0)
    assert found.warnings == (f"the last full recovery, elsewhere {FULL}, was red: public.notes: 1 row fewer",)


def test_a_drill_that_failed_proves_nothing_and_a_late_one_tells_the_time() -> None:
    drills = (certificate(0, 30), certificate(1, 400), certificate(2, 1, compared=BROKEN))
    found = exposure(replace(FACTS, certificates=drills), NOW + timedelta(days=2))
    assert (found.proof, found.basis) == (drills[0].key, drills[1].key)
    assert found.failed_since == 2
    assert found.back_in and found.back_in > 300
    assert any("the RTO is 5 min" in warning for warning in found.warnings)
    assert any("2 drills were red" in warning for warning in found.warnings)
    assert any("the last drill that passed is 56 h" in w or "is 2 d 8 h old" in w for w in found.warnings)


def test_without_a_backup_all_of_it_would_be_lost() -> None:
    found = exposure(replace(FACTS, window=None, backups=(), certificates=()), NOW)
    assert (found.lose_at_most, found.back_in, found.proven_at) == (None, None, None)
    said = told([found])
    assert "all of it" in said
    assert "never" in said
    assert "nobody knows how long it takes" in said


@pytest.mark.parametrize(("hour", "day"), [(3, 1), (4, 2), (5, 2)])
def test_the_next_drill_is_the_next_time_of_its_hour(hour: int, day: int) -> None:
    found = exposure(FACTS, datetime(2026, 1, 1, hour, tzinfo=UTC))
    assert found.next_drill == datetime(2026, 1, day, 4, tzinfo=UTC)


def test_it_is_laid_out_for_a_terminal() -> None:
    said = told([exposure(FACTS, NOW)])
    assert said.splitlines()[2].split("  ")[0] == "shop"
    assert "shop comes back: fetched 20 s, available 50 s" in said
    assert exposure(FACTS, NOW).warnings == ()
