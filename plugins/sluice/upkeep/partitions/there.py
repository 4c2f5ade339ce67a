"""What is there: a partitioned table and everything below it, as the catalogue has it. Read only."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from sluice.stores.postgres import Connection, Row, Table, rows
from sluice.stores.statements import statement
from sluice.upkeep.partitions.spans import BEGIN, END, Span

How: TypeAlias = Literal["range", "list", "hash"]
HOW: Mapping[str, How] = {"r": "range", "l": "list", "h": "hash"}


@dataclass(frozen=True)
class Partition:
    """One partition of a branch."""

    oid: int
    table: Table
    bounds: str
    """As the catalogue writes them."""
    leaving: bool
    """Whether a DETACH CONCURRENTLY was begun and not ended: nothing else can be attached meanwhile."""
    branch: Branch | None = None
    """What it is cut into, where it is cut again."""
    options: tuple[str, ...] = ()
    """How it is stored: `fillfactor=70`."""

    @property
    def is_default(self) -> bool:
        """Whether it holds what no other one does."""
        return self.bounds == "DEFAULT"

    @property
    def span(self) -> Span | None:
        """The moments it holds; None where it is cut by something else."""
        return span_of(self.bounds)

    @property
    def remainder(self) -> tuple[int, int] | None:
        """Modulus and remainder, where it is cut by hash."""
        found = re.fullmatch(r"FOR VALUES WITH \(modulus (\d+), remainder (\d+)\)", self.bounds)
        return (int(found[1]), int(found[2])) if found else None


@dataclass(frozen=True)
class Branch:
    """A partitioned table: the whole, or one part of it that is cut again."""

    oid: int
    table: Table
    how: How
    columns: tuple[str, ...]
    """Those it is cut by; an expression is ''."""
    type: str
    """Of the first of them."""
    partitions: tuple[Partition, ...]

    @property
    def default(self) -> Partition | None:
        """The partition that holds what no other one does."""
        return next((one for one in self.partitions if one.is_default), None)

    @property
    def spans(self) -> list[Span]:
        """What its partitions hold, in order."""
        return sorted(span for one in self.partitions if (span := one.span))

    @property
    def newest(self) -> Partition | None:
        """The partition of the latest moments."""
        dated = [(span, one) for one in self.partitions if (span := one.span)]
        return max(dated, key=lambda pair: pair[0], default=(None, None))[1]


def find_branch(c: Connection, table: Table) -> Branch | None:
    """Describe a partitioned table with all below it; None where there is none of that name, or it is not partitioned."""
    found = rows(c, statement("partitions.list_branches"), schema=table.schema, name=table.name)
    if not found:
        return None
    below: dict[int, list[Row]] = {}
    for row in rows(c, statement("partitions.list_partitions"), oids=[row["oid"] for row in found]):
        below.setdefault(row["parent"], []).append(row)
    branches = {row["oid"]: row for row in found}

    def branch(row: Row) -> Branch:
        parts = (
            Partition(
                part["oid"],
                Table(part["schema"], part["name"]),
                part["bounds"],
                part["leaving"],
                branch(branches[part["oid"]]) if part["oid"] in branches else None,
                tuple(part["options"] or ()),
            )
            for part in below.get(row["oid"], ())
        )
        named = Table(row["schema"], row["name"])
        return Branch(row["oid"], named, HOW[row["how"]], tuple(row["columns"]), row["type"], tuple(parts))

    return branch(found[0])


def branches_of(branch: Branch) -> Iterator[Branch]:
    """Give a branch and all below it, from above."""
    yield branch
    for one in branch.partitions:
        if one.branch:
            yield from branches_of(one.branch)


def leaves_of(branch: Branch) -> Iterator[tuple[Branch, Partition]]:
    """Give every partition that holds rows itself, with the branch it stands in."""
    for one in branch.partitions:
        if one.branch:
            yield from leaves_of(one.branch)
        else:
            yield branch, one


def span_of(bounds: str) -> Span | None:
    """Read the bounds of a range over one column of dates or times; None where they are something else."""
    found = re.fullmatch(r"FOR VALUES FROM \((.*)\) TO \((.*)\)", bounds)
    if found is None:
        return None
    try:
        return Span(_moment(found[1], BEGIN), _moment(found[2], END))
    except ValueError:
        return None


def _moment(text: str, open_end: datetime) -> datetime:
    bare = text.strip("'")
    if bare in ("MINVALUE", "-infinity") or bare.endswith(" BC"):
        return BEGIN
    if bare in ("MAXVALUE", "infinity"):
        return END
    if re.match(r"\d{5,}-", bare):
        return open_end if open_end is END else END
    moment = datetime.fromisoformat(bare)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
