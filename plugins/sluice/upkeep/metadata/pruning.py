"""Take old history out of Airflow's database, by Airflow's own `airflow db clean`, and look at what is left.

Airflow deletes by age alone: also of runs that have not ended, such as one that waits for an answer since spring. So nothing is
taken that is as young as the oldest run that goes on. What goes is put aside by Airflow in tables of its own; these are dropped
by a later run, once a backup holds them too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from psycopg import sql

from sluice.failpoints import failpoint
from sluice.stores.clock import find_now
from sluice.stores.postgres import Connection, one, rows, translated
from sluice.stores.statements import statement
from sluice.upkeep.metadata.backing_up import alone
from sluice.upkeep.metadata.backup import Backup

Facts: TypeAlias = Mapping[str, float | int | str]
Clean: TypeAlias = Callable[[datetime], None]
"""Runs Airflow's own command for what is older than a moment."""
AGES = {
    "asset_event": "timestamp",
    "import_error": "timestamp",
    "job": "latest_heartbeat",
    "log": "dttm",
    "task_instance": "start_date",
    "task_instance_history": "start_date",
    "task_reschedule": "start_date",
    "xcom": "timestamp",
}
"""The tables that have nothing old afterwards, each with the column that tells its age; beside them, runs."""
CLEANED = (
    "asset_event", "callback", "celery_taskmeta", "celery_tasksetmeta", "connection_test_request", "dag_run", "dag_version",
    "import_error", "job", "log", "partitioned_asset_key_log", "revoked_token", "task_reschedule", "xcom",
)  # fmt: skip
"""What Airflow is told to clean; tasks and what hangs on them go along with runs.

Not `dag`: one whose file was away for long would come back without its settings. Not `trigger`: those of assets that are watched
are old by nature, and the triggerer takes the others away itself.
"""
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Plan:
    """What is old in a database, and since when nothing is."""

    cutoff: datetime
    wanted: datetime
    open_runs: tuple[int, ...]
    oldest: str
    """The open run that began first."""
    old: Mapping[str, int]

    @property
    def held_back(self) -> timedelta:
        """For how much longer than wanted history stays, since a run of then has not ended."""
        return self.wanted - self.cutoff

    def __str__(self) -> str:
        told = ", ".join(f"{table} {count:,}" for table, count in self.old.items() if count) or "nothing"
        held = f"; held back {self.held_back / DAY:.0f} days by {self.oldest}, which goes on" if self.held_back else ""
        return f"older than {self.cutoff:%Y-%m-%d %H:%M} UTC: {told}{held}"


def plan_pruning(c: Connection, keep: timedelta) -> Plan:
    """Say what is older than `keep`, by the database's clock. Read only."""
    with translated("looking at Airflow's history"):
        wanted = find_now(c) - keep
        going_on = one(c, statement("metadata.find_open"))
        since = going_on["since"].astimezone(UTC) if going_on["since"] else wanted
        cutoff = min(wanted, since)
        return Plan(cutoff, wanted, tuple(going_on["runs"]), going_on["oldest"] or "", _old(c, cutoff))


def prune(c: Connection, backup: Backup, keep: timedelta, clean: Clean) -> Facts:
    """Drop what `backup` holds of what was put aside, have Airflow clean, and give the facts that the gate judges.

    Raises LockBusy, and what `clean` raises.
    """
    with alone(c), translated("pruning Airflow's history"):
        dropped = [name for name in _put_aside(c) if _is_in(c, name, backup)]
        for name in dropped:
            c.execute(statement("metadata.drop_put_aside", table=sql.Identifier(name)))
        failpoint("history.dropped")
        plan = plan_pruning(c, keep)
        newest = one(c, statement("metadata.find_newest"))
        size, before = _size(c), _young(c, plan, newest)
        clean(plan.cutoff)
        failpoint("history.cleaned")
        left, after = _old(c, plan.cutoff), _young(c, plan, newest)
    return {
        "cutoff": plan.cutoff.isoformat(),
        "held_back_days": round(plan.held_back / DAY, 2),
        "held_back_days_told": plan.oldest if plan.held_back else "",
        "rows_old": sum(plan.old.values()),
        "rows_old_told": _listed(plan.old),
        "old_left": sum(left.values()),
        "old_left_told": _listed(left),
        **{f"{name}_lost": max(before[name] - after[name], 0) for name in before},
        "aside_dropped": len(dropped),
        "aside_kept": len(_put_aside(c)),
        "bytes_before": size,
        "bytes_after": _size(c),
    }


def _old(c: Connection, cutoff: datetime) -> dict[str, int]:
    counted = {
        table: one(c, _aged(table, column), cutoff=cutoff)["rows"]
        for table, column in AGES.items()
        if one(c, statement("metadata.is_there"), table=table)["there"]
    }
    return {"dag_run": one(c, statement("metadata.count_old_runs"), cutoff=cutoff)["rows"], **counted}


def _aged(table: str, column: str) -> sql.Composed:
    return statement("metadata.count_old", table=sql.Identifier(table), column=sql.Identifier(column))


def _young(c: Connection, plan: Plan, newest: Mapping[str, Any]) -> dict[str, int]:
    return one(c, statement("metadata.count_young"), cutoff=plan.cutoff, open=list(plan.open_runs), **newest)


def _put_aside(c: Connection) -> list[str]:
    return [row["name"] for row in rows(c, statement("metadata.list_put_aside"))]


def _is_in(c: Connection, name: str, backup: Backup) -> bool:
    """Tell whether a backup has all rows of a table that was put aside: nobody writes to it since."""
    held = next((count for table, count in backup.tables.items() if table.rpartition(".")[2] == name), None)
    return held is not None and held == one(c, statement("metadata.count_rows", table=sql.Identifier(name)))["rows"]


def _size(c: Connection) -> int:
    found: int = one(c, statement("metadata.find_size"))["bytes"]
    return found


def _listed(counts: Mapping[str, int]) -> str:
    return "; ".join(f"{table}: {count}" for table, count in counts.items() if count)
