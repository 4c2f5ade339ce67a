"""Capture by trigger, in either direction: install, look, take away. Callers hold the transaction and its lock timeout."""

from __future__ import annotations

import hashlib

from psycopg import sql

from sluice.failpoints import failpoint
from sluice.ledger.releases import versions
from sluice.migration.engine.contract import Facts
from sluice.migration.kinds.same_cluster.capture_form import forward_function, reverse_function, tells_all_at_once
from sluice.migration.kinds.same_cluster.route import CAPTURE_TRIGGER, INSERT_TRIGGER, TRUNCATE_TRIGGER, Route
from sluice.stores.postgres import Connection, Row, Table, one, rows
from sluice.stores.statements import statement

TRIGGERS = (CAPTURE_TRIGGER, INSERT_TRIGGER, TRUNCATE_TRIGGER)
"""Those that capture may be made of; one for inserts stands where whole statements are told at once."""
EVERY_WRITE = 4 | 8 | 16 | 32
"""INSERT, DELETE, UPDATE and TRUNCATE, in pg_trigger's bits."""
BY_ROW = ((CAPTURE_TRIGGER, "create_row_trigger"), (TRUNCATE_TRIGGER, "create_truncate_trigger"))
BY_STATEMENT = (
    (CAPTURE_TRIGGER, "create_change_trigger"),
    (INSERT_TRIGGER, "create_insert_trigger"),
    (TRUNCATE_TRIGGER, "create_truncate_trigger"),
)


def install_forward(c: Connection, route: Route, lower: str | None, upper: str | None) -> None:
    """Make every write on the source write the target too, in its own transaction."""
    verbs = BY_STATEMENT if tells_all_at_once(route) else BY_ROW
    _install(c, route.source, route.function("capture"), forward_function(route, lower, upper), verbs)


def install_reverse(c: Connection, route: Route) -> None:
    """Make every write on the target write the source too. Called in the swap's own transaction."""
    _install(c, route.target, route.function("reverse"), reverse_function(route), BY_ROW)


def remove(c: Connection, table: Table, route: Route, direction: str) -> None:
    """Take capture off a table, and its function with it."""
    for trigger in TRIGGERS:
        c.execute(statement("capture.drop_trigger", trigger=sql.Identifier(trigger), table=table.identifier))
        failpoint("trigger.half_off")
    c.execute(statement("capture.drop_function", function=route.function(direction)))
    failpoint("trigger.off")


def look(c: Connection, oid: int) -> Facts:
    """Tell whether capture is in place, always on and first to fire. Read-only."""
    found = rows(c, statement("capture.find_trigger"), oid=oid, names=list(TRIGGERS))
    earlier = one(c, statement("capture.count_earlier_triggers"), oid=oid, name=CAPTURE_TRIGGER)["triggers"]
    return {
        "capture_enabled": int(are_on(found)),
        "capture_triggers": len(found),
        "capture_first_trigger": int(earlier == 0),
    }


def are_on(found: list[Row]) -> bool:
    """Whether the triggers found are told of every write, and always on."""
    told = 0
    for row in found:
        told |= row["events"]
    return told == EVERY_WRITE and all(row["always"] for row in found)


def is_on(c: Connection, row: Row, side: str) -> bool:
    """Whether capture is in place and always on, on `source_oid` or `target_oid` of the marks."""
    return bool(look(c, row[side])["capture_enabled"])


def is_ours(c: Connection, route: Route, row: Row, *, reverse: bool) -> bool:
    """Whether the function that is there is the one that this version would make. Read-only."""
    if reverse:
        made, oid = reverse_function(route), row["target_oid"]
    else:
        made, oid = forward_function(route, row["lower_bound"], row["upper_bound"]), row["source_oid"]
    found = rows(c, statement("capture.read_signature"), oid=oid, name=CAPTURE_TRIGGER)
    return bool(found) and found[0]["signature"] == _signature(c, made)


def _signature(c: Connection, made: sql.Composed) -> str:
    """The version of the marks, for people, and a hash of the whole text, for us."""
    return f"Sluice {versions('marks')[-1]}, {hashlib.sha256(made.as_bytes(c)).hexdigest()[:16]}"


def _install(
    c: Connection, table: Table, function: sql.Identifier, made: sql.Composed, verbs: tuple[tuple[str, str], ...]
) -> None:
    c.execute(made)
    c.execute(statement("capture.sign_function", function=function, signature=sql.Literal(_signature(c, made))))
    failpoint("trigger.function")
    for trigger in TRIGGERS:
        c.execute(statement("capture.drop_trigger", trigger=sql.Identifier(trigger), table=table.identifier))
    for trigger, verb in verbs:
        named = {"trigger": sql.Identifier(trigger), "table": table.identifier}
        c.execute(statement(f"capture.{verb}", function=function, **named))
        c.execute(statement("capture.enable_always", **named))
        failpoint("trigger.half")
