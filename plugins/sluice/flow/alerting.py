"""Tell people outside of Airflow, at once: by the estate's `alerts`, and by each channel of `notify` that is told of so much."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sluice.errors import SluiceError
from sluice.flow.insight.channels import AlertLate, AlertRefused, Notice, channels_of, send, taken_by
from sluice.flow.project import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from airflow.sdk import Context
    from airflow.sdk.types import Logger

    from sluice.estate.models import Channel
    from sluice.estate.severity import Severity

__all__ = [
    "AlertLate",
    "AlertRefused",
    "is_told",
    "note_told",
    "raise_alarm",
    "send_alert",
    "tell_each",
    "tell_failed",
    "tell_first_failure",
]

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
    if failures := tell_each(channels, Notice(severity, subject, text, {**told, **where})):
        raise next((one for one in failures if isinstance(one, AlertLate)), failures[0])
    return bool(channels)


def tell_each(channels: Iterable[Channel], notice: Notice) -> list[SluiceError]:
    """Tell each channel; give what those raised that did not take it."""
    failures: list[SluiceError] = []
    for channel in channels:
        try:
            send(channel, notice)
        except SluiceError as error:
            failures.append(error)
    return failures


def raise_alarm(log: Logger, subject: str, what: str, context: Context) -> None:
    """Say what cannot wait in the task's log, and to people outside where the estate names who. Raises as `send_alert` does."""
    text = f"P1: {subject}: {what}"
    log.error("%s", text)
    if not send_alert("P1", subject, text, context):
        log.warning("Nobody is told: estate.yaml has no `alerts`.")


def tell_failed(context: Context) -> None:
    """Tell people, as P1, of a task that no try is left of, unless it has told them itself."""
    if what := _failure(context):
        task = context["task"]
        _told_at_all(task.log, lambda: raise_alarm(task.log, getattr(task, "store", ""), what, context))


def tell_first_failure(context: Context) -> None:
    """Tell people, as P2, of a task that no try is left of, once: not where its last run had failed as well, nor of a No.

    For what runs every few minutes, and is no outage by itself.
    """
    from airflow.sdk.exceptions import AirflowFailException

    what = _failure(context)
    if not what or isinstance(context.get("exception"), AirflowFailException) or _has_failed_before(context):
        return
    task = context["task"]
    task.log.error("P2: %s", what)
    _told_at_all(task.log, lambda: send_alert("P2", getattr(task, "store", ""), f"P2: {what}", context))


def _failure(context: Context) -> str:
    why = context.get("exception")
    if why is None or (isinstance(why, BaseException) and is_told(why)):
        return ""
    return f"{context['task'].task_id} of {context['ti'].dag_id} failed: {type(why).__name__}: {why}"


def _has_failed_before(context: Context) -> bool:
    ti: Any = context["ti"]
    if (context["dag_run"]).logical_date is None:  # a person asked for it, and Airflow knows of no run before it
        return False
    try:
        last = ti.get_previous_ti(map_index=-1 if ti.map_index is None else ti.map_index)
    except Exception as error:  # whoever cannot say so must not keep people from being told
        context["task"].log.warning("Whether it failed before is not known: %s", error)
        return False
    return last is not None and str(last.state) == "failed"


def _told_at_all(log: Logger, tell: Callable[[], object]) -> None:
    try:
        tell()
    except SluiceError as nobody:  # the task's own error is what its log must end with
        log.error("%s", nobody)


def note_told(why: BaseException) -> None:
    """Note on an error that people were told of it: once is enough."""
    why.add_note(TOLD)


def is_told(why: BaseException) -> bool:
    """Tell whether they were."""
    return TOLD in getattr(why, "__notes__", ())
