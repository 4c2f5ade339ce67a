"""Row-level policies: made on the target as they are on the source, and compared with them.

PostgreSQL writes a policy's own table by its name where a subquery could mean another (`thing.tenant`). So where policies have
one, they are made while the target bears the source's name, in a schema that lives for that long.
"""

from __future__ import annotations

import re

from psycopg import sql

from sluice.migration.kinds.same_cluster.route import Route
from sluice.stores.catalogue import Shape
from sluice.stores.postgres import Row, Table
from sluice.stores.statements import raw, statement

COMMANDS = {"r": "SELECT", "a": "INSERT", "w": "UPDATE", "d": "DELETE", "*": "ALL"}
STAGE = "sluice draft"
"""The schema in which the target bears the source's name."""
SIDES = (("using", " USING ("), ("with_check", " WITH CHECK ("))


def plan_policies(route: Route) -> list[sql.Composed]:
    """The statements that give the target the source's policies."""
    policies = route.shape.policies
    if not any("SELECT" in (policy[side] or "") for policy in policies for side, _ in SIDES):
        return [_policy(route.target, policy) for policy in policies]
    stage, alias = sql.Identifier(STAGE), Table(STAGE, route.source.name)
    home, moved = sql.Identifier(route.target.schema), Table(STAGE, route.target.name)
    return [
        statement("expand.create_schema", schema=stage),
        statement("expand.move_table", table=route.target.identifier, schema=stage),
        statement("expand.rename_table", table=moved.identifier, name=sql.Identifier(alias.name)),
        *(_policy(alias, policy) for policy in policies),
        statement("expand.rename_table", table=alias.identifier, name=sql.Identifier(moved.name)),
        statement("expand.move_table", table=moved.identifier, schema=home),
        statement("expand.drop_schema", schema=stage),
    ]


def told(shape: Shape) -> list[list[tuple[str, object]]]:
    """A table's policies, alike on both tables: what names the table itself names neither."""
    itself = re.compile(rf'(?<![\w."])"?{re.escape(shape.table.name)}"?\.')
    return [
        sorted(
            (key, itself.sub("itself.", value) if isinstance(value, str) else value) for key, value in policy.items()
        )
        for policy in shape.policies
    ]


def role(name: str) -> sql.Composable:
    """A role in a statement: everybody is a word, not a name."""
    return sql.SQL("PUBLIC") if name == "public" else sql.Identifier(name)


def _policy(table: Table, policy: Row) -> sql.Composed:
    made = statement(
        "expand.create_policy",
        policy=sql.Identifier(policy["name"]),
        target=table.identifier,
        permissive=sql.SQL("PERMISSIVE" if policy["permissive"] else "RESTRICTIVE"),
        command=sql.SQL(COMMANDS[policy["command"]]),
        roles=sql.SQL(", ").join(role(name) for name in policy["roles"]),
    )
    for side, word in SIDES:
        if policy[side] is not None:
            # PostgreSQL's own text of the expression.
            made += sql.SQL(word) + raw(policy[side]) + sql.SQL(")")
    return made
