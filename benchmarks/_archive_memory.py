"""Export a month in a process that does nothing else, and tell how much memory it had at most."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from uuid import uuid4

from sluice.local.objects import ObjectStore
from sluice.stores.objects import Vault
from sluice.stores.postgres import connect
from sluice.upkeep.archive.exporting import Exporter

from benchmarks.archive import BUCKET, month_of


def main() -> None:
    """Read where everything is from standard input; write the megabytes to standard output."""
    told = json.load(sys.stdin)
    client = ObjectStore(Path(), told["port"], told["key"], told["secret"]).client()
    with connect(told["dsn"], purpose="bench") as c:
        Exporter(c, c, Vault(client, BUCKET), uuid4().hex, "at", "tenant").run(month_of(c))
    print(json.dumps({"megabytes": _peak() / 1024}))


def _peak() -> int:
    """Give the most kilobytes since this program began; `resource` also counts those of the process that started it."""
    told = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in told if line.startswith("VmHWM"))


if __name__ == "__main__":
    main()
