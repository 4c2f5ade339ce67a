"""Which partitions are to be made now. Pure: the same table at the same time has the same plan, and none where all is there.

It converges on a wanted state, "until month M + n there is a partition for every moment": whoever sleeps for half a year, or runs
twice, plans just what is missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sluice.errors import Terminal
from sluice.estate.cuts import Cut
from sluice.estate.dataset import Dataset
from sluice.stores.postgres import Table
from sluice.upkeep.partitions.actions import Action, Finish, Hashed, Holds, Listed, Make
from sluice.upkeep.partitions.naming import named, naming_of, schema_of_new, taken_in, word_of
from sluice.upkeep.partitions.spans import BEGIN, END, EVERY, Every, Span, months_on, span_at, spans, without
from sluice.upkeep.partitions.there import Branch, How, branches_of

MOST = 1000
"""More partitions would slow every plan down, and fill the lock table: so many are made at once, and more are told."""


class Misfit(Terminal):
    """The table is not cut as its file says."""


class TooMany(Terminal):
    """More partitions would be made than a table should have."""


@dataclass(frozen=True)
class Strays:
    """Where rows lie in default partitions, by the OID of the default: moments, or values."""

    moments: Mapping[int, Sequence[datetime]]
    values: Mapping[int, Sequence[str]]


NONE = Strays({}, {})


def check_layout(branch: Branch, dataset: Dataset) -> None:
    """Raise Misfit unless the table is cut as its file says."""
    for one, cut in _with_cuts(branch, dataset.partition.cuts):
        wanted = (how_of(cut), (cut.column,))
        if (one.how, one.columns) != wanted:
            raise Misfit(
                f"{one.table} is cut by {one.how} of {', '.join(one.columns) or 'an expression'}, and its file says"
                f" {wanted[0]} of {cut.column}. Mend include/estate/datasets/{dataset.name}.yaml. Nothing was changed."
            )
        if cut.every and (found := _pieces_of(one)) not in (None, cut.every):
            raise Misfit(
                f"{one.table} is cut by {found}, and its file says every: {cut.every}. Mend"
                f" include/estate/datasets/{dataset.name}.yaml. Nothing was changed."
            )


def _pieces_of(branch: Branch) -> Every | None:
    """Which pieces most partitions of a branch are; None where there are none, or they follow no calendar."""
    closed = [span for span in branch.spans if span.lower != BEGIN and span.upper != END]
    for every in EVERY:
        if 2 * sum(span == span_at(span.lower, every) for span in closed) > len(closed):
            return every
    return None


def plan(branch: Branch, dataset: Dataset, now: datetime, strays: Strays = NONE) -> list[Action]:
    """Plan what is to be made as of `now`, in order. Raises Misfit, TooMany."""
    check_layout(branch, dataset)
    finishing: list[Action] = [
        Finish(above.table, one.table) for above in branches_of(branch) for one in above.partitions if one.leaving
    ]
    made = list(_below(branch, dataset, dataset.partition.cuts, now, strays))
    if len(made) > MOST:
        raise TooMany(
            f"{branch.table} lacks {len(made):,} partitions; at most {MOST:,} are made at once. Cut it into larger pieces,"
            " or mend the odd times in its default partition. Nothing was changed."
        )
    return [*finishing, *made]


def how_of(cut: Cut) -> How:
    """Say how a file cuts."""
    return "range" if cut.range_of else "hash" if cut.hash_of else "list"


def wanted_spans(branch: Branch, dataset: Dataset, cut: Cut, now: datetime) -> list[Span]:
    """Give the months, weeks or days for which there are to be partitions: those to come, and what was slept through."""
    every = cut.every or "month"
    until = months_on(span_at(now, "month").lower, dataset.months_ahead + 1)
    passed = [span.upper for span in branch.spans if span.upper <= now]
    slept = branch.spans and branch.spans[-1].upper <= now
    return list(spans(max(passed) if slept else now, until, every))


def _below(branch: Branch, dataset: Dataset, cuts: Sequence[Cut], now: datetime, strays: Strays) -> Iterator[Make]:
    cut, *further = cuts
    if cut.range_of:
        yield from _ranges(branch, dataset, cut, now, strays)
    elif cut.hash_of:
        yield from _hashes(branch, dataset, cut, further, now)
    else:
        yield from _values(branch, dataset, cut, further, now, strays)
    for one in branch.partitions:
        if one.branch and not one.leaving:
            yield from _below(one.branch, dataset, further, now, strays)


def _ranges(branch: Branch, dataset: Dataset, cut: Cut, now: datetime, strays: Strays) -> Iterator[Make]:
    every = cut.every or "month"
    found = strays.moments.get(branch.default.oid, ()) if branch.default else ()
    asked = {*wanted_spans(branch, dataset, cut, now), *(span_at(moment, every) for moment in found)}
    naming, taken = naming_of(branch, every), taken_in(branch)
    schema = schema_of_new(branch, dataset.schema_of_first, dataset.partition_schema)
    for span in sorted(piece for whole in asked for piece in without(whole, branch.spans)):
        name = naming.name(span, taken)
        taken.add(name)
        yield Make(
            branch.table, Table(schema, name), span, cut.column, _default_of(branch), options=_options_of(branch)
        )


def _hashes(branch: Branch, dataset: Dataset, cut: Cut, further: Sequence[Cut], now: datetime) -> Iterator[Make]:
    there = {one.remainder for one in branch.partitions}
    if other := {found[0] for found in there if found} - {cut.parts}:
        raise Misfit(
            f"{branch.table} is cut into {min(other)} parts by hash, and its file says {cut.parts}. Mend"
            f" include/estate/datasets/{dataset.name}.yaml. Nothing was changed."
        )
    schema = schema_of_new(branch, dataset.schema_of_first, dataset.partition_schema)
    for remainder in range(cut.parts or 0):
        if (cut.parts, remainder) not in there:
            holds = Hashed(cut.parts or 0, remainder)
            yield _cut_again(
                branch, named(schema, branch.table.name, f"_h{remainder}"), holds, dataset, cut, further, now
            )


def _values(
    branch: Branch, dataset: Dataset, cut: Cut, further: Sequence[Cut], now: datetime, strays: Strays
) -> Iterator[Make]:
    schema, taken = schema_of_new(branch, dataset.schema_of_first, dataset.partition_schema), taken_in(branch)
    for value in strays.values.get(branch.default.oid, ()) if branch.default else ():
        name = named(schema, branch.table.name, f"_{word_of(value)}")
        for number in range(2, 1000):
            if name.name not in taken:
                break
            name = named(schema, branch.table.name, f"_{word_of(value)}_{number}")
        taken.add(name.name)
        yield _cut_again(branch, name, Listed(value), dataset, cut, further, now)


def _cut_again(
    branch: Branch, table: Table, holds: Holds, dataset: Dataset, cut: Cut, further: Sequence[Cut], now: datetime
) -> Make:
    drains = _default_of(branch)
    if not further:
        return Make(branch.table, table, holds, cut.column, drains, options=_options_of(branch))
    empty = Branch(0, table, how_of(further[0]), (further[0].column,), "", ())
    schema = schema_of_new(empty, dataset.schema_of_first, dataset.partition_schema)
    inner, every = further[0], further[0].every or "month"
    if inner.hash_of:
        below = tuple(_hashes(empty, dataset, inner, (), now))
    elif inner.range_of:
        naming = naming_of(empty, every)
        below = tuple(
            Make(table, Table(schema, naming.name(span, ())), span, inner.column)
            for span in wanted_spans(empty, dataset, inner, now)
        )
    else:
        below = ()
    return Make(branch.table, table, holds, cut.column, drains, (how_of(inner), inner.column), below)


def _default_of(branch: Branch) -> Table | None:
    return branch.default.table if branch.default else None


def _options_of(branch: Branch) -> tuple[str, ...]:
    newest = branch.newest or next(iter(branch.partitions), None)
    return newest.options if newest else ()


def _with_cuts(branch: Branch, cuts: Sequence[Cut]) -> Iterator[tuple[Branch, Cut]]:
    if not cuts:
        raise Misfit(f"{branch.table} is cut again, and its file does not say so. Mend it. Nothing was changed.")
    yield branch, cuts[0]
    for one in branch.partitions:
        if one.branch:
            yield from _with_cuts(one.branch, cuts[1:])
        elif len(cuts) > 1 and not one.is_default:
            raise Misfit(f"{one.table} is not cut again, and the file of {branch.table} says so. Nothing was changed.")
