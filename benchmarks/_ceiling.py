"""How many chunks a second the queue hands out: the real statements of a chunk, by pgbench, with a note in place of the copy."""

from __future__ import annotations

import re
import subprocess
import time
from typing import Any

import psycopg
from psycopg import sql
from sluice.ledger.releases import releases
from sluice.stores.binaries import binaries
from sluice.stores.cluster import Cluster
from sluice.stores.postgres import Connection, connect, one
from sluice.stores.statements import statement

from benchmarks._scratch import Scratch, begin, setting

SECONDS = setting("SECONDS", 8)
CHUNKS = setting("CHUNKS", 500_000)
"""As many as ten thousand million rows make."""
NUMBER = 424_242_424_242
"""Stands for the claimed chunk where a script is made from the statements."""


class ManySessions(Cluster):
    """A server that takes as many sessions as there are lanes."""

    def _settings(self) -> dict[str, str]:
        return {**super()._settings(), "max_connections": "300"}


def prepare(made: Scratch) -> None:
    """A migration that stands where chunks are copied, and a table for the notes."""
    begin(made.kind())
    c = made.connect()
    with c.transaction():
        c.execute(statement("expand.create_schema", schema=sql.Identifier("sluice_bench")))
        c.execute(statement("bench.make_copied"))


def lay_out(made: Scratch, done: int = 0) -> None:
    """A fresh queue, of which so many are done; vacuumed, as autovacuum does within a minute."""
    c = made.connect()
    c.execute(statement("bench.forget_chunks"))
    c.execute(statement("marks.plan_page_chunks"), {"name": made.migration.name, "pages": 1, "last": CHUNKS})
    if done:
        finish(made, done)
    c.execute(statement("bench.vacuum_everything"))


def finish(made: Scratch, chunks: int) -> None:
    """Check off so many at once."""
    made.connect().execute(statement("bench.finish_chunks"), {"name": made.migration.name, "chunks": chunks})


def run(made: Scratch, lanes: int) -> dict[str, Any]:
    """Chunks a second of so many lanes, and the mean milliseconds of the claim by itself; each chunk once, or it raises."""
    script = made.folder / "chunk.sql"
    script.write_text(_script(made.migration.name, made.connect()))
    pgbench = [str(binaries() / "pgbench"), "--no-vacuum", "--report-per-command", f"--client={lanes}"]
    command = [
        *pgbench,
        f"--jobs={min(lanes, 2)}",
        "--define=number=0",
        f"--time={SECONDS}",
        f"--file={script}",
        made.dsn(),
    ]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    judged = one(made.connect(), statement("bench.judge_queue"))
    if len({judged["done"], judged["copied"], judged["chunks"]}) != 1:
        raise ValueError(f"not every chunk once: {judged}")
    claim = re.search(r"([\d.]+) +\d+ +-- name: claim|([\d.]+) +\d+ +SELECT number, lo, hi", said)
    rate = re.search(r"tps = ([\d.]+)", said)
    if rate is None or claim is None:
        raise ValueError(f"pgbench said no rate: {said}")
    return {"lanes": lanes, "chunks_per_second": float(rate[1]), "claim_ms": float(claim[1] or claim[2])}


def behind_an_old_snapshot(made: Scratch, chunks: int) -> dict[str, Any]:
    """The same while somebody's transaction is older than so many check marks: nothing of them can be cleared away."""
    with connect(made.dsn(), purpose="an old report") as old, old.transaction():
        old.execute(statement("bench.read_at_one_instant"))
        old.execute(statement("bench.begin_snapshot"))
        finish(made, chunks)
        return run(made, 20)


def count_seconds(made: Scratch) -> float:
    """How long one look at all chunks takes, as each lane has every ten seconds and the swap has under its locks."""
    c = made.connect()
    began = time.monotonic()
    c.execute(statement("marks.count_chunks"), {"name": made.migration.name})
    return time.monotonic() - began


def _script(name: str, c: Connection) -> str:
    """What a lane says for one chunk."""
    known = [release.version for release in releases("marks")]
    values = {
        "name": name,
        "known": known,
        "after": NUMBER,
        "number": NUMBER,
        "lane": NUMBER,
        "rows": 1,
        "seconds": 0.1,
    }
    said = ["share_fence", "read_under_fence", "claim_chunk", "read_under_fence", "check_off_chunk"]
    queries = [(f"marks.{verb}", statement(f"marks.{verb}")) for verb in said]
    queries.insert(3, ("bench.note_copied", statement("bench.note_copied")))
    cursor = psycopg.ClientCursor(c)
    lines = ["BEGIN;"]
    for verb, query in queries:
        text = cursor.mogrify(query, values).replace(f"lane = {NUMBER}", "lane = :client_id + 1")
        text = text.replace(f", {NUMBER})", ", :client_id)").replace(str(NUMBER), ":number")
        lines.append(text + (" \\gset" if verb == "marks.claim_chunk" else ";"))
    return "\n".join([*lines, "COMMIT;"]) + "\n"
