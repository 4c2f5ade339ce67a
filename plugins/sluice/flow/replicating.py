"""The operators of `replicate_changes`: who has changes to deliver, and one who delivers them for a few minutes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from sluice.flow.connections import opened_kind
from sluice.flow.insight.streams import keep_stream_age
from sluice.flow.under_way import under_way

if TYPE_CHECKING:
    from airflow.sdk import Context

LOOK_AGAIN = 10.0
"""Seconds between two looks while nothing is under way."""


class ListFollowed(BaseOperator):
    """List the migrations whose changes are delivered later than they are written, and that are under way."""

    def __init__(self, *, seconds: float = 60.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seconds = seconds

    def execute(self, context: Context) -> list[str]:
        """Give their names; waits a while for one, so that an idle estate does not turn in circles."""
        deadline = time.monotonic() + self.seconds
        while not (found := under_way(lambda m: m.follows_later)):
            if time.monotonic() >= deadline:
                raise AirflowSkipException("No migration has changes to deliver.")
            time.sleep(LOOK_AGAIN)
        return found


class Replicate(BaseOperator):
    """Deliver one migration's changes for `seconds`; every place it reaches is kept, so the next run goes on there."""

    template_fields: Sequence[str] = ("migration",)
    ui_color = "#dcefe2"

    def __init__(self, *, migration: str, seconds: float = 180.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.migration = migration
        self.seconds = seconds

    def execute(self, context: Context) -> dict[str, Any]:
        """Give how far behind it was at the end. Raises Terminal where changes were lost and a person must act."""
        from sluice.migration.engine.following import follow

        with opened_kind(self.migration) as (m, kind):
            followed = follow(kind, m, self.seconds)
        self.log.info("%s: %s", self.migration, followed)
        keep_stream_age(m.source.store, self.migration, followed.behind)
        return {"rounds": followed.rounds, "behind_seconds": followed.behind, "canary_seconds": followed.delay}
