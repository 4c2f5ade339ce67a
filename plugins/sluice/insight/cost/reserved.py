"""What is reserved: how much of it is used, from where on it pays, and what is left to pay at list price.

In RDS a reservation counts for every size of its family, as PostgreSQL's classes are flexible: a large one for two medium ones.
So all is counted in AWS's own measure of sizes, where a small one is 1. A standby counts like its server.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from sluice.estate import instance_sizes
from sluice.estate.amounts import Between, exactly, total
from sluice.estate.costs import Reserved
from sluice.insight.cost.known import HOURS, NONE, Known
from sluice.insight.cost.prices import Prices

TARGET = Decimal(85)
"""Percent of what is reserved that should be used, at least."""
ALL, DYNAMODB = exactly(1), "dynamodb."


@dataclass(frozen=True)
class Use:
    """How much of a sort of reservation is used in a month."""

    what: str
    """A family of RDS, such as db.r6g, or units of DynamoDB."""
    reserved: Decimal
    """Hours of small ones, or of units, in a month."""
    used: Between
    """Of these."""
    monthly: Between
    """Dollars for all of it."""
    pays_from: Between
    """Percent: whoever uses less would pay less without it."""

    @property
    def percent(self) -> Between:
        """Of what is reserved."""
        return self.used * Decimal(100) / self.reserved

    @property
    def enough(self) -> bool:
        """Whether it is used as it should be, at the low end too."""
        return self.percent.low >= TARGET


@dataclass(frozen=True)
class Uncovered:
    """The share of each sort of use that no reservation covers."""

    shares: Mapping[str, Between]

    def of(self, what: str) -> Between:
        """Give the share of a class of RDS, or of units of DynamoDB."""
        return self.shares.get(sort_of(what), ALL)


def sort_of(what: str) -> str:
    """Give the sort in which a reservation counts: a class's family, or the units themselves."""
    return what if what.startswith(DYNAMODB) else what.rpartition(".")[0]


def small_ones(what: str) -> Decimal:
    """Give how many small ones a class is; a unit of DynamoDB is one. Raises UnknownClass."""
    if what.startswith(DYNAMODB):
        return Decimal(1)
    return instance_sizes.small_ones(what)


def uncovered(known: Known) -> Uncovered:
    """Give what is left to pay at list price. Raises UnknownClass."""
    running, held = running_hours(known), _held(known)
    return Uncovered({what: _left(running.get(what, NONE), hours) for what, hours in held.items()})


def uses(known: Known, prices: Prices) -> list[Use]:
    """Give the use of each sort that is reserved, as far as it is known. Raises UnknownClass, UnknownPrice."""
    running, made = running_hours(known), []
    for what, hours in _held(known).items():
        if not (known.all_servers or what.startswith(DYNAMODB)):
            continue
        now = running.get(what, NONE)
        used = Between(min(now.low, hours), min(now.high, hours))
        paid = total([monthly for line, monthly in bought(known, prices) if sort_of(line.what) == what])
        made.append(Use(what, hours, used, paid, _pays_from(paid, known, what, prices)))
    return made


def bought(known: Known, prices: Prices) -> Iterator[tuple[Reserved, Between]]:
    """Give each line of what is reserved, and what it costs a month. Raises UnknownPrice."""
    for line in known.reserved:
        yield line, line.monthly if line.monthly is not None else reserved_price(line.what, prices) * line.count


def list_price(what: str, prices: Prices) -> Between:
    """Give what one costs a month without a reservation. Raises UnknownPrice."""
    return prices.usd(what if what.startswith(DYNAMODB) else f"rds.{what}") * HOURS


def reserved_price(what: str, prices: Prices) -> Between:
    """Give what one costs a month if it is reserved for a year. Raises UnknownPrice."""
    return list_price(what, prices) * prices.share("dynamodb.reserved" if what.startswith(DYNAMODB) else "rds.reserved")


def _pays_from(paid: Between, known: Known, what: str, prices: Prices) -> Between:
    lines = [line for line in known.reserved if sort_of(line.what) == what]
    listed = total([list_price(line.what, prices) * line.count for line in lines])
    return Between(paid.low / listed.low * 100, paid.high / listed.high * 100)


def _held(known: Known) -> dict[str, Decimal]:
    held: dict[str, Decimal] = {}
    for line in known.reserved:
        what = sort_of(line.what)
        held[what] = held.get(what, Decimal(0)) + small_ones(line.what) * line.count * HOURS
    return held


def running_hours(known: Known) -> dict[str, Between]:
    """Give what runs, by the sort in which a reservation counts: hours of small ones, or of units. Raises UnknownClass."""
    found: dict[str, Between] = {}
    for instance in known.instances:
        hours = instance.hours * small_ones(instance.kind) * (2 if instance.standby else 1)
        found[sort_of(instance.kind)] = found.get(sort_of(instance.kind), NONE) + hours
    for table in known.tables:
        for what, load in (("dynamodb.read_units", table.reads), ("dynamodb.write_units", table.writes)):
            if load.provisioned is not None and not table.infrequent:  # reservations count for the class Standard alone
                found[what] = found.get(what, NONE) + load.provisioned * HOURS
    return found


def _left(used: Between, held: Decimal) -> Between:
    def share(hours: Decimal) -> Decimal:
        return max(hours - held, Decimal(0)) / hours if hours else Decimal(0)

    return Between(share(used.low), share(used.high))
