"""How a migration stands whose marks are items, asked of its kind: the verbs that only read."""

from __future__ import annotations

from sluice.migration.engine.contract import Kind, Phase
from sluice.overview.migrations.seen import Stood


def read_kind(kind: Kind) -> Stood:
    """Ask where it stands; planned, where there are no marks. Raises what its store raises."""
    position, progress = kind.position(), kind.progress()
    at_rest = position.phase in (Phase.PLANNED, Phase.RETIRED)
    stands = {} if at_rest else kind.standing()
    return Stood(
        position.phase,
        position.epoch,
        position.verified_at,
        position.cut_over_at,
        progress.chunks,
        progress.done,
        progress.rows,
        progress.rows_estimated,
        int(stands.get("quarantined", 0)),
        str(stands.get("quarantined_told", "")),
        drifted=bool(stands.get("fingerprint_differs", 0)),
        astray=int(stands.get("writes_astray", 0)),
    )
