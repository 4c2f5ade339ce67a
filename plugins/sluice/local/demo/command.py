"""The demo's command: bring up, play, print the report, take down."""

from __future__ import annotations

import json
import time

from sluice.local import machine
from sluice.local.demo.options import Options
from sluice.local.demo.report import Report, as_table, judged
from sluice.local.demo.stage import Stage
from sluice.local.demo.story import play
from sluice.local.settings import load

REPORT = "demo.json"


def main(options: Options) -> int:
    """Play the whole story; exit code 0 only if every promise was kept. Raises KeyboardInterrupt after tidying up."""
    was_up = all(part.pid for part in machine.status())
    began = time.monotonic()
    target = load().state_dir / REPORT
    target.unlink(missing_ok=True)
    try:
        settings = machine.up()
        with Stage(settings, options, began) as stage:
            report = play(stage)
        target.write_text(json.dumps(report, indent=2) + "\n")
        return _close(report, settings.airflow_url)
    finally:
        if not (options.keep or was_up):
            print("Taking everything down (--keep leaves it running) …", flush=True)
            machine.down()


def _close(report: Report, address: str) -> int:
    broken = judged(report)
    print(f"\n{as_table(report)}\n\nThe same as JSON: .sluice/{REPORT}")
    print(f"Look in the UI: {address}/dags?search=migrate (./sluice up prints the login)")
    for promise in broken:
        print(f"NOT KEPT: {promise}")
    return 1 if broken else 0
