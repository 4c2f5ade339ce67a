"""What capture costs the application: the same writes with the trigger and without, turn by turn."""

from __future__ import annotations

import re
import subprocess
from typing import Any

from psycopg import sql
from sluice.local.certify import WorkloadProcess
from sluice.local.postgres import binaries
from sluice.stores.postgres import Table
from sluice.stores.statements import statement

from benchmarks._scratch import Scratch, begin, copy_all, rounds, scratch, setting, summary

WITHOUT, WITH = "bare writes, no trigger", "bare writes, trigger"
QUIET, CAPTURED = "the application, no trigger", "the application, trigger"
WRITES, SECONDS = setting("BURST", 3_000), setting("SECONDS", 4)


def main() -> dict[str, Any]:
    """Write into a table whose copy is complete: updates and deletes find their row there, as late in a migration.

    Bare writes are single statements by key, the dearest case; the application has reads, transactions and a second table.
    """
    with scratch() as made:
        begin(made.kind())
        copy_all(made, 2)
        made.settle()
        (made.folder / "write.sql").write_text(statement("bench.write_session").as_string())
        count = setting("ROUNDS", 8)
        bare = rounds({WITHOUT: lambda: _bare(made, on=False), WITH: lambda: _bare(made, on=True)}, count)
        # Afterwards: the application takes the rows for its own and must not meet a stranger's deletes.
        with made.application(200) as application:
            whole = rounds(
                {
                    QUIET: lambda: _burst(made, application, on=False),
                    CAPTURED: lambda: _burst(made, application, on=True),
                },
                count,
            )
    result = summary("capture", WITH, WITHOUT, bare)
    return {**result, "results": result["results"] + summary("capture", CAPTURED, QUIET, whole)["results"]}


def _bare(made: Scratch, *, on: bool) -> float:
    """Give the seconds for a thousand single statements of four sessions."""
    _switch(made, on=on)
    pgbench = [str(binaries() / "pgbench"), "--no-vacuum", "--protocol=prepared", "--client=4", "--jobs=1"]
    script = [f"--time={SECONDS}", f"--file={made.folder / 'write.sql'}", f"--define=rows={setting('ROWS', 1_200_000)}"]
    done = subprocess.run([*pgbench, *script, made.dsn()], capture_output=True, text=True, check=True)
    found = re.search(r"tps = ([\d.]+)", done.stdout)
    if found is None:
        raise ValueError(f"pgbench said no rate: {done.stdout}")
    return 1000 / float(found[1])


def _burst(made: Scratch, application: WorkloadProcess, *, on: bool) -> float:
    """Give the seconds for a thousand of the application's own transactions."""
    _switch(made, on=on)
    return application.burst(WRITES) / WRITES * 1000


def _switch(made: Scratch, *, on: bool) -> None:
    table = Table.parse(made.migration.source.table).identifier
    turn = sql.SQL("ENABLE ALWAYS") if on else sql.SQL("DISABLE")
    made.opened[0].execute(statement("bench.switch_capture", table=table, turn=turn))
