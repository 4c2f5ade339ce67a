"""The operators that look whether DynamoDB removes what has expired."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from sluice.flow.connections import documents_of, opened_control
from sluice.flow.gate import FactsGate
from sluice.flow.project import ROOT, items_names, items_of
from sluice.flow.steps import check_words

if TYPE_CHECKING:
    from airflow.sdk import Context


GATE = "expiry"


class ListExpiring(BaseOperator):
    """List the entities whose files have `expires`. One that is wrong is told by its own task."""

    def execute(self, context: Context) -> list[str]:
        """Give their names. Refuses a word that the form does not have."""
        check_words(context)
        found = items_names(lambda items: items.file.expires is not None)
        if not found:
            raise AirflowSkipException("Nothing is to expire: no file of include/estate/items has `expires`.")
        return found


class ValidateExpiry(BaseOperator):
    """Look at a part of the tables of one entity, for the gate."""

    template_fields: Sequence[str] = ("items",)

    def __init__(self, *, items: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.items = items

    def execute(self, context: Context) -> dict[str, Any]:
        """Give how many records were looked at. Raises EstateErrors, NoConnection, NoSuchTable, and what the store refuses."""
        from sluice.estate import read_stores
        from sluice.upkeep.items.expiry import Look

        items = items_of(self.items)
        client, _ = documents_of(read_stores(ROOT).stores[items.design.store].connection)
        facts = Look(client, items).measure(self.log.info)
        with opened_control(self.items, context["run_id"]) as control:
            control.record_facts(GATE, facts, epoch=1)
        return {"records": facts["records"]}


class ExpiryGate(FactsGate):
    """A gate over the expiry of one entity's records."""

    template_fields: Sequence[str] = ("items", "gate", "suites")

    def __init__(self, *, items: str, gate: str, **kwargs: Any) -> None:
        super().__init__(gate=gate, **kwargs)
        self.items = items

    @property
    def whose(self) -> str:
        """The entity's file."""
        return self.items
