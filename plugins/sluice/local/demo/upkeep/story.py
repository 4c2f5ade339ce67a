"""The story, in order: make ahead, archive a year while others read and write, drop it, bring a month back, prove."""

from __future__ import annotations

import time

from sluice.local.certify import verify
from sluice.local.demo.report import Report
from sluice.local.demo.upkeep.readers import long_report, short_reports
from sluice.local.demo.upkeep.report import make_report
from sluice.local.demo.upkeep.stage import Upkeep
from sluice.local.demo.upkeep.weighing import weigh_files
from sluice.local.machine import VAULT_BUCKET


def play(stage: Upkeep) -> Report:
    """Play it and give the report. Raises RunFailed when a run ends red."""
    app, say = stage.app, stage.say
    say(f"the application writes on; {stage.options.quiet_seconds:.0f} s of quiet first, as a control")
    with app.phase("quiet"):
        time.sleep(stage.options.quiet_seconds)
    before = stage.partitions()
    app.mark("ahead")
    stage.run("create_partitions")
    ahead = stage.partitions() - before
    say(f"{before} partitions became {before + ahead}; {len(stage.old)} months are old, and weighed before they go")
    weights = stage.weights()
    app.mark("archive")
    dsn = stage.settings.dsn("certify")
    say("two reports read the month that goes next, over and over; a third one has begun to read, and stays")
    with long_report(dsn, stage.old) as patient, short_reports(dsn, stage.old) as seen:
        run = stage.run("archive_retention")
    held_off = stage.tried_again("archive_retention", run, "each.archive_month")
    say("what the vault holds now is weighed by itself")
    filed = {row["lower_bound"]: weigh_files(stage.vault, VAULT_BUCKET, row["manifest"]) for row in stage.archived()}
    app.mark("bring_back")
    chosen = stage.old[len(stage.old) // 2]
    stage.run("restore_archive", dataset="audit_log", month=f"{chosen.lower:%Y-%m}", days=7)
    back = stage.weigh(chosen)
    app.mark("after")
    app.burst(stage.options.after)
    say("the application stops; every acknowledged write is looked for")
    workload = app.stop()
    oracle = verify(stage.mover, app.acknowledged)
    return make_report(stage, workload, oracle, ahead, weights, filed, (chosen, back), seen, patient, held_off)
