"""The operators of the copies of months: list the stores in which they may stand, and drop those whose time is over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from sluice.errors import Terminal
from sluice.flow.connections import dsn_of, open_vault
from sluice.flow.project import ROOT
from sluice.flow.steps import check_words

if TYPE_CHECKING:
    from airflow.sdk import Context

    from sluice.stores.postgres import Connection


class NoStore(Terminal):
    """The estate has no such store, or it is not PostgreSQL."""


class ListStores(BaseOperator):
    """List the stores in which copies of months may stand."""

    def execute(self, context: Context) -> list[str]:
        """Give the names of those that are PostgreSQL. Refuses a word that the form does not have."""
        from sluice.estate import read_stores

        check_words(context)
        return [name for name, store in read_stores(ROOT).stores.items() if store.engine == "postgres"]


class DropCopies(BaseOperator):
    """Drop the copies of months in one store whose time is over."""

    template_fields: Sequence[str] = ("store",)
    ui_color = "#f3d9d9"

    def __init__(self, *, store: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.store = store

    def execute(self, context: Context) -> list[str]:
        """Give what the database says of each. One that is refused stops no other. Raises NotDropped."""
        from sluice.upkeep.archive.copies import copies_in, drop_copies

        with opened_store(self.store) as (keeper, dropper):
            over = [copy for copy in copies_in(keeper) if copy.over]
            if not over or context["params"]["dry_run"]:
                raise AirflowSkipException(
                    f"{'; '.join(map(str, over)) or 'No copy'} in {self.store} is over its time."
                )
            return drop_copies(keeper, dropper, open_vault(), over)


@contextmanager
def opened_store(name: str) -> Iterator[tuple[Connection, Connection]]:
    """Open a store as its keeper and as its dropper; they are closed afterwards. Raises NoStore."""
    from sluice.estate import read_stores
    from sluice.stores.postgres import connect

    store = read_stores(ROOT).stores.get(name)
    if store is None or store.engine != "postgres":
        raise NoStore(f"include/estate/estate.yaml has no PostgreSQL store {name!r}. Nothing was done.")
    with ExitStack() as opened:
        roles = (store.connection, store.dropper or store.connection)
        keeper, dropper = [opened.enter_context(connect(dsn_of(role), purpose=f"copies {name}")) for role in roles]
        yield keeper, dropper
