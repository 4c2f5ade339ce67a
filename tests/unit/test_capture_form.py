"""Capture has a form, and each form belongs to a release of the marks: so an older Sluice knows that it is the older one."""

from __future__ import annotations

import hashlib
from typing import Any

from sluice.estate import SameClusterMigration
from sluice.ledger.releases import versions
from sluice.migration.kinds.same_cluster.capture_form import forward_function, reverse_function
from sluice.migration.kinds.same_cluster.route import Route
from sluice.stores.catalogue import Column, Shape
from sluice.stores.postgres import Table

FORMS = {
    "1.1.0": "bb020ebb2a03b4f4",
}
"""The text of capture, hashed, for each release of the marks that changed it. Old ones stay: they are in somebody's store."""
HOW = (
    "Capture is made otherwise than by marks {}. Add a release, include/sql/schema/marks/V…__….sql (it may be a comment alone),"
    " and the hash {} for it here: an older Sluice refuses the newer marks, and a newer one makes capture anew."
)
COLUMNS = (
    Column("id", "bigint", True, "a", "", None),
    Column("at", "timestamp with time zone", True, "", "", None),
    Column("path", "ext.ltree", False, "", "", None, "ext"),
    Column("note", "text", False, "", "", None),
    Column("length", "integer", False, "", "s", None),
)
CHANGES = {"note": {"type": "text", "from": "upper(note)", "back": "lower(note)"}}
SHAPES: tuple[dict[str, Any], ...] = (
    {"partition": {"range": "at", "every": "month"}},
    {"partition": {"list": "note"}, "columns": CHANGES},
    {"columns": CHANGES},
    {},
)


def route_into(into: dict[str, Any]) -> Route:
    """The way of one table, made by hand."""
    said = {
        "migration": "thing",
        "from": {"store": "certify", "table": "app.thing"},
        "into": {"table": "app.thing_new", **into},
    }
    source = Table("app", "thing")
    shape = Shape(source, {"oid": 1}, COLUMNS, ("id", "path"), "thing_pkey", True, False, (), (), (), ())
    return Route(SameClusterMigration.model_validate(said), shape, source, Table("app", "thing_new"))


def text_of_capture() -> str:
    """Both functions, of every shape, with plain keys and with others."""
    made = []
    for into in SHAPES:
        route = route_into(into)
        made.append(forward_function(route, "2026-01-01 UTC", "2027-01-01 UTC"))
        made.append(reverse_function(route))
    return "\n".join(each.as_string(None) for each in made)


def test_every_form_of_capture_has_a_release_of_its_own():
    found = hashlib.sha256(text_of_capture().encode()).hexdigest()[:16]
    assert list(FORMS.values())[-1] == found, HOW.format(list(FORMS)[-1], found)
    assert set(FORMS) <= set(versions("marks"))
    assert len(set(FORMS.values())) == len(FORMS)


def test_the_hash_sees_what_is_pinned_and_what_is_written():
    text = text_of_capture()
    for part in ("SET extra_float_digits", "ON CONFLICT", "upper(note)", "OPERATOR(", "FOUND", "SQLSTATE"):
        assert part in text
