"""What hangs on the table from outside: triggers, foreign keys, views, policies, publications, names.

It moves with the name, in the swap's own transaction, either way. What cannot is refused before anything is made. `things` reads
it, `carry` moves it, `foreign_keys` and `names` know what is special about theirs, `rehearsal` asks PostgreSQL beforehand.
"""

from __future__ import annotations

from collections.abc import Iterator

from sluice.migration.engine.contract import Finding
from sluice.migration.kinds.same_cluster.route import Route
from sluice.migration.kinds.same_cluster.surroundings import refusals
from sluice.migration.kinds.same_cluster.surroundings.rehearsal import rehearse
from sluice.migration.kinds.same_cluster.surroundings.things import look
from sluice.stores.postgres import Connection


def findings(c: Connection, route: Route, *, fresh: bool) -> Iterator[Finding]:
    """What cannot be carried over, and what a person should know of what is. `fresh`: the target is still to be made."""
    hung = look(c, route.shape.oid)
    seen = [
        *refusals.about_dependents(c, route, hung),
        *refusals.about_keys(c, route, hung),
        *refusals.about_triggers(c, route, hung),
        *refusals.about_publications(c, route, hung),
        *refusals.about_subscriptions(route, hung),
        *(refusals.about_names(c, route) if fresh else ()),
    ]
    yield from seen
    if fresh:
        yield from rehearse(c, route, [finding.what for finding in seen if finding.blocks])
