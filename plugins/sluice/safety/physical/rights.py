"""What the role that backs a server up must be allowed: asked first, as a session that replicates is refused like an outage."""

from __future__ import annotations

from sluice.errors import Terminal
from sluice.stores.postgres import Row


class MayNotReplicate(Terminal):
    """The role that backs a server up may read neither its files nor its log."""


def check_may_replicate(store: str, server: Row) -> None:
    """Raise MayNotReplicate unless the role of the session may; `server`: what `find_server` gave."""
    if not server["replicates"]:
        raise MayNotReplicate(
            f"The role {server['role']} may not replicate {store}: as a superuser, on that server, ALTER ROLE {server['role']}"
            " REPLICATION. Nothing was done."
        )
