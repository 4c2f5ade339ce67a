"""A server back from the vault: against pg_restore of the same data, and against the bare steps done by hand."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import Literal
from sluice.local.objects import ObjectStore
from sluice.local.ports import free_port
from sluice.safety.backup import Backup, backups_of
from sluice.safety.driver import Clock, name_scratch
from sluice.safety.physical.driver import Physical
from sluice.safety.physical.log import log_of
from sluice.safety.physical.shipping import Shipper
from sluice.safety.physical.wal import position
from sluice.safety.target import Target
from sluice.stores.binaries import client
from sluice.stores.objects import Vault
from sluice.stores.postgres import connect, one
from sluice.stores.privileges import unprivileged
from sluice.stores.statements import statement

from benchmarks._scratch import Scratch, rounds, scratch, setting, summary

ROWS = setting("ROWS", 1_200_000)
CHANGED = 20
"""One row in so many changes after each backup, all over the table: an increment is nearly as large as a full backup then."""
BUCKET, STORE = "vault", "bench"

HEADLINE = "restored: full backup, log; available"
VERIFIED = "the same, with every input verified"
PEER = "pg_restore -j2 of the same data"
BARE = "by hand: fetch, unpack, start, replay"
CHAIN = "restored: full backup, increment, log; available"
CHAIN_BARE = "by hand: fetch, unpack, combine, start, replay"


@dataclass
class Stand:
    """A server that was backed up, its vault, and a dump of the same data."""

    made: Scratch
    objects: ObjectStore
    dump: Path
    phases: list[dict[str, float]] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=count)

    @property
    def vault(self) -> Vault:
        """The bucket."""
        return Vault(self.objects.client(), BUCKET)

    @property
    def driver(self) -> Physical:
        """What backs up and brings back."""
        return Physical(STORE, self.made.cluster.dsn("certify"), self.vault, self.made.folder / "drills")

    def back_up(self) -> None:
        """Take a backup, an increment where there is one already, and write to one row in some, with the log shipped."""
        with _shipped(self):
            self.driver.take(print)
            with connect(self.made.cluster.dsn("certify"), purpose="bench") as c:
                c.execute(statement("bench.touch_sessions", every=Literal(CHANGED)))


def main() -> dict[str, Any]:
    """Bring the same server back by each way in turn: from a full backup, then from one with an increment behind it."""
    with _stand() as stand:
        cases: dict[str, Callable[[], float]] = {
            HEADLINE: partial(_restore, stand),
            PEER: partial(_pg_restore, stand),
            BARE: partial(_by_hand, stand),
        }
        seen = rounds(cases, setting("ROUNDS", 3))
        seen[VERIFIED] = [phases["available"] for phases in stand.phases]
        stand.back_up()
        chained = rounds({CHAIN: cases[HEADLINE], CHAIN_BARE: cases[BARE]}, setting("ROUNDS", 3))
        stored = [(one.id, one.size, one.stored) for one in backups_of(stand.vault, STORE)]
    result, bare = summary("drill", HEADLINE, PEER, seen), summary("drill", HEADLINE, BARE, seen)
    chain = summary("drill", CHAIN, CHAIN_BARE, chained)
    print(f"\nagainst the bare steps: {bare['ratio']:.2f}, with an increment {chain['ratio']:.2f}")
    print(f"phases of the last: {stand.phases[-1]}")
    for name, size, packed in stored:
        print(f"  {name}: {size / 1e6:,.0f} MB, {packed / 1e6:,.0f} in the vault")
    told = {"rows": ROWS, "against_bare": bare["ratio"], "increment": chain, "phases": stand.phases, "backups": stored}
    return result | told


@contextmanager
def _stand() -> Iterator[Stand]:
    with scratch(ROWS) as made:
        objects = ObjectStore(made.folder / "objects", free_port(), "bench", secrets.token_urlsafe())
        objects.start(os.environ)
        try:
            objects.create_bucket(BUCKET)
            stand = Stand(made, objects, made.folder / "dump")
            stand.back_up()
            how = ["--format=directory", "--jobs=2", f"--file={stand.dump}"]
            _run("pg_dump", stand.made.cluster.dsn("certify"), *how)
            yield stand
        finally:
            objects.stop()


@contextmanager
def _shipped(stand: Stand) -> Iterator[None]:
    """Ship the log meanwhile; at the end all of it is in the vault."""
    dsn, over = stand.made.cluster.dsn("certify"), threading.Event()
    with connect(dsn, purpose="bench") as c:
        log = log_of(c, stand.vault, STORE)
        shipper = Shipper(dsn, log, "bench", stand.made.folder / "log", timedelta(seconds=1), print)
        thread = threading.Thread(target=shipper.run, args=(timedelta(hours=1), over.is_set))
        thread.start()
        try:
            yield
            until = position(one(c, statement("bench.switch_log"))["until"])
            while shipper.shipped is None or shipper.shipped.ends < until:
                time.sleep(0.1)
        finally:
            over.set()
            thread.join()


def _restore(stand: Stand) -> float:
    """Bring it back as a drill does; what verifying its inputs took is told apart."""
    clock, name = Clock(), name_scratch(STORE, datetime.now(UTC), str(next(stand.numbers)))
    try:
        stand.driver.restore(Target("latest"), name, clock, lambda _: None)
    finally:
        stand.driver.destroy(name)
    stand.phases.append(dict(clock.phases))
    return clock.phases["available"] - (clock.phases["verified inputs"] - clock.phases["fetched"])


def _pg_restore(stand: Stand) -> float:
    """Restore the dump, which lies on the disk already, into a database that is empty."""
    cluster = stand.made.cluster
    with connect(cluster.dsn(), purpose="bench") as admin:
        admin.execute(statement("bench.create_copy"))
        began = time.monotonic()
        _run("pg_restore", cluster.dsn("bench_copy"), "--jobs=2", "--exit-on-error", str(stand.dump))
        seconds = time.monotonic() - began
        admin.execute(statement("bench.drop_copy"))
    return seconds


def _by_hand(stand: Stand) -> float:
    """Do what has to be done, and look at nothing: objects to a disk, tar, pg_combinebackup, cp for restore_command."""
    folder = stand.made.folder / f"hand{next(stand.numbers)}"
    folder.mkdir(mode=0o755)
    identity = unprivileged(folder)
    backups, began = backups_of(stand.vault, STORE), time.monotonic()
    try:
        for backup in backups:
            _unpack(stand, backup, folder / backup.id, identity)
        _fetch_log(stand, folder / "log", identity)
        data = folder / "data"
        inputs = [folder / backup.id for backup in backups]
        if len(inputs) > 1:
            _as(identity, str(client("pg_combinebackup")), *map(str, inputs), f"--output={data}", "--no-sync", "--link")
        else:
            inputs[0].rename(data)
        socket = folder / "socket"
        socket.mkdir()
        identity.give(socket)
        settings = {
            **backups[-1].settings, "listen_addresses": "", "unix_socket_directories": str(socket), "fsync": "off",
            "shared_buffers": "256MB", "max_wal_size": "8GB", "restore_command": f"cp {folder}/log/%f %p",
        }  # fmt: skip
        (data / "postgresql.conf").write_text("".join(f"{name} = '{value}'\n" for name, value in settings.items()))
        (data / "pg_hba.conf").write_text("local all all trust\n")
        (data / "recovery.signal").touch()
        for name in ("postgresql.conf", "pg_hba.conf", "recovery.signal"):
            identity.give(data / name)
        pg_ctl = str(client("pg_ctl"))
        _as(identity, pg_ctl, "start", "--wait", "--timeout=600", f"--pgdata={data}", f"--log={data}/said")
        with connect(f"host={socket} dbname=postgres user=postgres", purpose="bench") as c:
            while c.execute("SELECT pg_is_in_recovery() AS yet").fetchone() == {"yet": True}:
                time.sleep(0.02)
        seconds = time.monotonic() - began
        _as(identity, pg_ctl, "stop", "--mode=immediate", "--wait", f"--pgdata={data}")
        return seconds
    finally:
        shutil.rmtree(folder)


def _unpack(stand: Stand, backup: Backup, folder: Path, identity: Any) -> None:
    """`cat part-* | zstd -d | tar x`, four objects at a time."""
    folder.mkdir(mode=0o700)
    identity.give(folder)
    unzip = subprocess.Popen(["zstd", "--decompress", "--stdout"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    tar = subprocess.Popen(
        [*identity.prefix, "tar", "--extract", f"--directory={folder}"],
        stdin=unzip.stdout,
        cwd="/",
        **identity.arguments,
    )
    assert unzip.stdin is not None
    with ThreadPoolExecutor(4) as pool, unzip.stdin:
        for body in pool.map(lambda part: _object(stand, part.key), backup.parts):
            unzip.stdin.write(body)
    assert tar.wait() == 0 == unzip.wait()


def _fetch_log(stand: Stand, folder: Path, identity: Any) -> None:
    """Get every file of the log, and unpack it."""
    folder.mkdir()
    identity.give(folder)

    def fetch(key: str) -> None:
        name = key.rsplit("/", 1)[-1].split("-")[0]
        done = subprocess.run(["zstd", "--decompress", "--stdout"], input=_object(stand, key), capture_output=True)
        (folder / name).write_bytes(done.stdout)
        (folder / name).chmod(0o644)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(fetch, stand.vault.list(f"backups/stores/{STORE}/wal/")))


def _object(stand: Stand, key: str) -> bytes:
    body: bytes = stand.objects.client().get_object(Bucket=BUCKET, Key=key)["Body"].read()
    return body


def _as(identity: Any, *command: str) -> None:
    environment = {**os.environ, "TZ": "UTC", "LC_ALL": "C.UTF-8"}
    command = (*identity.prefix, *command)
    subprocess.run(
        command,
        check=True,
        cwd="/",
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **identity.arguments,
    )


def _run(program: str, dsn: str, *how: str) -> None:
    told = conninfo_to_dict(dsn)
    secret = {"PGPASSWORD": str(told.pop("password"))}
    address = [f"--{name.replace('user', 'username')}={value}" for name, value in told.items()]
    subprocess.run([str(client(program)), *address, *how], check=True, env={**os.environ, **secret})
