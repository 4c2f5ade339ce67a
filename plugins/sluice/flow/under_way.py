"""Which migrations are under way, asked of their own marks. One that cannot be asked is passed over, and said so."""

from __future__ import annotations

import logging
from collections.abc import Callable

from sluice.errors import Transient
from sluice.estate import EstateErrors, Migration, migration_files
from sluice.flow.connections import NoConnection, opened_kind
from sluice.flow.project import ROOT, migration_named

log = logging.getLogger(__name__)


def under_way(which: Callable[[Migration], bool] = lambda m: True) -> list[str]:
    """Name the migrations between capturing and retired, of those that `which` says. Its own DAG tells of a bad file."""
    return [path.stem for path in migration_files(ROOT) if _is_under_way(path.stem, which)]


def _is_under_way(name: str, which: Callable[[Migration], bool]) -> bool:
    from sluice.migration.engine.steps import IN_FLIGHT
    from sluice.migration.kinds import NoSuchKind

    try:
        if not which(migration_named(name)):
            return False
        with opened_kind(name) as (_, kind):
            return kind.position().phase in IN_FLIGHT
    except (EstateErrors, Transient, NoConnection, NoSuchKind) as error:
        log.warning("%s is passed over: %s", name, error)
        return False
