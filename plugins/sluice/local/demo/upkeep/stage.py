"""What the upkeep demo plays on: three years of the sample's audit trail, by month; its application writes into the newest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import Any

from sluice.local.certify import seed
from sluice.local.certify.months import month_of
from sluice.local.demo.sample.stage import Sampled
from sluice.local.demo.stage import RunFailed
from sluice.local.demo.upkeep.weighing import Weight, weigh
from sluice.local.environment import REGION
from sluice.local.machine import VAULT_BUCKET
from sluice.stores.clock import find_now
from sluice.stores.objects import vault_client
from sluice.stores.postgres import Row, one, rows
from sluice.stores.statements import statement
from sluice.upkeep.partitions.spans import Span, months_on, span_at, spans

MONTHS, KEPT, LOOKED_AT = 36, 24, 6
"""There are so many; so many stay, the current one among them; and so many the application looks at."""
SESSIONS = 20_000
PREFIX = "archive/certify/app.audit_log/"


class Upkeep(Sampled):
    """One table, cut by month."""

    story = "upkeep"
    dag_ids = ("create_partitions", "archive_retention", "restore_archive")

    def seed(self) -> None:
        """Make 36 months, and forget what the vault has of an earlier demo."""
        self._empty_vault()
        now = find_now(self.mover)
        current = span_at(now, "month")
        self.old: Sequence[Span] = list(
            spans(months_on(current.lower, 1 - MONTHS), months_on(current.lower, 1 - KEPT), "month")
        )
        self.looks_since = months_on(current.lower, 1 - LOOKED_AT).isoformat()
        sessions = min(SESSIONS, self.options.size)
        until = (now + timedelta(days=1)).date()  # a month that is new this morning has its rows, too
        seed(self.mover, sessions, MONTHS, until=until, report=self.say, entries=self.options.size, by_month=True)

    def run(self, dag_id: str, **conf: object) -> str:
        """Run a DAG, and give its run. Raises RunFailed with the red tasks."""
        run = self.run_dags([dag_id], conf)[dag_id]
        if self.red_in(dag_id, run):
            raise RunFailed(self.why_red(dag_id, run))
        return run

    def tried_again(self, dag_id: str, run: str, task_id: str) -> int:
        """Count the tasks of a run that were tried more than once."""
        return sum(task.task_id == task_id and task.tries > 1 for task in self.api.tasks(dag_id, run))

    def partitions(self) -> int:
        """Count the partitions of the table."""
        return int(one(self.mover, statement("demo.count_partitions"))["partitions"])

    def weights(self) -> Mapping[Span, Weight]:
        """Weigh the months that are old, as they stand in the database. All of them must be there."""
        return {span: self.weigh(span) for span in self.old}

    def weigh(self, span: Span) -> Weight:
        """Weigh one month."""
        return weigh(self.mover, month_of(span))

    def archived(self) -> list[Row]:
        """Say where each month of the archive stands, the oldest first."""
        return rows(self.mover, statement("demo.list_archived"))

    @cached_property
    def vault(self) -> Any:
        """The vault's S3, as somebody without Sluice reads it."""
        key, secret = self.settings.secrets["vault_key"], self.settings.secrets["vault_secret"]
        return vault_client(self.settings.vault_url, key, secret, REGION)

    def _empty_vault(self) -> None:
        pages = self.vault.get_paginator("list_objects_v2").paginate(Bucket=VAULT_BUCKET, Prefix=PREFIX)
        for entry in [entry for page in pages for entry in page.get("Contents", [])]:
            self.vault.delete_object(Bucket=VAULT_BUCKET, Key=entry["Key"])
