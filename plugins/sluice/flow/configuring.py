"""The operators of the vault's settings: set the bucket as the estate's file says, and judge how it is set."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from sluice.flow.alerting import raise_alarm
from sluice.flow.connections import open_vault, opened_control
from sluice.flow.gate import FactsGate
from sluice.flow.project import ROOT, dataset_names, dataset_of, items_names, items_of
from sluice.flow.steps import check_words

if TYPE_CHECKING:
    from airflow.sdk import Context


File = TypeVar("File")
GATE = "vault_configured"
WHOSE = "vault"
"""The name under which the ledger keeps the facts: there is one vault."""


class ConfigureVault(BaseOperator):
    """Set the bucket as the estate's file says, and leave what S3 says then for the gate."""

    ui_color = "#dcefe2"

    def execute(self, context: Context) -> dict[str, Any]:
        """Give how many things were done. Raises AccessDenied, VaultRefused, NotAsAsked, AlertLate, AlertRefused."""
        from sluice.estate import read_stores
        from sluice.upkeep.vault.configuring import UNKNOWN, apply_vault, kept_by, kept_items, plan_vault, verify_vault

        check_words(context)
        wanted, vault = read_stores(ROOT).vault, open_vault()
        datasets, unread = self._read(dataset_names(), dataset_of)
        items, also = self._read(items_names(lambda _: True), items_of)
        unread = [*unread, *also]
        kept = [*kept_by(datasets), *kept_items(items), *([UNKNOWN] if unread else [])]
        planned = plan_vault(vault, wanted, kept)
        self.log.info("s3://%s\n%s", vault.bucket, planned)
        if context["params"]["dry_run"]:
            raise AirflowSkipException("A dry run: nothing was changed.")
        done = apply_vault(vault, wanted, kept, lambda told: self.log.info("done: %s", told))
        facts = {
            **verify_vault(vault, wanted, kept),
            "files_unread": len(unread),
            "files_unread_told": "; ".join(unread),
        }
        with opened_control(WHOSE, context["run_id"]) as control:
            control.record_facts(GATE, facts, epoch=1)
        for alarm in filter(None, (facts["ended_early_told"], facts["refused_told"])):
            raise_alarm(self.log, f"s3://{vault.bucket}", str(alarm), context)
        return {"done": done, "rules": facts["rules"]}

    def _read(self, names: list[str], read: Callable[[str], File]) -> tuple[list[File], list[str]]:
        """Read the files of what is kept; what a broken one says of the vault nobody knows."""
        from sluice.estate import EstateErrors

        found, unread = [], []
        for name in names:
            try:
                found.append(read(name))
            except EstateErrors as wrong:
                unread.append(name)
                self.log.error("%s", wrong)
        return found, unread


class VaultGate(FactsGate):
    """The gate over how the bucket is set."""

    @property
    def whose(self) -> str:
        """The vault."""
        return WHOSE

    @property
    def subject(self) -> str:
        """The bucket."""
        from sluice.estate import read_stores

        return f"s3://{read_stores(ROOT).vault.bucket}"
