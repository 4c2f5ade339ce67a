"""The expiry of the tables that records lie in: off while records are compared, on when nobody compares there any more.

Expiry removes a record whenever it likes, also one whose item stands on the other side still: the comparison would call that a
difference, or worse, an item would follow it. Tables are shared, so the last migration into one switches its expiry on. Where it
is on already, as after an earlier migration into it, records may come if none of them can expire before its item does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from sluice.estate.design import RecordRule
from sluice.estate.single_table import SingleTableMigration
from sluice.estate.templates import placeholders
from sluice.ledger.item_marks import ItemMarks
from sluice.migration.engine.contract import Facts, Finding, Phase
from sluice.migration.kinds.single_table.tables import Tables
from sluice.stores.dynamodb.applying import apply_tables
from sluice.stores.dynamodb.client import speaking
from sluice.stores.dynamodb.tables import describe

INTO = "tables"
"""What is noted beside a migration's state: the tables that its records lie in."""
OVER = (Phase.PLANNED, Phase.RETIRED)


def tables_noted(tables: Tables) -> dict[str, str]:
    """What to note, so that others know whose records lie where."""
    return {INTO: json.dumps([table.name for table in tables.targets])}


def findings(client: Any, tables: Tables) -> Iterator[Finding]:
    """Say where a table's expiry is on and may take a record away before its item has expired."""
    for name, (key, attribute) in _expiries(tables).items():
        found = describe(client, name)
        if found and found.ttl == attribute and (rules := list(unsafe_rules(tables.migration, key, attribute))):
            yield Finding(
                "expiry_on",
                True,
                f"{name} expires records by {attribute}, and records of this migration may go before their items:"
                f" {', '.join(rules)}.",
                f"Switch expiry off in {name} by hand; Sluice switches it on at the end. Or say with `skip: {{expired: …}}` when"
                " the item itself expires. Or accept it.",
                acceptable=True,
            )


def unsafe_rules(m: SingleTableMigration, table: str, attribute: str) -> Iterator[str]:
    """Name the rules whose records may expire while their item counts as alive. Pure.

    Safe is one that sets no expiry, or takes it from the very attribute by which the item expires.
    """
    expires = m.skip.expired if m.skip else None
    for rule in m.target.records:
        of = _expires_by(rule, attribute) if rule.table == table else None
        if of is not None and (m.transform or expires is None or {_legacy(m, name) for name in of} != {expires}):
            yield rule.record


def _expires_by(rule: RecordRule, attribute: str) -> list[str] | None:
    """Which attributes of the entity say when its record expires; None where it never does."""
    if attribute in rule.sets:
        return [".".join(one.path) for one in placeholders(rule.sets[attribute])]
    return [attribute] if attribute in rule.keep else None


def _legacy(m: SingleTableMigration, name: str) -> str:
    """Which attribute of the item an attribute of the entity is made of; empty where it is of several."""
    change = m.attributes.get(name)
    if change is None or change.value is None:
        return name
    made_of = {".".join(one.path) for one in placeholders(change.value)}
    return made_of.pop() if len(made_of) == 1 else ""


def switch_on(client: Any, marks: ItemMarks, tables: Tables) -> Facts:
    """Switch expiry on where the design wants it and no migration compares records any more; say where it waits, and for whom."""
    on, waiting = 0, list[str]()
    for table in tables.targets:
        attribute = _expiries(tables).get(table.name, ("", ""))[1]
        if not attribute:
            continue
        if others := sorted(_under_way(client, marks, table.name)):
            waiting.append(f"{table.name} waits for {', '.join(others)}")
            continue
        apply_tables(client, (replace(table, ttl=attribute),))
        on += 1
    return {"expiry_on": on, "expiry_waits": len(waiting), "expiry_waits_for": "; ".join(waiting)}


def _expiries(tables: Tables) -> dict[str, tuple[str, str]]:
    """By a table's name: what records call it, and the attribute by which it is to expire."""
    designs = tables.migration.target.tables.items()
    return {tables.prefix + design.name: (key, design.ttl) for key, design in designs if design.ttl}


def _under_way(client: Any, marks: ItemMarks, table: str) -> Iterator[str]:
    """Name other migrations that compare records of a table. One that did not note its tables may be one of them."""
    asked: dict[str, Any] = {
        "TableName": marks.table,
        "FilterExpression": "SK = :state",
        "ExpressionAttributeValues": {":state": {"S": "STATE"}},
        "ConsistentRead": True,
    }
    while True:
        with speaking("look for other migrations in", marks.table):
            told = client.scan(**asked)
        for item in told["Items"]:
            into = item["facts"]["M"].get(INTO)
            here = into is None or table in json.loads(into["S"])
            if here and item["PK"]["S"] != marks.name and item["phase"]["S"] not in OVER:
                yield item["PK"]["S"]
        if not (last := told.get("LastEvaluatedKey")):
            return
        asked["ExclusiveStartKey"] = last
