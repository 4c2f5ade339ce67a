"""The report as one page of HTML: no script, no font, no address; light and dark, wide and narrow. Pure; all is escaped."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from sluice.insight.capacity.charts import chart, spark
from sluice.insight.capacity.frame import is_near
from sluice.insight.capacity.measure import Outlook
from sluice.insight.capacity.report import CHARTED, Report
from sluice.insight.capacity.telling import (
    NO_PROPOSALS,
    NO_TROUBLES,
    arrival_told,
    changed_told,
    first_told,
    grown_told,
    headline,
    period_told,
    score_told,
    trouble_told,
)
from sluice.insight.capacity.words import amount, change, dated, day, many, money, reach

DEAREST = 12
"""So many parts of the bill are shown."""
UNIT = re.compile(r"(?<=\d) (?=(?:%|/s|[kMGTP]?B)(?:\W|$))")


def page(report: Report) -> str:
    """Render it."""
    until = report.until
    return _template().render(
        report=report,
        charted=CHARTED,
        dearest=DEAREST,
        headline=headline(report),
        period=period_told(report),
        unknown={"troubles": NO_TROUBLES, "proposals": NO_PROPOSALS},
        changes=list(changed_told(report.changed, until)) if report.changed else [],
        day=lambda value: day(value, until),
        dated=dated,
        trouble=lambda one: trouble_told(one, until),
        told=lambda outlook, at: arrival_told(outlook, at, until),
        first=lambda store: first_told(store, until),
        far=_far,
    )


@cache
def _template() -> Template:
    pages = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_kept_together,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters |= {"amount": amount, "change": change, "chart": chart, "spark": spark, "many": many, "grown": grown_told,
                      "scored": score_told, "span": _span, "money": money, "reach": reach}  # fmt: skip
    return pages.get_template("page.html")


def _far(outlook: Outlook) -> list[str]:
    """Name the limits that the chart has no room for."""
    far = [limit for limit in outlook.limits if not is_near(outlook, limit)]
    return [amount(limit.value, outlook.unit) for limit in far]


def _span(values: tuple[float, float, float] | None, unit: str) -> str:
    return " – ".join(dict.fromkeys(amount(one, unit) for one in values[::2])) if values else "–"


def _kept_together(value: object) -> object:
    """Keep a number and its unit on one line."""
    return UNIT.sub("\N{NO-BREAK SPACE}", value) if isinstance(value, str) and not isinstance(value, Markup) else value
