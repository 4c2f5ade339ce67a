"""Operators of `promote_replica`: lead a PgBouncer to the new server; take a fence back behind which nobody was promoted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from sluice.flow.connections import dsn_of, opened_control
from sluice.flow.safety.failing_over import OfAPromotion, host_of
from sluice.flow.safety.replicated import PROMOTED, asked_of, of_replicas, replicas_of

if TYPE_CHECKING:
    from airflow.sdk import Context


class SwitchPooler(OfAPromotion):
    """Say how PgBouncer's line changes, and change it where that was asked for."""

    ui_color = "#f3d9d9"

    def execute(self, context: Context) -> dict[str, Any]:
        """Give the diff, and whether it was done. Raises PoolerDown, PoolerRefused."""
        from psycopg.conninfo import conninfo_to_dict, make_conninfo

        from sluice.safety.replicas.pooler import Pooler, apply_repoint, plan_repoint, verify_repoint

        store = self.store_of(context)
        _, replicas = replicas_of(store)
        if (asked := replicas.pooler) is None:
            raise AirflowSkipException(f"`replicas` of {store} has no `pooler`.")
        with opened_control(of_replicas(store), context["run_id"]) as control:
            new = str(control.facts(PROMOTED).facts["new"])
        port = int(conninfo_to_dict(dsn_of(replicas.servers[new].connection)).get("port") or 5432)
        console = make_conninfo(dsn_of(asked.connection), dbname="pgbouncer")
        pooler = Pooler(Path(asked.file), console, asked.database)
        try:
            planned = plan_repoint(pooler.file.read_text(), asked.database, host_of(store, new), port)
        except OSError as error:
            raise AirflowFailException(
                f"{asked.file} cannot be read on this worker ({error.strerror}): lead PgBouncer to {new} by hand."
            ) from error
        self.log.info("%s", planned)
        done = bool(context["params"]["switch_name"])
        if done:
            try:
                apply_repoint(pooler, planned)
            except OSError as error:
                raise AirflowFailException(
                    f"{asked.file} cannot be written by this worker, as whose it is ({error.strerror}), and was left as it was:"
                    f" lead PgBouncer to {new} by hand."
                ) from error
            verify_repoint(pooler, host_of(store, new), port)
        return {"plan": str(planned), "done": done}


class TakeBack(OfAPromotion):
    """Take a fence back behind which nobody was promoted: the old server takes writes again, and all follow it."""

    takes_back = True
    ui_color = "#f3d9d9"

    def execute(self, context: Context) -> list[str]:
        """Give where each server stands then. Raises NotPromotable, NotDead, NotTakenBack, Refused."""
        from sluice.safety.replicas.taking_back import standing, undo

        store = self.store_of(context)
        with opened_control(of_replicas(store), context["run_id"]) as control:
            asked = asked_of(store, context["params"]["word"] or "", control)
        dry = bool(context["params"]["dry_run"])
        told = standing(asked) if dry else undo(asked)
        self.log.info("%s", "\n".join(told))
        if dry:
            raise AirflowSkipException("A dry run: nothing was changed.")
        return list(told)
