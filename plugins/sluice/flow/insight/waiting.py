"""A question of scaling that waits is told to people, as P3, once: who hears of none answers none, and the disk fills.

The same question is asked anew each hour, by another run: of that people hear again after a day.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sluice.errors import SluiceError
from sluice.flow.alerting import send_alert
from sluice.flow.connections import opened_control
from sluice.flow.question_address import question_address

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.types import Logger

    from sluice.insight.scaling.plan import Plan
    from sluice.ledger.control import Control

AGAIN_AFTER = timedelta(days=1)


def tell_waiting(plan: Plan, whose: str, context: Context, log: Logger) -> None:
    """Tell people which plan waits for a yes, and where. A channel that is down keeps no question from waiting.

    Raises NoConnection and StoreDown, of the ledger alone.
    """
    with opened_control(whose, context["run_id"]) as control:
        if _is_told(control, plan):
            return
        ti: Any = context["ti"]
        page = question_address(ti, airflow_page())
        if _tell(plan, page, context, log):
            control.record_facts(_told(plan), {"page": page}, epoch=1)


def _tell(plan: Plan, page: str, context: Context, log: Logger) -> bool:
    text = f"P3: {plan.store} waits for a yes, for an hour: {page}\n{plan}"
    try:
        if send_alert("P3", plan.store, text, context, page=page):
            return True
    except SluiceError as nobody:
        log.error("Nobody is told that a question waits: %s", nobody)
    else:
        log.warning("Nobody is told that a question waits: estate.yaml has no `alerts`, and no `notify` from P3 on.")
    return False


def airflow_page() -> str:
    """Give where people open Airflow, as its configuration says (`[api] base_url`)."""
    from airflow.configuration import conf

    found: str = conf.get("api", "base_url", fallback="") or "http://localhost:8080"
    return found.rstrip("/")


def _is_told(control: Control, plan: Plan) -> bool:
    from sluice.ledger.control import NoFacts

    try:
        found = control.facts(_told(plan), any_run=True)
    except NoFacts:
        return False
    return found.now < found.at + AGAIN_AFTER


def _told(plan: Plan) -> str:
    """Name the note in the ledger that people were told of just this plan."""
    return f"told {plan.seal}"
