"""What the fields of an `into_postgres` migration must agree on."""

from __future__ import annotations

from collections.abc import Iterator

from sluice.estate.document import Document
from sluice.estate.mistakes import Mistake, choice
from sluice.estate.rule_checks import check_template, check_when
from sluice.estate.showing import shown


def check_into_postgres(document: Document) -> Iterator[Mistake]:
    """Find what single fields cannot see: a key and a partition of columns that are there, each column once."""
    columns = document.get("into", "columns")
    names = [str(name) for name in columns] if isinstance(columns, dict) else []
    tenant = document.get("into", "tenant", "column")
    own = [*names, *([tenant] if isinstance(tenant, str) else [])]
    for steps, name in document.texts("into", "key"):
        if name not in own:
            yield document.mistake(steps, shown(name), choice(name, own) if own else "a column, where there is none")
    for step in ("range", "hash", "list"):
        for steps in (("into", "partition", step), ("into", "partition", "then", step)):
            name = document.get(*steps)
            if isinstance(name, str) and own and name not in own:
                yield document.mistake(steps, shown(name), choice(name, own))
    for steps in (("into", "tenant", "column"), ("into", "extra")):
        name = document.get(*steps)
        if isinstance(name, str) and name in names:
            yield document.mistake(steps, shown(name), "a column of its own, not one of `columns`")
    if isinstance(tenant, str) and tenant == document.get("into", "extra"):
        yield document.mistake(("into", "extra"), shown(tenant), "another column than the tenant's")
    for name in names:
        for key in ("from", "otherwise"):
            yield from check_template(document, ("into", "columns", name, key), ())
    yield from check_when(document, ("skip", "when"))
