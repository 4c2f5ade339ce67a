"""What waits in quarantine, for a terminal: which keys of the source the target cannot hold yet, and why."""

from __future__ import annotations

from sluice.local.airflow_processes import use_connections
from sluice.local.tables import table


def list_quarantine(name: str, most: int) -> str:
    """Lay out what waits in quarantine of a migration, the oldest first. Raises EstateErrors, StoreDown."""
    use_connections()
    from sluice.flow.connections import opened_kind
    from sluice.migration.engine.contract import Phase

    with opened_kind(name) as (migration, kind):
        if kind.position().phase is Phase.PLANNED:
            return f"{name} is planned: nothing was copied, and nothing waits in quarantine."
        held, waiting = kind.quarantine(most), int(kind.standing()["quarantined"])
    if not held:
        return f"Nothing of {name} waits in quarantine."
    lines = [table((f"key in {migration.source.table}", "why it waits"), held)]
    lines += (
        [f"… and {waiting - len(held):,} more: ./sluice quarantine {name} --most {waiting}"]
        if waiting > len(held)
        else []
    )
    lines.append(
        "Mend each where it is; what fits leaves quarantine by itself, with the next change or comparison. Another mapping"
        f" is a new beginning: `./sluice abort {name}`, then change its file."
    )
    return "\n".join(lines)
