"""The operators of `reap_scratch`: take away what drills have left, and name what a store has left that is backed up no more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from sluice.errors import SluiceError
from sluice.flow.connections import dsn_of, open_vault
from sluice.flow.safety.of_a_store import OfAStore
from sluice.flow.safety.stores import all_stores, backed_up, backup_of, driver_of, shipped
from sluice.flow.steps import check_words

if TYPE_CHECKING:
    from airflow.sdk import Context

    from sluice.stores.objects import Vault


class ListBackedUp(BaseOperator):
    """List the stores that are backed up."""

    def execute(self, context: Context) -> list[str]:
        """Give their names. Refuses a word that the form does not have, and a name that nothing has."""
        check_words(context)
        found = list(backed_up())
        if not found:
            raise AirflowSkipException("No store is backed up: include/estate/estate.yaml has no `backup`.")
        if named := context["params"]["drop"]:
            self._check_there(named, found)
        return found

    def _check_there(self, named: str, stores: Sequence[str]) -> None:
        """Raise AirflowFailException where every store could be asked, and none has it."""
        there = list[str]()
        for store in stores:
            try:
                there += driver_of(store).scratches()
            except SluiceError as why:
                self.log.warning("%s could not be asked what it has: %s", store, why)
                return
        if named not in there:
            raise AirflowFailException(
                f"Nothing is called {named}. There is: {', '.join(there) or 'nothing'}. Nothing was taken away; what lies in a"
                " folder that was a `scratch` before is yours to take away."
            )


class DropScratch(OfAStore):
    """Take away what drills of one store have left that were killed, and what a person has named."""

    ui_color = "#f3d9d9"

    def execute(self, context: Context) -> list[str]:
        """Give what went. Raises NotScratch, VaultDown, AccessDenied."""
        from sluice.safety.standing import BY_DROP, IN_RDS, reap

        named = context["params"]["drop"] or ""
        ends = IN_RDS if backup_of(self.store)[1].by == "rds" else BY_DROP
        return reap(driver_of(self.store), open_vault(), datetime.now(UTC), self.log.info, named, ends)


class DetectLeftOver(BaseOperator):
    """Look for what fills disks: slots and servers that stores have left, slots that are not shipped. Nothing is taken away."""

    def execute(self, context: Context) -> None:
        """Raise LeftOver where there is something. What cannot be asked is told in the log."""
        from sluice.safety.left_over import LeftOver, servers_left

        roots = {one.backup.scratch for one in backed_up().values() if one.backup}
        found = list(dict.fromkeys(self._slots(open_vault())))
        for root in sorted(roots):
            found += servers_left(Path(root) / "drills", backed_up())
        if found:
            raise LeftOver("\n".join(found))

    def _slots(self, vault: Vault) -> Iterator[str]:
        """Ask every server that a store leads to, or has led to, for slots by which none is shipped."""
        from sluice.safety.left_over import forget_shipped, shipped_before, slot_of, slots_behind, slots_left
        from sluice.stores.postgres import connect

        ships, before = shipped(), list(shipped_before(vault, shipped()))
        stores = [one for one in all_stores().values() if one.engine == "postgres"]
        named = [one.backup.connection if one.backup else one.connection for one in stores]
        for connection in dict.fromkeys([*named, *(one for _, one in before)]):
            try:
                with connect(dsn_of(connection), purpose="left over") as c:
                    slots, behind = slots_left(c, ships), slots_behind(c, ships)
            except SluiceError as why:
                self.log.warning("%s cannot be asked for what was left there: %s", connection, why)
                continue
            yield from (*slots.values(), *behind)
            for store in [store for store, one in before if one == connection and slot_of(store) not in slots]:
                forget_shipped(vault, store, connection)
