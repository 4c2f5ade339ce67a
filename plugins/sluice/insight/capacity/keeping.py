"""A report in the vault: page, text and JSON below `docs/`, where the console shows them; and the one before, read back."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace

from sluice.insight.capacity.changed import Before, read_before
from sluice.insight.capacity.making import Period
from sluice.insight.capacity.markdown import markdown
from sluice.insight.capacity.page import page
from sluice.insight.capacity.report import Report, to_json
from sluice.ledger.forecasts import Forecasts, Reported
from sluice.stores.objects import NoSuchKey, Vault

FIRST = "This is the first report: the next one says what has changed."


@dataclass(frozen=True)
class Files:
    """The keys of a report's three forms."""

    page: str
    markdown: str
    json: str


def keep_report(vault: Vault, kept: Forecasts, report: Report, place: str) -> Files:
    """Put a report below `docs/` and note it in the ledger. Named by content: safe to repeat.

    Raises VaultDown, AlreadyThere, AccessDenied, StoreDown.
    """
    told = to_json(report).encode()
    folder = f"docs/{place}/{hashlib.sha256(told).hexdigest()[:12]}"
    forms = {
        "html": (page(report).encode(), "text/html; charset=utf-8"),
        "md": (markdown(report).encode(), "text/markdown; charset=utf-8"),
        "json": (told, "application/json"),
    }
    keys = {form: vault.put_once(f"{folder}/report.{form}", *body).key for form, body in forms.items()}
    kept.keep_report(Reported(report.until, report.since, report.monthly, keys["json"]))
    return Files(keys["html"], keys["md"], keys["json"])


def load_before(vault: Vault, kept: Forecasts, period: Period) -> tuple[Before | None, str]:
    """Give the report to compare with: the last one, or the last monthly one of a monthly; else why there is none.

    How urgent a limit was is always the last one's: two reports in a row wake people, and a month is no row.
    Raises VaultDown, AccessDenied, StoreDown.
    """
    last = kept.report_before(period.until)
    if last is None:
        return None, FIRST
    newest, why = _load(vault, last)
    monthly = kept.report_before(period.until, monthly=True) if period.monthly else None
    compared = _load(vault, monthly)[0] if monthly and monthly != last else None
    if compared is None:
        return newest, why
    return replace(compared, days=newest.days if newest else {}), ""


def _load(vault: Vault, found: Reported) -> tuple[Before | None, str]:
    try:
        before = read_before(json.loads(vault.get(found.key)))
    except NoSuchKey:
        return None, f"The report until {found.until} is no longer in the vault: nothing to compare with."
    if before is None:
        return (
            None,
            f"The report until {found.until} has another form than this one: the next one says what has changed.",
        )
    return before, ""
