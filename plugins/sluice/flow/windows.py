"""The operators of the windowed and the scheduled DAGs: fill a window again, and validate what is under way."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from sluice.errors import Terminal
from sluice.flow.connections import opened_control, opened_kind
from sluice.flow.under_way import under_way

if TYPE_CHECKING:
    from airflow.sdk import Context


class NoWindow(Terminal):
    """The run has no data interval."""


class FillWindow(BaseOperator):
    """Fill the target's holes in [lower, upper) and compare that window. Repeating it changes nothing."""

    template_fields: Sequence[str] = ("migration", "lower", "upper")
    ui_color = "#dcefe2"

    def __init__(self, *, migration: str, lower: str, upper: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.migration = migration
        self.lower = lower
        self.upper = upper

    def execute(self, context: Context) -> dict[str, Any]:
        """Give the window's rows and hash. Raises NoWindow, or NotYet outside capturing to verified."""
        from sluice.migration.engine.contract import COPIES_IN
        from sluice.migration.engine.steps import fill_window

        if not self.lower or not self.upper or self.lower == self.upper:
            raise NoWindow("This run has no data interval: start it by Trigger → Backfill, or airflow backfill create.")
        lower, upper = datetime.fromisoformat(self.lower), datetime.fromisoformat(self.upper)
        with opened_kind(self.migration) as (_, kind), opened_control(self.migration, context["run_id"]) as control:
            if context["dag_run"].run_type == "scheduled" and kind.position().phase not in COPIES_IN:
                raise AirflowSkipException(f"{self.migration} is {kind.position().phase}: nothing to keep filled")
            filled, facts = fill_window(kind, lower, upper)
            control.record_window(
                lower, upper, count=int(facts["rows_compared"]), hash_sum=str(facts["diff_hash"]), filled=filled
            )
            control.record_facts("window", facts, kind.position().epoch)
        self.log.info("%s, %s to %s: %d rows filled\n%s", self.migration, lower, upper, filled, facts)
        return {"rows": facts["rows_compared"], "hash": facts["diff_hash"], "filled": filled}


class ListInFlight(BaseOperator):
    """List the migrations between capturing and retired."""

    def execute(self, context: Context) -> list[str]:
        """Give their names; of one that cannot be asked the ledger knows, and its own task then says why."""
        found = under_way()
        if not found:
            raise AirflowSkipException("No migration is between capturing and retired.")
        return found


class Validate(BaseOperator):
    """Compare one migration's tables, exactly, and leave the facts for the gate."""

    template_fields: Sequence[str] = ("migration",)
    ui_color = "#dcefe2"

    def __init__(self, *, migration: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.migration = migration

    def execute(self, context: Context) -> dict[str, Any]:
        """Give the counts."""
        from sluice.migration.engine.steps import validate

        with opened_kind(self.migration) as (_, kind), opened_control(self.migration, context["run_id"]) as control:
            facts = validate(kind)
            control.record_facts("validated", facts, kind.position().epoch)
        return facts
