"""Tell people outside of Airflow: one JSON POST to what the estate's `alerts` names, an Airflow connection to HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sluice.errors import Terminal, Transient
from sluice.flow.connections import NoConnection
from sluice.flow.project import ROOT

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.types import Logger

    from sluice.estate.severity import Severity

TOLD = "People were told of this."
PATIENCE = 15
"""Seconds until an alert that gets no answer is tried again."""


class AlertLate(Transient):
    """Who takes the alerts cannot be reached, or failed inside."""


class AlertRefused(Terminal):
    """Who takes the alerts will not have this one."""


def send_alert(severity: Severity, subject: str, text: str, context: Context, **told: Any) -> bool:
    """Send one alert; False where the estate names nobody. `text` is the word that chat webhooks show.

    Raises NoConnection, AlertLate, AlertRefused.
    """
    from sluice.estate import read_stores

    to = read_stores(ROOT).alerts
    if to is None:
        return False
    ti = context["ti"]
    where = {"dag_id": ti.dag_id, "run_id": ti.run_id, "task_id": ti.task_id}
    _post(to, {"severity": severity, "subject": subject, "text": text, **told, **where})
    return True


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


def _post(connection_id: str, body: Mapping[str, Any]) -> None:
    from airflow.providers.http.hooks.http import HttpHook
    from airflow.sdk.exceptions import AirflowNotFoundException
    from requests import RequestException

    hook = HttpHook(method="POST", http_conn_id=connection_id)
    try:
        # Whether it was taken is judged here: the hook has one error for all answers.
        answer = hook.run(json=body, extra_options={"timeout": PATIENCE, "check_response": False})
    except AirflowNotFoundException as error:
        raise NoConnection(f"Airflow has no connection {connection_id!r}: add it (Admin → Connections).") from error
    except RequestException as error:  # its text may hold the address, which is a secret with most webhooks
        raise AlertLate(f"{_lost(connection_id, body)}: {type(error).__name__}. It is tried again by itself.") from None
    if answer.status_code == 429 or answer.status_code >= 500:
        raise AlertLate(f"{_lost(connection_id, body)}: it answered {answer.status_code}. It is tried again by itself.")
    if not answer.ok:
        raise AlertRefused(f"{_lost(connection_id, body)}: it answered {answer.status_code}. Mend the connection.")


def _lost(connection_id: str, body: Mapping[str, Any]) -> str:
    return f"Nobody was told by {connection_id!r} that: {body['text']}"
