"""The story, in order: a year of days; a report of each of the last weeks; the last one again; its page opened, and read back."""

from __future__ import annotations

from sluice.local.demo.insight.report import Looked, look, make_report
from sluice.local.demo.insight.stage import Insight
from sluice.local.demo.report import Report


def play(stage: Insight) -> Report:
    """Play it and give the report. Raises RunFailed when a run ends red, BrowserFailed."""
    say, count = stage.say, stage.options.size
    say(f"{stage.days:,} days and hours of three made-up stores are in the ledger, until {stage.until}")
    say(f"Airflow makes the reports of the last {count} weeks, by a backfill, as if it had been there then")
    found = stage.reports_until(stage.until, count)
    monthly = sum(one.monthly for one in found)
    say(f"{len(found)} reports, of {found[0].until} to {found[-1].until}; {monthly} of them look back on a month, too")
    say("the last window is done again: the same report must come of it")
    (again,) = stage.reports_until(stage.until)
    looked: Looked = look(stage, again)
    say(f"the page, its pictures and its JSON are in {looked.folder}")
    return make_report(stage, looked, same=again.key.split("/")[-2] == found[-1].key.split("/")[-2])
