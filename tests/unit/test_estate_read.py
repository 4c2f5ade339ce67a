"""Every field that a person may write is read by somebody who acts on it: else the reference promises what nothing does.

Names alone are looked at, in the syntax tree of everything outside estate/: a field that shares its name with something else
may pass unread; one that fails here is read by nobody for sure.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel
from sluice.estate.health import HealthFile
from sluice.estate.models import KINDS, Dataset, EstateFile, ItemsFile, PriceFile, TableModel

LIBRARY = Path(__file__).resolve().parents[2] / "plugins" / "sluice"

UNREAD = {
    "Backfill.slow_down_when": "`limits` gives it, one name for all kinds",
    **dict.fromkeys(
        ("Cutover.freeze", "RoutedCutover.freeze", "Window.opens", "Window.closes"), "`open_at` asks them, in estate/"
    ),
}
"""Fields that nobody reads outside estate/, and why that is well."""


def parts_of(annotation: Any) -> Iterator[type[BaseModel]]:
    """Give the models within a type, such as `dict[Name, TableDesign]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from parts_of(inner)


def every_model() -> set[type[BaseModel]]:
    files = (Dataset, EstateFile, HealthFile, ItemsFile, PriceFile, TableModel)
    found, left = set[type[BaseModel]](), [*KINDS.values(), *files]
    while left:
        model = left.pop()
        if model not in found:
            found.add(model)
            left += [part for field in model.model_fields.values() for part in parts_of(field.annotation)]
    return found


def read_in(*folders: Path) -> set[str]:
    """Name every attribute that is read outside estate/."""
    names = set[str]()
    for file in (file for folder in folders for file in folder.rglob("*.py")):
        if LIBRARY / "estate" not in file.parents:
            tree = ast.walk(ast.parse(file.read_text()))
            names |= {node.attr for node in tree if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)}
    return names


FIELDS = sorted({f"{model.__name__}.{name}" for model in every_model() for name in model.model_fields})


@pytest.fixture(scope="module")
def read() -> set[str]:
    """What is read: by the library and by the graphs."""
    return read_in(LIBRARY, LIBRARY.parents[1] / "dags")


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_is_read_by_somebody(field: str, read: set[str]) -> None:
    assert (field.partition(".")[2] in read) is (field not in UNREAD), UNREAD.get(field, "nobody reads it")


def test_exceptions_are_fields_still() -> None:
    assert set(UNREAD) <= set(FIELDS)
    assert "ScanPace.segments" in FIELDS, "fields that a part inherits count"
