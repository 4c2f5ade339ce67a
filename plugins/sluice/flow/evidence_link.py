"""The link *Details* → *Evidence* of a gate's task: from Airflow's UI to the record in the console."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import BaseOperatorLink

from sluice.overview.links import evidence_path

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey

KEY = "evidence"
"""The XCom key under which a gate leaves the key of its record."""
SEAL = "evidence_sha256"
"""The XCom key of its seal: kept in Airflow's database, so that the vault does not vouch for itself alone."""


class EvidenceLink(BaseOperatorLink):
    """Leads to `/sluice/<key>` once the task has left a key, also when the gate was red."""

    name = "Evidence"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Give the address, or nothing while there is no evidence."""
        from airflow.sdk.execution_time.xcom import XCom

        key = XCom.get_value(ti_key=ti_key, key=KEY)
        seal = XCom.get_value(ti_key=ti_key, key=SEAL)
        return evidence_path(key, seal) if key else ""


def evidence_url(key: str) -> str:
    """Give it with the address by which people reach Airflow (`[api] base_url`): for messages, which are read elsewhere."""
    from airflow.configuration import conf

    host: str = conf.get("api", "base_url", fallback="") or ""
    return host.rstrip("/") + evidence_path(key)
