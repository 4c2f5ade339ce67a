"""The design that a `single_table` migration names, put into the migration: whoever gets one has all of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sluice.estate.checks import validated
from sluice.estate.design import TableModel
from sluice.estate.design_checks import check_model, check_uses
from sluice.estate.document import Document, Steps, open_document
from sluice.estate.mistakes import Mistake, choice
from sluice.estate.rule_checks import Design, check_template
from sluice.estate.showing import shown
from sluice.estate.single_table import Records

DESIGNS = Path("include/estate")
NO_DESIGN = {"estate"}  # what lies beside the designs


@dataclass(frozen=True)
class Resolved:
    """What a migration's `into` comes to, where it names a design."""

    records: Records | None
    mistakes: tuple[Mistake, ...]


@dataclass(frozen=True)
class Opened:
    """A design's file: as it is written where it is there, as a model where it is well."""

    document: Document | None
    model: TableModel | None
    mistakes: tuple[Mistake, ...]


def resolve(document: Document, root: Path, engines: Mapping[str, str | None] | None) -> Resolved | None:
    """Give the records of the design that `into` names, or what is wrong with it; None where it names none."""
    name = document.get("into", "model")
    if document.get("kind") != "single_table" or not isinstance(name, str):
        return None
    opened = open_design(document, ("into", "model"), name, root, engines)
    if opened.document is None:
        return Resolved(None, opened.mistakes)
    mistakes = [*opened.mistakes, *_check_entity(document, opened.document), *_check_classes(document, opened.document)]
    entity = document.get("into", "entity")
    if mistakes or opened.model is None or not isinstance(entity, str):
        return Resolved(None, tuple(mistakes))
    mistakes += check_uses(document, opened.document.get("entities", entity, "records"), f"{name}.{entity}")
    return Resolved(_records(opened.model, entity), tuple(mistakes))


def open_design(
    document: Document, steps: Steps, name: str, root: Path, engines: Mapping[str, str | None] | None
) -> Opened:
    """Open the design `name`, which `document` asks for at `steps`, and say what is wrong with it."""
    there = sorted({path.stem for path in (root / DESIGNS).glob("[!.]*.yaml")} - NO_DESIGN)
    if name not in there:
        allows = choice(name, there) if there else "no design, as include/estate/ holds none"
        return Opened(None, None, (document.mistake(steps, shown(name), allows),))
    file = DESIGNS / f"{name}.yaml"
    found = open_document(root / file, file.as_posix())
    model, mistakes = validated(found, TableModel)
    told = {mistake.field for mistake in mistakes}
    mistakes += [mistake for mistake in check_model(found, engines) if mistake.field not in told]
    return Opened(found, None if mistakes else model, tuple(mistakes))


def _check_entity(document: Document, design: Document) -> Iterator[Mistake]:
    entity, there = document.get("into", "entity"), design.get("entities")
    if isinstance(entity, str) and isinstance(there, dict) and entity not in there:
        yield document.mistake(("into", "entity"), shown(entity), choice(entity, map(str, there)))


def _check_classes(document: Document, design: Document) -> Iterator[Mistake]:
    attributes = document.get("attributes")
    for name in attributes if isinstance(attributes, dict) else ():
        for key in ("from", "otherwise", "back"):
            yield from check_template(document, ("attributes", name, key), Design(design).spread)


def _records(model: TableModel, entity: str) -> Records:
    rules = model.entities[entity].records
    used = {rule.table for rule in rules}
    return Records(
        model=model.model,
        entity=entity,
        store=model.store,
        spread=model.spread,
        tables={name: table for name, table in model.tables.items() if name in used},
        records=rules,
    )
