"""Open a server up that was brought back: for people, and no longer for a proof.

For a drill it was fast and silent, without fsync. Now all of it is brought onto the disk, its own settings and rules come back,
and it listens. What points at other machines stays off: it archives nothing, and follows nobody.
"""

from __future__ import annotations

import os
import subprocess

from sluice.safety.physical.scratch import NotRecovered, Scratch
from sluice.stores.binaries import client
from sluice.stores.cluster import tail

OF_A_COPY = {
    **dict.fromkeys(("primary_conninfo", "primary_slot_name", "restore_command"), ""),
    **dict.fromkeys(("recovery_target_time", "recovery_target_lsn", "recovery_target_name"), ""),
    "archive_mode": "off",
    "synchronous_standby_names": "",  # its standbys follow another: every commit would wait for ever
    "max_logical_replication_workers": "0",  # its subscriptions would take the changes that the original waits for
    "cron.launch_active_jobs": "off",  # what pg_cron has scheduled would run twice
}
"""What the original's settings may say, and a copy must not do: whoever makes it the one that counts switches them on again."""


def open_up(scratch: Scratch, port: int | None) -> None:
    """Start it anew, durable, with what it had. Safe to repeat. Raises NotRecovered."""
    scratch.stop("fast")
    flush(scratch)
    where = {"listen_addresses": "*", "port": str(port)} if port else {"listen_addresses": ""}
    scratch.give_back({**OF_A_COPY, **where})
    scratch.start(wait=True)


def flush(scratch: Scratch) -> None:
    """Bring every file onto the disk: it was written without. Raises NotRecovered."""
    command = [*scratch.identity.prefix, str(client("initdb")), "--sync-only", f"--pgdata={scratch.data}"]
    said = scratch.folder / "sync.log"
    with said.open("w") as told:
        done = subprocess.run(
            command, stdout=told, stderr=told, cwd="/", env={**os.environ}, **scratch.identity.arguments
        )
    if done.returncode:
        raise NotRecovered(f"{scratch.data} could not be brought onto its disk: {tail(said, 3)}")
