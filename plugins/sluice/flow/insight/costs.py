"""What an estate costs, for its capacity report: from samples, from AWS where it answers, and from what a person wrote."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

from sluice.errors import SluiceError
from sluice.estate.models import Estate
from sluice.flow.connections import documents_of, require_aws
from sluice.flow.project import ROOT

if TYPE_CHECKING:
    from airflow.sdk.types import Logger

    from sluice.estate.amounts import Between
    from sluice.estate.insight import Cloud
    from sluice.insight.capacity.making import Ahead
    from sluice.insight.capacity.report import Cost
    from sluice.insight.cost.costs import Costs
    from sluice.insight.cost.from_samples import Described, Hours
    from sluice.insight.cost.known import Instance, Table
    from sluice.ledger.samples import Samples

LOOKS_BACK = timedelta(days=30)
MEASURED = (
    "items_bytes", "read_units_rate", "write_units_rate", "read_units_provisioned_rate", "write_units_provisioned_rate",
    "cpu_percent", "memory_used_percent", "up_count",
)  # fmt: skip
"""What a bill is made of."""


def reckoning(
    samples: Samples, estate: Estate, until: date, recent: bool, log: Logger
) -> Callable[[Ahead], Cost | None]:
    """Give what reckons the cost of a month up to a day. AWS is asked of a `recent` window alone: it says how things are now."""

    def reckon(ahead: Ahead) -> Cost | None:
        try:
            return _viewed(_costs(samples, estate, until, ahead, recent, log))
        except SluiceError as why:  # a report without it is better than none
            log.warning("What the estate costs is not known: %s", why)
            return None

    return reckon


def _costs(samples: Samples, estate: Estate, until: date, ahead: Ahead, recent: bool, log: Logger) -> Costs:
    from sluice.estate.amounts import ranging
    from sluice.insight.cost.costs import costs_of
    from sluice.insight.cost.forecast import Ahead as Growing
    from sluice.insight.cost.known import known_of
    from sluice.insight.cost.prices import read_prices

    end = datetime.combine(until, time(), UTC)
    hours = samples.spans("hour", MEASURED, end - LOOKS_BACK, end)
    known = known_of(estate, _servers(estate, hours, log) if recent else (), _tables(estate, hours, recent, log))
    growing = {series: Growing(Decimal(repr(now)), ranging(low, high)) for series, (now, low, high) in ahead.items()}
    return costs_of(until - timedelta(days=1), known, read_prices(ROOT, until), growing)


def _servers(estate: Estate, hours: Hours, log: Logger) -> Iterator[Instance]:
    """Give the servers that AWS runs. One that it does not describe is not in the bill, and the log says so."""
    from sluice.insight.cost.from_samples import instance_of

    for name, store in estate.stores.items():
        if cloud := store.watch.cloud:
            answer = _answer(log, name, partial(_instance, cloud))
            found = answer["DBInstances"] if answer else ()
            yield from (instance_of(name, one, hours, store.watch.disk.full_at) for one in found)


def _tables(estate: Estate, hours: Hours, recent: bool, log: Logger) -> Iterator[Table]:
    """Give the tables whose sizes were measured. What no number tells of one is by default where nobody describes it."""
    from sluice.insight.cost.from_samples import tables_of

    for name, store in estate.stores.items():
        measured = {one.subject for one in hours if (one.store, one.metric) == (name, "items_bytes")}
        if store.engine == "dynamodb" and measured:
            described = dict(_described(store.connection, name, measured, log)) if recent else {}
            yield from tables_of(name, hours, described)


def _described(connection: str, store: str, tables: Collection[str], log: Logger) -> Iterator[tuple[str, Described]]:
    from sluice.insight.cost.from_samples import table_described

    found = _answer(log, store, partial(documents_of, connection))
    for table in tables if found else ():
        if answers := _answer(log, f"{store} {table}", partial(_table, found[0], table)):
            yield table, table_described(*answers)


def _answer(log: Logger, what: str, ask: Callable[[], Any]) -> Any:
    """Ask AWS; None where it does not answer. A bill lacks something then: a report without it is better than none."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return ask()
    except (BotoCoreError, ClientError, SluiceError) as why:
        log.warning("%s: AWS does not say what it is, so the bill is not whole: %s", what, why)
        return None


def _table(client: Any, table: str) -> tuple[Any, Any]:
    return client.describe_table(TableName=table), client.describe_continuous_backups(TableName=table)


def _instance(cloud: Cloud) -> Any:
    from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

    require_aws(cloud.connection)
    client: Any = AwsBaseHook(aws_conn_id=cloud.connection, client_type="rds").get_client_type()
    return client.describe_db_instances(DBInstanceIdentifier=cloud.instance)


def _viewed(costs: Costs) -> Cost | None:
    """Give what a report shows of it; None where nothing is known to cost anything."""
    from sluice.insight.capacity.report import Component, Cost, Reservation, Saving
    from sluice.insight.cost.costs import ESTATE

    if not costs.components:
        return None
    dearest = sorted((one for one in costs.components if one.monthly.high), key=lambda one: -one.monthly.high)
    return Cost(
        currency="$",
        priced=f"{costs.prices[0].upper()}{costs.prices[1:]}.",
        now=_ends(costs.now),
        later=_ends(costs.later),
        components=tuple(Component(f"{one.store or ESTATE}: {one.what}", _ends(one.monthly)) for one in dearest),
        reserved=tuple(Reservation(one.what, _ends(one.percent), one.enough) for one in costs.reserved),
        savings=tuple(
            Saving(f"{one.store or ESTATE}: {one.what}", _ends(one.monthly), one.why, one.risk) for one in costs.savings
        ),
        notes=tuple(f"{note[0].upper()}{note[1:]}." for note in costs.notes),
    )


def _ends(amount: Between) -> tuple[float, float]:
    return float(amount.low), float(amount.high)
