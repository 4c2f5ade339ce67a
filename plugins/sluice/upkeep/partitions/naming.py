"""How a new partition is called: as those are that the table has already, or as Sluice calls its own. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sluice.estate.names import fitted
from sluice.stores.postgres import Table
from sluice.upkeep.partitions.spans import Every, Span
from sluice.upkeep.partitions.there import Branch

OURS: Mapping[Every, str] = {"month": "y%Ym%m", "week": "y%Gw%V", "day": "y%Ym%md%d"}
FORMS: Mapping[Every, tuple[str, ...]] = {
    "month": (OURS["month"], "%Y_%m", "%Y%m", "%Y-%m", "%Y_m%m", "p%Y_%m", "%b%Y"),
    "week": (OURS["week"], "%G_w%V", "%Gw%V", "%G_%V", "%Y_%m_%d", "%Y%m%d"),
    "day": (OURS["day"], "%Y_%m_%d", "%Y%m%d", "%Y-%m-%d"),
}
"""Ways in which people write a span into a partition's name."""
_LATE = re.compile(r"_late\d+$")
"""How a partition for the late rows of a month that is gone ends: it follows no calendar of its own."""


@dataclass(frozen=True)
class Naming:
    """What stands before and behind the span in a partition's name."""

    before: str
    form: str
    behind: str = ""

    def name(self, span: Span, taken: Collection[str]) -> str:
        """Give the name for a span. A piece of one gets its first day and hour too, where the plain name is taken."""
        plain = fitted(self.before, _written(span, self.form) + self.behind)
        return plain if plain not in taken else fitted(self.before, f"{span.lower:%Y%m%dt%H%M%S}{self.behind}")


def naming_of(branch: Branch, every: Every) -> Naming:
    """Give the way most of a branch's partitions are named, the newest first; Sluice's own where they follow none."""
    newest = branch.newest
    if newest is not None:
        for form in FORMS[every]:
            span = newest.span
            assert span is not None
            written = _written(span, form)
            if written in newest.table.name:
                before, _, behind = newest.table.name.rpartition(written)
                found = Naming(before, form, behind)
                if _fits(found, branch):
                    return found
    return Naming(f"{branch.table.name}_", OURS[every])


def _written(span: Span, form: str) -> str:
    """Write a span's first day. Names of months are small letters, as PostgreSQL keeps names."""
    return span.lower.strftime(form).lower()


def _fits(naming: Naming, branch: Branch) -> bool:
    """Whether more than half of the partitions are named so."""
    named_by_span = [one for one in branch.partitions if not is_late(one.table)]
    dated = [(one.table.name, span) for one in named_by_span if (span := one.span)]
    return 2 * sum(naming.name(span, ()) == name for name, span in dated) > len(dated)


def late_name(of: Table, number: int) -> Table:
    """Name a partition for the late rows of a month, by the partition that it had: `…_late1`."""
    return Table(of.schema, fitted(_LATE.sub("", of.name), f"_late{number}"))


def is_late(table: Table) -> bool:
    """Whether a partition is called as those for late rows are."""
    return _LATE.search(table.name) is not None


def schema_of_new(branch: Branch, first: str, wanted: str | None) -> str:
    """Name the schema of a new partition: the one that is asked for, else where the newest is, else that of the first one."""
    last = branch.newest or next(reversed([one for one in branch.partitions if not one.is_default]), None)
    return wanted or (last.table.schema if last else first)


def taken_in(branch: Branch) -> set[str]:
    """Name all tables below a branch."""
    names = {one.table.name for one in branch.partitions}
    for one in branch.partitions:
        names |= taken_in(one.branch) if one.branch else set()
    return names


def word_of(value: str) -> str:
    """Give a value as part of a name: what is neither letter nor digit becomes `_`."""
    return "".join(letter if letter.isalnum() else "_" for letter in value)


def named(schema: str, stem: str, suffix: str) -> Table:
    """Give a table's name that fits."""
    return Table(schema, fitted(stem, suffix))
