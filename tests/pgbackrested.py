"""A server that pgBackRest backs up, as somebody has set it up: for tests of the driver that only uses it.

The program is the system's, or Debian's package, unpacked below `.sluice` and not installed: `python -m tests.pgbackrested`
fetches that, and `./sluice test --all` too. The server is the system's as well: a pgBackRest knows those of its own time.
"""

from __future__ import annotations

import os
import shutil
import socket
import socketserver
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sluice.local.objects import ObjectStore
from sluice.local.versions import installed
from sluice.safety.pgbackrest.driver import PgBackRest
from sluice.stores.cluster import Cluster
from sluice.stores.objects import Vault
from sluice.stores.postgres import Connection, connect

from tests.backed_up import SHAPE, STORE
from tests.zoo.sources import CACHE, debian

STANZA, BUCKET = "shop", "pgbackrest"
FOLDER, S3 = 1, 2
"""Its repositories."""
PASS = "a-pass-of-the-repository"
CONFIG = """[global]
repo1-path={folder}/repository
repo1-retention-full=9
repo2-type=s3
repo2-path=/of-shop
repo2-s3-bucket={bucket}
repo2-s3-region=us-east-1
repo2-s3-endpoint=localhost
repo2-s3-uri-style=path
repo2-s3-key={key}
repo2-s3-key-secret={secret}
repo2-storage-host=127.0.0.1
repo2-storage-port={s3_port}
repo2-storage-verify-tls=n
repo2-cipher-type=aes-256-cbc
repo2-cipher-pass={cipher}
repo2-retention-full=9
repo2-bundle=y
log-path={folder}
lock-path={folder}/lock
start-fast=y
compress-type=zst
process-max=2
job-retry=0

[global:restore]
delta=y
link-all=y
tablespace-map=apart=/nowhere/at/all

[{stanza}]
pg1-path={data}
pg1-port={port}
pg1-socket-path={socket}
pg1-user=postgres
"""
FEWER_FILES = (
    "UPDATE pg_database SET datistemplate = false",
    "DROP DATABASE template0",
    "DROP DATABASE template1",
)
"""A backup is files, and each is brought onto the disk: these are two thirds of them."""
FETCHED = CACHE / "debian/pgbackrest/usr/bin/pgbackrest"


def found_program() -> Path:
    """Give pgBackRest; where there is none, the test is skipped, and says why."""
    if os.environ.get("SLUICE_FETCH"):
        debian("pgbackrest")
    told = os.environ.get("SLUICE_PGBACKREST") or shutil.which("pgbackrest") or FETCHED
    if not Path(told).exists():
        pytest.skip("pgbackrest is not installed: python -m tests.pgbackrested fetches it")
    return Path(told)


def found_server() -> Path:
    """Give the `bin` folder of the system's newest PostgreSQL; where there is none, the test is skipped."""
    servers = installed(Path("/"))
    if not servers:
        pytest.skip(
            "pgbackrest is here, and no PostgreSQL of the system's: one of another origin may be too new for it"
        )
    return servers[max(servers, key=int)]


@dataclass(frozen=True)
class Archiving(Cluster):
    """A server that archives by pgBackRest, reached by it through a socket, as it wants."""

    command: str = ""

    def _settings(self) -> dict[str, str]:
        own = {"archive_mode": "on", "unix_socket_directories": str(self.folder), "archive_command": self.command}
        return {**super()._settings(), **own}


@dataclass
class Kept:
    """The server, its repository, and what drives them."""

    cluster: Cluster
    config: Path
    repository: Path
    vault: Vault
    folder: Path
    said: list[str] = field(default_factory=list)

    @property
    def driver(self) -> PgBackRest:
        """The driver, as the estate would have it."""
        return PgBackRest(STORE, self.cluster.dsn(), self.vault, self.folder / "drills", STANZA, self.config)

    def connect(self) -> Connection:
        """Open a session of its owner's."""
        return connect(self.cluster.dsn(), purpose="test")

    def archived(self) -> None:
        """Have the server end its file of the log, and wait until the repository has it."""
        with self.connect() as c:
            c.execute("CREATE TABLE switched (); DROP TABLE switched")
            last = c.execute("SELECT pg_walfile_name(pg_switch_wal()) AS name").fetchone()
            while c.execute("SELECT last_archived_wal AS name FROM pg_stat_archiver").fetchone() != last:
                time.sleep(0.05)

    def in_repository(self, pattern: str) -> Path:
        """Give one file of the repository."""
        return sorted(self.repository.rglob(pattern))[0]


@contextmanager
def opened(folder: Path, port: int, store: ObjectStore) -> Iterator[Kept]:
    """Make the server, its configuration and its stanza, in a folder and in S3; all of it goes with the block."""
    program, bin_folder = found_program(), found_server()
    with pytest.MonkeyPatch.context() as patch, tls_before(store.port, folder) as s3_port:
        patch.setenv("SLUICE_PGBACKREST", str(program))
        patch.setenv("SLUICE_PG_BIN", str(bin_folder))
        patch.setenv("PGPASSWORD", "secret")
        patch.setenv("PGBACKREST_ALLOW_ROOT", "y")  # the newest asks; older ones only say that they do not know it
        config = folder / "pgbackrest.conf"
        command = f"{program} --config={config} --stanza={STANZA} archive-push %p"
        cluster = Archiving(folder / "postgres", port, "secret", durable=False, command=command)
        config.write_text(
            CONFIG.format(
                folder=folder, stanza=STANZA, data=cluster.data, port=port, socket=cluster.folder, bucket=BUCKET,
                s3_port=s3_port, key=store.key, secret=store.secret, cipher=PASS,
            )
        )  # fmt: skip
        config.chmod(0o600)
        store.create_bucket(BUCKET)
        cluster.create()
        cluster.start()
        try:
            kept = Kept(cluster, config, folder / "repository", Vault(store.client(), BUCKET), folder)
            with kept.connect() as c:
                for text in (*FEWER_FILES, SHAPE):
                    c.execute(text)  # type: ignore[call-overload]
            create_stanza(kept, program)
            yield kept
        finally:
            cluster.stop()


def create_stanza(kept: Kept, program: Path) -> None:
    """Set the stanza up, as its owner does once."""
    make = [program, f"--config={kept.config}", f"--stanza={STANZA}", "stanza-create"]
    done = subprocess.run(make, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def tls_before(port: int, folder: Path) -> Iterator[int]:
    """Put TLS before a server of this machine: pgBackRest speaks to no S3 without. Gives its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certified(folder))

    class Relay(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with (
                suppress(OSError),
                context.wrap_socket(self.request, server_side=True) as client,
                socket.create_connection(("127.0.0.1", port)) as server,
            ):
                back = threading.Thread(target=pour, args=(server, client), daemon=True)
                back.start()
                pour(client, server)
                back.join()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Relay) as front:
        front.daemon_threads = True
        threading.Thread(target=front.serve_forever, daemon=True).start()
        try:
            yield front.server_address[1]
        finally:
            front.shutdown()


def pour(source: socket.socket, into: socket.socket) -> None:
    """Pass on what comes, until it ends."""
    with suppress(OSError):
        while piece := source.recv(1 << 16):
            into.sendall(piece)
    with suppress(OSError):
        into.shutdown(socket.SHUT_WR)


def certified(folder: Path) -> Path:
    """Make a certificate that nobody has signed, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]), datetime.now(UTC)
    made = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1)
    )
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = folder / "tls.pem"
    file.write_bytes(
        key.private_bytes(*plain) + made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    )
    return file


if __name__ == "__main__":
    print(debian("pgbackrest") / "usr/bin/pgbackrest")
