"""What is proposed for tables in DynamoDB: that the service itself scales the units of each one that is provisioned.

The service looks every minute, which no run of ours can: it is told bounds, target and rests, once, after a person's yes. A table
on demand has no units, and is left alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sluice.errors import Terminal
from sluice.estate.scaling import Scaling
from sluice.insight.scaling.plan import Held, Plan, Step
from sluice.stores.dynamodb.autoscaling import Scaled, apply_scaling, find_scaling, plan_scaling
from sluice.stores.dynamodb.tables import TableDefinition, describe

LEAST, MOST = 5, 4000
Registered = Mapping[tuple[str, str], Scaled]


class NotRegistered(Terminal):
    """The service that scales tables refuses, or is not there."""


@dataclass(frozen=True)
class Used:
    """How a table's units are used by now: its reads or its writes."""

    percent: float
    provisioned: float
    """Units a second."""


@dataclass(frozen=True)
class TableStanding:
    """A table, and what is registered of it."""

    table: TableDefinition
    registered: Registered
    used: Mapping[str, Used]
    """By `read` and `write`, where it was measured."""


def look(tables: Any, service: Any, name: str, used: Mapping[str, Used]) -> TableStanding | None:
    """Look at a table; None where it is gone. Raises Throttled, DynamoDown, AccessDenied."""
    found = describe(tables, name)
    if found is None:
        return None
    return TableStanding(found, find_scaling(service, (one.resource for one in plan_scaling([found]))), used)


def wanted_of(scaling: Scaling, standing: TableStanding) -> tuple[Scaled, ...]:
    """Give what is to be registered of a table: bounds that the estate leaves open stay as they are registered. Pure."""
    rule, rests = scaling.units, scaling.cooldown
    made = []
    for one in plan_scaling([standing.table]):
        there = standing.registered.get((one.resource, one.what))
        least = rule.least or (there.least if there else LEAST)
        most = max(rule.most or (there.most if there else MOST), least)
        aims = {"aim": float(rule.target), "up": int(rests.up.total_seconds()), "down": int(rests.down.total_seconds())}
        made.append(replace(one, least=least, most=most, policy=there.policy if there else "", **aims))  # type: ignore[arg-type]
    return tuple(made)


def plan_tables(store: str, scaling: Scaling, standing: Sequence[TableStanding]) -> Plan:
    """Make the plan of a store's tables. Pure."""
    steps = [step for one in standing if (step := _step(scaling, one))]
    return Plan(store, tuple(steps), tuple(held for one in standing for held in _held(scaling, one)))


def _step(scaling: Scaling, standing: TableStanding) -> Step | None:
    wanted = wanted_of(scaling, standing)
    lacking = [one for one in wanted if standing.registered.get((one.resource, one.what)) != one]
    if not lacking:
        return None
    there = [standing.registered.get((one.resource, one.what)) for one in lacking]
    before = "; ".join(dict.fromkeys(str(one) if one else "not scaled" for one in there))
    now = "; ".join(
        f"{what} {one.percent:.0f} % of {one.provisioned:g} units used" for what, one in standing.used.items()
    )
    return Step(
        "units", "up", "register_units", standing.table.name, before, "; ".join(dict.fromkeys(map(str, lacking))),
        f"{len(lacking)} of its {len(wanted)} kinds of units (reads, writes, those of each index) are not scaled as the estate"
        f" says; now {now or 'nothing is measured'}",
        "Nobody: the service changes units while the table is in use.",
        "by use: no more than the most, all day, and no less than the least",
    )  # fmt: skip


def _held(scaling: Scaling, standing: TableStanding) -> Iterator[Held]:
    """Tell of units that are at their most: the service cannot help any more."""
    most = {one.what.rpartition(":")[2]: one.most for one in wanted_of(scaling, standing) if ":table:" in one.what}
    for what, used in standing.used.items():
        bound = most.get(f"{what.title()}CapacityUnits")
        if bound and used.provisioned >= bound and used.percent > scaling.units.target:
            yield Held(
                "units",
                f"{standing.table.name}: {used.percent:.0f} % of {used.provisioned:g} {what} units used, and that is the most:"
                " allow more (`scaling: {units: {most: …}}`), or spread a hot key.",
            )


def register(service: Any, scaling: Scaling, standing: TableStanding) -> None:
    """Register what is wanted of a table; again is the same. Raises NotRegistered, Throttled."""
    wanted = wanted_of(scaling, standing)
    done = apply_scaling(service, wanted)
    if done.lacking:
        raise NotRegistered(
            f"{standing.table.name}: {done.registered} of {done.wanted} were registered; {done.lacking}. Mend the connection or"
            " the policy of its role (application-autoscaling:*), then clear the task."
        )


def is_registered(scaling: Scaling, standing: TableStanding) -> bool:
    """Whether all of a table is scaled as the estate says. Pure."""
    return all(standing.registered.get((one.resource, one.what)) == one for one in wanted_of(scaling, standing))
