"""What the demo of the capacity report proves: out of the page as a browser has it, and the JSON beside it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluice.insight.capacity.words import money
from sluice.ledger.forecasts import Reported
from sluice.local.demo.insight.browsing import browser, opened, pictured
from sluice.local.demo.insight.reading import mismatches, read_page
from sluice.local.demo.insight.year import EVENTS, LEDGER, SHOP
from sluice.local.demo.report import Report
from sluice.local.tables import table

if TYPE_CHECKING:
    from sluice.local.demo.insight.stage import Insight

SCORED_AFTER = {7: 2, 30: 6, 90: 14}
"""Days ahead, and how many weekly reports it takes until one is scored."""
LEAST_BYTES = 20_000
"""A picture of a page with charts has more."""


@dataclass(frozen=True)
class Looked:
    """A report as it was looked at."""

    folder: Path
    told: Mapping[str, Any]
    """Its JSON."""
    html: str
    """Its page, as the browser has understood it; as it is stored, where there is none."""
    pictures: Mapping[str, Path]
    browser: str | None


def look(stage: Insight, found: Reported) -> Looked:
    """Take a report out of the vault, open its page in Chromium where that is installed, and take pictures."""
    folder = stage.settings.state_dir / "insight"
    folder.mkdir(exist_ok=True)
    place = found.key.removesuffix("json")
    for form in ("html", "md", "json"):
        (folder / f"report.{form}").write_bytes(stage.vault.get(f"{place}{form}"))
    page, path = folder / "report.html", browser()
    html = opened(path, page) if path else page.read_text()
    return Looked(
        folder, json.loads((folder / "report.json").read_text()), html, pictured(path, page) if path else {}, path
    )


def make_report(stage: Insight, looked: Looked, same: bool) -> Report:
    """Gather it all into plain values."""
    headline, figures = read_page(looked.html)
    stores = {store["name"]: store for store in looked.told["stores"]}
    return {
        "asked": stage.options.size,
        "reports": len(stage.runs) - 1,
        "days": stage.days,
        "until": looked.told["until"],
        "headline": headline,
        "charts": len(figures),
        "differing": mismatches(looked.html, looked.told),
        "same_again": same,
        "scripts": len(re.findall("<script", looked.html)),
        "addresses": sorted({one for one in re.findall(r'(?:href|src)="([^"]*)"', looked.html) if one[:1] != "#"}),
        "tables": sum(len(store["tables"]) for store in stores.values()),
        "drops": len(stores[SHOP]["measures"][0]["drops"]),
        "without_a_limit": [name for name in (SHOP, LEDGER) if not stores[name]["measures"][0]["limits"]],
        "foreseen": [name for name in (SHOP, LEDGER, EVENTS) if stores[name]["measures"][0]["curve"]],
        "young": [one["reason"] for one in stores[SHOP]["tables"] if one["name"] == "app.young"],
        "scores": looked.told["scores"],
        "cost": {name: (looked.told["cost"] or {}).get(name) for name in ("now", "later")},
        "savings": len((looked.told["cost"] or {}).get("savings", ())),
        "browser": looked.browser,
        "pictures": {name: path.stat().st_size for name, path in looked.pictures.items()},
        "folder": str(looked.folder),
        "minutes": round((time.monotonic() - stage.began) / 60, 1),
    }


def judged(report: Report) -> list[str]:
    """Name the promises that were not kept."""
    due = [ahead for ahead, reports in SCORED_AFTER.items() if report["asked"] >= reports]
    wanted = {
        "each week has its report": report["reports"] == report["asked"] > 0,
        "text, charts and JSON say the same": report["charts"] > 0 and not report["differing"],
        "every store has its charts": report["charts"] >= 5,
        "the same window gives the same report": report["same_again"],
        "no script, not even in a name": report["scripts"] == 0,
        "the page asks nobody for anything": not report["addresses"],
        "every store is foreseen": report["foreseen"] == [SHOP, LEDGER, EVENTS],
        "what was archived is marked": report["drops"] > 0,
        "a disk of unknown size has no limit, and the other has": report["without_a_limit"] == [LEDGER],
        "five days are no forecast, and it is said": bool(report["young"] and report["young"][0]),
        "earlier forecasts are scored": all(
            any(one["ahead"] == ahead and one["count"] > 0 for one in report["scores"]) for ahead in due
        ),
        "what it costs is told, now and in 90 days": all(
            bounds and bounds[0] > 0 for bounds in report["cost"].values()
        ),
        "Chromium took its pictures, where it is there": not report["browser"]
        or (len(report["pictures"]) == 3 and min(report["pictures"].values()) >= LEAST_BYTES),
    }
    return [promise for promise, kept in wanted.items() if not kept]


def as_table(report: Report) -> str:
    """Lay the report out for a terminal."""
    shown = [
        ("days and hours of three stores", f"{report['days']:,}"),
        ("weekly reports", report["reports"]),
        ("the headline", report["headline"]),
        ("charts read back, and what differs from text or JSON", f"{report['charts']}, {len(report['differing'])}"),
        ("tables", report["tables"]),
        *(
            (f"forecasts held, {one['ahead']} days ahead", f"{100 * one['held']:.0f} % of {one['count']:,}")
            for one in report["scores"]
        ),
        ("a month, now and in 90 days", " · ".join(money(bounds, "$") for bounds in report["cost"].values() if bounds)),
        ("browser", report["browser"] or "none here: install Chromium, and it is looked at"),
        ("pictures, page, text, JSON", report["folder"]),
        ("minutes", report["minutes"]),
    ]
    return "\n".join([table(("what", "result"), shown), *report["differing"]])
