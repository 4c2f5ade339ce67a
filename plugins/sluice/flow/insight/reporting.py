"""The operators of `capacity_report`: make the report of a window, and tell people of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from sluice.errors import SluiceError, Terminal
from sluice.estate import read_stores
from sluice.flow.connections import open_vault
from sluice.flow.evidence_link import KEY, EvidenceLink, evidence_url
from sluice.flow.insight.costs import reckoning
from sluice.flow.insight.ledger import opened_ledger
from sluice.flow.project import ROOT
from sluice.flow.steps import check_words

if TYPE_CHECKING:
    from airflow.sdk import Context

    from sluice.estate.models import Estate
    from sluice.flow.insight.ledger import Ledger
    from sluice.insight.capacity.making import FromOthers, Period
    from sluice.insight.capacity.standing import Backup, Proposal, SmallTrouble
    from sluice.ledger.incidents import Incidents
    from sluice.ledger.scalings import Scalings

WEEK = timedelta(days=7)
LATELY = timedelta(days=8)
"""How long ago a window may have ended for what is known by now to be true of it, and for people to be told."""


class NoDay(Terminal):
    """The form's day is none, or has not come yet."""


class MakeCapacityReport(BaseOperator):
    """Make the report of the run's window from stored samples, and keep it: the page is what the task's link opens."""

    operator_extra_links = (EvidenceLink(),)
    template_fields: Sequence[str] = ("lower", "upper")
    ui_color = "#e8f1fb"

    def __init__(self, *, lower: str, upper: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.lower = lower
        self.upper = upper

    def execute(self, context: Context) -> dict[str, Any]:
        """Give the headline, and where page, text and JSON are.

        Raises NoDay, EstateErrors, NoConnection, StoreDown, VaultDown, AccessDenied.
        """
        from sluice.insight.capacity.keeping import keep_report, load_before
        from sluice.insight.capacity.making import make_report
        from sluice.insight.capacity.telling import headline, summary, urgent

        check_words(context)
        estate, vault, ti = read_stores(ROOT), open_vault(), context["ti"]
        period = period_of(self.lower, self.upper, context)
        with opened_ledger("capacity") as ledger:
            samples, kept = ledger.samples, ledger.forecasts
            before, why_none = load_before(vault, kept, period)
            known = self._known(ledger, estate, period, context)
            report = make_report(samples, estate, period, known, before, why_none, self.log.info)
            files = keep_report(vault, kept, report, f"{ti.dag_id}/{ti.run_id}/{ti.task_id}")
            kept.forget(period.until - timedelta(days=estate.insight.keep.days.days))
        ti.xcom_push(key=KEY, value=files.page)
        self.log.info("%s\nThe page, see *Details* → *Evidence* of this task: %s", summary(report), files.page)
        alarms = [{"severity": one.severity, "subject": one.subject, "text": one.text} for one in urgent(report)]
        told = {"headline": headline(report), "summary": summary(report), "urgent": alarms}
        return {"until": period.until.isoformat(), "monthly": period.monthly, **vars(files), **told}

    def _known(self, ledger: Ledger, estate: Estate, period: Period, context: Context) -> FromOthers:
        """Gather what others know. How backups stand and what would be scaled is of now: of long ago it would tell lies."""
        from sluice.insight.capacity.making import FromOthers

        recent, backups = is_recent(period.until, context), dict[str, "Backup"]()
        if recent:
            try:
                backups = backups_at(_began(context))
            except SluiceError as why:  # a report without them is better than none
                self.log.warning("How the backups stand is not known: %s", why)
        proposed = proposals_since(ledger.scalings, estate, _began(context) - timedelta(days=1)) if recent else None
        troubles = troubles_open(ledger.incidents) if recent else None
        return FromOthers(
            backups, reckoning(ledger.samples, estate, period.until, recent, self.log), proposed, troubles
        )


class TellCapacity(BaseOperator):
    """Tell people: what is urgent each by itself, and of the report in a message of its own (P4)."""

    template_fields: Sequence[str] = ("made",)
    ui_color = "#e8f1fb"

    def __init__(self, *, made: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.made = made

    def execute(self, context: Context) -> int:
        """Give how many messages were sent. Skips a window of long ago, which is nobody's business at night.

        A channel that fails keeps nothing from the others: what it raises is raised at the end.
        Raises NoConnection, AlertLate, AlertRefused, StoreDown.
        """

        until = date.fromisoformat(self.made["until"])
        with opened_ledger("capacity") as ledger:
            overtaken = ledger.forecasts.is_overtaken(until)
        if overtaken or not is_recent(until, context):
            raise AirflowSkipException(f"The report until {until} is of the past: nobody is told.")
        text = f"P4: {self.made['summary']}"
        page = evidence_url(self.made["page"])
        messages = [*self.made["urgent"], {"severity": "P4", "subject": "capacity", "text": text}]
        return self._send([{**one, "text": f"{one['text']}\n{page}", "page": page} for one in messages], context)

    def _send(self, messages: Sequence[dict[str, Any]], context: Context) -> int:
        from sluice.flow.alerting import AlertLate, send_alert

        sent, failures = 0, list[SluiceError]()
        for one in messages:
            try:
                was_sent = send_alert(one["severity"], one["subject"], one["text"], context, page=one["page"])
            except SluiceError as error:
                failures.append(error)
                continue
            sent += was_sent
            if not was_sent:
                self.log.warning("estate.yaml names nobody who is told of %s\n%s", one["severity"], one["text"])
        if failures:  # what may pass first: Airflow tries again after that alone
            raise next((one for one in failures if isinstance(one, AlertLate)), failures[0])
        return sent


def period_of(lower: str, upper: str, context: Context) -> Period:
    """Say of which days a run's report is: the form's, else its data interval's, else the week before it was started.

    The week that holds the first of a month looks back on the month gone by, too. Raises NoDay.
    """
    from sluice.insight.capacity.making import Period

    asked = context["params"].get("until")
    until = _day(asked, context) if asked else _midnight(upper or str(_began(context)))
    since = _midnight(lower) if lower and not asked else until - WEEK
    since = min(since, until - timedelta(days=1))
    first = next((day for day in _days(since, until) if day.day == 1), None)
    monthly = context["params"].get("monthly")
    if monthly is None:
        monthly = first is not None
    if monthly:
        since = ((first or until) - timedelta(days=1)).replace(day=1)
    return Period(since, until, monthly)


def backups_at(now: datetime) -> dict[str, Backup]:
    """Say how each store that is backed up stands. Raises NoConnection, VaultDown."""
    from sluice.flow.safety.exposing import known_at
    from sluice.insight.capacity.standing import Backup
    from sluice.safety.words import lasts

    return {
        name: Backup(
            lose=one.lost,
            back_in=lasts(one.back_in) if one.back_in is not None else "nobody knows how long",
            newest=one.window.latest.date() if one.window else None,
            drilled=one.proven_at.date() if one.proven_at else None,
            warnings=tuple(one.warnings),
        )
        for name, one in known_at(now).exposures.items()
    }


def proposals_since(scalings: Scalings, estate: Estate, since: datetime) -> tuple[Proposal, ...] | None:
    """Give what `scale_capacity` has proposed last for each store, and what it holds back; None where no store is to be scaled.

    Raises NoPlan, StoreDown.
    """
    from sluice.insight.capacity.standing import Proposal
    from sluice.insight.scaling.plan import kept_proposals

    scaled = {name for name, store in estate.stores.items() if store.scaling}
    if not scaled:
        return None
    lines = kept_proposals(scalings.plans(), since)
    return tuple(
        Proposal(one.store, f"held back: {one.what}" if one.held else one.what, one.why)
        for one in lines
        if one.store in scaled
    )


def troubles_open(incidents: Incidents) -> tuple[SmallTrouble, ...]:
    """Give what is wrong now and is told with a report alone (P4), what began first first. Raises StoreDown."""
    from sluice.insight.capacity.standing import SmallTrouble

    return tuple(
        SmallTrouble(one.store, one.opened.astimezone(UTC).date(), "; ".join(member.text for member in one.members))
        for one in incidents.board(incidents.now()).incidents
        if one.severity == "P4" and one.quiet is None and one.cleared is None and not one.hushed
    )


def is_recent(until: date, context: Context) -> bool:
    """Tell whether a window ended not long before its run was started."""
    return _began(context) - datetime.combine(until, datetime.min.time(), UTC) <= LATELY


def _began(context: Context) -> datetime:
    run = context["dag_run"]
    return (run.start_date or run.run_after).astimezone(UTC)


def _day(told: str, context: Context) -> date:
    try:
        found = date.fromisoformat(told)
    except ValueError:
        raise NoDay(f"{told!r} is no day: write it as 2026-03-01. Nothing was done.") from None
    if found > _began(context).date():
        raise NoDay(f"{told} has not come yet: nothing is known until then. Nothing was done.")
    return found


def _midnight(moment: str) -> date:
    return datetime.fromisoformat(moment).astimezone(UTC).date()


def _days(since: date, until: date) -> Iterator[date]:
    yield from (since + timedelta(days=number) for number in range((until - since).days))
