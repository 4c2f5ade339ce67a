"""When a lane rests, how long and why."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sluice.estate.models import Limits
from sluice.migration.engine.contract import Load
from sluice.migration.engine.throttle import FIRST_PAUSE, LONGEST_PAUSE, Throttle, over_limits

LIMITS = Limits(
    replica_lag=timedelta(seconds=5), commit_latency=timedelta(milliseconds=50), waiting_writers=2, wal_rate_mb=100
)
OFF = Limits(replica_lag=None, commit_latency=None, waiting_writers=None, wal_rate_mb=None)
OVER = Load(replica_lag=5.1, commit_latency=0.051, waiting_writers=3, wal_rate_mb=100.5)
AT = Load(replica_lag=5.0, commit_latency=0.05, waiting_writers=2, wal_rate_mb=100.0)


def test_every_limit_passed_is_named_with_what_was_seen() -> None:
    assert over_limits(OVER, LIMITS) == (
        "replica_lag 5.100 s > 5.000 s, commit_latency 0.051 s > 0.050 s, waiting_writers 3 > 2, wal_rate_mb 100.5 > 100"
    )


@pytest.mark.parametrize("name", ["replica_lag", "commit_latency", "waiting_writers", "wal_rate_mb"])
def test_one_limit_is_enough(name: str) -> None:
    assert over_limits(Load(**{name: getattr(OVER, name)}), LIMITS).startswith(name)


@pytest.mark.parametrize(("load", "limits"), [(AT, LIMITS), (Load(), LIMITS), (OVER, OFF), (Load(), OFF)])
def test_at_the_limit_unseen_or_switched_off_is_no_reason(load: Load, limits: Limits) -> None:
    assert over_limits(load, limits) == ""


def test_the_pause_doubles_to_its_longest_and_halves_to_nothing() -> None:
    throttle = Throttle(LIMITS)
    up = [throttle.after(OVER, 1.0).seconds for _ in range(9)]
    assert up == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0])
    down = [throttle.after(AT, 1.0).seconds for _ in range(9)]
    assert down == pytest.approx([5.0, 2.5, 1.25, 0.625, 0.3125, 0.15625, 0.078125, 0.0, 0.0])
    assert (up[0], max(up)) == (FIRST_PAUSE, LONGEST_PAUSE)


def test_only_suffering_is_a_reason() -> None:
    throttle = Throttle(LIMITS)
    assert throttle.after(OVER, 1.0).why.startswith("replica_lag")
    assert throttle.after(OVER, 1.0).seconds == pytest.approx(0.2)
    after = throttle.after(AT, 1.0)
    assert (after.seconds, after.why) == (pytest.approx(0.1), "")


@pytest.mark.parametrize(("rest", "paused"), [(0.0, 0.0), (0.5, 2.0), (0.75, 6.0), (0.95, 38.0)])
def test_rest_leaves_its_share_of_the_time_free(rest: float, paused: float) -> None:
    assert Throttle(OFF, rest=rest).after(OVER, worked=2.0).seconds == pytest.approx(paused)


def test_the_longer_of_rest_and_back_off_holds() -> None:
    throttle = Throttle(LIMITS, rest=0.5)
    assert throttle.after(OVER, worked=3.0).seconds == pytest.approx(3.0)
    assert throttle.after(OVER, worked=0.01).seconds == pytest.approx(0.2)
