"""The story, in order: migrate under writes, cut over, write on, cut back, write on, cut over again, retire, prove."""

from __future__ import annotations

import time

from sluice.local.certify import verify
from sluice.local.demo.postgres.report import make_report
from sluice.local.demo.postgres.stage import Certify
from sluice.local.demo.report import Report


def play(stage: Certify) -> Report:
    """Play it and give the report. Raises RunFailed when a run of the migration ends red."""
    app, say = stage.app, stage.say
    say(f"the application writes on; {stage.options.quiet_seconds:.0f} s of quiet first, as a control")
    with app.phase("quiet"):
        time.sleep(stage.options.quiet_seconds)
    app.mark("copy")
    stage.migrate("verified")
    app.mark("cutover")
    stage.migrate("cut_over")
    app.mark("after_cutover")
    say(f"{stage.options.after:,} more writes, into the new table and back into the old one")
    app.burst(stage.options.after)
    app.mark("cut_back")
    stage.migrate("verified")
    app.mark("after_cut_back")
    app.burst(1_000)
    app.mark("second_cutover")
    stage.migrate("cut_over")
    app.mark("after_second_cutover")
    app.burst(1_000)
    app.mark("retire")
    stage.migrate("retired", retire_early=True)
    app.mark("after_retire")
    app.burst(1_000)
    say("the application stops; every acknowledged write is looked for")
    workload = app.stop()
    oracle = verify(stage.mover, app.acknowledged)
    return make_report(stage, workload, oracle)
