"""The story, in order: back up under load, whole and what changed; drill; lose a table; bring it back; look for every write."""

from __future__ import annotations

import time

from sluice.local.certify import verify
from sluice.local.demo.report import Report
from sluice.local.demo.safety.report import Back, make_report
from sluice.local.demo.safety.stage import STORE, Safety
from sluice.local.ports import free_port
from sluice.safety.physical.choosing import name_point
from sluice.stores.postgres import connect

POINT = "before_the_release"


def play(stage: Safety) -> Report:
    """Play it and give the report. Raises RunFailed when a run ends red."""
    app, say = stage.app, stage.say
    size = stage.bytes()
    say(
        f"{size / 1e9:.1f} GB; the application writes on; {stage.options.quiet_seconds:.0f} s of quiet first, as a control"
    )
    with app.phase("quiet"):
        time.sleep(stage.options.quiet_seconds)
    app.mark("backup")
    stage.run(f"backup__{STORE}", whole=True)
    say("what changes from now on is in the next backup, and the log all the while")
    app.burst(stage.options.after)
    app.mark("increment")
    stage.run(f"backup__{STORE}")
    app.mark("drill")
    say("the store is counted, every row, and brought back as it is")
    stage.run(f"restore_drill__{STORE}")
    counted = stage.counted_at()
    app.burst(stage.options.after)
    with connect(stage.settings.cluster.dsn("certify"), purpose="demo") as admin:
        name_point(admin, STORE, POINT, stage.vault)
    moment = stage.now()
    say(f"this moment has a name now: {POINT}; back to that, to a time, and to the position at which it was counted")
    stage.run(f"restore_drill__{STORE}", target="point", value=POINT)
    stage.run(f"restore_drill__{STORE}", target="time", value=moment.isoformat())
    stage.run(f"restore_drill__{STORE}", target="position", value=counted)
    say("the application stops; somebody drops the table, by mistake")
    workload = app.stop()
    weights, before = stage.weights(stage.mover), stage.now()
    stage.drop_by_mistake()
    port, asked = free_port(), time.monotonic()
    stage.run(f"restore__{STORE}", target="time", value=before.isoformat(), confirm=STORE, port=port, days=1)
    seconds = time.monotonic() - asked
    say("beside the living server stands the one of before; every acknowledged write is looked for in it")
    with stage.brought_back(port) as copy:
        back = Back(seconds, weights, stage.weights(copy), verify(copy, app.acknowledged))
    return make_report(stage, workload, size, back)
