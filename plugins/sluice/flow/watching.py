"""The operators that look for what was dropped or deleted: whether the vault, which alone has it, has it still."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from sluice.flow.alerting import raise_alarm
from sluice.flow.connections import open_vault, opened_control
from sluice.flow.copies import opened_store
from sluice.flow.gate import FactsGate
from sluice.flow.items import archive_of

if TYPE_CHECKING:
    from airflow.sdk import Context

    from sluice.upkeep.vault.watching import Seen

GATE = "archive_kept"


class Watch(BaseOperator):
    """Look for tonight's part of what is in the vault alone, and tell people of what is lost. Of what, a kind of watch says."""

    ui_color = "#e8f1fb"

    @property
    def of(self) -> str:
        """Of what it is: a store, or an entity's file. So the ledger calls it, too."""
        raise NotImplementedError

    def look(self) -> Seen:
        """Look for it."""
        raise NotImplementedError

    def execute(self, context: Context) -> dict[str, Any]:
        """Give how many months were looked for, of how many. Raises VaultDown, AccessDenied, AlertLate, AlertRefused."""
        if context["params"]["dry_run"]:
            raise AirflowSkipException("A dry run: nothing was looked for, and nobody is told.")
        seen = self.look()
        if not seen.known:
            raise AirflowSkipException(f"Nothing of {self.of} is in the vault alone.")
        with opened_control(self.of, context["run_id"]) as control:
            control.record_facts(GATE, seen.facts, epoch=1)
        if seen.lost:
            raise_alarm(self.log, self.of, f"the vault has lost what it alone had: {seen.facts['lost_told']}", context)
        return {"months": seen.months, "of": seen.known}


class WatchDropped(Watch):
    """Look for the months that were dropped from one store."""

    template_fields: Sequence[str] = ("store",)

    def __init__(self, *, store: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.store = store

    @property
    def of(self) -> str:
        """The store."""
        return of_store(self.store)

    def look(self) -> Seen:
        """Look for what was dropped from it."""
        from sluice.upkeep.archive.watching import look_for_months

        with opened_store(self.store) as (keeper, _):
            return look_for_months(keeper, open_vault())


class WatchDeleted(Watch):
    """Look for the months of one entity whose records were deleted."""

    template_fields: Sequence[str] = ("items",)

    def __init__(self, *, items: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.items = items

    @property
    def of(self) -> str:
        """The entity's file."""
        return of_items(self.items)

    def look(self) -> Seen:
        """Look for what was deleted of it."""
        from sluice.upkeep.items.watching import look_for_items

        return look_for_items(archive_of(self.items))


class KeptGate(FactsGate):
    """A gate over what is in the vault alone."""

    @property
    def subject(self) -> str:
        """Of what it is."""
        return f"what of {self.whose} is in the vault alone"


class StoreGate(KeptGate):
    """That of one store."""

    template_fields: Sequence[str] = ("store", "gate", "suites")

    def __init__(self, *, store: str, gate: str, **kwargs: Any) -> None:
        super().__init__(gate=gate, **kwargs)
        self.store = store

    @property
    def whose(self) -> str:
        """The store."""
        return of_store(self.store)


class EntityGate(KeptGate):
    """That of one entity."""

    template_fields: Sequence[str] = ("items", "gate", "suites")

    def __init__(self, *, items: str, gate: str, **kwargs: Any) -> None:
        super().__init__(gate=gate, **kwargs)
        self.items = items

    @property
    def whose(self) -> str:
        """The entity's file."""
        return of_items(self.items)


def of_store(store: str) -> str:
    """Name a store, as no table and no file is called."""
    return f"store/{store}"


def of_items(items: str) -> str:
    """Name an entity's file, as no month and no table is called."""
    return f"items/{items}"
