"""The operators of `ship_log__<store>` for tables: their streams go into the vault, and a gap in them is answered by a base."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from sluice.flow.alerting import raise_alarm
from sluice.flow.safety.shipping import Ships, StartsBackup, this_hour
from sluice.flow.safety.stores import backup_of, tables_of

if TYPE_CHECKING:
    from airflow.sdk import Context


class ShipStreams(Ships):
    """Ship the streams of a store's tables."""

    def ship(self, context: Context) -> str | None:
        """Give the name of a log that wants a base now; None where there is one. Raises Throttled, DynamoDown, VaultDown.

        A log that is not there, or has ended, is begun before anybody takes a base: what is written meanwhile is in it.
        """
        from sluice.safety.documents.shipping import NoLog, Shipper
        from sluice.safety.driver import LogLost

        driver, every = tables_of(self.store), backup_of(self.store)[1].every
        try:
            Shipper(tuple(driver.shippers.values()), every).run(timedelta(seconds=self.seconds))
        except (LogLost, NoLog) as why:
            if isinstance(why, LogLost):
                raise_alarm(self.log, f"the log of {self.store}", str(why), context)
            for one in driver.shippers.values():
                one.begin()
        return driver.unbased()


class StartBase(StartsBackup):
    """Have a base taken now for a log that is begun. Nobody waits for it: the log is shipped meanwhile."""

    template_fields: Sequence[str] = ("store", "begun")

    def __init__(self, *, begun: str | None, **kwargs: Any) -> None:
        """`begun` is what ShipStreams gave."""
        super().__init__(**kwargs)
        self.begun = begun

    def due(self) -> str:
        """Name it by its log. Skipped where that has its base."""
        if not self.begun:
            raise AirflowSkipException("The log has its base.")
        return f"log_begun__{self.begun}__{this_hour()}"
