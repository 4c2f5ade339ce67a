"""Everything that would stop a migration of a DynamoDB table, found at once and before anything is made. Read-only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from sluice.migration.engine.contract import Finding
from sluice.migration.kinds.dynamodb_source import headroom
from sluice.migration.kinds.dynamodb_source.stream_findings import about_stream
from sluice.migration.kinds.single_table import expiring
from sluice.migration.kinds.single_table.ahead import look_ahead
from sluice.migration.kinds.single_table.ours import not_ours, without_marks
from sluice.migration.kinds.single_table.tables import NoSource, Tables
from sluice.records import Unmappable, whole_of
from sluice.records.checks import concerns
from sluice.stores.dynamodb.tables import describe, plan_tables
from sluice.stores.dynamodb.values import Item, key_of, key_text


def findings(client: Any, streams: Any, tables: Tables) -> list[Finding]:
    """List what blocks and what a person should know."""
    try:
        source = tables.source
    except NoSource as missing:
        return [Finding("no_source", True, str(missing), "")]
    return [
        *_about_tables(client, tables),
        *expiring.findings(client, tables),
        *about_stream(client, source.name),
        *_about_way_back(tables),
        *_about_items(tables, (looked := look_ahead(client, streams, tables)).items),
        *headroom.findings(looked.forecast, tables.migration.replication),
    ]


def _about_tables(client: Any, tables: Tables) -> Iterator[Finding]:
    for wanted in tables.targets:
        if wanted.name == tables.source.name:
            yield Finding(
                "same_table", True, f"{wanted.name} is source and target.", "Give the records a table of their own."
            )
            continue
        (plan,) = plan_tables([wanted], {wanted.name: describe(client, wanted.name)})
        if plan.what == "refused":
            way_on = "Give the design another table, or make this one fit by hand."
            yield Finding("table_differs", True, f"{plan}.", way_on)


def _about_way_back(tables: Tables) -> Iterator[Finding]:
    for concern in concerns(tables.migration):
        yield Finding(concern.code, True, concern.what, f"{concern.way_on} Or accept it.", acceptable=True)


def _about_items(tables: Tables, items: tuple[Item, ...]) -> Iterator[Finding]:
    if taken := sorted({name for item in items for name in not_ours(item, tables.migration.name)}):
        yield Finding(
            "attribute_ours",
            True,
            f"Items of {tables.source.name} have attributes that Sluice writes itself: {', '.join(taken)}.",
            "Give them another name in the table first.",
        )
    reasons: Counter[str] = Counter()
    examples: dict[str, str] = {}
    changed = 0
    for item in items:
        try:
            records = tables.forth.wanted(item)
            back = tables.back.possible(whole.item) if (whole := whole_of(tuple(records))) else ()
            changed += bool(back) and back[0].item != without_marks(item)
        except Unmappable as why:
            reasons[why.reason] += 1
            examples.setdefault(why.reason, f"{key_text(key_of(item, *tables.key_names(tables.source)))}: {why}")
    yield from _about_places(tables, items)
    for reason, count in reasons.items():
        none_fits = count == len(items)
        yield Finding(
            "unmappable",
            none_fits,
            f"{count} of the first {len(items)} items have no records ({reason}), such as {examples[reason]}.",
            "They would be quarantined, and a cutover waits for that to be mended: in the items, or in the mapping.",
            acceptable=True,
        )
    if changed:
        yield Finding(
            "way_back_differs",
            True,
            f"{changed} of the first {len(items)} items would come back otherwise than they went.",
            "Say with `back:` what they were, or accept it.",
            acceptable=True,
        )


def _about_places(tables: Tables, items: tuple[Item, ...]) -> Iterator[Finding]:
    """Find items that want one place for their whole records: a key template that lacks what tells items apart."""
    wanting: dict[tuple[str, str], list[str]] = {}
    for item in items:
        with suppress(Unmappable):
            if whole := whole_of(tuple(tables.forth.wanted(item))):
                place = whole.table, key_text(whole.key)
                wanting.setdefault(place, []).append(key_text(key_of(item, *tables.key_names(tables.source))))
    shared = {place: keys for place, keys in wanting.items() if len(keys) > 1}
    if not shared:
        return
    count = sum(map(len, shared.values()))
    (table, at), (one, other, *_) = next(iter(shared.items()))
    yield Finding(
        "colliding",
        2 * count > len(items),
        f"{count} of the first {len(items)} items want a place that another of them wants, too: {one} and {other} both want"
        f" {at} in {table}.",
        f"A place is one item's, the others would be quarantined: let the record's key have all that tells items of"
        f" {tables.source.name} apart ({', '.join(tables.key_names(tables.source))}).",
        acceptable=True,
    )
