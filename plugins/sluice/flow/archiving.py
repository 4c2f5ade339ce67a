"""The operators of the archive: list what is due, bring one month on, ask, and drop it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from sluice.flow.connections import dsn_of, open_vault, opened_control
from sluice.flow.consent import Consent, Removal, Shown
from sluice.flow.evidence_link import KEY, EvidenceLink
from sluice.flow.gate import about
from sluice.flow.keeping import DatasetGate, opened_dataset
from sluice.flow.project import ROOT, dataset_names, dataset_of
from sluice.flow.steps import check_words

if TYPE_CHECKING:
    from airflow.sdk import Context

    from sluice.upkeep.archive.archiving import Archive
    from sluice.upkeep.archive.ledger import Month

GATES = ("archive_manifest", "archive_readback")


class ListArchived(BaseOperator):
    """List the tables whose files have a `retention`. One that cannot be read is listed too: its own task tells why."""

    def execute(self, context: Context) -> list[str]:
        """Give their names. Refuses a word that the form does not have."""
        from sluice.estate import EstateErrors

        check_words(context)

        def has_retention(name: str) -> bool:
            try:
                return dataset_of(name).retention is not None
            except EstateErrors:
                return True

        found = [name for name in dataset_names() if has_retention(name)]
        if not found:
            raise AirflowSkipException("No table is archived: no file of include/estate/datasets has a `retention`.")
        return found


class ListMonths(BaseOperator):
    """List the months of one table with something to do. A dry run foresees two years, and lists none."""

    operator_extra_links = (EvidenceLink(),)
    template_fields: Sequence[str] = ("dataset",)

    def __init__(self, *, dataset: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dataset = dataset

    def execute(self, context: Context) -> list[dict[str, str]]:
        """Give `dataset` and `month`, its partition. Raises EstateErrors, and what the database refuses."""
        if context["params"]["dry_run"]:
            self._foresee(context)
            raise AirflowSkipException("A dry run: nothing was changed.")
        with opened_archive(self.dataset) as archive:
            archive.let_roles()
            due = archive.list_due(self.log.info)
            self.log.info("%s: %s", archive.dataset.table, dict(archive.count()) or "nothing is old enough")
        return [{"dataset": self.dataset, "month": str(month.partition)} for month in due]

    def _foresee(self, context: Context) -> None:
        """Write two years into the log, and draw them: the picture is what the task's link opens."""
        from sluice.upkeep.archive.foreseeing import foresee, told
        from sluice.upkeep.archive.picturing import keep_picture

        with opened_dataset(self.dataset) as (dataset, c):
            foreseen = foresee(c, dataset)
        self.log.info("%s", told(dataset, foreseen))
        if foreseen:
            ti = context["ti"]
            key = keep_picture(open_vault(), foreseen, f"{ti.dag_id}/{ti.run_id}/{ti.task_id}")
            ti.xcom_push(key=KEY, value=key)
            self.log.info("Drawn, see *Details* → *Evidence* of this task: %s", key)


class OfAMonth(BaseOperator):
    """What works at one month of one table."""

    template_fields: Sequence[str] = ("dataset", "month")

    def __init__(self, *, dataset: str, month: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dataset = dataset
        self.month = month


class ArchiveMonth(OfAMonth):
    """Detach a month, store it and read it back, as far as it is not; then measure it for the gates."""

    ui_color = "#dcefe2"

    def execute(self, context: Context) -> dict[str, Any]:
        """Give its rows and where they are. Raises LockBusy, NotDetachable, Damaged, Unlike, and what the database refuses."""
        from sluice.upkeep.archive.auditing import audit_manifest, audit_reading
        from sluice.upkeep.archive.reconciling import STORED

        with opened_archive(self.dataset) as archive:
            month = archive.advance(archive.find(self.month).partition, self.log.info)
            if month.state not in STORED:  # held meanwhile, or dropped or brought back by another run
                raise AirflowSkipException(f"{month} is {month.standing}.")
            facts = (audit_manifest(archive.exporter, archive.vault, month), audit_reading(month))
        with opened_control(whose(self.dataset, self.month), context["run_id"]) as control:
            for gate, measured in zip(GATES, facts, strict=True):
                control.record_facts(gate, measured, epoch=1)
        self.log.info("%s is %s", month, month.standing)
        return {"state": month.state, "rows": facts[0]["rows_there"], "manifest": facts[0]["manifest"]}


class MonthGate(DatasetGate):
    """A gate over the facts of one month."""

    template_fields: Sequence[str] = ("dataset", "month", "gate", "suites")

    def __init__(self, *, month: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.month = month

    @property
    def whose(self) -> str:
        """The month."""
        return whose(self.dataset, self.month)


class ApproveDrop(Consent):
    """Ask a person before a month is dropped, where its table's file says so."""

    template_fields: Sequence[str] = ("subject", "body", "dataset", "month")

    def __init__(self, *, dataset: str, month: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dataset = dataset
        self.month = month

    @property
    def removal(self) -> Removal:
        """The drop of the month."""
        return drop_of(self.dataset, self.month)

    def look(self) -> Shown:
        """Look at the month as it is now. Raises EndsEarly, and AirflowSkipException where it does not go yet."""
        with opened_archive(self.dataset) as archive:
            month = _due(archive, self.month)
            archive.check_stays()  # nobody is asked for what would be refused
            return _shown(archive, month)


class DropMonth(OfAMonth):
    """Have the database drop a month that has cooled."""

    ui_color = "#f3d9d9"

    def execute(self, context: Context) -> str:
        """Give where it stands then. Raises NotDropped, Damaged, Unlike; AirflowFailException where its gates are not green."""
        with opened_archive(self.dataset) as archive:
            month = _due(archive, self.month)
            drop_of(self.dataset, self.month).check(_shown(archive, month), context["run_id"])
            archive.drop_month(month.partition, self.log.info, month.export)
            return archive.find(self.month).standing


@contextmanager
def opened_archive(name: str) -> Iterator[Archive]:
    """Open a dataset's archive, by a session of each role that works at it; they are closed afterwards."""
    from sluice.estate import read_stores
    from sluice.stores.postgres import connect
    from sluice.upkeep.archive.archiving import Archive

    dataset = dataset_of(name)
    store = read_stores(ROOT).stores[dataset.store]
    roles = (store.connection, store.exporter or store.connection, store.dropper or store.connection)
    with ExitStack() as opened:
        sessions = [opened.enter_context(connect(dsn_of(role), purpose=f"archive {name}")) for role in roles]
        yield Archive(dataset, open_vault(), *sessions)


def whose(dataset: str, month: str) -> str:
    """The name under which the ledger keeps a month's facts."""
    return f"{dataset}/{month}"


def drop_of(dataset: str, month: str) -> Removal:
    """Name the drop of a month."""
    return Removal(whose(dataset, month), "drop_month", "drop", GATES, f"include/estate/datasets/{dataset}.yaml")


def _due(archive: Archive, named: str) -> Month:
    month = archive.find(named)
    if not archive.may_drop(month):
        raise AirflowSkipException(f"{month} is {month.standing}: nothing is dropped now.")
    return month


def _shown(archive: Archive, month: Month) -> Shown:
    assert month.export is not None and month.reading is not None
    subject = f"Drop {month.partition} of {archive.dataset.table}?"
    body = "\n".join(
        f"- **{what}**: {told}"
        for what, told in {
            "Month": f"`{month.partition}`, {month.span} of `{archive.dataset.table}`",
            "What happens": "The database counts and hashes it once more under lock, and drops it if it is what was stored",
            "Rows": f"{month.export.rows:,}",
            "Read back": f"{month.reading.rows:,} rows, {month.reading.at:%Y-%m-%d %H:%M} UTC; cooled since",
            "In the vault": f"`{month.export.key}`",
            "To have it back": f"restore_archive with dataset {archive.dataset.name} and its month",
        }.items()
    )
    return Shown(about(month.export.named), archive.retention.approve, subject, body)
