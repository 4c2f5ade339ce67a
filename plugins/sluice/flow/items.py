"""The operators of the archive of items: list the months that are due, store and prove one, ask, delete, and bring one back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from sluice.flow.connections import documents_of, dsn_of, open_vault, opened_control
from sluice.flow.consent import Consent, Removal, Shown
from sluice.flow.gate import FactsGate, about
from sluice.flow.project import ROOT, items_names, items_of
from sluice.flow.steps import check_words

if TYPE_CHECKING:
    from airflow.sdk import Context

    from sluice.estate import Items, Migration
    from sluice.upkeep.items.archiving import ItemArchive, ItemMonth

GATE = "items_readback"


class ListItems(BaseOperator):
    """List the entities whose files have an `archive`. One that is wrong is told by its own task."""

    def execute(self, context: Context) -> list[str]:
        """Give their names. Refuses a word that the form does not have."""
        check_words(context)
        found = items_names(lambda items: items.file.archive is not None)
        if not found:
            raise AirflowSkipException("No items are archived: no file of include/estate/items has an `archive`.")
        return found


class ListItemMonths(BaseOperator):
    """List the months of one entity with something to do. A dry run lists them in its log, and none for the tasks behind it."""

    template_fields: Sequence[str] = ("items",)

    def __init__(self, *, items: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.items = items

    def execute(self, context: Context) -> list[dict[str, str]]:
        """Give `items` and `month`. Raises EstateErrors, InFlight, and what the stores refuse."""
        with opened_items(self.items) as archive:
            due = archive.list_due()
        for month in due:
            self.log.info("%s is %s", month, month.standing)
        if context["params"]["dry_run"]:
            raise AirflowSkipException("A dry run: nothing was changed.")
        return [{"items": self.items, "month": month.round.month} for month in due]


class OfItems(BaseOperator):
    """What works at one month of one entity."""

    template_fields: Sequence[str] = ("items", "month")

    def __init__(self, *, items: str, month: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.items = items
        self.month = month


class ArchiveItems(OfItems):
    """Store a month as far as it is not, and read it back beside the table, for the gate."""

    ui_color = "#dcefe2"

    def execute(self, context: Context) -> dict[str, Any]:
        """Give its records and where they are. Raises InFlight, WrittenMeanwhile, Damaged, and what the stores refuse."""
        with opened_items(self.items) as archive:
            facts = archive.advance(self.month, self.log.info)
            standing = archive.find(self.month).standing
        with opened_control(whose(self.items, self.month), context["run_id"]) as control:
            control.record_facts(GATE, facts, epoch=1)
        self.log.info("%s, %s is %s", self.items, self.month, standing)
        return {"items": facts["items_stored"], "folder": facts["folder"]}


class ItemsGate(FactsGate):
    """A gate over the facts of one month of one entity."""

    template_fields: Sequence[str] = ("items", "month", "gate", "suites")

    def __init__(self, *, items: str, month: str, gate: str, **kwargs: Any) -> None:
        super().__init__(gate=gate, **kwargs)
        self.items = items
        self.month = month

    @property
    def whose(self) -> str:
        """The month."""
        return whose(self.items, self.month)


class ApproveDelete(Consent):
    """Ask a person before a month is deleted, unless its file says that nobody is asked."""

    template_fields: Sequence[str] = ("subject", "body", "items", "month")

    def __init__(self, *, items: str, month: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.items = items
        self.month = month

    @property
    def removal(self) -> Removal:
        """The deletion of the month."""
        return deletion_of(self.items, self.month)

    def look(self) -> Shown:
        """Look at the month as it is now. Raises EndsEarly, and AirflowSkipException where it does not go yet."""
        with opened_items(self.items) as archive:
            month = _due(archive, self.month)
            archive.check_stays()  # nobody is asked for what would be refused
            return _shown(archive, month)


class DeleteItems(OfItems):
    """Delete a month that has cooled: each record for its own line in the vault."""

    ui_color = "#f3d9d9"

    def execute(self, context: Context) -> dict[str, Any]:
        """Give what became of its records.

        Raises InFlight, NotDeleted, Damaged, what the stores refuse, and AirflowFailException where its gate is not green.
        """
        with opened_items(self.items) as archive:
            month = _due(archive, self.month)
            deletion_of(self.items, self.month).check(_shown(archive, month), context["run_id"])
            return dict(archive.delete(self.month, self.log.info, month.round.named))


class RestoreItems(BaseOperator):
    """Bring a month back into its table."""

    ui_color = "#dcefe2"

    def execute(self, context: Context) -> dict[str, Any]:
        """Give how many records are back. Raises InFlight, NotBroughtBack, Damaged."""
        check_words(context)
        asked = context["params"]
        with opened_items(asked["items"]) as archive:
            return dict(archive.bring_back(asked["month"], self.log.info))


@contextmanager
def opened_items(name: str) -> Iterator[ItemArchive]:
    """Open the archive of an entity's records. Raises EstateErrors, NoConnection, InFlight where its table is being migrated."""
    check_apart(items_of(name))
    yield archive_of(name)


def archive_of(name: str) -> ItemArchive:
    """Give the archive of an entity's records to look at it, whoever else is at its table. Raises EstateErrors, NoConnection."""
    from sluice.estate import read_stores
    from sluice.upkeep.items.archiving import ItemArchive

    items = items_of(name)
    client, _ = documents_of(read_stores(ROOT).stores[items.design.store].connection)
    return ItemArchive(
        items, client, open_vault(), again=lambda: items_of(name), alone=lambda month: alone_at_month(name, month)
    )


@contextmanager
def alone_at_month(name: str, month: str) -> Iterator[Callable[[], None]]:
    """Keep others of us away from a month, by a session of the ledger's store; gives what looks whether it still does."""
    from sluice.estate import read_stores
    from sluice.ledger.alone import alone_at
    from sluice.stores.postgres import connect

    with (
        connect(dsn_of(read_stores(ROOT).ledger.connection), purpose=f"items {name}") as session,
        alone_at(session, whose(name, month)) as look,
    ):
        yield look


def check_apart(items: Items) -> None:
    """Raise InFlight where a migration that is under way reads or writes the table: a deletion would be carried on by it."""
    from sluice.flow.under_way import under_way
    from sluice.ledger.in_flight import InFlight

    if names := under_way(lambda m: _touches(m, items)):
        raise InFlight(
            f"{items.table.name} is part of {', '.join(names)}: what is deleted now would be deleted on the other side too, or be"
            " missed there. Leave its months until that is retired or taken back."
        )


def whose(items: str, month: str) -> str:
    """The name under which the ledger keeps a month's facts."""
    return f"{items}/{month}"


def _touches(migration: Migration, items: Items) -> bool:
    from sluice.estate import SingleTableMigration

    if (migration.source.store, migration.source.table) == (items.design.store, items.table.name):
        return True
    if not isinstance(migration, SingleTableMigration):
        return False
    into = migration.target
    store = into.store or migration.source.store
    return store == items.design.store and items.table.name in {table.name for table in into.tables.values()}


def deletion_of(items: str, month: str) -> Removal:
    """Name the deletion of a month."""
    return Removal(whose(items, month), "delete_items", "deletion", (GATE,), f"include/estate/items/{items}.yaml")


def _due(archive: ItemArchive, named: str) -> ItemMonth:
    month = archive.find(named)
    if not archive.may_delete(month):
        raise AirflowSkipException(f"{month} is {month.standing}: nothing is deleted now.")
    return month


def _shown(archive: ItemArchive, month: ItemMonth) -> Shown:
    manifest = month.round.manifest
    body = "\n".join(
        f"- **{what}**: {told}"
        for what, told in {
            "Month": f"{month.round.month} of `{month.entity}` in `{archive.place.table}`",
            "What happens": "Each record is deleted if it still is what the vault holds of it; what was changed since stays",
            "Records": f"{manifest.items:,}",
            "Read back": f"{month.round.verified_at:%Y-%m-%d %H:%M} UTC; cooled since",
            "In the vault": f"`{month.round.folder}`",
            "To have it back": f"hold it in its file, then restore_items with items {archive.items.file.name} and its month",
        }.items()
    )
    subject = f"Delete {month} from {archive.place.table}?"
    return Shown(about(month.round.named), archive.retention.approve, subject, body)
