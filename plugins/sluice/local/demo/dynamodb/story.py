"""The story, in order: copy under writes, mend what cannot be mapped, cut over, write on, cut back, cut over again, prove."""

from __future__ import annotations

import time
from threading import Event

from sluice.local.certify import Acknowledged
from sluice.local.demo.dynamodb.report import make_report
from sluice.local.demo.dynamodb.stage import Tyler
from sluice.local.demo.report import Report
from sluice.local.tyler.oracle import Survey, judge, survey
from sluice.local.tyler.probe import Probe
from sluice.local.tyler.shape import LEGACY

PATIENCE = 1800.0
"""Seconds that a burst may take."""
LOOKS = 3


def play(stage: Tyler) -> Report:
    """Play it and give the report. Raises RunFailed when a run of a migration ends red that should not."""
    app, say = stage.app, stage.say
    say(f"the application writes on; {stage.options.quiet_seconds:.0f} s of quiet first, as a control")
    with app.phase("quiet"):
        time.sleep(stage.options.quiet_seconds)
    app.mark("copy")
    waiting = stage.copy()
    say(f"{len(waiting)} items wait in quarantine, and no migration goes on before they are mended:")
    for name, poison in waiting.items():
        say(f"  {name}: {poison.reason}")
    say("the demo mends or deletes each in its legacy table; in your estate a person does")
    app.mark("mend")
    promised = stage.mend()
    app.mark("verify")
    stage.migrate("verified")
    app.mark("cutover")
    stage.migrate("cut_over")
    app.mark("after_cutover")
    say(f"{stage.options.after:,} more writes, through the access library, and back into the legacy tables")
    app.burst(stage.options.after, PATIENCE)
    app.mark("cut_back")
    stage.migrate("verified")
    app.mark("after_cut_back")
    app.burst(stage.options.after // 5, PATIENCE)
    app.mark("second_cutover")
    stage.migrate("cut_over")
    app.mark("after_second_cutover")
    app.burst(stage.options.after // 5, PATIENCE)
    say("the application stops; every acknowledged write is looked for, and all of both sides is compared")
    workload = app.stop()
    found = settled(stage, promised)
    acknowledged = app.acknowledged
    acknowledged.add(promised)
    return make_report(stage, workload, judge(acknowledged, found.side("new")), found, waiting)


def settled(stage: Tyler, promised: Acknowledged) -> Survey:
    """Wait until a last write has arrived for each table, then compare all; what differs is given a moment, twice."""
    for legacy in LEGACY.values():
        Probe(stage.sides, legacy, promised).measure_once(Event())
    for look in range(LOOKS):
        found = survey(stage.sides.client)
        if not found.differing:
            break
        stage.say(f"  {len(found.differing)} differ at look {look + 1}: {', '.join(found.differing[:5])}")
        time.sleep(5)
    return found
