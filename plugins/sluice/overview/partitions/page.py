"""Where each month of each table stands: partitions ahead, and months on their way into the vault. From the ledger alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from sluice.ledger.seen import Kind as Sight
from sluice.ledger.seen import Seen, SeenThings
from sluice.overview.asked import Asked, Waiting
from sluice.overview.links import evidence_path, origin_of
from sluice.overview.looked import REFRESHES, is_old
from sluice.overview.partitions.kept import Ahead, Cell, Kept, Next, Year
from sluice.overview.partitions.months import BEYOND, STATES, Look, MonthSeen, read
from sluice.stores.postgres import Row, rows, translated
from sluice.stores.statements import statement
from sluice.upkeep.partitions.headroom import DAY, ENDLESS, Headroom

Kind: TypeAlias = Literal["table", "items"]
KINDS: Mapping[Sight, Kind] = {Sight.MONTHS: "table", Sight.ITEM_MONTHS: "items"}
"""What looks leave in the ledger, by kind."""
READ_BACK: Mapping[Kind, str] = {"table": "archive_readback", "items": "items_readback"}
AHEAD = "partitions_ahead"
BEHIND: Mapping[Kind, str] = {"table": "archive_retention", "items": "archive_items"}
"""The DAGs that archive."""
MAKES = "create_partitions"
Evidence: TypeAlias = Mapping[tuple[str, str], Row]


@dataclass(frozen=True)
class Partitions:
    """Everything under care, what needs somebody first first."""

    at: datetime
    looked: datetime | None
    """When `refresh_overview` looked last; None where it never did."""
    kept: tuple[Kept, ...]
    asks: tuple[Waiting, ...]
    """What waits for a person's yes."""

    @property
    def is_silent(self) -> bool:
        """Whether nobody looks: what is shown is as old as the last look then."""
        return is_old(self.looked, self.at)

    def wrong(self) -> list[Kept]:
        """Those that need somebody."""
        return [one for one in self.kept if one.rank < 2]

    def unseen(self) -> list[Kept]:
        """Those of which the last look found nothing, and nothing else is wrong."""
        return [one for one in self.kept if one.rank == 2]

    def legend(self) -> list[Look]:
        """Give the states that there are, in their order."""
        there = {state for one in self.kept for state in one.counts}
        return [look for state, look in STATES.items() if state in there]

    @property
    def gone(self) -> int:
        """How many months are in the vault alone."""
        return sum(one.counts.get("gone", 0) for one in self.kept)

    @property
    def headline(self) -> str:
        """Say the one thing that is to be known."""
        if not self.kept:
            return "No table is kept yet" if self.looked else "Nobody has looked at the tables yet"
        if wrong := self.wrong():
            return f"{_of(len(wrong), len(self.kept), 'needs', 'need')} somebody: {wrong[0].table}{_more(wrong)}"
        if self.is_silent:
            return "Nobody has looked at the tables of late"
        if unseen := self.unseen():
            return f"{_of(len(unseen), len(self.kept), 'was', 'were')} not seen at the last look"
        if self.asks:
            return f"{len(self.asks)} {'question waits' if len(self.asks) == 1 else 'questions wait'} for a yes"
        away = (
            f"; {self.gone:,} {'month is' if self.gone == 1 else 'months are'} in the vault alone" if self.gone else ""
        )
        return f"Every table has its partitions{away}"


def partitions(asked: Asked) -> Partitions:
    """Answer. Raises StoreDown."""
    seen = SeenThings(asked.ledger)
    found = [
        (kind, one)
        for name, kind in KINDS.items()
        for one in seen.all_of(name).values()
        if _may_read(asked, kind, one.found)
    ]
    months = {(kind, one.subject): read(one.found.get("months", ())) for kind, one in found}
    evidence = _evidence(asked, months)
    kept = [_kept(kind, one, months[kind, one.subject], evidence, asked.now) for kind, one in found]
    asks = tuple(one for one in asked.waiting if one.dag_id in BEHIND.values())
    looked = seen.one_of(Sight.LOOKED, REFRESHES)
    return Partitions(asked.now, looked.at if looked else None, tuple(sorted(kept, key=_urgency)), asks)


def _may_read(asked: Asked, kind: Kind, found: Mapping[str, Any]) -> bool:
    """Whether who asks may read what a thing lies behind: what makes its partitions, and what takes them away."""
    makes, archives = kind == "table", kind == "items" or bool(found.get("archives"))
    return (not makes or asked.may_read(MAKES)) and (not archives or asked.may_read(BEHIND[kind]))


def _evidence(asked: Asked, months: Mapping[tuple[Kind, str], Sequence[MonthSeen]]) -> Evidence:
    """Find the last record of each month that the archive knows, and of each table's partitions."""
    names = [(name, AHEAD) for kind, name in months if kind == "table"]
    names += [
        (_whose(kind, name, month), READ_BACK[kind])
        for (kind, name), listed in months.items()
        for month in listed
        if month.name and month.state in BEYOND
    ]
    query = statement("overview.list_last_evidence")
    with translated("reading what gates found of months"):
        found = rows(asked.ledger, query, whose=[whose for whose, _ in names], gates=[gate for _, gate in names])
    return {(row["whose"], row["gate"]): row for row in found if asked.may_read(origin_of(row["key"])[0])}


def _whose(kind: Kind, name: str, month: MonthSeen) -> str:
    """The name under which the ledger keeps a month's evidence."""
    return f"{name}/{month.name}" if kind == "table" else month.name


def _kept(kind: Kind, seen: Seen, months: Sequence[MonthSeen], evidence: Evidence, now: datetime) -> Kept:
    found = seen.found
    checked = evidence.get((seen.subject, AHEAD))
    return Kept(
        name=seen.subject,
        kind=kind,
        store=found.get("store", ""),
        table=found.get("table", seen.subject),
        policy=found.get("policy", ""),
        seen=seen.at,
        failed=seen.failed,
        ahead=_ahead(found, now) if kind == "table" and seen.at else None,
        leaves=_next(found.get("leaves")),
        drops=_next(found.get("drops")),
        wrong=tuple(found.get("wrong", ())),
        years=tuple(_years([_cell(kind, seen.subject, month, evidence) for month in months])),
        checked=evidence_path(checked["key"], checked["sha256"]) if checked else None,
    )


def _ahead(found: Mapping[str, Any], now: datetime) -> Ahead | None:
    """Say for how long there are partitions by now: the end was seen, and the days since then have gone by."""
    if found["until"] is None:
        return None
    until, wanted = (datetime.fromisoformat(found[name]) for name in ("until", "wanted"))
    days = round(min(max(0.0, (until - now).total_seconds() / DAY), ENDLESS), 1)
    headroom = Headroom(found["table"], days, until, found["caught"])
    return Ahead(days, round((wanted - now).total_seconds() / DAY, 1), headroom.severity, headroom.headline)


def _cell(kind: Kind, name: str, month: MonthSeen, evidence: Evidence) -> Cell:
    row = evidence.get((_whose(kind, name, month), READ_BACK[kind])) if month.name else None
    path = evidence_path(row["key"], row["sha256"]) if row else None
    return Cell(month.month, month.state, month.told, path, red=bool(row and not row["passed"]))


def _years(cells: Sequence[Cell]) -> Iterator[Year]:
    """Give each year from the newest month to the oldest, those in between of which there is nothing, too."""
    by_month = {cell.month: cell for cell in cells}
    years = [int(month[:4]) for month in by_month]
    for year in range(max(years, default=0), min(years, default=1) - 1, -1):
        twelve = tuple(by_month.get(f"{year:04}-{number:02}") for number in range(1, 13))
        if any(twelve):
            yield Year(year, twelve)


def _next(told: Mapping[str, str] | None) -> Next | None:
    return Next(told["what"], datetime.fromisoformat(told["at"])) if told else None


def _urgency(one: Kept) -> tuple[int, float, str, str]:
    return one.rank, one.ahead.days if one.ahead else ENDLESS, one.store, one.table


def _of(count: int, whole: int, one: str, many: str) -> str:
    return f"{count} of {whole} {one if count == 1 else many}"


def _more(found: Sequence[Kept]) -> str:
    return f" and {len(found) - 1} more" if len(found) > 1 else ""
