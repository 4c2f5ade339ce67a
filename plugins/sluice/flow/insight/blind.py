"""That nobody watches: told at the first look that fails and every four hours while it lasts, and that it is over.

Who is told, and when they were, is kept in a Variable of Airflow's. It is there where the ledger is down or estate.yaml has a
mistake; without Airflow nothing here runs, and for that there is `insight.alive`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sluice.errors import SluiceError
from sluice.estate import read_stores
from sluice.estate.models import Channel
from sluice.flow.alerting import tell_each
from sluice.flow.insight.channels import Notice, channels_of
from sluice.flow.project import ROOT

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.types import Logger

NAME = "sluice_watch_health"
"""The Variable's name."""
AGAIN = timedelta(hours=4)
"""After so long people are told again."""


@dataclass(frozen=True)
class Kept:
    """What the watch remembers from run to run."""

    channels: tuple[Channel, ...] = ()
    """The last that could be read."""
    told_at: datetime | None = None
    """When people were told that nobody watches; None while somebody does."""


def tell_blind(context: Context) -> None:
    """Tell people that nobody watches, once no try is left, if they do not know."""
    log, now, kept = context["task"].log, datetime.now(UTC), recalled(context["task"].log)
    if kept.told_at and now - kept.told_at < AGAIN:
        log.info("People were told of it at %s: they are told again after %s.", kept.told_at, AGAIN)
        return
    channels = _channels(kept, log)
    text = f"P1: nobody watches the estate's health: {context.get('exception')}"
    if _told(channels, text, "opened", context):
        keep(Kept(channels, now), log)


def note_watched(channels: Sequence[Channel], context: Context) -> None:
    """Note that a look was made and who is told by now; tell people who were told that nobody watches."""
    log, now = context["task"].log, Kept(tuple(channels))
    if (before := recalled(log)) == now:
        return
    if before.told_at:
        _told(channels, "The estate's health is watched again.", "cleared", context)
    keep(now, log)


def recalled(log: Logger) -> Kept:
    """Give what is kept; nothing where it cannot be read: people are told once too often rather than never."""
    from airflow.sdk import Variable

    try:
        return _read(json.loads(Variable.get(NAME, default="{}")))
    except Exception as error:  # of whatever sort: it must not keep people from being told
        log.warning("The Variable %s cannot be read: %s", NAME, error)
        return Kept()


def keep(kept: Kept, log: Logger) -> None:
    """Keep it, where Airflow lets us."""
    from airflow.sdk import Variable

    told = {
        "channels": [one.model_dump(mode="json", by_alias=True) for one in kept.channels],
        "told_at": kept.told_at and kept.told_at.isoformat(),
    }
    try:
        Variable.set(NAME, json.dumps(told), description="Who is told when watch_health fails, and when they were.")
    except Exception as error:  # a look that was made is none that failed
        log.warning("The Variable %s cannot be written: %s", NAME, error)


def _read(told: Mapping[str, Any]) -> Kept:
    at = told.get("told_at")
    channels = tuple(Channel.model_validate_json(json.dumps(one)) for one in told.get("channels", ()))
    return Kept(channels, at and datetime.fromisoformat(at))


def _channels(kept: Kept, log: Logger) -> tuple[Channel, ...]:
    """Give who is told by the file; where it has mistakes, by the last one that could be read."""
    try:
        return tuple(channels_of(read_stores(ROOT)))
    except SluiceError as error:
        log.warning("Who is told is taken from the last look that went well: %s", error)
        return kept.channels


def _told(channels: Sequence[Channel], text: str, kind: str, context: Context) -> bool:
    """Tell each channel; say whether one took it."""
    ti, log = context["ti"], context["task"].log
    where = {"kind": kind, "dag_id": ti.dag_id, "run_id": ti.run_id, "task_id": ti.task_id}
    failures = tell_each(channels, Notice("P1", "watch_health", text, where))
    for one in failures:
        log.error("%s", one)
    if not channels:
        log.warning("Nobody is told: estate.yaml has neither `alerts` nor `notify`.")
    return len(failures) < len(channels)
