"""What the swap does for what hangs on the live table: read before, checked under the locks, taken off, put on."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql
from psycopg.types.json import Jsonb

from sluice.ledger.marks import Marks
from sluice.migration.engine.contract import NotYet
from sluice.migration.kinds.same_cluster.names import new_name, old_name
from sluice.migration.kinds.same_cluster.surroundings import foreign_keys, names
from sluice.migration.kinds.same_cluster.surroundings.things import Hanging, look, say_again
from sluice.stores.postgres import Connection, Table
from sluice.stores.statements import raw, statement

SWITCHES = {"O": "ENABLE", "D": "DISABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}
"""The states of a trigger, as the catalogue has them."""


@dataclass(frozen=True)
class Carrying:
    """What goes from the live table to the other one, which takes its name. `over` is a cutover, else it is cut back."""

    live: Table
    live_oid: int
    hung: Hanging
    trades: tuple[names.Trade, ...]
    over: bool


def plan(c: Connection, live: Table, live_oid: int, other_oid: int, *, over: bool) -> Carrying:
    """Read what there is to carry. Raises NotYet for what cannot be."""
    hung = look(c, live_oid)
    if kept := hung.of("left", "subscription"):
        raise NotYet(
            f"{', '.join(thing.name for thing in kept)} holds {live} itself, and cannot be moved with its name."
            " Nothing was changed: drop it, run this again, and make it again then."
        )
    aside, partner = (old_name, new_name) if over else (new_name, old_name)
    trades = names.plan_trades(c, live.schema, live_oid, other_oid, aside=aside, partner=partner)
    return Carrying(live, live_oid, hung, trades, over)


def lock_views(c: Connection, carrying: Carrying) -> None:
    """Views first: who reads through one holds it, and waits for the table."""
    for view in carrying.hung.of("view"):
        named = {"view": raw(view.holder), "owner": sql.Identifier(view.owner)}
        c.execute(statement("surroundings.lock_view", **named))


def holders(carrying: Carrying) -> list[sql.Composable]:
    """The tables of other people that the swap changes: they are locked before the two."""
    return [raw(name) for name in dict.fromkeys(thing.holder for thing in carrying.hung.of("policy", "key_in"))]


def check(now: Hanging, carrying: Carrying) -> None:
    """What hangs there now is what was planned. Raises NotYet."""
    if now != carrying.hung:
        changed = {thing.name for thing in set(now.things) ^ set(carrying.hung.things)}
        raise NotYet(
            f"{', '.join(sorted(changed))} on {carrying.live} was changed just now. Nothing was changed; run it again."
        )


def take_off(c: Connection, carrying: Carrying) -> None:
    """Before the live table loses its name."""
    hung, live = carrying.hung, carrying.live
    foreign_keys.drop_in(c, hung)
    foreign_keys.time_keys(c, live, hung, following=True)
    for publication in hung.of("publication"):
        c.execute(
            statement("surroundings.unpublish", publication=sql.Identifier(publication.name), table=live.identifier)
        )
    for trigger in hung.of("trigger"):
        # The source's are kept for the way back, switched off: its rows come from capture, and what they do was done already.
        if carrying.over:
            _switch(c, live, trigger.name, "D")
        else:
            c.execute(statement("surroundings.drop_trigger", name=sql.Identifier(trigger.name), table=live.identifier))


def put_on(c: Connection, carrying: Carrying) -> None:
    """When the other table has the name: every text means that one now."""
    hung, live = carrying.hung, carrying.live
    names.trade(c, live.schema, carrying.trades)
    foreign_keys.time_keys(c, live, hung, following=False)
    foreign_keys.add_in(c, hung)
    for trigger in hung.of("trigger"):
        if carrying.over:
            say_again(c, trigger.text)
        if not carrying.over or trigger.state != "O":
            _switch(c, live, trigger.name, trigger.state)
    for thing in hung.of("view", "function", "policy"):
        say_again(c, thing.text)
    for publication in hung.of("publication"):
        named = {"publication": sql.Identifier(publication.name), "tail": raw(publication.text)}
        c.execute(statement("surroundings.publish", table=live.identifier, **named))


def remember(c: Connection, marks: Marks, carrying: Carrying) -> None:
    """Note in the swap's own transaction what must hang on the live table from now on."""
    c.execute(statement("surroundings.remember_carried"), {"name": marks.name, "carried": Jsonb(carrying.hung.marks)})


def _switch(c: Connection, table: Table, name: str, state: str) -> None:
    named = {"table": table.identifier, "name": sql.Identifier(name)}
    c.execute(statement("surroundings.switch_trigger", switch=sql.SQL(SWITCHES[state]), **named))
