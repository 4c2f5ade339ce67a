"""Which migrations are under way, asked of their own marks; of one that cannot be asked the ledger knows where it stood last.

A store that is down must not look like an estate at rest: who is under way is listed, and its own task is red and says why.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from sluice.errors import SluiceError
from sluice.estate import Migration, migration_files
from sluice.flow.connections import opened_control, opened_kind
from sluice.flow.project import ROOT, migration_named

log = logging.getLogger(__name__)


def under_way(which: Callable[[Migration], bool] = lambda m: True) -> list[str]:
    """Name the migrations between capturing and retired, of those that `which` says, and any whose file cannot be read.

    Raises what the ledger raises, where it is needed and does not answer.
    """
    return [path.stem for path in migration_files(ROOT) if _is_under_way(path.stem, which)]


def _is_under_way(name: str, which: Callable[[Migration], bool]) -> bool:
    from sluice.migration.engine.steps import IN_FLIGHT

    try:
        if not which(migration_named(name)):
            return False
        with opened_kind(name) as (_, kind):
            return kind.position().phase in IN_FLIGHT
    except SluiceError as error:
        with opened_control(name, "") as control:
            phase = control.phase()
        log.warning("%s cannot be asked; the ledger saw it last when it was %s. %s", name, phase, error)
        return phase in IN_FLIGHT
