"""What the demo of backups plays on: the sample's audit trail by month, large, with an application that writes into it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from types import TracebackType

from sluice.local import databases
from sluice.local.certify import seed
from sluice.local.certify.months import month_of
from sluice.local.demo.sample.stage import Sampled
from sluice.local.demo.stage import RunFailed
from sluice.local.demo.upkeep.weighing import Weight, weigh
from sluice.local.environment import REGION
from sluice.local.machine import VAULT_BUCKET
from sluice.safety.backup import Backup, backups_of, place_of
from sluice.safety.censuses import censuses_of, read_census
from sluice.safety.drill.certificate import Certificate, certificates_of
from sluice.safety.physical.shipping import stop_shipping
from sluice.stores.clock import find_now
from sluice.stores.objects import Vault, vault_client
from sluice.stores.postgres import Connection, connect, one
from sluice.stores.statements import statement
from sluice.upkeep.partitions.spans import Span, months_on, span_at, spans

STORE, MONTHS, LOOKED_AT, SESSIONS = "certify", 36, 6, 20_000
SLOT = f"sluice_log_{STORE}"


class Safety(Sampled):
    """One table, cut by month, of which the application leaves all but the last months alone."""

    story = "safety"
    dag_ids = (f"backup__{STORE}", f"restore_drill__{STORE}", f"restore__{STORE}")

    def seed(self) -> None:
        """Make 36 months, and forget what the vault has of an earlier demo."""
        for folder in (f"{place_of(STORE)}/", f"drills/{STORE}/"):
            for key in self.vault.list(folder):
                self.vault.remove(key)
        now = find_now(self.mover)
        current = span_at(now, "month")
        self.months: Sequence[Span] = list(
            spans(months_on(current.lower, 1 - MONTHS), months_on(current.lower, 1), "month")
        )
        self.looks_since = months_on(current.lower, 1 - LOOKED_AT).isoformat()
        sessions, until = min(SESSIONS, self.options.size), (now + timedelta(days=1)).date()
        seed(self.mover, sessions, MONTHS, until=until, report=self.say, entries=self.options.size, by_month=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.options.keep:  # whose log nobody ships fills the disk
            with connect(self.settings.cluster.dsn(), purpose="demo") as admin:
                stop_shipping(admin, SLOT)
        super().__exit__(kind, error, trace)

    def run(self, dag_id: str, **conf: object) -> str:
        """Run a DAG, and give its run. Raises RunFailed with the red tasks."""
        run = self.run_dags([dag_id], conf)[dag_id]
        if self.red_in(dag_id, run):
            raise RunFailed(self.why_red(dag_id, run))
        return run

    def now(self) -> datetime:
        """Give the server's clock."""
        found = find_now(self.mover)
        return found

    def bytes(self) -> int:
        """Give how large the sample's database is."""
        return int(one(self.mover, statement("demo.find_size"))["bytes"])

    def weights(self, c: Connection) -> Mapping[str, Weight]:
        """Weigh every month, in ways that a backup knows nothing of."""
        return {str(span): weigh(c, month_of(span)) for span in self.months}

    def drop_by_mistake(self) -> None:
        """Drop the table, as its owner may."""
        self.mover.execute(statement("demo.drop_audit_log"))

    def brought_back(self, port: int) -> Connection:
        """Open the server that was brought back, by the role and password of the one that it was."""
        from psycopg.conninfo import make_conninfo

        return connect(make_conninfo(self.settings.dsn("certify", databases.MOVER), port=port), purpose="demo")

    def counted_at(self) -> str:
        """Give the position of the log at which the newest count was taken."""
        position = read_census(self.vault, censuses_of(self.vault, STORE)[-1]).moment.position
        assert position
        return position

    def backups(self) -> list[Backup]:
        """Give what is in the vault, oldest first."""
        return backups_of(self.vault, STORE)

    def certificates(self) -> list[Certificate]:
        """Give what every drill has left, oldest first."""
        return certificates_of(self.vault, STORE)

    @cached_property
    def vault(self) -> Vault:
        """The vault."""
        key, secret = self.settings.secrets["vault_key"], self.settings.secrets["vault_secret"]
        return Vault(vault_client(self.settings.vault_url, key, secret, REGION), VAULT_BUCKET)
