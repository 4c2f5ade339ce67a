"""Open a server up that was brought back: for people, and no longer for a proof.

For a drill it was fast and silent, without fsync. Now all of it is brought onto the disk, its own settings and rules come back,
and it listens. What points at other machines stays off: it archives nothing, and follows nobody.
"""

from __future__ import annotations

import errno
import os
import socket
import subprocess
from contextlib import suppress

from sluice.errors import Terminal
from sluice.safety.physical.scratch import NotRecovered, Scratch
from sluice.safety.physical.suiting import suited, told
from sluice.stores.binaries import client
from sluice.stores.cluster import tail

OF_A_COPY = {
    **dict.fromkeys(("primary_conninfo", "primary_slot_name", "restore_command"), ""),
    **dict.fromkeys(("recovery_target_time", "recovery_target_lsn", "recovery_target_name"), ""),
    "archive_mode": "off",
    "synchronous_standby_names": "",  # its standbys follow another: every commit would wait for ever
    "max_logical_replication_workers": "0",  # its subscriptions would take the changes that the original waits for
    "cron.launch_active_jobs": "off",  # what pg_cron has scheduled would run twice
    # Whatever its files say, or where they are: users write to it.
    **dict.fromkeys(("fsync", "full_page_writes", "autovacuum"), "on"),
    "huge_pages": "try",  # this machine may have set none aside
}
"""What the original's settings may say, and a copy must not do: whoever makes it the one that counts switches them on again."""


LOCAL = frozenset({"", "localhost", "127.0.0.1", "::1"})
"""Addresses that nobody reaches from another machine."""


class PortTaken(Terminal):
    """Somebody listens there already."""


def open_up(scratch: Scratch, port: int | None) -> None:
    """Start it anew, durable, with what it had, as far as this machine can give it. Safe to repeat. Raises NotRecovered."""
    scratch.stop("fast")
    flush(scratch)
    scratch.give_back(OF_A_COPY)
    where = {"listen_addresses": listens(scratch), "port": str(port)} if port else {"listen_addresses": ""}
    scratch.give_back({**where, **suited(scratch)})
    scratch.start(wait=True)


def listens(scratch: Scratch) -> str:
    """Say where a copy listens: no further than its original did. Other addresses than local ones were of another machine."""
    own = {address.strip() for address in told(scratch, "listen_addresses").split(",")}
    return "localhost" if own <= LOCAL else "*"


def check_port(port: int) -> None:
    """Raise PortTaken where somebody listens on a port of this machine already, by whatever address."""
    for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        with suppress(OSError), socket.socket(family, socket.SOCK_STREAM) as tried:  # a machine may lack one of the two
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                tried.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                tried.bind((address, port))
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    raise PortTaken(
                        f"Somebody listens on port {port} of this machine already (`ss -ltnp` says who). Nothing was done: choose"
                        " another one."
                    ) from error


def flush(scratch: Scratch) -> None:
    """Bring every file onto the disk: it was written without. Raises NotRecovered."""
    command = [*scratch.identity.prefix, str(client("initdb")), "--sync-only", f"--pgdata={scratch.data}"]
    said = scratch.folder / "sync.log"
    with said.open("w") as output:
        done = subprocess.run(
            command, stdout=output, stderr=output, cwd="/", env={**os.environ}, **scratch.identity.arguments
        )
    if done.returncode:
        raise NotRecovered(f"{scratch.data} could not be brought onto its disk: {tail(said, 3)}")
