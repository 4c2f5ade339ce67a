"""The trend of a store's drills in words."""

from __future__ import annotations

from collections.abc import Iterator

from sluice.safety.drill.trend import FEWEST, Drilled, Trend
from sluice.safety.words import lasts


def told(trend: Trend) -> str:
    """Say where it stands, one thing a line. Pure."""
    return "\n".join(_lines(trend))


def _lines(trend: Trend) -> Iterator[str]:
    days = trend.days
    failed = sum(1 for one in trend.drills if one.failed)
    late = sum(1 for one in trend.drills if one.late and not one.failed)
    missing = sum(1 for _, drills in days if not drills)
    yield (
        f"{trend.store}: {len(trend.drills)} drills in {len(days)} days, {failed} failed, {late} came back too late;"
        f" {missing} days without one"
    )
    if trend.slowest:
        last, one = list(trend.slowest.items())[-1]
        phases = ", ".join(f"{name} {lasts(seconds)}" for name, seconds in one.phases.items())
        yield f"last back within {lasts(one.available)} ({last}): {phases}; the RTO is {lasts(trend.goals.back_within)}"
    yield when_breached(trend)
    if trend.pace:
        grows = f", and grows by {trend.growth.at / 1e6:+.1f} MB a day" if trend.growth else ""
        most = trend.pace * trend.goals.back_within / 1e9
        yield (
            f"what is stored comes back at {trend.pace / 1e6:.1f} MB/s{grows}; within the RTO that is {most:.1f} GB at most"
        )
    if lost := [one for one in trend.drills if one.lost]:
        at_least, at_most = lost[-1].lost or (0.0, 0.0)
        promised = lasts(trend.goals.losing_at_most)
        yield f"last measured loss: {lasts(at_least)} to {lasts(at_most)} ({lost[-1].at:%Y-%m-%d}); the RPO is {promised}"
    # Of each sort the last: by now they are of another backup.
    for one in {one.target.split(" ")[0]: one for one in trend.recoveries}.values():
        yield full_recovery_told(one)


def full_recovery_told(one: Drilled) -> str:
    """Say how the full recovery of a month went."""
    how = f"failed: {one.failed[0]}" if one.failed else f"came back whole within {lasts(one.available)}"
    return (
        f"full recovery of {one.at:%Y-%m-%d}, {one.target}: {how}{', too late' if one.late and not one.failed else ''}"
    )


def when_breached(trend: Trend) -> str:
    """Say when the RTO will be passed, and how sure that is; or why no date is said."""
    if trend.slope is None:
        return f"no date: {len(trend.slowest)} days with a drill that came back whole, and {FEWEST} are needed"
    rises = f"{trend.slope.at:+.2f} s a day ({trend.slope.low:+.2f} to {trend.slope.high:+.2f} with 80 %)"
    if trend.breach is None:
        return f"{rises}: the RTO is not passed within five years, if it goes on like this"
    found = trend.breach
    until = f"and {found.latest}" if found.latest else "and never"
    if found.likely <= trend.days[-1][0]:
        return f"{rises}: the RTO is passed already"
    return f"{rises}: the RTO is passed on {found.likely}, as likely before as after; between {found.earliest} {until} with 80 %"
