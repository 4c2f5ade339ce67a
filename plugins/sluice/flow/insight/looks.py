"""What is looked at every minute, as the estate's file says: each store's server, pooler, cloud and tables; and Airflow.

A connection that cannot be had is the failure of its own look, and of no other's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from sluice.errors import SluiceError
from sluice.estate import EstateErrors, Store, read_stores
from sluice.flow.connections import aws_client, dsn_of
from sluice.flow.project import ROOT

if TYPE_CHECKING:
    from sluice.insight.collecting.cloudwatch import Reached
    from sluice.insight.collecting.collecting import Look
    from sluice.insight.collecting.lifeline import Lifeline
    from sluice.insight.collecting.looked import Looked
    from sluice.insight.collecting.tables import Listed

DISK_EVERY = 5
"""Minutes between two looks at a disk whose size the file tells: they read the length of every file."""
SIZES_AT = 7
"""The minute of the hour at which `measure_sizes` begins."""


class Eyes:
    """How everything is looked at, for as long as a task runs: connections and clients are made once."""

    def __init__(self, reached: Reached) -> None:
        self.reached = reached
        self.stores = read_stores(ROOT).stores
        self.address = cache(dsn_of)
        self.client = cache(aws_client)
        self.airflow = airflow_url()

    def looks(self, now: datetime) -> list[Look]:
        """Give what is looked at now: what the file names by now. Never raises for one of them."""
        with suppress(EstateErrors):  # while it has a mistake, what it named before
            self.stores = read_stores(ROOT).stores
        from sluice.insight.collecting.airflow import look_at_airflow
        from sluice.insight.collecting.collecting import Look
        from sluice.insight.metrics import AIRFLOW

        of_airflow = Look(AIRFLOW, "page of health", lambda _: look_at_airflow(self.airflow, now))
        return [*(look for name, store in self.stores.items() for look in self._of(name, store, now)), of_airflow]

    def _of(self, name: str, store: Store, now: datetime) -> Iterator[Look]:
        from sluice.insight.collecting.collecting import Look
        from sluice.insight.collecting.dynamodb import UP as TABLE_UP
        from sluice.insight.collecting.pooler import UP as POOLER_UP
        from sluice.insight.collecting.postgres import UP

        if store.engine == "dynamodb":
            named = store.backup.tables if store.backup else ()
            yield Look(name, "service", self._tables(name, store, now), up=TABLE_UP, subjects=tuple(named))
            return
        if is_due(store.watch.every, now):
            yield Look(name, "server", self._server(name, store, now), up=UP)
        if pooler := store.watch.pooler:
            yield Look(name, "PgBouncer", self._pooler(name, pooler), up=POOLER_UP)
        if store.watch.cloud:
            yield Look(name, "instance in RDS", self._instance(name, store, now))

    def _server(self, name: str, store: Store, now: datetime) -> Callable[[Lifeline], Looked]:
        from sluice.insight.collecting.postgres import look_at_postgres

        seldom = store.watch.every >= timedelta(minutes=DISK_EVERY)
        disk = size_of(store) if not store.watch.cloud and (seldom or now.minute % DISK_EVERY == 0) else None
        address = self._had(self.address, store.connection)
        return lambda line: look_at_postgres(address(), name, line, disk)

    def _pooler(self, name: str, connection: str) -> Callable[[Lifeline], Looked]:
        from psycopg.conninfo import make_conninfo

        from sluice.insight.collecting.pooler import look_at_pooler

        address = self._had(self.address, connection)
        return lambda line: look_at_pooler(make_conninfo(address(), dbname="pgbouncer"), name, line)

    def _instance(self, name: str, store: Store, now: datetime) -> Callable[[Lifeline], Looked]:
        from sluice.insight.collecting.rds import look_at_rds

        cloud = store.watch.cloud
        assert cloud is not None
        cloudwatch, rds = (self._had(self.client, cloud.connection, service) for service in ("cloudwatch", "rds"))
        return lambda _: look_at_rds(cloudwatch(), rds(), name, cloud.instance, self.reached, now)

    def _tables(self, name: str, store: Store, now: datetime) -> Callable[[Lifeline], Looked]:
        from sluice.insight.collecting.dynamodb import look_at_tables
        from sluice.insight.collecting.looked import Looked

        tables, cloudwatch = (self._had(self.client, store.connection, one) for one in ("dynamodb", "cloudwatch"))

        def look(_: Lifeline) -> Looked:
            listed = tables_of(store, tables(), name)
            found = look_at_tables(tables(), cloudwatch(), name, listed.names, self.reached, now)
            return found + Looked(notes=listed.notes)

        return look

    @staticmethod
    def _had(make: Callable[..., Any], *named: str) -> Callable[[], Any]:
        """Have something of Airflow made here, where Airflow may be asked, and told of, or failed over, where it is used."""
        try:
            made = make(*named)
        except SluiceError as error:
            return _raising(error)
        return lambda: made


def tables_of(store: Store, client: Any, name: str) -> Listed:
    """Name the tables of a store in DynamoDB: those that its backup names, else all that its connection may list."""
    from sluice.insight.collecting.tables import Listed, names_of

    named = store.backup.tables if store.backup else ()
    return Listed(tuple(named)) if named else names_of(client, name)


def is_due(every: timedelta, now: datetime) -> bool:
    """Tell whether this minute is one of those: what is looked at once an hour is when its sizes are measured, and wakes once."""
    return (int(now.timestamp()) // 60 - SIZES_AT) % (every // timedelta(minutes=1)) == 0


def size_of(store: Store) -> int | None:
    """Give the bytes of a store's disk, where its file tells them."""
    return store.watch.disk.size.count if store.watch.disk.size else None


def airflow_url() -> str:
    """Give where Airflow's API is, as a task reaches it: where it fetches its own orders."""
    from airflow.configuration import conf

    orders: str = conf.get("core", "execution_api_server_url", fallback="") or ""
    return orders.removesuffix("/").removesuffix("/execution") or conf.get("api", "base_url", fallback="")


def _raising(error: Exception) -> Callable[[], Any]:
    def fail() -> Any:
        raise error

    return fail
