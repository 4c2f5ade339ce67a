"""The console's pages, for the eye. Pure: a record or an answer in, HTML out, everything escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import ChainableUndefined, Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from sluice.console.assets import file_path, sheets
from sluice.console.certified import drill_parts, failover_parts
from sluice.console.paths import below_airflow
from sluice.insight.capacity.charts import spark
from sluice.insight.capacity.words import amount, change, money
from sluice.overview.pages import PAGES
from sluice.overview.states import SIGNS, WORDS
from sluice.proof.gates.evidence import Kept
from sluice.safety.drill.certificate import Certificate
from sluice.safety.replicas.certificate import FailoverCertificate
from sluice.safety.words import lasts

PREFIXES = ("evidence/", "docs/")
_APART = ("verdict", "facts", "docs_key")
_TEMPLATES = FileSystemLoader(Path(__file__).parent / "templates")
# A record that was tampered with may lack anything: what is not there shows as nothing.
_KEPT = Environment(loader=_TEMPLATES, autoescape=True, undefined=ChainableUndefined)
# An answer is ours: what it lacks is a mistake of the page.
_LIVE = Environment(loader=_TEMPLATES, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def evidence_page(kept: Kept) -> str:
    """Render a record. One that is not intact is shown all the same, under a banner that says so."""
    origin = {name: value for name, value in kept.record.items() if name not in _APART}
    docs = address(kept.record.get("docs_key"))
    page = _KEPT.get_template("evidence.html")
    return page.render(kept=kept, **_parts(kept.record), origin=origin, docs=docs)


def certificate_page(one: Certificate) -> str:
    """Render what a drill has proven."""
    page = _KEPT.get_template("certificate.html")
    return page.render(one=one, title=f"The drill of {one.store}", parts=list(drill_parts(one)))


def failover_page(one: FailoverCertificate) -> str:
    """Render what a failover drill has proven."""
    page = _KEPT.get_template("certificate.html")
    return page.render(one=one, title=f"The failover drill of {one.store}", parts=list(failover_parts(one)))


def problem_page(title: str, told: str) -> str:
    """Render what went wrong, and what to do."""
    return _KEPT.get_template("problem.html").render(title=title, told=told)


def live_page(name: str, answer: Any, *, alone: bool = False, below: str | None = None, wrong: str = "") -> str:
    """Render an answer by the template of its name; `alone`, without the way to the other pages, for a tab in Airflow.

    `below` names the page that it is a part of, where that is another; `wrong` says what is wrong in estate.yaml.
    """
    page = _LIVE.get_template(f"{name}.html")
    return page.render(page=below or name, it=answer, pages={} if alone else PAGES, wrong=wrong)


def address(key: object) -> str | None:
    """Give the console's address of a key of the vault; None for what it does not serve."""
    return below_airflow(f"/sluice/{quote(key)}") if isinstance(key, str) and key.startswith(PREFIXES) else None


def moment(at: datetime | None, how: str = "long") -> Markup:
    """Show a moment: in UTC, which the page's script turns into the reader's zone. `how`: long, short, ago."""
    if at is None:
        return Markup("never")
    return Markup('<time datetime="{}" data-how="{}">{:%Y-%m-%d %H:%M} UTC</time>').format(at.isoformat(), how, at)


def lasting(length: timedelta) -> str:
    """Show how long something takes, in the unit that suits; none is less than no time."""
    seconds = max(0.0, length.total_seconds())
    for size, unit in ((172_800, "days"), (5400, "h"), (90, "min")):
        if seconds >= size:
            return f"{seconds / {'days': 86_400, 'h': 3600, 'min': 60}[unit]:.0f} {unit}"
    return f"{seconds:.0f} s"


def short_day(day: date) -> str:
    """Show a day where there is little room."""
    return f"{day.day} {day:%b}"


def capitalize_first(text: str) -> str:
    """Begin with a capital, and leave names as they are."""
    return text[:1].upper() + text[1:]


def _spark(was: Sequence[tuple[date, float]]) -> Markup:
    return spark([day for day, _ in was], [value for _, value in was])


def _parts(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: record[name] if isinstance(record.get(name), dict) else {} for name in ("verdict", "facts")}


for _pages in (_KEPT, _LIVE):
    _pages.globals.update(asset=lambda name: below_airflow(file_path(name)), at=below_airflow, sheets=sheets)
_LIVE.globals.update(signs=SIGNS, words=WORDS)
_LIVE.filters.update(
    moment=moment,
    short_day=short_day,
    lasts=lasts,
    lasting=lasting,
    capitalize_first=capitalize_first,
    amount=amount,
    change=change,
    money=money,
    spark=_spark,
)
