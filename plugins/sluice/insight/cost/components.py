"""What each part of the estate costs in a month: a quantity, its unit and its price, from low to high; or a person's sum."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from sluice.estate.amounts import Between, exactly, total
from sluice.estate.instance_sizes import size_of
from sluice.insight.cost.known import BOTH, HOURS, Known, Server, Table, Units, Written, gigabytes, of_rate
from sluice.insight.cost.prices import Prices
from sluice.insight.cost.reserved import Uncovered, bought, uncovered

LARGE_DISK, FEW_OPERATIONS, MANY_OPERATIONS = 400, 3000, 12000
"""A disk of gp3 for PostgreSQL brings 3,000 operations a second along, and 12,000 from 400 GB on."""
ALL = exactly(1)


@dataclass(frozen=True)
class Component:
    """Something that is paid every month."""

    store: str
    """The store; '' is the estate."""
    what: str
    monthly: Between
    """Dollars."""
    quantity: Between | None = None
    """How much of it; None of a sum that a person wrote."""
    price: str = ""
    """The name of its price."""
    per: str = ""
    """The unit of quantity and price."""


def components(known: Known, prices: Prices) -> list[Component]:
    """Give all that is paid, in the order of stores as they are known. Raises UnknownPrice."""
    free = uncovered(known)
    return [
        *(one for instance in known.instances for one in of_instance(instance, prices, free)),
        *(one for table in known.tables for one in of_table(table, prices, free)),
        *(_of_line(line, prices) for line in known.lines),
        *(_of_reserved(line.what, line.count, paid) for line, paid in bought(known, prices)),
    ]


def sum_of(parts: Iterable[Component]) -> Between:
    """Give what they cost together."""
    return total([one.monthly for one in parts])


def is_priced(instance: Server, prices: Prices) -> bool:
    """Tell whether all prices of a server are known, and its size."""
    names = [f"rds.{instance.kind}", f"rds.storage.{instance.storage}"]
    names += [f"rds.operations.{instance.storage}"] if instance.operations and instance.storage != "gp2" else []
    return size_of(instance.kind) is not None and all(prices.knows(name) for name in names)


def of_instance(instance: Server, prices: Prices, free: Uncovered) -> Iterator[Component]:
    """Give a server's hours that nothing reserved covers, its disk, and the operations that it does not bring along."""
    servers = 2 if instance.standby else 1
    told = f"{instance.name}, {instance.kind}" + (" with a standby" if instance.standby else "")
    hours = instance.hours * servers * free.of(instance.kind)
    yield _priced(instance.store, told, hours, f"rds.{instance.kind}", prices)
    yield from of_disk(instance, prices)


def of_disk(instance: Server, prices: Prices) -> Iterator[Component]:
    """Give what a server's disk costs as it is."""
    servers = 2 if instance.standby else 1
    told = f"{instance.name}, disk of {instance.storage}"
    yield _priced(instance.store, told, instance.disk * servers, f"rds.storage.{instance.storage}", prices)
    more = instance.operations - (included(instance.disk) if instance.storage == "gp3" else 0)
    if more > 0 and instance.storage != "gp2":
        told = f"{instance.name}, operations of its disk"
        yield _priced(instance.store, told, exactly(more * servers), f"rds.operations.{instance.storage}", prices)


def included(disk: Between) -> int:
    """Give the operations a second that a disk of gp3 brings along."""
    return MANY_OPERATIONS if disk.low >= LARGE_DISK else FEW_OPERATIONS


def of_table(table: Table, prices: Prices, free: Uncovered) -> Iterator[Component]:
    """Give a table's storage, its reads and writes as it pays for them, and its continuous backup."""
    kind = "dynamodb.ia" if table.infrequent else "dynamodb"
    yield _priced(table.store, f"{table.name}, storage", gigabytes(table.size), f"{kind}.storage", prices)
    for units in BOTH:
        yield of_load(table, units, prices, ALL if table.infrequent else free.of(UNITS[units]))
    if table.continuous_backup:
        told = f"{table.name}, continuous backup"
        yield _priced(table.store, told, gigabytes(table.size), "dynamodb.continuous_backup", prices)


UNITS: Mapping[Units, str] = {"reads": "dynamodb.read_units", "writes": "dynamodb.write_units"}
"""What can be reserved of each."""


def of_load(table: Table, units: Units, prices: Prices, share: Between = ALL) -> Component:
    """Give what reads or writes cost: by request, or by the hour for a share of what is provisioned."""
    load = table.load(units)
    kind = "dynamodb.ia" if table.infrequent else "dynamodb"
    if load.provisioned is None:
        return _priced(table.store, f"{table.name}, {units}", of_rate(load.used), f"{kind}.{units}", prices)
    name = f"{kind}.{units.removesuffix('s')}_units"
    hours = load.provisioned * HOURS * share
    return _priced(table.store, f"{table.name}, provisioned {units}", hours, name, prices)


def _of_line(line: Written, prices: Prices) -> Component:
    written = line.line
    if written.monthly is not None:
        return Component(line.store, written.what, written.monthly)
    assert written.quantity is not None
    assert written.price is not None
    return _priced(line.store, written.what, written.quantity, written.price, prices)


def _of_reserved(what: str, count: int, paid: Between) -> Component:
    return Component("", f"reserved: {count} of {what}", paid)


def _priced(store: str, what: str, quantity: Between, price: str, prices: Prices) -> Component:
    return Component(store, what, quantity * prices.usd(price), quantity, price, prices.per(price))
