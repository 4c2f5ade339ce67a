"""The operators of `reap_scratch`: take away what drills have left, and what was brought back for a while."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from sluice.flow.connections import open_vault
from sluice.flow.safety.of_a_store import OfAStore
from sluice.flow.safety.stores import backed_up, driver_of
from sluice.flow.steps import check_words

if TYPE_CHECKING:
    from airflow.sdk import Context


class ListBackedUp(BaseOperator):
    """List the stores that are backed up."""

    def execute(self, context: Context) -> list[str]:
        """Give their names. Refuses a word that the form does not have."""
        check_words(context)
        found = list(backed_up())
        if not found:
            raise AirflowSkipException("No store is backed up: include/estate/estate.yaml has no `backup`.")
        return found


class DropScratch(OfAStore):
    """Take away what drills of one store have left that were killed, and what a person has named."""

    ui_color = "#f3d9d9"

    def execute(self, context: Context) -> list[str]:
        """Give what went. Raises NotScratch, VaultDown, AccessDenied."""
        from sluice.safety.standing import reap

        named = context["params"]["drop"]
        return reap(driver_of(self.store), open_vault(), datetime.now(UTC), self.log.info, named)
