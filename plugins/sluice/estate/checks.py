"""What a model alone cannot see: names that must exist, and fields that must agree across a file or several.

These look at the raw values, so that they speak up even where another field of the same file is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TypeVar

from pydantic import ValidationError

from sluice.estate.design_checks import DYNAMODB, POSTGRES, check_single_table, check_store
from sluice.estate.document import Document, Steps
from sluice.estate.fields import PATTERNS, Part
from sluice.estate.mistakes import Mistake, choice
from sluice.estate.models import DEFAULT_KIND, KINDS, Migration, default_partition_schema
from sluice.estate.names import LONGEST_IDENTIFIER, parse_table
from sluice.estate.row_checks import check_into_postgres
from sluice.estate.shape_checks import check_cuts, check_shape
from sluice.estate.showing import shown, shown_field
from sluice.estate.words import allowed, at, resolved, schema_of

MOST_MISTAKES = 200  # told of one file at once; more is no file of ours
NEVER_SHOWN = {"connection"}  # people paste addresses here, and an address may hold a password
TABLES: tuple[Steps, Steps] = (("from", "table"), ("into", "table"))
Model = TypeVar("Model", bound=Part)
Table = tuple[str, str]


def class_of(document: Document) -> tuple[type[Migration] | None, list[Mistake]]:
    """Give the class of a migration's file by its `kind:`, or the mistake. A file that says none is `same_cluster`."""
    kind = document.get("kind", otherwise=DEFAULT_KIND)
    if isinstance(kind, str) and kind in KINDS:
        return KINDS[kind], []
    # The other fields are not judged: what they may hold depends on the kind that was meant.
    return None, [*document.mistakes, document.mistake(("kind",), shown(kind), choice(str(kind), KINDS))]


def validated(document: Document, model: type[Model]) -> tuple[Model | None, list[Mistake]]:
    """Make a model of a document, or say everything that its fields have wrong."""
    if document.root is None:
        return None, list(document.mistakes) or [document.mistake((), "nothing", _whole(model))]
    try:
        return model.model_validate(document.values, by_alias=True, by_name=False), list(document.mistakes)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False)
    mistakes = [_field_mistake(document, model, dict(item)) for item in wrong[:MOST_MISTAKES]]
    if len(wrong) > MOST_MISTAKES:
        mistakes.append(document.mistake((), f"{len(wrong) - MOST_MISTAKES} more mistakes", "none; mend these first"))
    return None, [*document.mistakes, *mistakes]


def check_migration(
    document: Document, root: Path, engines: Mapping[str, str | None] | None, others: Sequence[Document]
) -> Iterator[Mistake]:
    """Find what is wrong beyond single fields. `engines`, each store's, is None where estate.yaml cannot be read."""
    kind = document.get("kind", otherwise=DEFAULT_KIND)
    yield from check_name(document, others, "migration")
    if engines is not None:
        yield from _check_stores(document, str(kind), engines)
    yield from _check_suites(document, root)
    yield from _check_window(document)
    if kind == "same_cluster":
        yield from _check_tables(document)
        yield from check_shape(document)
    elif kind == "single_table":
        yield from check_single_table(document, root)
    elif kind == "into_postgres":
        yield from check_into_postgres(document)
        yield from check_cuts(document)


def owns_its_name(document: Document) -> bool:
    """Say whether a migration's file is named after it. A copy that nobody has edited yet is not."""
    return bool(document.get("migration") == PurePosixPath(document.file).stem)


def _field_mistake(document: Document, model: type[Part], wrong: dict[str, object]) -> Mistake:
    schema = schema_of(model)
    steps: Steps = tuple(step for step in wrong["loc"] if step != "[key]")  # type: ignore[attr-defined]
    if wrong["type"] == "extra_forbidden":
        options = resolved(at(schema, steps[:-1]), schema)["properties"]
        return document.mistake(steps, "an unknown key", choice(str(steps[-1]), options))
    found = "nothing" if wrong["type"] == "missing" else _shown_unless_secret(steps, wrong["input"])
    if "[key]" in wrong["loc"]:  # type: ignore[operator]
        return document.mistake(steps, found, _allowed_key(resolved(at(schema, steps[:-1]), schema)))
    return document.mistake(steps, found, allowed(at(schema, steps), schema))


def _allowed_key(mapping: Mapping[str, Mapping[str, object]]) -> str:
    """Say what a name in a mapping may be."""
    return next((PATTERNS[pattern] for pattern in mapping.get("patternProperties", ())), "another name")


def _shown_unless_secret(steps: Steps, value: object) -> str:
    hidden = steps and steps[-1] in NEVER_SHOWN and isinstance(value, str) and value
    return "something else (not shown, as it may hold a password)" if hidden else shown(value)


def _whole(model: type[Part]) -> str:
    return allowed(schema_of(model), schema_of(model))


def check_name(document: Document, others: Sequence[Document], field: str) -> Iterator[Mistake]:
    """Refuse a file that is not named as its `field` says, and a name that another file has."""
    path, name = PurePosixPath(document.file), document.get(field)
    if path.suffix != ".yaml":
        yield document.mistake((), f"the file name {shown(path.name)}", f"{path.stem}.yaml")
    if not isinstance(name, str) or name == path.stem:
        return
    yield document.mistake((field,), shown(name), f"{path.stem}, as the file is named")
    for other in others:
        if other.get(field) == name:
            where = f"{other.file}:{other.line(('migration',))}"
            yield document.mistake((field,), shown(name), f"a name of its own; {where} has this one")


STORES: Mapping[str, tuple[tuple[Steps, str], ...]] = {
    "same_cluster": ((("from", "store"), POSTGRES),),
    "single_table": ((("from", "store"), DYNAMODB), (("into", "store"), DYNAMODB)),
    "into_postgres": ((("from", "store"), DYNAMODB), (("into", "store"), POSTGRES)),
}
"""Where each kind names its stores, and the engine that it needs there."""


def _check_stores(document: Document, kind: str, engines: Mapping[str, str | None]) -> Iterator[Mistake]:
    for steps, engine in STORES.get(kind, ()):
        yield from check_store(document, steps, engine, engines)


def _check_tables(document: Document) -> Iterator[Mistake]:
    source, target = (table_at(document, steps) for steps in TABLES)
    if source and source == target:
        yield document.mistake(TABLES[1], shown(document.get(*TABLES[1])), "another table than from.table")
    if source and document.get("into", "partition_schema") is None:
        schema = default_partition_schema(document.get("from", "table"))
        if len(schema.encode()) > LONGEST_IDENTIFIER:
            allows = f"a name, as the default {shown(schema)} is longer than {LONGEST_IDENTIFIER} bytes"
            yield document.mistake(("into", "partition_schema"), "nothing", allows)


def check_claims(document: Document, others: Sequence[Document]) -> Iterator[Mistake]:
    """Find what this file claims and another claims too: a table belongs to one migration, an entity too.

    No fault of one file alone: a second one must not stop a migration that is under way. A file under a wrong name claims
    nothing: a fresh copy must not stop the migration that it was copied from.
    """
    owners = [other for other in others if owns_its_name(other)]
    taken = {claim: (other, steps) for other in owners for claim, steps in _claims(other)}
    for claim, steps in _claims(document):
        if claim in taken:
            other, theirs = taken[claim]
            where = f"{other.file}:{other.line(theirs)}"
            what = "an entity" if steps[-1] == "entity" else "a table"
            allows = f"{what} of no other migration; {where} has it as {shown_field(theirs)}"
            yield document.mistake(steps, shown(document.get(*steps)), allows)


def _claims(document: Document) -> Iterator[tuple[tuple[object, ...], Steps]]:
    kind = document.get("kind", otherwise=DEFAULT_KIND)
    store = str(document.get("from", "store"))
    if kind == "same_cluster":
        for steps in TABLES:
            if table := table_at(document, steps):
                yield (store, table), steps
    elif kind == "single_table":
        if isinstance(name := document.get("from", "table"), str):
            yield (store, name), ("from", "table")
        entity = document.get("into", "model"), document.get("into", "entity")
        if all(isinstance(one, str) for one in entity):
            yield ("entity", *entity), ("into", "entity")
    elif table := table_at(document, ("into", "table")):
        # What it reads it leaves as it is: a table may move into a design and on to PostgreSQL.
        yield (str(document.get("into", "store")), table), ("into", "table")


def _check_suites(document: Document, root: Path) -> Iterator[Mistake]:
    for gate in ("verified", "cut_over"):
        yield from _unknown_suites(document, root, "gates", gate)


def _unknown_suites(document: Document, root: Path, *steps: str) -> Iterator[Mistake]:
    for place, suite in document.texts(*steps):
        there = _suites(root)
        if suite not in there:
            allows = choice(suite, there) if there else "no suite, as expectations/ holds none"
            yield document.mistake(place, shown(suite), allows)


def check_copies(document: Document, root: Path) -> Iterator[Mistake]:
    """Find suites that a drill is to run over a copy, and that are not there."""
    stores = document.get("stores")
    for name in stores if isinstance(stores, dict) else ():
        tables = document.get("stores", name, "backup", "checks")
        for table in tables if isinstance(tables, dict) else ():
            yield from _unknown_suites(document, root, "stores", name, "backup", "checks", table, "suites")


def _check_window(document: Document) -> Iterator[Mistake]:
    opens, closes = (document.get("cutover", "window", key) for key in ("from", "to"))
    if opens == closes and isinstance(opens, str) and opens != "00:00":
        allows = "another time than from (for the whole day: 00:00 to 00:00)"
        yield document.mistake(("cutover", "window", "to"), shown(closes), allows)


def _suites(root: Path) -> list[str]:
    return sorted(path.stem for path in (root / "expectations").glob("*.json"))


def table_at(document: Document, steps: Steps) -> Table | None:
    """Give the table that a field names, or None where it names none."""
    text = document.get(*steps)
    return _or_none(parse_table, text) if isinstance(text, str) else None


def _or_none(read: Callable[[str], Table], text: str) -> Table | None:
    try:
        return read(text)
    except ValueError:
        return None
