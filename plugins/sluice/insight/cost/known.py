"""What is known of an estate as far as it costs money: servers, tables, and the lines that a person wrote.

Plain values. `from_samples.py` makes them of what was measured and described; whoever has it otherwise makes them himself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, TypeAlias

from sluice.estate.amounts import Between, exactly
from sluice.estate.costs import CostLine, Reserved
from sluice.estate.models import Estate

GB = 2**30
"""Bytes: what AWS bills as a GB."""
HOURS = Decimal(730)
"""Of a month, as AWS counts it: a twelfth of a year."""
SECONDS = HOURS * 3600
MILLION = Decimal(1_000_000)
NONE = exactly(0)
MONTH = exactly(HOURS)
Units: TypeAlias = Literal["reads", "writes"]
BOTH: tuple[Units, ...] = ("writes", "reads")


@dataclass(frozen=True)
class Server:
    """A server of RDS, as it is described, and what was measured of it."""

    store: str
    name: str
    kind: str
    """Its class, such as db.r6g.large."""
    disk: Between
    """GB that it has, whether used or not."""
    standby: bool = False
    """A second one in another zone (Multi-AZ): it is paid as well."""
    storage: str = "gp3"
    operations: int = 0
    """Operations a second that are provisioned; 0: those that the disk brings along."""
    hours: Between = MONTH
    """For which it runs in a month."""
    steady_days: int = 0
    """For how many days it is known to have run nearly all the time."""
    cpu: Decimal | None = None
    """P95 of its hours' busiest minutes, percent."""
    memory: Decimal | None = None
    """P95 of its hours' fullest minutes, percent."""
    full_at: int = 85
    """At how many percent its disk is extended."""


@dataclass(frozen=True)
class Hour:
    """Units a second of one hour: their mean, and those of its busiest minute."""

    mean: Decimal
    busiest: Decimal


@dataclass(frozen=True)
class Load:
    """Units of a table that are read, or written, a second."""

    used: Between
    provisioned: Between | None = None
    """None: the table is paid by request."""
    lowest: Decimal = Decimal(0)
    """The fewest that were provisioned in all the days that are known."""
    days: int = 0
    """For how many days they are known."""
    hours: tuple[Hour, ...] = ()
    """Each hour that is known, as it was used."""
    scaled: Between | None = None
    """Between which bounds the service itself moves what is provisioned, as it is used; None: a person sets it."""


@dataclass(frozen=True)
class Table:
    """A table of DynamoDB with its indexes."""

    store: str
    name: str
    size: Between
    """Bytes."""
    reads: Load
    writes: Load
    infrequent: bool = False
    """Of the class Standard-IA."""
    continuous_backup: bool = False
    """Whether the service can bring back any second of it."""
    unmeasured: int = 0
    """Its global indexes whose units are not among those of the table: CloudWatch counts each apart."""

    def load(self, units: Units) -> Load:
        """Give its reads, or its writes."""
        return self.reads if units == "reads" else self.writes


@dataclass(frozen=True)
class Written:
    """A line that a person wrote, and of which store; '' is the estate."""

    store: str
    line: CostLine


@dataclass(frozen=True)
class Known:
    """All of it."""

    instances: tuple[Server, ...] = ()
    tables: tuple[Table, ...] = ()
    lines: tuple[Written, ...] = ()
    reserved: tuple[Reserved, ...] = ()
    all_servers: bool = True
    """Whether no server is missing: else nobody can say how much of what is reserved for servers is used."""


def known_of(estate: Estate, instances: Iterable[Server] = (), tables: Iterable[Table] = ()) -> Known:
    """Join what was measured with what a person wrote into estate.yaml."""
    written = [Written(name, line) for name, store in estate.stores.items() for line in store.costs]
    written += [Written("", line) for line in estate.costs]
    return Known(tuple(instances), tuple(tables), tuple(written), estate.reserved)


def gigabytes(size: Between) -> Between:
    """Give bytes in the GB that are billed."""
    return size / GB


def of_rate(rate: Between) -> Between:
    """Give so many a second as millions in a month."""
    return rate * (SECONDS / MILLION)
