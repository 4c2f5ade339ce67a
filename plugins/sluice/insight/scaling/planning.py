"""What is proposed for an instance of RDS: rules that hold, made into steps, each checked against what stands. Pure.

A disk is extended at once and never shrinks. A replica comes and goes at once, beside the instance. A change of class restarts
the instance: it waits for the instance's own maintenance window, unless the estate's maintenance is on or a person says now.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import assert_never

from sluice.estate.calendar import Window
from sluice.estate.scaling import Scaling
from sluice.insight.scaling.classes import times
from sluice.insight.scaling.evaluating import Evaluated, Holds, RuleName, Way
from sluice.insight.scaling.extending import extend
from sluice.insight.scaling.instance import InstanceStanding, takes_change
from sluice.insight.scaling.own_window import lies_within
from sluice.insight.scaling.plan import KINDS, Held, Plan, Step, replicas
from sluice.insight.scaling.replica_load import ReplicaLoad
from sluice.ledger.samples import Sample

GIB = 2**30
STORAGE_RESTS = timedelta(hours=6)
"""RDS takes no second change of a disk before that."""


@dataclass(frozen=True)
class Asked:
    """What a plan is made from."""

    store: str
    scaling: Scaling
    instance: InstanceStanding
    found: Evaluated
    cpu: Sequence[Sample]
    """Of the processors, for as long as rules look back: half the class has half of them."""
    now: datetime
    most_bytes: int
    """How large the disk may become."""
    replicas: Sequence[ReplicaLoad] = ()
    """How busy those are that may go, where the processors are idle."""
    maintenance: Sequence[Window] = ()
    last: Mapping[tuple[RuleName, Way], datetime] = field(default_factory=dict)
    """When each rule has scaled last."""
    at_once: bool = False
    """Whether a person has said: now, and not in the window."""

    @property
    def in_maintenance(self) -> bool:
        """Whether work is planned for this hour."""
        return any(window.holds(self.now) for window in self.maintenance)

    def rests_until(self, rule: RuleName, way: Way) -> datetime | None:
        """Say until when a rule rests; None where it does not."""
        cooldown = self.scaling.cooldown
        pause = {"up": cooldown.up, "down": cooldown.down}[way]
        if rule == "storage":
            pause = max(pause, STORAGE_RESTS)
        before = [at for (other, _), at in self.last.items() if other == rule]
        until = max(before) + pause if before else None
        return until if until and until > self.now else None


def plan_instance(asked: Asked) -> Plan:
    """Make the plan: what must not wait comes first, and nothing goes down while anything goes up."""
    made = [step for one in asked.found.holds for step in _judged(asked, one)]
    ups = [one for one in made if isinstance(one, Step) and one.way == "up"]
    downs = [one for one in made if isinstance(one, Step) and one.way == "down"]
    steps, left = (ups, downs) if ups else (downs[:1], downs[1:])
    why = "waits, as something else is scaled up" if ups else "waits: one step down at a time"
    held = [one for one in made if isinstance(one, Held)]
    held += [Held(step.rule, f"{step.before} → {step.after} {why}") for step in left]
    held += [Held(one.threshold.rule, str(one)) for one in asked.found.unknown if one.threshold.way == "up"]
    return Plan(asked.store, tuple(steps), tuple(held))


def is_time(step: Step, now: datetime, maintenance: Sequence[Window], at_once: bool) -> bool:
    """Whether a step may be taken at `now`: what restarts an instance at once, within maintenance or where a person says now."""
    restarts = KINDS[step.action].restarts and step.at_once
    return not restarts or at_once or any(window.holds(now) for window in maintenance)


def _judged(asked: Asked, found: Holds) -> Iterator[Step | Held]:
    """Make steps of a rule that holds, or say what holds it back; nothing where there is nothing to take away."""
    rule, way = found.threshold.rule, found.threshold.way
    if why := next(_in_the_way(asked, rule, way), None):
        yield Held(rule, f"{found}. {why}")
    else:
        yield from _steps(asked, found)


def _steps(asked: Asked, found: Holds) -> Iterator[Step | Held]:
    match found.threshold.rule:
        case "storage":
            yield from extend(asked.instance, asked.scaling.storage.by, asked.most_bytes // GIB, found)
        case "cpu":
            made = _replica(asked, found)
            yield from (made,) if made else ()
        case "memory":
            yield _class(asked, found)
        case "units":
            raise ValueError("units are of tables: units.py plans them")
        case _:
            assert_never(found.threshold.rule)


def _in_the_way(asked: Asked, rule: RuleName, way: Way) -> Iterator[str]:
    instance = asked.instance
    if instance.follows:
        yield f"Nothing is done: {instance.name} is itself a replica, of {instance.follows}. Name that one."
    if not takes_change(instance.status, of_disk=rule == "storage"):
        yield f"Nothing is done: {instance.name} is {instance.status}."
    if until := asked.rests_until(rule, way):
        yield f"Nothing is done: this rule has scaled, and rests until {until:%Y-%m-%d %H:%M} UTC."
    if rule in ("storage", "memory") and instance.pending:
        told = ", ".join(f"{name} {value}" for name, value in instance.pending.items())
        yield (
            f"Nothing is done: {told} waits for the instance's window ({instance.window} UTC), and a change at once would bring"
            " that along, restart and all. Have that done, or take it back, first."
        )


def _replica(asked: Asked, found: Holds) -> Step | Held | None:
    return _one_more(asked, found) if found.threshold.way == "up" else _one_less(asked, found)


def _one_more(asked: Asked, found: Holds) -> Step | Held:
    instance, most = asked.instance, asked.scaling.cpu.most_replicas
    number = len(instance.followers)
    if number >= most:
        return Held("cpu", f"{found}. It has {replicas(number)}, and {most} are allowed. A larger class is the way on.")
    if coming := [one.name for one in instance.followers if one.status not in ("available", "deleting")]:
        return Held("cpu", f"{found}. Nothing is done: {', '.join(coming)} is still coming up.")
    if not instance.keeps_backups:
        return Held("cpu", f"{found}. RDS makes no replica of an instance without backups: switch its retention on.")
    name = instance.next_replica
    return Step(
        "cpu", "up", "add_replica", name, replicas(number), replicas(number + 1), str(found),
        f"Nobody: {name} comes up beside {instance.name}. It takes reads alone, and none before it is named in `replicas:"
        " {servers: …}` of the estate: docs/howto/fail-over.md.",
        f"one more {instance.instance_class} with a disk of {instance.disk.size} GiB",
    )  # fmt: skip


def _one_less(asked: Asked, found: Holds) -> Step | Held | None:
    """Take away the last replica of ours that is idle itself: what it reads may come to the instance, on top of its own."""
    instance = asked.instance
    loads = {load.name: load.judged(found.threshold, asked.now) for load in asked.replicas}
    ours = {name: loads.get(name, f"nobody knows how busy {name} is itself") for name in instance.may_go}
    if not ours:
        return None  # somebody else's replicas are there for a reason of theirs
    idle = {name: load for name, load in ours.items() if isinstance(load, Holds)}
    if not idle:
        return Held("cpu", f"{found}. No replica is taken away: {'; '.join(map(str, ours.values()))}.")
    name, load = max(idle.items())
    if (then := found.highest + load.highest) > asked.scaling.cpu.up:
        return Held("cpu", f"{found}. With what {name} does, its load could be {then:.0f} %: it would come again.")
    number = len(instance.followers)
    return Step(
        "cpu", "down", "drop_replica", name, replicas(number), replicas(number - 1),
        f"{found}. {name} itself was {load.lowest:.0f} to {load.highest:.0f} % busy.",
        f"Whoever reads from {name} is cut off: take it out of `replicas: {{servers: …}}` of the estate before. What it has,"
        f" {instance.name} has.",
        f"one {instance.instance_class} with a disk of {instance.disk.size} GiB less",
    )  # fmt: skip


def _class(asked: Asked, found: Holds) -> Step | Held:
    instance, way = asked.instance, found.threshold.way
    after = instance.larger if way == "up" else instance.smaller
    if after is None:
        size = "larger" if way == "up" else "smaller"
        return Held(
            "memory", f"{found}. AWS offers no {size} class than {instance.instance_class} within `smallest` and `largest`."
        )  # fmt: skip
    share = times(instance.instance_class, after)
    if way == "down" and (why := _too_small(asked, found, share)):
        return Held("memory", f"{found}. {why}")
    at_once = asked.at_once or asked.in_maintenance
    if not at_once and not lies_within(instance.window, asked.maintenance):
        return Held(
            "memory",
            f"{found}. {after} would restart it in its own window, {instance.window or 'unknown'} UTC, outside of the estate's"
            " maintenance. Set the instance's PreferredMaintenanceWindow within that, or say `now`.",
        )
    short = "for a failover to its standby, about a minute" if instance.stands_by else "for some minutes"
    when = "now" if at_once else f"in its own window, {instance.window} UTC"
    return Step(
        "memory", way, "change_class", instance.name, instance.instance_class, after, str(found),
        f"Everybody, {short}: the instance is restarted, {when}. Every session ends, and caches begin cold.",
        f"{share:g} times the price of {instance.instance_class}" + (", twice: it has a standby" if instance.stands_by else ""),
        at_once,
    )  # fmt: skip


def _too_small(asked: Asked, found: Holds, share: float) -> str:
    """Say why a smaller class would not bear what the larger one does: nothing goes down to come up again."""
    if (memory := found.highest / share) > asked.scaling.memory.up:
        return f"In the smaller class that could be {memory:.0f} %: it would come back."
    busy = [one.value for one in asked.cpu if found.since <= one.at <= found.until]
    if not busy:
        return "Nobody knows how busy its processors were meanwhile, and the smaller class has fewer."
    if (cpu := max(busy) / share) > asked.scaling.cpu.up:
        return f"Its processors were {max(busy):.0f} % busy meanwhile: in the smaller class that could be {cpu:.0f} %."
    return ""
