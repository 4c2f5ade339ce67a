"""What is wrong with a group of servers, and how urgent it is. Pure: what was seen comes in.

Broken replication is P1, lag past its threshold P2 (ruling 20).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from sluice.safety.replicas.lag import Lag
from sluice.safety.replicas.promise import read_promise
from sluice.safety.replicas.servers import Following, Group, Leading

STREAMING = "streaming"
GONE = ("lost", "unreserved")
"""What `wal_status` is of a slot whose log is gone, or goes at the next checkpoint."""


@dataclass(frozen=True)
class Limits:
    """What is too far behind."""

    alert: timedelta = timedelta(seconds=5)
    target: timedelta = timedelta(milliseconds=50)
    """What a replica should keep to; told, and no alert."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong."""

    severity: Literal["P1", "P2"]
    server: str
    text: str

    def __str__(self) -> str:
        return f"{self.severity} {self.server}: {self.text}"


def judge(group: Group, lags: Mapping[str, Lag], limits: Limits = Limits()) -> tuple[Finding, ...]:
    """Tell what is wrong, the most urgent first."""
    found = [*_who_leads(group), *_silent(group)]
    for leading in sorted(group.leading, key=lambda one: (one.read_only, -one.timeline))[:1]:
        found += [*_promised(leading, group)]
        for one in group.following:
            found += [*_one(one, leading), *_late(one, lags.get(one.name), limits)]
    return tuple(sorted(found, key=lambda one: (one.severity, one.server)))


def judge_left(left: Leading, next_write: int) -> tuple[Finding, ...]:
    """Tell whether anybody wrote to a server that was fenced and left; `next_write` is what was next when it was."""
    if (written := left.next_write - next_write) <= 0:
        return ()
    what = (
        f"was fenced and left, and {written:,} transaction{'s have' if written > 1 else ' has'} written there since, past the"
        " fence: whoever asks for READ WRITE, or whose role has default_transaction_read_only off. No other server has it. Stop"
        " this one at once, and bring those writes over before pg_rewind throws them away"
    )
    return (Finding("P1", left.name, what),)


def within_target(lags: Mapping[str, Lag], limits: Limits = Limits()) -> dict[str, bool]:
    """Tell of each replica whether it keeps to the target."""
    return {name: lag.arrived and lag.behind <= limits.target for name, lag in lags.items()}


def _who_leads(group: Group) -> Iterator[Finding]:
    writable = [one for one in group.leading if not one.read_only]
    if not group.leading:
        yield Finding("P1", "all", "no server takes writes")
    elif len(writable) > 1:
        names = " and ".join(one.name for one in writable)
        yield Finding(
            "P1", names, "both take writes: fence the one that was left at once, each write to it is to be lost"
        )


def _silent(group: Group) -> Iterator[Finding]:
    for one in group.silent:
        yield Finding("P1", one.name, f"does not answer: {one.why}")


def _promised(leading: Leading, group: Group) -> Iterator[Finding]:
    promise = read_promise(leading.standby_names)
    if promise.anybody:
        yield Finding(
            "P2", leading.name, "waits for '*': a stranger may acknowledge a commit. Name the standbys that count"
        )
    elif promise.names:
        there = {name for name, link in leading.links.items() if link.state == STREAMING} & promise.names
        if len(there) < promise.needed:
            yield Finding(
                "P1", leading.name, f"commits wait for {promise}, and {len(there)} of them follow: writes hang"
            )


def _one(one: Following, leading: Leading) -> Iterator[Finding]:
    link, slot = leading.links.get(one.name), leading.slots.get(one.slot)
    if one.system != leading.system:
        yield Finding("P1", one.name, f"is of another server than {leading.name}: make it anew from a base backup")
    elif one.timeline > leading.timeline:
        yield Finding(
            "P1", one.name, f"is on timeline {one.timeline}, and {leading.name}, which takes writes, on an older one"
        )
    elif one.receiver != STREAMING or link is None or link.state != STREAMING:
        at = link.state if link else one.receiver or "nothing"
        yield Finding("P1", one.name, f"does not stream from {leading.name} ({at}): its log says why")
    if slot and slot.keeps in GONE:
        yield Finding("P1", one.name, f"its slot {one.slot} is {slot.keeps}: the log that it needs goes. Make it anew")
    if one.paused:
        yield Finding("P2", one.name, "somebody has paused its replay: pg_wal_replay_resume() there")


def _late(one: Following, lag: Lag | None, limits: Limits) -> Iterator[Finding]:
    if lag and lag.behind > limits.alert:
        told = f"{lag.behind.total_seconds():.1f} s"
        yield Finding("P2", one.name, f"is {told} behind, and {limits.alert.total_seconds():g} s are allowed")
