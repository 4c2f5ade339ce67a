"""What AWS says of the servers and tables that an estate pays for: as they are now, and never as they were.

A bill lacks something where AWS does not answer: a report without it is better than none. `Asking` keeps what that is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from sluice.errors import SluiceError
from sluice.estate.models import Estate, Store
from sluice.flow.connections import autoscaling_of, aws_client, documents_of

if TYPE_CHECKING:
    from airflow.sdk.types import Logger

    from sluice.insight.cost.from_samples import Described, Hours
    from sluice.insight.cost.known import Server, Table
    from sluice.stores.dynamodb.autoscaling import Scaled

ELSEWHERE = "arn:"
"""How RDS begins the name of a replica in another region."""


@dataclass
class Asking:
    """Asks AWS, and knows what it has not said."""

    log: Logger
    missing: list[str] = field(default_factory=list)
    """What is not in the bill, or there as it is by default."""
    no_servers: bool = False
    """Whether a server is missing: what is reserved for one may be used by it."""

    def answer(self, what: str, ask: Callable[[], Any]) -> Any:
        """Ask; None where AWS does not say it."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return ask()
        except (BotoCoreError, ClientError, SluiceError) as why:
            self.log.warning("%s: AWS does not say what it is, so the bill is not whole: %s", what, why)
            self.missing.append(what)
            return None

    def lacks_server(self, what: str) -> None:
        """Note a server that nobody here can ask about."""
        self.missing.append(what)
        self.no_servers = True


def servers_of(estate: Estate, hours: Hours, asking: Asking) -> Iterator[Server]:
    """Give the servers that AWS runs for the estate's stores, each once: those they name, then the replicas of these."""
    from sluice.insight.cost.from_samples import instance_of

    seen, left = set[str](), list(_named(estate, hours, asking))
    while left:
        store, client, name, measured = left.pop(0)
        if name.startswith(ELSEWHERE):
            asking.lacks_server(f"{store} {name.rpartition(':')[2]} in {name.split(':')[3]}")
        elif (found := asking.answer(f"{store} {name}", partial(_one, client, name))) is None:
            asking.no_servers = True
        elif _is_new(found, seen):
            yield instance_of(store, found, measured, estate.stores[store].watch.disk.full_at)
            # What was measured is the store's own server's: of a replica nobody knows whether it is idle.
            left += [(store, client, one, {}) for one in found.get("ReadReplicaDBInstanceIdentifiers") or ()]


def _named(estate: Estate, hours: Hours, asking: Asking) -> Iterator[tuple[str, Any, str, Hours]]:
    for store, told in estate.stores.items():
        if cloud := told.watch.cloud:
            client = asking.answer(f"{store} {cloud.instance}", partial(aws_client, cloud.connection, "rds", 30))
            if client is None:
                asking.no_servers = True
            else:
                yield store, client, cloud.instance, hours


def tables_of(estate: Estate, hours: Hours, asking: Asking | None) -> Iterator[Table]:
    """Give the tables whose sizes are measured. What no number tells of one is by default where nobody describes it."""
    from sluice.insight.cost.from_samples import tables_of as measured_tables

    for name, store in estate.stores.items():
        measured = {one.subject for one in hours if (one.store, one.metric) == (name, "items_bytes")}
        if store.engine == "dynamodb" and measured:
            told = dict(_described(store, name, measured, asking)) if asking else {}
            described = {table: found for table, found in told.items() if found}
            yield from (
                one for one in measured_tables(name, hours, described) if one.name not in told.keys() - described
            )


def _described(
    store: Store, name: str, tables: Collection[str], asking: Asking
) -> Iterator[tuple[str, Described | None]]:
    """Give what AWS says of each table; None of one that is gone."""
    from sluice.insight.cost.from_samples import table_described

    opened = asking.answer(name, partial(documents_of, store.connection))
    for table in sorted(tables) if opened else ():
        found = asking.answer(f"{name} {table}", partial(_table, opened[0], table))
        if found == {}:
            yield table, None
        elif found:
            ask = partial(opened[0].describe_continuous_backups, TableName=table)
            backups = asking.answer(f"{name} {table}, its continuous backup", ask)
            known = table_described(found, backups or {"ContinuousBackupsDescription": {}})
            yield table, _with_bounds(known, store, name, found, asking)


def _with_bounds(known: Described, store: Store, name: str, table: Any, asking: Asking) -> Described:
    """Add between which units the service keeps it; one on demand has none, and nobody is asked."""
    from sluice.insight.cost.from_samples import bounds_of

    if not table["Table"].get("ProvisionedThroughput", {}).get("ReadCapacityUnits"):
        return known
    what = f"{name} {table['Table']['TableName']}, whether the service scales its units"
    found = asking.answer(what, partial(_registered, store, table["Table"])) or ()
    reads, writes = (bounds_of(table, found, units) for units in ("reads", "writes"))
    return replace(known, reads_scaled=reads, writes_scaled=writes)


def _registered(store: Store, table: Any) -> Collection[Scaled]:
    from sluice.stores.dynamodb.autoscaling import find_scaling

    indexes = [
        f"table/{table['TableName']}/index/{one['IndexName']}" for one in table.get("GlobalSecondaryIndexes", ())
    ]
    return find_scaling(autoscaling_of(store.connection), [f"table/{table['TableName']}", *indexes]).values()


def _table(client: Any, table: str) -> Any:
    try:
        return client.describe_table(TableName=table)
    except client.exceptions.ResourceNotFoundException:
        return {}


def _one(client: Any, instance: str) -> Any:
    return client.describe_db_instances(DBInstanceIdentifier=instance)["DBInstances"][0]


def _is_new(found: Any, seen: set[str]) -> bool:
    """Tell whether it is billed for the first time: two stores may be databases of one server, a replica a store of its own."""
    name = str(found.get("DBInstanceArn") or found["DBInstanceIdentifier"])
    if name in seen:
        return False
    seen.add(name)
    return True
