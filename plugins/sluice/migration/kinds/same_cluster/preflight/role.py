"""What our own role must be allowed to do and to see."""

from __future__ import annotations

from collections.abc import Iterator

from sluice.migration.engine.contract import Finding
from sluice.migration.kinds.same_cluster.said import refuse
from sluice.stores.catalogue import Shape
from sluice.stores.postgres import Connection, one
from sluice.stores.statements import statement


def about_role(c: Connection, shape: Shape) -> Iterator[Finding]:
    """Our role must see every row, own the table, and see who is in the way."""
    role = one(c, statement("catalogue.find_role"), oid=shape.oid)
    if not role["bypasses_rls"]:
        yield refuse(
            "role_sees_less",
            f"Role {role['name']} has no BYPASSRLS: under a policy it would copy fewer rows and see nothing wrong.",
            f"ALTER ROLE {role['name']} BYPASSRLS.",
        )
    if not role["owns"]:
        yield refuse(
            "not_owner",
            f"Role {role['name']} does not own {shape.table}.",
            f"GRANT {shape.facts['owner']} TO {role['name']}.",
        )
    if not role["sees_sessions"]:
        yield refuse(
            "blind_role",
            f"Role {role['name']} may not see other sessions: neither a writer that waits nor an old snapshot.",
            f"GRANT pg_monitor TO {role['name']}.",
        )
    if not role["creates"]:
        yield refuse(
            "no_create",
            f"Role {role['name']} may not create a schema here.",
            "GRANT CREATE ON DATABASE … to it.",
        )
