"""The servers that follow a store, as a person writes them: `replicas:` below a store."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from sluice.estate.document import Document
from sluice.estate.fields import Connection, Identifier, Name, Part, lasting, matching
from sluice.estate.mistakes import Mistake
from sluice.estate.showing import shown

Host: TypeAlias = Annotated[
    str, matching("[A-Za-z0-9_.:-]{1,253}", "a host's name or address, such as db-b.shop.example, without a port")
]
File: TypeAlias = Annotated[str, matching(r"/[^\u0000]{1,200}", "a file of the workers' disk, from / on")]
Zone: TypeAlias = Annotated[str, matching("[A-Z0-9]{1,32}", "the id of a hosted zone, such as Z0123456789ABC")]


class Replica(Part):
    """One server that follows the store's."""

    connection: Connection
    """The Airflow connection to it: of a superuser where Sluice promotes, else of a role with pg_monitor."""
    host: Host | None = None
    """Where applications find it, once it is promoted; without it, the host of its connection."""


class Dns(Part):
    """The record of Route 53 by which applications find the server that takes writes."""

    connection: Connection
    """The Airflow connection to AWS."""
    zone: Zone
    """The hosted zone."""
    record: Host
    """The record's name, such as db.shop.example."""
    ttl: Annotated[timedelta, lasting("1s", "1d")] = timedelta(seconds=30)
    """For how long a resolver may keep the answer."""


class Pooler(Part):
    """The PgBouncer by which applications find the server that takes writes."""

    connection: Connection
    """The Airflow connection to its console, as one of its `admin_users`."""
    file: File
    """Its file with `[databases]`, where the worker that promotes can write it."""
    database: Identifier
    """What applications call the store there: the name of its line."""


class Replicas(Part):
    """The servers that follow a store, who promotes one of them, and what is too late."""

    name: Name
    """What the store's own server is called among them: its `application_name` when it follows another."""
    connection: Connection | None = None
    """The Airflow connection of a superuser of the store's own server, to fence it: by an address of its own, which nobody
    switches. Without it, the store's `connection`."""
    servers: dict[Name, Replica] = Field(min_length=1, max_length=20)
    """Each by the `application_name` with which it follows."""
    failover: Literal["platform", "sluice"] = "platform"
    """Who promotes: `platform` (Multi-AZ, an agent such as Patroni), or `sluice`, after a person's typed word, where nothing else
    does."""
    within: Annotated[timedelta, lasting("1s", "1d")] = timedelta(seconds=60)
    """How long writes may be without a server, once the one that takes them has died."""
    alert: Annotated[timedelta, lasting("10ms", "1d")] = timedelta(seconds=5)
    """How late a replica may be before people are told."""
    target: Annotated[timedelta, lasting("1ms", "1d")] = timedelta(milliseconds=50)
    """How late a replica should be at most; told, and no alert."""
    dns: Dns | None = None
    """The name that is switched after a promotion; without it, none is."""
    pooler: Pooler | None = None
    """The PgBouncer that is led to the new server after a promotion; without it, none is."""


def check_replicas(document: Document) -> Iterator[Mistake]:
    """Find what single fields of a store's `replicas` cannot see."""
    stores = document.get("stores")
    for name, store in stores.items() if isinstance(stores, dict) else ():
        replicas = store.get("replicas") if isinstance(store, dict) else None
        if not isinstance(replicas, dict):
            continue
        if store.get("engine") != "postgres":
            yield document.mistake(
                ("stores", name, "replicas"), shown(store.get("engine")), "replicas of engine postgres"
            )
        servers = replicas.get("servers")
        if isinstance(servers, dict) and replicas.get("name") in servers:
            told = shown(replicas.get("name"))
            yield document.mistake(("stores", name, "replicas", "name"), told, "a name that none of its servers has")
