"""Reads the files of include/estate/items, each with the design that it names. Each file is read by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from sluice.estate.checks import check_name, validated
from sluice.estate.datasets import Engines
from sluice.estate.design import TableModel
from sluice.estate.document import Document, open_document
from sluice.estate.items import Items, ItemsFile, expiring_rules, month_index
from sluice.estate.mistakes import EstateErrors, Mistake, choice
from sluice.estate.resolving import open_design
from sluice.estate.retention import MONTH, check_holds
from sluice.estate.showing import shown

ITEMS = Path("include/estate/items")


def items_files(root: Path) -> list[Path]:
    """List the files of all items that are kept, by name. `.yml` is listed too, to be refused and not passed over."""
    return sorted(path for path in (root / ITEMS).glob("[!.]*") if path.suffix in (".yaml", ".yml"))


def read_items(path: Path, engines: Engines) -> Items:
    """Read one file and its design; `engines` are each store's. Raises EstateErrors with all that is wrong in them."""
    path = path.absolute()
    root = path.parents[len(ITEMS.parts)]
    items, mistakes = _checked(_open(path, root), root, engines, [_open(other, root) for other in items_files(root)])
    if mistakes or items is None:
        raise EstateErrors(mistakes)
    return items


def read_all_items(root: Path, engines: Engines) -> tuple[dict[str, Items], list[Mistake]]:
    """Read all of them: those that are well, by name, and what is wrong with the others."""
    documents = [_open(path, root) for path in items_files(root)]
    found, wrong = dict[str, Items](), list[Mistake]()
    for document in documents:
        items, mistakes = _checked(document, root, engines, documents)
        wrong += mistakes
        if items is not None and not mistakes:
            found[items.file.name] = items
    return found, wrong


def _checked(
    document: Document, root: Path, engines: Engines, documents: Sequence[Document]
) -> tuple[Items | None, list[Mistake]]:
    file, mistakes = validated(document, ItemsFile)
    told = {mistake.field for mistake in mistakes}
    others = [other for other in documents if other.file != document.file]
    further = [*check_name(document, others, "items"), *_check_taken(document, others)]
    if all(isinstance(document.values, dict) and document.get(key) is None for key in ("archive", "expires")):
        further.append(document.mistake((), "neither of them", "archive or expires"))
    further += [*_check_since(document), *check_holds(document, ("archive", "holds"))]
    name = document.get("model")
    design: TableModel | None = None
    if isinstance(name, str):
        opened = open_design(document, ("model",), name, root, engines)
        design = opened.model
        further += opened.mistakes
        if design is not None:
            further += _check_entity(document, design)
    mistakes += [mistake for mistake in further if mistake.field not in told]
    return (Items(file, design) if file and design and not mistakes else None), mistakes


def _check_entity(document: Document, design: TableModel) -> Iterator[Mistake]:
    entity = document.get("entity")
    if not isinstance(entity, str):
        return
    if entity not in design.entities:
        yield document.mistake(("entity",), shown(entity), choice(entity, design.entities))
        return
    if document.get("archive") is not None:
        yield from _check_archived(document, design, entity)
    if document.get("expires") is not None and not expiring_rules(design, entity):
        allows = "an entity that expires: a record of it has the `ttl` of its table under `set`"
        yield document.mistake(("entity",), f"{shown(entity)}, which does not expire", allows)


def _check_archived(document: Document, design: TableModel, entity: str) -> Iterator[Mistake]:
    rules = design.entities[entity].records
    if len(rules) > 1 or rules[0].for_each:
        allows = "an entity of one record: of several, some would be deleted before the others"
        yield document.mistake(("entity",), f"{shown(entity)}, which becomes {len(rules)} or more records", allows)
    elif expiring_rules(design, entity):
        allows = "an entity that does not expire: what DynamoDB removes by itself may be gone before it is stored"
        yield document.mistake(
            ("entity",), f"{shown(entity)}, which expires by {design.tables[rules[0].table].ttl}", allows
        )
    elif month_index(design, entity) is None:
        allows = "an entity with an index whose partition key is a month, such as AUDIT#{timestamp|month}"
        yield document.mistake(("entity",), f"{shown(entity)}, which no index lists by month", allows)


def _check_taken(document: Document, others: Sequence[Document]) -> Iterator[Mistake]:
    mine = document.get("model"), document.get("entity")
    for other in others:
        if all(isinstance(one, str) for one in mine) and mine == (other.get("model"), other.get("entity")):
            allows = f"an entity of no other file; {other.file}:{other.line(('entity',))} has it"
            yield document.mistake(("entity",), shown(mine[1]), allows)


def _check_since(document: Document) -> Iterator[Mistake]:
    since = document.get("archive", "since")
    if isinstance(since, str) and re.fullmatch(MONTH, since) and since < "1970":
        yield document.mistake(("archive", "since"), shown(since), "1970-01 or a later month")


def _open(path: Path, root: Path) -> Document:
    return open_document(path, path.relative_to(root).as_posix())
