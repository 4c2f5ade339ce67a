"""Tell people outside of Airflow, at once: by the estate's `alerts`, and by each channel of `notify` that is told of so much."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sluice.errors import SluiceError
from sluice.flow.insight.channels import AlertLate, AlertRefused, Notice, channels_of, send, taken_by
from sluice.flow.project import ROOT

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.types import Logger

    from sluice.estate.severity import Severity

__all__ = ["AlertLate", "AlertRefused", "is_told", "note_told", "raise_alarm", "send_alert"]

TOLD = "People were told of this."


def send_alert(severity: Severity, subject: str, text: str, context: Context, **told: Any) -> bool:
    """Send one alert; False where the estate names nobody for it. `text` is the word that chat webhooks show.

    A channel that cannot be reached keeps no other from being told: what it raises is raised at the end, and whoever tries
    again tells all of them again. Raises NoConnection, AlertLate, AlertRefused.
    """
    from sluice.estate import read_stores

    channels = [one for one in channels_of(read_stores(ROOT)) if severity in taken_by(one)]
    ti = context["ti"]
    where = {"dag_id": ti.dag_id, "run_id": ti.run_id, "task_id": ti.task_id}
    failures: list[SluiceError] = []
    for channel in channels:
        try:
            send(channel, Notice(severity, subject, text, {**told, **where}))
        except SluiceError as error:
            failures.append(error)
    if failures:
        raise next((one for one in failures if isinstance(one, AlertLate)), failures[0])
    return bool(channels)


def raise_alarm(log: Logger, subject: str, what: str, context: Context) -> None:
    """Say what cannot wait in the task's log, and to people outside where the estate names who. Raises as `send_alert` does."""
    text = f"P1: {subject}: {what}"
    log.error("%s", text)
    if not send_alert("P1", subject, text, context):
        log.warning("Nobody is told: estate.yaml has no `alerts`.")


def note_told(why: BaseException) -> None:
    """Note on an error that people were told of it: once is enough."""
    why.add_note(TOLD)


def is_told(why: BaseException) -> bool:
    """Tell whether they were."""
    return TOLD in getattr(why, "__notes__", ())
