"""The operators of `name_point__<store>`: name a moment before something risky, and see that the vault has the log up to it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException

from sluice.flow.connections import open_vault
from sluice.flow.safety.of_a_store import OfAStore
from sluice.flow.safety.stores import backup_of, driver_of, opened_backup
from sluice.flow.steps import check_words

if TYPE_CHECKING:
    from airflow.sdk import Context

COMES_WITHIN = timedelta(minutes=3)
"""How long the log up to a point may be on its way before the task is tried again."""


class NamePoint(OfAStore):
    """Write a named point into a store's log, and note its position in the vault."""

    def execute(self, context: Context) -> str:
        """Give its name. Raises AlreadyNamed, Refused, StoreDown, VaultDown, AccessDenied."""
        from sluice.safety.physical.choosing import name_point

        check_words(context)
        name = context["params"]["name"]
        if not driver_of(self.store).backups():
            raise AirflowFailException(
                f"There is no backup of {self.store}, and a point is reached from one that was whole before it:"
                f" backup__{self.store} takes the first. Nothing was done."
            )
        with opened_backup(self.store) as c:
            at = name_point(c, self.store, name, open_vault())
        self.log.info("%s of %s is %s of its log", name, self.store, at)
        return str(name)


class VerifyPoint(OfAStore):
    """See that the log is kept up to a point: from then on it can be brought back to."""

    template_fields: Sequence[str] = ("store", "point")

    def __init__(self, *, point: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.point = point

    def execute(self, context: Context) -> str:
        """Give how it is brought back. Raises NotThere, SplitLog, VaultDown, RepositoryBusy."""
        from sluice.safety.physical.choosing import Shipped, known, wait_for_point
        from sluice.safety.runbooks.known import restore_command
        from sluice.safety.target import Target

        named = known(open_vault(), self.store, Target("point", self.point))
        driver = driver_of(self.store)
        assert isinstance(driver, Shipped)
        wait_for_point(driver, named, COMES_WITHIN)
        told = restore_command(self.store, backup_of(self.store)[1].by, "point", self.point)
        self.log.info("Go on: %s comes back to it by\n%s", self.store, told)
        return told
