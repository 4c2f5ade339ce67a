"""A month into the vault and back: against COPY to nowhere, against what one writes by hand, and how much memory it takes."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

from psycopg.conninfo import conninfo_to_dict
from sluice.estate.dataset import Dataset
from sluice.local.objects import ObjectStore
from sluice.local.ports import free_port
from sluice.stores.binaries import binaries
from sluice.stores.catalogue import find_table
from sluice.stores.objects import Vault
from sluice.stores.postgres import Connection, Table, connect
from sluice.stores.statements import as_text, statement
from sluice.upkeep.archive import ledger
from sluice.upkeep.archive.archiving import Archive
from sluice.upkeep.archive.exporting import Exporter
from sluice.upkeep.archive.ledger import Month
from sluice.upkeep.archive.reading_back import verify
from sluice.upkeep.archive.restoring import restore
from sluice.upkeep.partitions.spans import Span

from benchmarks._scratch import Scratch, rounds, scratch, setting, summary, timed

ROWS = setting("ROWS", 1_000_000)
MEMORY = setting("MEMORY", ROWS)
"""Rows of the smaller month whose memory is measured; the larger has ten times as many."""
PARENT, PARTITION = Table("app", "audit_log"), Table("app", "audit_log_y2024m01")
SPAN = Span(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC))
BUCKET = "vault"

LIMIT = "COPY … TO STDOUT, read with psycopg and thrown away"
PSQL = "COPY … TO STDOUT, read by psql into /dev/null"
HEADLINE = "the archive: count, hash, rows, Parquet, upload"
PANDAS = "pandas: read_sql, to_parquet, upload; nothing is proven"
DUCKDB = "DuckDB: COPY to CSV, CSV to Parquet, upload; nothing is proven"
READ_BACK = "reading it back: every object, every row hashed"
LOAD, BACK = "COPY … FROM STDIN into an empty month", "bringing it back: rows, count, hash, index, attached"


@dataclass(frozen=True)
class Stand:
    """A server with a month in it, and a vault."""

    made: Scratch
    store: ObjectStore
    exported: list[Any] = field(default_factory=list)

    @property
    def dsn(self) -> str:
        """Of a superuser: what roles may is not measured."""
        return self.made.cluster.dsn("certify")

    @property
    def vault(self) -> Vault:
        """The bucket."""
        return Vault(self.store.client(), BUCKET)

    def connect(self) -> Connection:
        """Open a connection that is closed with the stand."""
        self.made.opened.append(connect(self.dsn, purpose="bench"))
        return self.made.opened[-1]


def main() -> dict[str, Any]:
    """Store the same month by each way in turn; then bring it back; then store one of ten times the rows."""
    with _stand() as stand:
        c, beside = stand.connect(), stand.connect()
        ledger.prepare(c)
        _make_month(c, ROWS)
        megabytes = _copy(c) / 1e6
        count = setting("ROUNDS", 3)
        cases: dict[str, Callable[[], float]] = {
            LIMIT: lambda: timed(lambda: _copy(c)),
            PSQL: partial(_psql, stand),
            HEADLINE: partial(_export, stand, c, beside),
            READ_BACK: lambda: timed(lambda: verify(stand.vault, stand.exported[-1])),
            PANDAS: partial(_pandas, stand),
            **({DUCKDB: partial(_duckdb, stand, c)} if importlib.util.find_spec("duckdb") else {}),
        }
        _export(stand, c, beside)
        result = summary("archive", HEADLINE, LIMIT, rounds(cases, count))
        back = summary("archive", BACK, LOAD, rounds(_ways_back(stand, c), count))
        memory = [_memory(stand, c, rows) for rows in (MEMORY, 10 * MEMORY)]
    seconds = {case["case"]: case["seconds"] for case in result["results"]}
    print(f"\nMB of PostgreSQL's text a second, of {megabytes:.0f}:")
    for name in (LIMIT, HEADLINE):
        print(f"  {megabytes / seconds[name]:.0f}  {name}")
    print(f"bringing back: {back['ratio']:.2f} × {LOAD}")
    print(f"peak memory: {memory[0]:.0f} MB with {MEMORY:,} rows, {memory[1]:.0f} MB with {10 * MEMORY:,}\n")
    told = {"rows": ROWS, "megabytes": megabytes, "peak_megabytes": memory, "memory_ratio": memory[1] / memory[0]}
    return result | told | {"results": result["results"] + back["results"]}


@contextmanager
def _stand() -> Iterator[Stand]:
    with scratch(0) as made:
        store = ObjectStore(made.folder / "objects", free_port(), "bench", secrets.token_urlsafe())
        store.start(os.environ)
        try:
            store.create_bucket(BUCKET)
            yield Stand(made, store)
        finally:
            store.stop()


def _make_month(c: Connection, rows: int) -> None:
    c.execute(statement("bench.drop_audit_log"))
    for made in ("make_audit_log", "make_audit_month"):
        c.execute(statement(f"bench.{made}"))
    c.execute(statement("bench.fill_audit_month"), {"rows": rows})
    c.execute(statement("bench.vacuum_everything"))
    c.execute(statement("bench.checkpoint"))


def _copy(c: Connection) -> int:
    with c.cursor() as cursor, cursor.copy(as_text(statement("bench.copy_month_out"))) as copy:
        return sum(len(row) for row in copy)


def _psql(stand: Stand) -> float:
    told = conninfo_to_dict(stand.dsn)
    environment = {**os.environ, "PGPASSWORD": str(told.pop("password"))}
    address = " ".join(f"{name}={value}" for name, value in told.items())
    command = [str(binaries() / "psql"), address, "-qc", as_text(statement("bench.copy_month_out"))]
    return timed(lambda: subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True))


def _export(stand: Stand, c: Connection, beside: Connection) -> float:
    """Into a folder of its own each time: what is there already would not be stored again."""
    exporter = Exporter(c, beside, stand.vault, uuid4().hex, "at", "tenant")
    return timed(lambda: stand.exported.append(exporter.run(month_of(c))))


def month_of(c: Connection) -> Month:
    """Give the month as the ledger would, had it been detached."""
    found = find_table(c, PARTITION)
    assert found is not None
    return Month(PARENT, SPAN, "", PARTITION, found.oid, "detached", None, None, None, None, None, SPAN.upper)


def _pandas(stand: Stand) -> float:
    import pandas as pd
    from sqlalchemy import create_engine, text

    told = conninfo_to_dict(stand.dsn)
    address = "postgresql+psycopg://{user}:{password}@{host}:{port}/{dbname}".format(**told)

    def work() -> None:
        sink = io.BytesIO()
        engine = create_engine(address)
        with engine.connect() as c:
            pd.read_sql(text(as_text(statement("bench.read_month"))), c).to_parquet(sink, compression="zstd")
        engine.dispose()
        stand.vault.put_once(f"pandas/{uuid4().hex}.parquet", sink.getvalue(), "")

    return timed(work)


def _duckdb(stand: Stand, c: Connection) -> float:
    import duckdb

    source, target = stand.made.folder / "month.csv", stand.made.folder / "month.parquet"

    def work() -> None:
        _keep(c, "bench.copy_month_out_as_csv", source)
        with duckdb.connect() as own:
            own.read_csv(str(source)).write_parquet(str(target), compression="zstd")
        stand.vault.put_once(f"duckdb/{uuid4().hex}.parquet", target.read_bytes(), "")

    return timed(work)


def _ways_back(stand: Stand, c: Connection) -> dict[str, Callable[[], float]]:
    """Archive and drop the month by the house's own way; then each way back ends with a rollback."""
    kept = stand.made.folder / "month.txt"
    _keep(c, "bench.copy_month_out", kept)
    dataset = Dataset.model_validate(
        {
            "dataset": "audit_log",
            "store": "certify",
            "table": str(PARENT),
            "partition": {"range": "at", "every": "month"},
            "retention": {"keep": "12 months", "then": "drop", "cooling": "0s", "tenant": "tenant"},
        }
    )
    archive = Archive(dataset, stand.vault, c, c, c)
    archive.archive(print)
    archive.drop(print)
    month = archive.find(str(PARTITION))

    def back() -> None:
        with c.transaction(force_rollback=True):
            restore(c, stand.vault, month, timedelta(days=1))

    return {LOAD: lambda: timed(lambda: _load(c, kept)), BACK: lambda: timed(back)}


def _keep(c: Connection, asked: str, path: Path) -> None:
    with path.open("wb") as file, c.cursor() as cursor, cursor.copy(as_text(statement(asked))) as copy:
        file.writelines(copy)


def _load(c: Connection, kept: Path) -> None:
    with c.transaction(force_rollback=True), kept.open("rb") as file, c.cursor() as cursor:
        c.execute(statement("bench.make_empty_month"))
        with cursor.copy(as_text(statement("bench.copy_month_in"))) as copy:
            while block := file.read(1 << 20):
                copy.write(block)


def _memory(stand: Stand, c: Connection, rows: int) -> float:
    """Export a month of so many rows in a process of its own; give the most megabytes that it had."""
    print(f"memory: a month of {rows:,} rows", flush=True)
    _make_month(c, rows)
    told = {"dsn": stand.dsn, "port": stand.store.port, "key": stand.store.key, "secret": stand.store.secret}
    command = [sys.executable, "-m", "benchmarks._archive_memory"]
    done = subprocess.run(command, input=json.dumps(told), text=True, capture_output=True, check=True)
    return cast(float, json.loads(done.stdout)["megabytes"])
