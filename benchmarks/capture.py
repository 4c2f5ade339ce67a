"""What capture costs the application: the same writes with the trigger and without, turn by turn."""

from __future__ import annotations

import re
import subprocess
from functools import partial
from statistics import median
from typing import Any

from psycopg import sql
from sluice.local.certify import WorkloadProcess
from sluice.stores.binaries import binaries
from sluice.stores.postgres import Table, one
from sluice.stores.statements import statement

from benchmarks._scratch import Scratch, begin, copy_all, rounds, scratch, setting, summary, timed

WITHOUT, WITH = "bare writes, no trigger", "bare writes, trigger"
LOAD, LOADED = "200,000 rows in one INSERT, no trigger", "200,000 rows in one INSERT, trigger"
QUIET, CAPTURED = "the application, no trigger", "the application, trigger"
WRITES, SECONDS, ROWS_LOADED = setting("BURST", 3_000), setting("SECONDS", 4), setting("LOADED", 200_000)


def main() -> dict[str, Any]:
    """Write into a table whose copy is complete: updates and deletes find their row there, as late in a migration.

    Bare writes are single statements by key, the dearest case; the application has reads, transactions and a second table.
    """
    log: dict[bool, list[float]] = {False: [], True: []}
    with scratch() as made:
        begin(made.kind())
        copy_all(made, 2)
        made.settle()
        (made.folder / "write.sql").write_text(statement("bench.write_session").as_string())
        count = setting("ROUNDS", 8)
        bare = {WITHOUT: partial(_bare, made, log, on=False), WITH: partial(_bare, made, log, on=True)}
        load = {LOAD: partial(_load, made, on=False), LOADED: partial(_load, made, on=True)}
        parts = [summary("capture", WITH, WITHOUT, rounds(bare, count))]
        parts.append(summary("capture", LOADED, LOAD, rounds(load, count)))
        # Afterwards: the application takes the rows for its own and must not meet a stranger's deletes.
        with made.application(200) as application:
            app = {
                QUIET: partial(_burst, made, application, on=False),
                CAPTURED: partial(_burst, made, application, on=True),
            }
            parts.append(summary("capture", CAPTURED, QUIET, rounds(app, count)))
    results = [result for part in parts for result in part["results"]]
    log_bytes = {"without": median(log[False]), "with": median(log[True])}
    print(
        f"log a write: {log_bytes['without']:.0f} bytes without the trigger, {log_bytes['with']:.0f} with it",
        flush=True,
    )
    return {**parts[0], "results": results, "rate": 1 / parts[0]["ratio"], "log_bytes_a_write": log_bytes}


def _bare(made: Scratch, log: dict[bool, list[float]], *, on: bool) -> float:
    """Give the seconds for a thousand single statements of four sessions."""
    _switch(made, on=on)
    c = made.opened[0]
    before = one(c, statement("bench.read_meter"))["wal"]
    pgbench = [str(binaries() / "pgbench"), "--no-vacuum", "--protocol=prepared", "--client=4", "--jobs=1"]
    script = [f"--time={SECONDS}", f"--file={made.folder / 'write.sql'}", f"--define=rows={setting('ROWS', 1_200_000)}"]
    done = subprocess.run([*pgbench, *script, made.dsn()], capture_output=True, text=True, check=True)
    rate, writes = (re.search(what, done.stdout) for what in (r"tps = ([\d.]+)", r"actually processed: (\d+)"))
    if rate is None or writes is None:
        raise ValueError(f"pgbench said no rate: {done.stdout}")
    print(f"  {' '.join(['pgbench', *pgbench[1:], script[0], '--file=write.sql', script[2]])}", flush=True)
    log[on].append((one(c, statement("bench.read_meter"))["wal"] - before) / int(writes[1]))
    return 1000 / float(rate[1])


def _load(made: Scratch, *, on: bool) -> float:
    """Give the seconds of one large statement, which is taken back afterwards."""
    _switch(made, on=on)
    made.settle()
    c = made.opened[0]
    with c.transaction(force_rollback=True):
        return timed(lambda: c.execute(statement("bench.insert_sessions"), {"rows": ROWS_LOADED}))


def _burst(made: Scratch, application: WorkloadProcess, *, on: bool) -> float:
    """Give the seconds for a thousand of the application's own transactions."""
    _switch(made, on=on)
    return application.burst(WRITES) / WRITES * 1000


def _switch(made: Scratch, *, on: bool) -> None:
    table = Table.parse(made.migration.source.table).identifier
    turn = sql.SQL("ENABLE ALWAYS") if on else sql.SQL("DISABLE")
    made.opened[0].execute(statement("bench.switch_capture", table=table, turn=turn))
