"""The stores that may be scaled: what the estate's file says of each, with Airflow's connections and the samples in it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sluice.errors import Terminal
from sluice.estate import Estate, Store, read_stores
from sluice.flow.connections import autoscaling_of, aws_client, documents_of
from sluice.flow.project import ROOT

if TYPE_CHECKING:
    from sluice.estate.models import Scaling
    from sluice.insight.scaling.plan import Plan
    from sluice.insight.scaling.replica_load import ReplicaLoad
    from sluice.insight.scaling.simulating import Simulated
    from sluice.insight.scaling.units import TableStanding, Used
    from sluice.ledger.samples import Samples
    from sluice.ledger.scalings import Scalings

USED = ("table_up_count", "read_units_rate", "write_units_rate", "read_units_used_percent", "write_units_used_percent",
        "read_units_provisioned_rate", "write_units_provisioned_rate")  # fmt: skip


class NotScaledHere(Terminal):
    """The estate's file has no such store, or no `scaling` for it."""


def estate() -> Estate:
    """Read the estate's file afresh. Raises EstateErrors."""
    return read_stores(ROOT)


def scaled_stores() -> list[str]:
    """Name the stores that have a `scaling`. Raises EstateErrors."""
    return [name for name, store in estate().stores.items() if store.scaling]


def scaling_of_store(name: str) -> tuple[Store, Scaling]:
    """Read one of them afresh, as the task runs. Raises NotScaledHere, EstateErrors."""
    store = estate().stores.get(name)
    if store is None or store.scaling is None:
        known = ", ".join(scaled_stores()) or "none"
        raise NotScaledHere(
            f"include/estate/estate.yaml has no `scaling` for a store {name!r}; it has one for: {known}. Nothing was done."
        )
    return store, store.scaling


def rds_client(store: Store) -> tuple[Any, str]:
    """Give boto3's client for RDS where a store lives, and its instance. Raises NoConnection."""
    assert store.watch.cloud is not None  # the estate's checks say so
    cloud = store.watch.cloud
    return aws_client(cloud.connection, "rds", 30), cloud.instance


def plan_of(name: str, samples: Samples, scalings: Scalings, now: datetime, at_once: bool) -> Plan:
    """Make the plan of a store. Raises NotScaledHere, NoConnection, Absent, and what AWS refuses."""
    store, _ = scaling_of_store(name)
    if store.engine == "dynamodb":
        return _plan_of_tables(name, samples, now)
    return _plan_of_instance(name, samples, scalings, now, at_once)


def _plan_of_instance(name: str, samples: Samples, scalings: Scalings, now: datetime, at_once: bool) -> Plan:
    from sluice.insight.scaling.evaluating import evaluate, longest, thresholds_of
    from sluice.insight.scaling.instance import look
    from sluice.insight.scaling.planning import Asked, plan_instance

    store, scaling = scaling_of_store(name)
    metrics = {threshold.metric for threshold in thresholds_of(scaling)}
    found = samples.between(metrics, now - longest(scaling), now, name)
    taken = {series.metric: rows for series, rows in found.items() if not series.subject}
    client, instance = rds_client(store)
    standing, said = look(client, name, instance, scaling.memory), evaluate(scaling, taken, now)
    idle = said.of("cpu", "down")
    return plan_instance(
        Asked(
            name,
            scaling,
            standing,
            said,
            taken.get("cpu_percent", ()),
            now,
            store.watch.disk.most.count,
            _loads(store, name, standing.may_go, idle.threshold.lasting, now) if idle else (),
            estate().insight.maintenance,
            scalings.last(name),  # type: ignore[arg-type]
            at_once,
        )
    )


def _loads(
    store: Store, name: str, replicas: Sequence[str], lasting: timedelta, now: datetime
) -> Sequence[ReplicaLoad]:
    """Read how busy replicas are; nobody is asked where there is none. Raises NoConnection."""
    from sluice.insight.scaling.replica_load import loads_of

    assert store.watch.cloud is not None  # the estate's checks say so
    return (
        loads_of(aws_client(store.watch.cloud.connection, "cloudwatch"), name, replicas, lasting, now)
        if replicas
        else ()
    )


def _plan_of_tables(name: str, samples: Samples, now: datetime) -> Plan:
    from sluice.insight.scaling.units import plan_tables

    _, scaling = scaling_of_store(name)
    used = used_of(name, samples, now)
    standing = [one for table in used if (one := standing_of(name, table, used[table]))]
    return plan_tables(name, scaling, standing)


def standing_of(name: str, table: str, used: dict[str, Used]) -> TableStanding | None:
    """Look at a table as it stands; None where it is gone. Raises NoConnection, and what AWS refuses."""
    from sluice.insight.scaling.units import look

    store, _ = scaling_of_store(name)
    tables, _ = documents_of(store.connection)
    return look(tables, autoscaling_of(store.connection), table, used)


def used_of(name: str, samples: Samples, now: datetime) -> dict[str, dict[str, Used]]:
    """Give the tables of a store that are measured, each with how its units are used."""
    from sluice.insight.scaling.units import Used

    latest = samples.latest(now, name)
    values = {(one.metric, one.subject): sample.value for one, sample in latest.items() if one.metric in USED}
    made: dict[str, dict[str, Used]] = {subject: {} for _, subject in sorted(values) if subject}
    for table, used in made.items():
        for what in ("read", "write"):
            percent = values.get((f"{what}_units_used_percent", table))
            provisioned = values.get((f"{what}_units_provisioned_rate", table))
            if percent is not None and provisioned is not None:
                used[what] = Used(percent, provisioned)
    return made


def simulations_of(name: str, samples: Samples, start: datetime, end: datetime) -> list[Simulated]:
    """Walk the rules of a store through what was measured from `start` to `end`. Raises NotScaledHere, Absent."""
    from sluice.insight.scaling import simulating
    from sluice.insight.scaling.instance import look
    from sluice.insight.scaling.units import LEAST, MOST

    store, scaling = scaling_of_store(name)
    if store.engine == "dynamodb":
        found = samples.between(["read_units_rate", "write_units_rate"], start, end, name)
        least, most = scaling.units.least or LEAST, scaling.units.most or MOST
        return [
            simulating.simulate_units(scaling, load, f"{one.subject}, {one.metric.partition('_')[0]}s", least, most)
            for one, load in sorted(found.items())
        ]
    found = samples.between(["cpu_percent", "memory_used_percent"], start, end, name)
    taken = {series.metric: load for series, load in found.items() if not series.subject}
    made = []
    if cpu := taken.get("cpu_percent"):
        made.append(simulating.simulate_replicas(scaling, cpu))
    if memory := taken.get("memory_used_percent"):
        client, instance = rds_client(store)
        base = look(client, name, instance, scaling.memory).instance_class
        made.append(simulating.simulate_class(scaling, memory, base))
    return made
