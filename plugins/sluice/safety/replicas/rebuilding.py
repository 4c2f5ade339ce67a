"""Bring the old server back, as one that follows the new: rewound where it can be, else made anew from a base backup.

What it wrote after the new one went its own way is thrown away by that. Where somebody may miss it, its folder is copied first.
On a machine that is not ours a person does it: `commands` says how.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import Literal

from sluice.safety.physical.scratch import NotRecovered
from sluice.safety.replicas.promoting import Promoted
from sluice.safety.replicas.scratch_group import Member, copy_from, follow, own_configuration, run
from sluice.stores.postgres import connect, one
from sluice.stores.statements import statement


@dataclass(frozen=True)
class Rebuilt:
    """How the old server came back."""

    name: str
    by: Literal["rewind", "base backup"]
    why: str = ""
    """Why it was not rewound."""


def rebuild(old: Member, new: Member) -> Rebuilt:
    """Make a server of a drill follow the one that was promoted. Safe to repeat. Raises NotRecovered."""
    old.kill()
    old.clear_locks()
    try:
        _rewind(old, new)
        made = Rebuilt(old.name, "rewind")
    except NotRecovered as refused:
        _copy_anew(old, new)
        made = Rebuilt(old.name, "base backup", str(refused))
    follow(old, new)
    return made


def commands(promoted: Promoted, new_host: str) -> str:
    """Say what a person runs where the old server lies, as PostgreSQL's own user."""
    return f"""# {promoted.old} of {promoted.store} comes back as a replica of {promoted.new}. It must not be started before:
# where it was not fenced, its service is switched off first.
pg_ctl stop -D "$PGDATA" -m fast || true
cp -a "$PGDATA" "$PGDATA.before"   # what it wrote last and nobody else has is in there alone
pg_rewind --target-pgdata="$PGDATA" --source-server="host={new_host} user=postgres dbname=postgres" --write-recovery-conf
#   where that refuses: rm -r "$PGDATA"/*, then
#   pg_basebackup --pgdata="$PGDATA" --host={new_host} --user=replicator --write-recovery-conf --checkpoint=fast
# postgresql.auto.conf, in $PGDATA: primary_conninfo gets application_name={promoted.old};
# default_transaction_read_only and autovacuum go
pg_ctl start -D "$PGDATA"
"""


def _rewind(old: Member, new: Member) -> None:
    with connect(new.server.dsn, purpose="drill") as c:
        if not one(c, statement("replicas.can_rewind"))["can"]:
            raise NotRecovered(f"{old.name} has neither checksums nor wal_log_hints: it cannot be rewound.")
        c.execute(statement("replicas.checkpoint"))  # the new timeline is in the control file from then on
    with own_configuration(old.place):
        how = [f"--target-pgdata={old.place.data}", f"--source-server={new.server.dsn}", "--no-sync"]
        run(old.place, "pg_rewind", how)


def _copy_anew(old: Member, new: Member) -> None:
    with own_configuration(old.place):
        shutil.rmtree(old.place.data)
        copy_from(old, new)
